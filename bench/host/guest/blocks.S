/*
 * 2000 short blocks, 256 bytes apart, that jump to one another in an order far from that of their addresses: half a
 * megabyte of code of which every block is equally hot.
 */
#define BLOCKS 2000
/* Shares no factor with BLOCKS, so that the jumps visit every block. */
#define STRIDE 977
#define BLOCK_SHIFT 8

.section .text
/* u64 chain_blocks(u64 *words, u64 count): `count` times through all blocks, with 64 words to work on. */
.globl chain_blocks
chain_blocks:
  mv a2, a1
  mv a1, a0
  li a0, 1
  li a3, 0
  beqz a2, 9f
  j first_block

.balign 1 << BLOCK_SHIFT
first_block:
  .set number, 0
  .rept BLOCKS
1:
  addi a0, a0, number % 1021
  slli a4, a0, 1 + number % 31
  xor a0, a0, a4
  sd a0, (number % 64) * 8(a1)
  ld a5, ((number + 17) % 64) * 8(a1)
  srli a5, a5, 3
  add a3, a3, a5
  .if number == BLOCKS - STRIDE % BLOCKS
  addi a2, a2, -1
  beqz a2, 9f
  .endif
  j first_block + ((number + STRIDE) % BLOCKS << BLOCK_SHIFT)
  .balign 1 << BLOCK_SHIFT
  .set number, number + 1
  .endr
9:
  add a0, a0, a3
  ret
