/**
 * LR/SC as the manual has it, or nearly: what a hart's reservation is worth.
 *
 * "An SC may succeed only if no store from another hart to the reservation set can be observed to have
 * occurred between the LR and the SC" (vol. I, "Zalrsc"). The core by itself compares values (`value`):
 * a store of the same value in between goes unnoticed (A-B-A). This file adds the others:
 *
 * - `page`: a page on which a hart ever reserved is watched. Nobody has a write tag for it in the soft
 *   TLB, so every store, AMO and SC to it comes here, and is made under a lock together with a look at
 *   the reservations of the other harts. Exact, and slow only where LR/SC is used.
 * - `global`: every page is watched. An oracle for `page`.
 * - `value` that detects: decides like `value` and keeps the books of `page`, so that it can tell
 *   which SC succeeded for an A-B-A.
 *
 * In all of them LR and SC leave the core, and whatever executes stores elsewhere must honour write tags:
 * a page without one is no page to store to. The reservation set is what LR read. Devices and the
 * monitor store without a look at reservations; SC compares values as well, so it sees what they change.
 *
 * Watching begins with the first LR on a page: it marks the page, raises `epoch`, and waits (by trying
 * again, so that the hart serves what others ask of it meanwhile) until each other hart has dropped its
 * write tags or is not running. One that begins to run drops them first.
 */
import { i32, i32Array, i64, layout } from 'sharedarraybuffer-utils';
import type { CoreExports } from './core/generate.ts';
import { HART_STATE, HartBlock, PENDING, wordOf } from './core/hart-block.ts';
import { acquire, release } from './devices/lock.ts';
import { signalHart } from './hart-lines.ts';
import { hartBase, type MemoryPlan } from './memory-plan.ts';
import type { ReservationMode, ReservationSpec } from './reservation-spec.ts';

/** Reports that are kept, the first ones. */
const MAX_REPORTS = 16;

const AbaEntry = layout('AbaEntry', {
  hart: i32.doc('whose SC succeeded'),
  writer: i32.doc('who stored in between, the last if there were many'),
  pc: i64.doc('of the SC'),
  address: i64.doc('virtual address that it stored to'),
});

export const ReservationBoard = layout('ReservationBoard', {
  lock: i32.doc('guards the reservations in the hart blocks, and what follows'),
  epoch: i32.doc('raised when a page is watched from now on'),
  abaCount: i32.doc('SCs that succeeded for an A-B-A'),
  reports: i32Array((MAX_REPORTS * AbaEntry.sizeBytes) / 4).doc('of type AbaEntry'),
});

/** Bytes of the board and of a word for each page of RAM: the epoch since which it is watched, or 0. */
export const reservationBytes = (ramBytes: number): number =>
  ReservationBoard.sizeBytes + (ramBytes / 4096) * 4;

export interface AbaReport {
  readonly hart: number;
  readonly writer: number;
  readonly pc: bigint;
  readonly address: bigint;
}

/** How many SCs succeeded for an A-B-A, and the first of them. Any thread. */
export function abaReports(
  memory: SharedArrayBuffer,
  plan: MemoryPlan,
): { readonly count: number; readonly first: readonly AbaReport[] } {
  const count = ReservationBoard.at(memory, plan.reservations).abaCount.load();
  const at = plan.reservations + ReservationBoard.offset.reports;
  const first = Array.from({ length: Math.min(count, MAX_REPORTS) }, (_, n): AbaReport => {
    const entry = new DataView(memory, at + n * AbaEntry.sizeBytes, AbaEntry.sizeBytes);
    return {
      hart: entry.getInt32(AbaEntry.offset.hart, true),
      writer: entry.getInt32(AbaEntry.offset.writer, true),
      pc: entry.getBigUint64(AbaEntry.offset.pc, true),
      address: entry.getBigUint64(AbaEntry.offset.address, true),
    };
  });
  return { count, first };
}

const RESERVED_ADDRESS = wordOf('reservedAddress');
const RESERVED_VALUE = wordOf('reservedValue');
const RESERVATION_LOST = wordOf('reservationLost');
const WATCH_SEEN = wordOf('watchSeen');
const STATE = wordOf('state');
const HIGH = wordOf('high');

/** The reservations as one hart uses them. Hart thread only. */
export class Reservations {
  readonly #mode: ReservationMode;
  readonly #core: CoreExports;
  readonly #plan: MemoryPlan;
  readonly #id: number;
  readonly #words: Int32Array;
  readonly #block: number;
  readonly #blocks: readonly number[];
  readonly #board: ReturnType<typeof ReservationBoard.at>;
  readonly #data: DataView;
  /** Word index of the first page's epoch. */
  readonly #watch: number;
  /** What `loadReserved` read. */
  low = 0;
  high = 0;

  constructor(environment: {
    readonly memory: SharedArrayBuffer;
    readonly core: CoreExports;
    readonly plan: MemoryPlan;
    readonly id: number;
    readonly spec: ReservationSpec;
  }) {
    const { memory, plan } = environment;
    this.#mode = environment.spec.mode;
    this.#core = environment.core;
    this.#plan = plan;
    this.#id = environment.id;
    this.#words = new Int32Array(memory);
    this.#data = new DataView(memory);
    this.#blocks = Array.from({ length: plan.harts }, (_, id) => hartBase(plan, id) >> 2);
    this.#block = this.#blocks[environment.id] as number;
    this.#board = ReservationBoard.at(memory, plan.reservations);
    this.#watch = (plan.reservations + ReservationBoard.sizeBytes) >> 2;
  }

  #page(host: number): number {
    return this.#watch + ((host - this.#plan.ram) >>> 12);
  }

  /** Whether stores to a page of RAM, given by any linear-memory address in it, have to come here. */
  isWatched(host: number): boolean {
    return this.#mode === 'global' || Atomics.load(this.#words, this.#page(host)) !== 0;
  }

  /** Whether the owner may hold write tags of pages that are watched now. */
  hasNews(): boolean {
    return this.#words[this.#block + WATCH_SEEN] !== this.#board.epoch.load();
  }

  /**
   * Has the owner drop its write tags of watched pages. To be called when `PENDING.WATCH` is set, and
   * whenever the hart begins to run, after its state says so.
   */
  dropTags(drop: (isWatched: (host: number) => boolean) => void): void {
    const epoch = this.#board.epoch.load();
    drop((host) => this.isWatched(host));
    Atomics.store(this.#words, this.#block + WATCH_SEEN, epoch);
  }

  /**
   * Watches the page of an LR.
   * @returns false while another hart may still store to it unnoticed: to be tried again
   */
  prepare(host: number): boolean {
    if (this.#mode === 'global') return true;
    const page = this.#page(host);
    let epoch = Atomics.load(this.#words, page);
    if (epoch === 0) epoch = this.#beginToWatch(page);
    for (const [id, block] of this.#blocks.entries()) {
      const seen = Atomics.load(this.#words, block + WATCH_SEEN);
      if (((seen - epoch) | 0) >= 0) continue;
      if (id === this.#id || Atomics.load(this.#words, block + STATE) === HART_STATE.RUNNING)
        return false;
    }
    return true;
  }

  #beginToWatch(page: number): number {
    const { lock, epoch } = this.#board;
    acquire(lock);
    let since = Atomics.load(this.#words, page);
    if (since === 0) {
      since = (epoch.load() + 1) | 0 || 1;
      // In this order: who has seen the epoch finds the page watched.
      Atomics.store(this.#words, page, since);
      epoch.store(since);
    }
    release(lock);
    for (let id = 0; id < this.#plan.harts; id++)
      signalHart(this.#words, this.#plan, id, PENDING.WATCH);
    return since;
  }

  /** LR of a prepared page: the value, sign-extended, in `low` and `high`. */
  loadReserved(host: number, bytes: number): void {
    const { lock } = this.#board;
    acquire(lock);
    this.#read(host, bytes);
    release(lock);
    this.#words[this.#block + RESERVED_VALUE] = this.low;
    this.#words[this.#block + RESERVED_VALUE + 1] = this.high;
  }

  #read(host: number, bytes: number): void {
    if (bytes === 8) {
      this.low = this.#core.atomicLoad64(this.#block << 2, host);
      this.high = this.#words[this.#block + HIGH] as number;
    } else {
      this.low = Atomics.load(this.#words, host >> 2);
      this.high = this.low >> 31;
    }
    this.#words[this.#block + RESERVED_ADDRESS] = bytes === 8 ? host | 1 : host;
    this.#words[this.#block + RESERVATION_LOST] = 0;
  }

  /** SC at a virtual address; whether it succeeded. The reservation is gone either way. */
  storeConditional(
    host: number,
    bytes: number,
    low: number,
    high: number,
    vaLow: number,
    vaHigh: number,
  ): boolean {
    const words = this.#words;
    const { lock } = this.#board;
    acquire(lock);
    const isMine = words[this.#block + RESERVED_ADDRESS] === (bytes === 8 ? host | 1 : host);
    const lost = words[this.#block + RESERVATION_LOST] as number;
    const isDone =
      isMine && (lost === 0 || this.#mode === 'value') && this.#swap(host, bytes, low, high);
    words[this.#block + RESERVED_ADDRESS] = 0;
    if (isDone) this.#breakOthers(host, bytes);
    if (isDone && lost !== 0) this.#report(lost - 1, vaLow, vaHigh);
    release(lock);
    return isDone;
  }

  #swap(host: number, bytes: number, low: number, high: number): boolean {
    const wasLow = this.#words[this.#block + RESERVED_VALUE] as number;
    const wasHigh = this.#words[this.#block + RESERVED_VALUE + 1] as number;
    return bytes === 8
      ? this.#core.compareExchange64(host, wasLow, wasHigh, low, high) === 1
      : Atomics.compareExchange(this.#words, host >> 2, wasLow, low) === wasLow;
  }

  /** Makes a store, of any kind, to up to two places; the reservations of others that it hits are lost. */
  store(make: () => void, host: number, bytes: number, second = 0, secondBytes = 0): void {
    const { lock } = this.#board;
    acquire(lock);
    try {
      make();
      this.#breakOthers(host, bytes);
      if (secondBytes > 0) this.#breakOthers(second, secondBytes);
    } finally {
      release(lock);
    }
  }

  #breakOthers(host: number, bytes: number): void {
    for (const [id, block] of this.#blocks.entries()) {
      const reserved = this.#words[block + RESERVED_ADDRESS] as number;
      if (id === this.#id || reserved === 0) continue;
      const from = reserved & ~1;
      const to = from + ((reserved & 1) === 1 ? 8 : 4);
      if (from < host + bytes && host < to) this.#words[block + RESERVATION_LOST] = this.#id + 1;
    }
  }

  #report(writer: number, vaLow: number, vaHigh: number): void {
    const index = this.#board.abaCount.add(1);
    if (index >= MAX_REPORTS) return;
    const at =
      this.#plan.reservations + ReservationBoard.offset.reports + index * AbaEntry.sizeBytes;
    const pc = (this.#block << 2) + HartBlock.offset.pc;
    this.#data.setInt32(at + AbaEntry.offset.hart, this.#id, true);
    this.#data.setInt32(at + AbaEntry.offset.writer, writer, true);
    this.#data.setBigUint64(at + AbaEntry.offset.pc, this.#data.getBigUint64(pc, true), true);
    this.#data.setInt32(at + AbaEntry.offset.address, vaLow, true);
    this.#data.setInt32(at + AbaEntry.offset.address + 4, vaHigh, true);
  }
}
