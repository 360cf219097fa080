#include "guest.h"

volatile long beta_board[512] = {17};

long beta_deep(long n) {
  return n == 0 ? 2000 : alpha_deep(n - 1);
}

long beta_probe(long what, long address) {
  return probe(what, address);
}
