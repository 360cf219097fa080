/* long alpha_regs(uint64_t *dump, size_t n): every register as it was on entry, and leaves junk in all of them. */
  .text
  .globl alpha_regs
alpha_regs:
  sd x1, 8(a0)
  sd x2, 16(a0)
  sd x3, 24(a0)
  sd x4, 32(a0)
  sd x5, 40(a0)
  sd x6, 48(a0)
  sd x7, 56(a0)
  sd x8, 64(a0)
  sd x9, 72(a0)
  sd x12, 96(a0)
  sd x13, 104(a0)
  sd x14, 112(a0)
  sd x15, 120(a0)
  sd x16, 128(a0)
  sd x17, 136(a0)
  sd x18, 144(a0)
  sd x19, 152(a0)
  sd x20, 160(a0)
  sd x21, 168(a0)
  sd x22, 176(a0)
  sd x23, 184(a0)
  sd x24, 192(a0)
  sd x25, 200(a0)
  sd x26, 208(a0)
  sd x27, 216(a0)
  sd x28, 224(a0)
  sd x29, 232(a0)
  sd x30, 240(a0)
  sd x31, 248(a0)
  csrr t0, sstatus
  sd t0, 256(a0)
  csrr t0, stvec
  sd t0, 264(a0)
  csrr t0, sepc
  sd t0, 272(a0)
  csrr t0, sie
  sd t0, 280(a0)
  li x3, 0x666
  li x4, 0x666
  li x5, 0x666
  li x8, 0x666
  li x9, 0x666
  li x11, 0x666
  li x12, 0x666
  li x18, 0x666
  li x27, 0x666
  li x31, 0x666
  li a0, 0
  ret
