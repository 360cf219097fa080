/**
 * The timers of one hart: `mtimecmp` of the ACLINT, and `stimecmp` where Sstc is on.
 *
 * Nothing fires by itself. The hart compares when it begins to run, when it waits, after a write of
 * either register, and when another thread asks (PENDING.TIMER).
 */
import type { Clock } from './clock.ts';
import { csrWordOf, wordOf } from './core/hart-block.ts';
import { IRQ } from './csr-numbers.ts';
import type { CsrFile } from './csrs.ts';
import type { HartCells } from './hart-cells.ts';

const MIP = wordOf('mip');
const MIE = csrWordOf('mie');
const STIMECMP = csrWordOf('stimecmp');

/** Whether time in `mtimecmp` has come for a hart. */
export interface MachineTimer {
  timerDeadline(hart: number): number;
}

/** What the timers need of their hart. */
export interface TimerOwner extends HartCells {
  readonly id: number;
  readonly clock: Clock;
  readonly csrs: CsrFile;
}

export class Timers {
  readonly #hart: TimerOwner;
  readonly #machineTimer: MachineTimer;

  constructor(hart: TimerOwner, machineTimer: MachineTimer) {
    this.#hart = hart;
    this.#machineTimer = machineTimer;
  }

  /** Sets MTIP, and STIP where Sstc is on, as time has it; whoever calls looks for interrupts afterwards. */
  poll(): void {
    const hart = this.#hart;
    const now = hart.clock.now();
    this.#setLine(IRQ.MTI, now >= this.#machineTimer.timerDeadline(hart.id));
    if (hart.csrs.hasSstc) this.#setLine(IRQ.STI, now >= hart.unsigned(STIMECMP));
  }

  #setLine(bit: number, level: boolean): void {
    const { words, block } = this.#hart;
    if (level) Atomics.or(words, block + MIP, 1 << bit);
    else Atomics.and(words, block + MIP, ~(1 << bit));
  }

  /** Ticks until a timer that is enabled fires; Infinity if none will. */
  ticksToNext(): number {
    const hart = this.#hart;
    const now = hart.clock.now();
    const mie = hart.word(MIE);
    let soonest = Infinity;
    if ((mie & (1 << IRQ.MTI)) !== 0) soonest = this.#machineTimer.timerDeadline(hart.id) - now;
    if ((mie & (1 << IRQ.STI)) !== 0 && hart.csrs.hasSstc)
      soonest = Math.min(soonest, hart.unsigned(STIMECMP) - now);
    return Math.max(0, soonest);
  }
}
