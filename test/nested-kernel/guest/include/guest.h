/* A kernel in miniature for tests: two domains that do whatever they are told, and a core that tells them. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "cordon/abi.h"

/* alpha */
long alpha_init(long generation);
long alpha_add(long a, long b);
long alpha_sum(const uint8_t *data, size_t n);
long alpha_fill(uint8_t *data, size_t n);
long alpha_flip(uint8_t *data);
long alpha_name(const char *name);
long alpha_many(uint8_t *a, uint8_t *b, uint8_t *c, uint8_t *d, uint8_t *e, uint8_t *f, uint8_t *g, uint8_t *h);
long alpha_probe(long what, long address);
long alpha_wait(void);
long alpha_deep(long n);
long alpha_regs(uint64_t *dump, size_t n);
long alpha_count(void);
long alpha_nested(long what);

/* beta */
long beta_deep(long n);
long beta_probe(long what, long address);
extern volatile long beta_board[512];

/* core */
long core_wait(void);
long core_interrupts(void);
long core_log(const char *line);
long core_page(void);
long core_page_free(long address);
long core_note(long value);

/* What a domain can be told to try. */
enum probe {
  LOAD, STORE, JUMP, STVEC, SRET, WFI, SATP, SFENCE, ECALL_SBI, SPIN, RESUME_GATE, SIE_THEN_CORE,
  STIMECMP, FORGED_STACK, USER_MODE, RETURN_ELSEWHERE, LOG_SECRET, FLOAT,
};
long probe(long what, long address);
