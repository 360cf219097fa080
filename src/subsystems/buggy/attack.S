/*
 * What somebody who owns this subsystem can do about its return: buggy_return(to, through_gate) forges
 * ra. Without separation a `ret` is all it takes. With it, the code behind `to` is not in our view, so the
 * forged address is carried to the gate instead, which was in ra when we were called.
 */
  .text
  .globl buggy_return
buggy_return:
  mv t0, ra
  mv ra, a0
  bnez a1, 1f
  ret
1:
  jr t0
