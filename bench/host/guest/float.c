/* Double precision: planets that attract each other (divisions and square roots), and the product of matrices. */
#include "guest.h"

#define BODIES 5
#define SIDE 48

struct body {
  double at[3], speed[3], mass;
};

static double root(double value) {
  double result;
  __asm__("fsqrt.d %0, %1" : "=f"(result) : "f"(value));
  return result;
}

static u64 bits(double value) {
  union {
    double number;
    u64 bits;
  } both = {.number = value};
  return both.bits;
}

static NOINLINE void advance(struct body *bodies, double seconds) {
  for (int n = 0; n < BODIES; n++) {
    for (int m = n + 1; m < BODIES; m++) {
      double away[3], square = 0.01;
      for (int axis = 0; axis < 3; axis++) {
        away[axis] = bodies[n].at[axis] - bodies[m].at[axis];
        square += away[axis] * away[axis];
      }
      double pull = seconds / (square * root(square));
      for (int axis = 0; axis < 3; axis++) {
        bodies[n].speed[axis] -= away[axis] * bodies[m].mass * pull;
        bodies[m].speed[axis] += away[axis] * bodies[n].mass * pull;
      }
    }
  }
  for (int n = 0; n < BODIES; n++)
    for (int axis = 0; axis < 3; axis++) bodies[n].at[axis] += seconds * bodies[n].speed[axis];
}

u64 run_nbody(u64 hart, u8 *arena, u64 count) {
  (void)hart;
  struct body *bodies = (struct body *)arena;
  for (int n = 0; n < BODIES; n++) {
    bodies[n] = (struct body){.mass = n == 0 ? 39.5 : 0.01 * n};
    for (int axis = 0; axis < 3; axis++) {
      bodies[n].at[axis] = n * (axis + 1.25) - axis;
      bodies[n].speed[axis] = n == 0 ? 0 : (axis - 1) * 0.75 / n;
    }
  }
  for (u64 n = 0; n < count; n++) advance(bodies, 0.001);
  return bits(bodies[0].at[0]) ^ bits(bodies[4].speed[2]);
}

u64 run_matmul(u64 hart, u8 *arena, u64 count) {
  (void)hart;
  double(*left)[SIDE] = (double(*)[SIDE])arena, (*right)[SIDE] = left + SIDE, (*product)[SIDE] = right + SIDE;
  u32 random = 7;
  for (int row = 0; row < SIDE; row++) {
    for (int column = 0; column < SIDE; column++) {
      left[row][column] = (double)(s32)next_random(&random) * 0x1p-31;
      right[row][column] = (double)(s32)next_random(&random) * 0x1p-31;
    }
  }
  u64 check = 0;
  for (u64 pass = 0; pass < count; pass++) {
    for (int row = 0; row < SIDE; row++) {
      for (int column = 0; column < SIDE; column++) {
        double sum = 0;
        for (int n = 0; n < SIDE; n++) sum += left[row][n] * right[n][column];
        product[row][column] = sum;
      }
    }
    left[pass % SIDE][0] = product[0][pass % SIDE];
    check = check * 31 + bits(product[SIDE - 1][pass % SIDE]);
  }
  return check;
}
