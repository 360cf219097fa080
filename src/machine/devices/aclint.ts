/**
 * Software interrupts and timers of the harts.
 *
 * "RISC-V Advanced Core Local Interruptor Specification" v1.0-rc4: an MSWI device at 0, an MTIMER
 * device at 0x4000 with MTIME at 0xbff8, which is the layout of SiFive's CLINT (§1.1).
 *
 * MTIP is not stored anywhere. It is a comparison with a clock that nobody ticks, so the hart that
 * owns the timer evaluates it: it polls `timerPending` while it runs and sleeps no longer than
 * `timerDeadline` when it parks. A store to `mtimecmp` sets the line at once, and a store by
 * another hart also tells the owner that the deadline it went to sleep with has moved.
 *
 * MTIME is read-only: it is the clock behind every hart's `time` CSR, and no kernel that we run
 * sets it.
 */
import {
  f64Array,
  i32,
  i32Array,
  layout,
  type Field,
  type Layout,
  type View,
  type Word32,
} from 'sharedarraybuffer-utils';

import { MIP_MSIP, MIP_MTIP, type Device, type InterruptLines, type Width } from '../bus.ts';
import type { Clock } from '../clock.ts';
import { ACLINT, MAX_HARTS } from '../physical-map.ts';
import { acquire, release } from './lock.ts';

export const ACLINT_MSIP = 0;
export const ACLINT_MTIMECMP = 0x4000;
export const ACLINT_MTIME = 0xbff8;

type AclintFields = {
  lock: Field<Word32>;
  msip: Field<Int32Array>;
  mtimecmpLow: Field<Int32Array>;
  mtimecmpHigh: Field<Int32Array>;
  deadline: Field<Float64Array>;
};

export const AclintState: Layout<AclintFields> = layout('AclintState', {
  lock: i32.doc('Guards every other field against writers, and the order of line changes.'),
  msip: i32Array(MAX_HARTS).doc('Bit 0 is the level of the hart’s MSIP line.'),
  mtimecmpLow: i32Array(MAX_HARTS).doc('Low half of MTIMECMP.'),
  mtimecmpHigh: i32Array(MAX_HARTS).doc('High half of MTIMECMP.'),
  deadline: f64Array(MAX_HARTS).doc(
    'MTIMECMP as a number of ticks, for the owner’s poll. Written with the halves; read by the ' +
      'owner without the lock, who may see an older value until it is told of the change.',
  ),
});

export interface AclintDeps {
  readonly harts: number;
  readonly clock: Clock;
  readonly lines: InterruptLines;
  /** Another hart has changed this hart's deadline: it must not sleep on by the old one. */
  deadlineMoved(hart: number): void;
}

export class Aclint implements Device {
  readonly name = 'aclint';
  readonly base: number = ACLINT.base;
  readonly sizeBytes: number = ACLINT.sizeBytes;
  readonly widths = 4;
  readonly #state: View<AclintFields>;
  readonly #deps: AclintDeps;

  constructor(memory: SharedArrayBuffer, byteOffset: number, deps: AclintDeps) {
    this.#state = AclintState.at(memory, byteOffset);
    this.#deps = deps;
  }

  /**
   * Before any hart runs. The specification leaves MTIMECMP open at reset (§2.3); all ones keeps
   * the timers silent until a kernel sets them.
   */
  reset(): void {
    this.#state.lock.store(0);
    this.#state.msip.fill(0);
    this.#state.mtimecmpLow.fill(-1);
    this.#state.mtimecmpHigh.fill(-1);
    this.#state.deadline.fill(ticksOf(0xffff_ffff, 0xffff_ffff));
  }

  /** Ticks at which the hart's timer fires; may lie beyond any time that comes. Hart thread only. */
  timerDeadline(hart: number): number {
    // The atomic load orders this read after the store that the hart was woken for.
    Atomics.load(this.#state.mtimecmpLow, hart);
    return this.#state.deadline[hart] as number;
  }

  /** The level of the hart's MTIP line at `now` (§2.3: MTIME >= MTIMECMP). Hart thread only. */
  timerPending(hart: number, now: number): boolean {
    return now >= this.timerDeadline(hart);
  }

  load(offset: number): number {
    if (offset >= ACLINT_MTIME) {
      const now = this.#deps.clock.now();
      return offset === ACLINT_MTIME ? now >>> 0 : highWord(now);
    }
    const hart = this.#hartAt(offset);
    if (hart < 0) return 0;
    if (offset < ACLINT_MTIMECMP) return Atomics.load(this.#state.msip, hart);
    const half = offset % 8 === 0 ? this.#state.mtimecmpLow : this.#state.mtimecmpHigh;
    return Atomics.load(half, hart) >>> 0;
  }

  store(offset: number, _sizeBytes: Width, value: number, hart: number): void {
    const target = this.#hartAt(offset);
    if (target < 0) return;
    acquire(this.#state.lock);
    try {
      if (offset < ACLINT_MTIMECMP) {
        this.#setMsip(target, value & 1);
      } else if (offset % 8 === 0) {
        this.#setDeadline(target, value, this.#state.mtimecmpHigh[target] as number, hart);
      } else {
        this.#setDeadline(target, this.#state.mtimecmpLow[target] as number, value, hart);
      }
    } finally {
      release(this.#state.lock);
    }
  }

  /** MTIME and MTIMECMP are 64-bit registers: on RV64 both halves are read at one moment. */
  load64(offset: number, out: Int32Array): void {
    if (offset === ACLINT_MTIME) {
      const now = this.#deps.clock.now();
      out[0] = now;
      out[1] = highWord(now);
      return;
    }
    acquire(this.#state.lock);
    try {
      out[0] = this.load(offset);
      out[1] = this.load(offset + 4);
    } finally {
      release(this.#state.lock);
    }
  }

  /** One store, one new deadline: no moment at which half of it counts. */
  store64(offset: number, low: number, high: number, hart: number): void {
    const target = this.#hartAt(offset);
    if (offset < ACLINT_MTIMECMP || target < 0) {
      this.store(offset, 4, low, hart);
      this.store(offset + 4, 4, high, hart);
      return;
    }
    acquire(this.#state.lock);
    try {
      this.#setDeadline(target, low, high, hart);
    } finally {
      release(this.#state.lock);
    }
  }

  /** The hart whose register is at `offset`, or -1: a hole, MTIME, or a hart that is not there. */
  #hartAt(offset: number): number {
    if (offset >= ACLINT_MTIME) return -1;
    const hart = offset < ACLINT_MTIMECMP ? offset >>> 2 : (offset - ACLINT_MTIMECMP) >>> 3;
    return hart < this.#deps.harts ? hart : -1;
  }

  #setMsip(hart: number, level: number): void {
    Atomics.store(this.#state.msip, hart, level);
    this.#deps.lines.set(hart, MIP_MSIP, level === 1);
  }

  #setDeadline(hart: number, low: number, high: number, byHart: number): void {
    const deadline = ticksOf(low, high);
    this.#state.deadline[hart] = deadline;
    Atomics.store(this.#state.mtimecmpHigh, hart, high | 0);
    Atomics.store(this.#state.mtimecmpLow, hart, low | 0);
    this.#deps.lines.set(hart, MIP_MTIP, this.#deps.clock.now() >= deadline);
    if (byHart !== hart) this.#deps.deadlineMoved(hart);
  }
}

const TWO_32 = 2 ** 32;

const highWord = (ticks: number): number => Math.floor(ticks / TWO_32);

/** Exact below 2^53; above it only rounded, but then beyond every time that comes anyway. */
const ticksOf = (low: number, high: number): number => (high >>> 0) * TWO_32 + (low >>> 0);
