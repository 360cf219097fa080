/**
 * Whoever stands in for M-mode software. Without one, the guest brings its own firmware and traps to M
 * go to `mtvec`.
 */
import type { Hart } from './hart.ts';

export interface MachineMode {
  /** A trap was taken to M: mepc, mcause, mtval and mstatus are as the manual says. Ends with `hart.mret()`. */
  trap(hart: Hart): void;
  /** A remote fence was asked of this hart, or the monitor has work for it. */
  serve(hart: Hart): void;
  /** What it remembers of its hart outside of shared memory, as plain data, for a snapshot. */
  save?(hart: Hart): unknown;
  restore?(hart: Hart, state: unknown): void;
}
