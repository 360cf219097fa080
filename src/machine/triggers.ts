/**
 * The triggers of one hart, by which guest software sets breakpoints and watchpoints: Debug spec. §5,
 * "Sdtrig". Address matches of `mcontrol6`, equal or in a NAPOT range, and of the older `mcontrol`, equal
 * only; what a trigger does is to raise a breakpoint exception before the instruction. The debugger of the
 * host has points of its own (debug/hart-debug.ts).
 *
 * A page that an armed trigger is about never enters the soft TLB, so every fetch or access in it comes to
 * the hart, which asks here: nothing else costs anything.
 *
 * So that a trap handler is not overrun by its own breakpoints, triggers are off in M-mode without MIE, and
 * in S-mode without SIE if breakpoints are delegated to it: the first solution of "Native Triggers". It is
 * the one that lets breakpoints be delegated, and goes without `tcontrol`.
 * 64-bit values are pairs of signed 32-bit halves.
 */
import { csrWordOf, PRIVILEGE } from './core/hart-block.ts';
import { CAUSE, MSTATUS_BITS } from './csr-numbers.ts';
import type { AccessKind } from './faults.ts';
import type { HeldPages, Translation } from './translation.ts';

/** A power of two: as many bits of tselect are kept as number them, so that a debugger finds the last one. */
export const TRIGGERS = 4;

/** tdata1.type, bits 63 to 60: bits 31 to 28 of the high half. */
const TYPE = { MCONTROL: 2, MCONTROL6: 6, DISABLED: 15 } as const;
const TYPE_SHIFT_HIGH = 28;
/** What tinfo says of each trigger: the types that it can be, and that they are those of version 1.0. */
const INFO: number =
  (1 << 24) | (1 << TYPE.MCONTROL) | (1 << TYPE.MCONTROL6) | (1 << TYPE.DISABLED);

/** Bits of tdata1 that both types have at the same place. */
export const TRIGGER_BITS = { LOAD: 1, STORE: 2, EXECUTE: 4, U: 8, S: 16, M: 64 } as const;
const ACCESSES: number = TRIGGER_BITS.LOAD | TRIGGER_BITS.STORE | TRIGGER_BITS.EXECUTE;
const MODES: number = TRIGGER_BITS.U | TRIGGER_BITS.S | TRIGGER_BITS.M;
const MODE_BIT: Readonly<Record<number, number>> = {
  [PRIVILEGE.U]: TRIGGER_BITS.U,
  [PRIVILEGE.S]: TRIGGER_BITS.S,
  [PRIVILEGE.M]: TRIGGER_BITS.M,
};
const MATCH = 15 << 7;
const MATCH_NAPOT = 1 << 7;
/** That the trigger fired, before the instruction retired: `hit`, and `hit0` without `hit1`. */
const HIT = { MCONTROL: 1 << 20, MCONTROL6: 1 << 22 } as const;
/** Bits 62 to 32 of tdata2: with all of these and of the low half, it would ask for 2^64 bytes. */
const TOO_LARGE_HIGH = 0x7fffffff;
const BIT_62_HIGH = 1 << 30;

const MSTATUS = csrWordOf('mstatus');
const MEDELEG = csrWordOf('medeleg');

/** What triggers need of their hart. */
export interface TriggerOwner {
  readonly mode: number;
  readonly pcLow: number;
  readonly pcHigh: number;
  readonly translation: Translation;
  word(index: number): number;
  trap(cause: number, tvalLow: number, tvalHigh: number): void;
}

/** A trigger's registers; plain data. */
interface TriggerData {
  type: number;
  data1Low: number;
  data2Low: number;
  data2High: number;
}

interface Trigger extends TriggerData {
  /** Bits of an address that do not count. */
  maskLow: number;
  maskHigh: number;
}

/** Everything that software, or a trigger that fired, has put there; plain data. */
export interface TriggersState {
  readonly selected: number;
  readonly triggers: readonly Readonly<TriggerData>[];
}

const disabled = (): Trigger => ({
  type: TYPE.DISABLED,
  data1Low: 0,
  data2Low: 0,
  data2High: 0,
  maskLow: 0,
  maskHigh: 0,
});

const isArmed = ({ data1Low }: Trigger): boolean =>
  (data1Low & ACCESSES) !== 0 && (data1Low & MODES) !== 0;

const isNapot = ({ type, data1Low }: Trigger): boolean =>
  type === TYPE.MCONTROL6 && (data1Low & MATCH) === MATCH_NAPOT;

const isTooLarge = (low: number, high: number): boolean =>
  low === -1 && (high & TOO_LARGE_HIGH) === TOO_LARGE_HIGH;

export class Triggers implements HeldPages {
  readonly #owner: TriggerOwner;
  readonly #all: Trigger[] = [];
  #selected = 0;
  #armed: readonly Trigger[] = [];
  /** The address by which a trigger matched last. */
  #matchLow = 0;
  #matchHigh = 0;

  constructor(owner: TriggerOwner) {
    this.#owner = owner;
    this.reset();
  }

  reset(): void {
    this.#selected = 0;
    this.#all.splice(0, TRIGGERS, ...Array.from({ length: TRIGGERS }, disabled));
    this.#settle();
  }

  /** For a snapshot. */
  save(): TriggersState {
    return {
      selected: this.#selected,
      triggers: this.#all.map(({ type, data1Low, data2Low, data2High }) => ({
        type,
        data1Low,
        data2Low,
        data2High,
      })),
    };
  }

  /** Translations have to be forgotten afterwards, as after `reset`. */
  restore({ selected, triggers }: TriggersState): void {
    this.#selected = selected;
    triggers.forEach((data, index) => Object.assign(this.#all[index] as Trigger, data));
    this.#settle();
  }

  /** Works out what the registers say. */
  #settle(): void {
    for (const trigger of this.#all) {
      const { data2Low: low, data2High: high } = trigger;
      // The lowest zero of tdata2 and the ones below it are the size of the range, less one.
      trigger.maskLow = isNapot(trigger) ? low ^ (low + 1) : 0;
      trigger.maskHigh = isNapot(trigger) && low === -1 ? high ^ (high + 1) : 0;
    }
    this.#armed = this.#all.filter(isArmed);
  }

  // --- registers ---

  get selected(): number {
    return this.#selected;
  }

  select(index: number): void {
    this.#selected = index & (TRIGGERS - 1);
  }

  get #current(): Trigger {
    return this.#all[this.#selected] as Trigger;
  }

  get data1Low(): number {
    return this.#current.data1Low;
  }

  get data1High(): number {
    return this.#current.type << TYPE_SHIFT_HIGH;
  }

  get data2Low(): number {
    return this.#current.data2Low;
  }

  get data2High(): number {
    return this.#current.data2High;
  }

  get info(): number {
    return INFO;
  }

  /**
   * WARL: a type that is not there disables the trigger; chains, sizes, data values, other matches and other
   * actions than the exception are not there and read as 0, as does dmode, which is an external debugger's.
   */
  setData1(low: number, high: number): void {
    const trigger = this.#current;
    const type = high >>> TYPE_SHIFT_HIGH;
    if (type === TYPE.MCONTROL) {
      trigger.type = type;
      trigger.data1Low = low & (ACCESSES | MODES | HIT.MCONTROL);
    } else if (type === TYPE.MCONTROL6) {
      const mayBeNapot =
        (low & MATCH) === MATCH_NAPOT && !isTooLarge(trigger.data2Low, trigger.data2High);
      trigger.type = type;
      trigger.data1Low =
        (low & (ACCESSES | MODES | HIT.MCONTROL6)) | (mayBeNapot ? MATCH_NAPOT : 0);
    } else {
      trigger.type = TYPE.DISABLED;
      trigger.data1Low = 0;
    }
    this.#changed();
  }

  /** Any address; ones that ask for more than the largest NAPOT range lose bit 62. */
  setData2(low: number, high: number): void {
    const trigger = this.#current;
    trigger.data2Low = low;
    trigger.data2High = isNapot(trigger) && isTooLarge(low, high) ? high & ~BIT_62_HIGH : high;
    this.#changed();
  }

  #changed(): void {
    this.#settle();
    // The soft TLB, and translated code that relies on it, may have pages that are to be held now.
    if (isArmed(this.#current)) this.#owner.translation.tlb.flushAll();
  }

  // --- matching ---

  /** Whether any trigger may ever fire as they are set now. */
  get isArmed(): boolean {
    return this.#armed.length > 0;
  }

  /** Whether a virtual page may not be remembered for an access. */
  holds(low: number, high: number, access: AccessKind): boolean {
    if (this.#armed.length === 0) return false;
    const kinds =
      access === 'fetch' ? TRIGGER_BITS.EXECUTE : TRIGGER_BITS.LOAD | TRIGGER_BITS.STORE;
    return this.#armed.some(
      (trigger) =>
        (trigger.data1Low & kinds) !== 0 && this.#matches(trigger, low & ~0xfff, high, 4096),
    );
  }

  /** Whether a trigger fires before the instruction at pc: the breakpoint exception has then been taken. */
  breaksAtPc(): boolean {
    return this.breaksAt(this.#owner.pcLow, this.#owner.pcHigh, 1, TRIGGER_BITS.EXECUTE);
  }

  /**
   * The same before an access to so many bytes. Each trigger that fires shows it; the exception reports the
   * address by which the last did.
   * @param kinds of TRIGGER_BITS, what the access is: an AMO is a load and a store
   */
  breaksAt(low: number, high: number, bytes: number, kinds: number): boolean {
    if (this.#armed.length === 0 || !this.#mayFire()) return false;
    const mode = MODE_BIT[this.#owner.mode] as number;
    let hasFired = false;
    let firedLow = 0;
    let firedHigh = 0;
    for (const trigger of this.#armed) {
      if ((trigger.data1Low & kinds) === 0 || (trigger.data1Low & mode) === 0) continue;
      if (!this.#matches(trigger, low, high, bytes)) continue;
      trigger.data1Low |= trigger.type === TYPE.MCONTROL ? HIT.MCONTROL : HIT.MCONTROL6;
      firedLow = this.#matchLow;
      firedHigh = this.#matchHigh;
      hasFired = true;
    }
    if (hasFired) this.#owner.trap(CAUSE.BREAKPOINT, firedLow, firedHigh);
    return hasFired;
  }

  /** Whether a breakpoint exception would find its handler ready ("Native Triggers"). */
  #mayFire(): boolean {
    const { mode } = this.#owner;
    const status = this.#owner.word(MSTATUS);
    if (mode === PRIVILEGE.M) return (status & MSTATUS_BITS.MIE) !== 0;
    const isDelegated = ((this.#owner.word(MEDELEG) >>> CAUSE.BREAKPOINT) & 1) !== 0;
    return mode === PRIVILEGE.U || !isDelegated || (status & MSTATUS_BITS.SIE) !== 0;
  }

  /** Whether any of so many addresses matches; if so, the first that does is the match. */
  #matches(trigger: Trigger, low: number, high: number, bytes: number): boolean {
    const { maskLow, maskHigh } = trigger;
    const startLow = trigger.data2Low & ~maskLow;
    const startHigh = trigger.data2High & ~maskHigh;
    const isInside = (low & ~maskLow) === startLow && (high & ~maskHigh) === startHigh;
    this.#matchLow = isInside ? low : startLow;
    this.#matchHigh = isInside ? high : startHigh;
    if (isInside) return true;
    // Or the range begins after the access does.
    const borrow = startLow >>> 0 < low >>> 0 ? 1 : 0;
    return ((startHigh - high - borrow) | 0) === 0 && (startLow - low) >>> 0 < bytes;
  }
}
