/**
 * The real-time clock: "goldfish", of Android's emulator and QEMU's `virt`. Nanoseconds since 1970 in two
 * halves, and one alarm.
 *
 * Registers: "Goldfish RTC" in Android's GOLDFISH-VIRTUAL-HARDWARE.TXT, and the names of Linux's
 * include/clocksource/timer-goldfish.h; binding rtc/google,goldfish-rtc.yaml.
 *
 * The device does not wake up by itself: whoever keeps the machine's time calls `poll`.
 */
import {
  i32,
  i64,
  layout,
  type Field,
  type Layout,
  type View,
  type Word32,
} from 'sharedarraybuffer-utils';

import type { Device, Width } from '../bus.ts';
import type { Clock } from '../clock.ts';
import { RTC, RTC_SOURCE, TIMEBASE_HZ } from '../physical-map.ts';
import { acquire, release } from './lock.ts';
import type { InterruptSink } from './plic.ts';

export const TIME_LOW = 0x00;
export const TIME_HIGH = 0x04;
export const ALARM_LOW = 0x08;
export const ALARM_HIGH = 0x0c;
export const IRQ_ENABLED = 0x10;
export const CLEAR_ALARM = 0x14;
export const ALARM_STATUS = 0x18;
export const CLEAR_INTERRUPT = 0x1c;

type RtcFields = {
  lock: Field<Word32>;
  timeHigh: Field<Word32>;
  enabled: Field<Word32>;
  pending: Field<Word32>;
  armed: Field<Word32>;
  offset: Field<BigInt64Array>;
  alarm: Field<BigInt64Array>;
};

export const RtcState: Layout<RtcFields> = layout('RtcState', {
  lock: i32.doc('Guards every field.'),
  timeHigh: i32.doc('The high half that belongs to the low half read last.'),
  enabled: i32,
  pending: i32.doc('The alarm went off and nobody has cleared it.'),
  armed: i32.doc('The alarm is still to come.'),
  offset: i64.doc('Nanoseconds by which the guest has set the clock forward.'),
  alarm: i64.doc('Nanoseconds since 1970.'),
});

export interface RtcDeps {
  readonly clock: Clock;
  /** Milliseconds since 1970 at which the machine started. */
  readonly epochMs: number;
  readonly interrupts: InterruptSink;
}

const NS_PER_MS = 1_000_000n;
const NS_PER_TICK = BigInt(1e9 / TIMEBASE_HZ);
const LOW = 0xffff_ffffn;

export class GoldfishRtc implements Device {
  readonly name = 'rtc';
  readonly base: number = RTC.base;
  readonly sizeBytes: number = RTC.sizeBytes;
  readonly widths = 4;
  readonly #state: View<RtcFields>;
  readonly #deps: RtcDeps;
  readonly #epoch: bigint;

  constructor(memory: SharedArrayBuffer, byteOffset: number, deps: RtcDeps) {
    this.#state = RtcState.at(memory, byteOffset);
    this.#deps = deps;
    this.#epoch = BigInt(deps.epochMs) * NS_PER_MS;
  }

  /** Before any hart runs. */
  reset(): void {
    const { lock, timeHigh, enabled, pending, armed, offset, alarm } = this.#state;
    for (const word of [lock, timeHigh, enabled, pending, armed]) word.store(0);
    offset[0] = 0n;
    alarm[0] = 0n;
    this.#deps.interrupts.lower(RTC_SOURCE);
  }

  /** Lets the alarm go off once its time has come. Any thread. */
  poll(): void {
    if (this.#state.armed.load() === 0) return;
    this.#exclusive(() => this.#ring());
  }

  /** The machine's tick at which the alarm goes off; Infinity if there is none. */
  nextTick(): number {
    if (this.#state.armed.load() === 0) return Infinity;
    return this.#exclusive(() => {
      const wait = (this.#state.alarm[0] as bigint) - this.#now();
      return this.#deps.clock.now() + Math.max(0, Math.ceil(Number(wait) / Number(NS_PER_TICK)));
    });
  }

  load(offset: number): number {
    return this.#exclusive(() => this.#read(offset)) >>> 0;
  }

  store(offset: number, _sizeBytes: Width, value: number): void {
    this.#exclusive(() => this.#write(offset, BigInt(value)));
  }

  #read(offset: number): number {
    const state = this.#state;
    switch (offset) {
      case TIME_LOW: {
        const now = this.#now();
        state.timeHigh.store(Number(now >> 32n) | 0);
        return Number(now & LOW);
      }
      case TIME_HIGH:
        return state.timeHigh.load();
      case ALARM_LOW:
        return Number((state.alarm[0] as bigint) & LOW);
      case ALARM_HIGH:
        return Number(((state.alarm[0] as bigint) >> 32n) & LOW);
      case IRQ_ENABLED:
        return state.enabled.load();
      case ALARM_STATUS:
        return state.armed.load();
      default: // The others are write-only.
        return 0;
    }
  }

  #write(offset: number, value: bigint): void {
    const state = this.#state;
    switch (offset) {
      case TIME_LOW:
      case TIME_HIGH: {
        const now = this.#now();
        const wanted = withHalf(now, offset === TIME_HIGH, value);
        state.offset[0] = BigInt.asIntN(64, (state.offset[0] as bigint) + wanted - now);
        return;
      }
      case ALARM_LOW:
        // The low half comes last and arms it.
        state.alarm[0] = withHalf(state.alarm[0] as bigint, false, value);
        state.armed.store(1);
        this.#ring();
        return;
      case ALARM_HIGH:
        state.alarm[0] = withHalf(state.alarm[0] as bigint, true, value);
        return;
      case IRQ_ENABLED:
        state.enabled.store(Number(value & 1n));
        return;
      case CLEAR_ALARM:
        state.armed.store(0);
        return;
      case CLEAR_INTERRUPT:
        state.pending.store(0);
        return;
      default: // ALARM_STATUS is read-only.
    }
  }

  #now(): bigint {
    return (
      this.#epoch + BigInt(this.#deps.clock.now()) * NS_PER_TICK + (this.#state.offset[0] as bigint)
    );
  }

  #ring(): void {
    const { armed, pending, alarm } = this.#state;
    if (armed.load() === 0 || this.#now() < (alarm[0] as bigint)) return;
    armed.store(0);
    pending.store(1);
  }

  /** Runs an access under the lock, then drives the interrupt. */
  #exclusive<Result>(access: () => Result): Result {
    acquire(this.#state.lock);
    try {
      const result = access();
      const isHigh = this.#state.enabled.load() === 1 && this.#state.pending.load() === 1;
      if (isHigh) this.#deps.interrupts.raise(RTC_SOURCE);
      else this.#deps.interrupts.lower(RTC_SOURCE);
      return result;
    } finally {
      release(this.#state.lock);
    }
  }
}

/** A 64-bit number with one of its halves replaced. */
const withHalf = (number: bigint, isHigh: boolean, half: bigint): bigint =>
  BigInt.asIntN(64, isHigh ? (number & LOW) | (half << 32n) : ((number >> 32n) << 32n) | half);
