/**
 * Loads, stores and atomics that the core could not do. It leaves one that has no translation yet, whose page
 * may not be remembered, that is a device's, or that crosses pages; here it is made possible, made, or
 * trapped.
 */
import { wordOf, csrWordOf } from '../core/hart-block.ts';
import { bytesOf, operationOf } from '../core/operations.ts';
import { CAUSE, MSTATUS_BITS } from '../csr-numbers.ts';
import type { Reservations } from '../reservations.ts';
import { NO_FAULT } from '../faults.ts';
import { TRIGGER_BITS } from '../triggers.ts';
import type { CacheBlocks } from './cache-blocks.ts';
import { ACCESS, ACCESS_BYTES, ACCESS_FLAGS, leftAccess } from './left-access.ts';
import type { LoneRecord } from './lone-record.ts';
import type { AccessOwner } from './owner.ts';
import type { PhysicalAccess } from './physical-access.ts';

const X = wordOf('x');
const F = wordOf('f');
const FAULT_ADDRESS = wordOf('faultAddress');
const MSTATUS = csrWordOf('mstatus');

export class SlowAccess {
  readonly #hart: AccessOwner;
  readonly #memory: PhysicalAccess;
  readonly #blocks: CacheBlocks;
  readonly #loneRecord: LoneRecord;
  /** An LR has to be tried again when other harts had time to serve what it asked. */
  waitsForHarts = false;

  constructor(
    hart: AccessOwner,
    memory: PhysicalAccess,
    blocks: CacheBlocks,
    loneRecord: LoneRecord,
  ) {
    this.#hart = hart;
    this.#memory = memory;
    this.#blocks = blocks;
    this.#loneRecord = loneRecord;
  }

  /** Finishes the access; if it was remembered how, the core does it again. */
  finish(): void {
    const hart = this.#hart;
    const record = hart.exitRecord;
    const head = hart.words[record] as number;
    const operation = operationOf(head);
    const length = bytesOf(head);
    const bytes = ACCESS_BYTES[operation] as number;
    const flags = ACCESS_FLAGS[operation] as number;
    const isLoad = (flags & ACCESS.LOAD) !== 0;
    const low = hart.word(FAULT_ADDRESS);
    const high = hart.word(FAULT_ADDRESS + 1);
    if (hart.triggers.isArmed && this.#breaks()) return;
    if ((flags & ACCESS.BLOCK) !== 0) {
      this.#blocks.zero(low, high, bytes);
      return;
    }
    if ((flags & ACCESS.ATOMIC) !== 0) {
      if ((low & (bytes - 1)) !== 0) {
        hart.trap(isLoad ? CAUSE.LOAD_MISALIGNED : CAUSE.STORE_MISALIGNED, low, high);
        return;
      }
    } else if ((low & 0xfff) + bytes > 4096) {
      this.#finishCrossing(record, low, high);
      return;
    }
    const { translation } = hart;
    const fault = translation.translate(low, high, isLoad ? 'load' : 'store', bytes);
    if (fault !== NO_FAULT) {
      hart.trap(fault, low, high);
      return;
    }
    const isKept = translation.remember(low, high, isLoad ? 'load' : 'store');
    const host = translation.hostAddress();
    const { reservations } = hart;
    const isReserved = reservations !== undefined && host !== 0;
    if (isReserved && (flags & (ACCESS.LR | ACCESS.SC)) !== 0) {
      this.#finishReserved(reservations, record, host);
      return;
    }
    if (isKept) return;
    if (isReserved && !isLoad && reservations.isWatched(host)) {
      reservations.store(() => this.#executeAlone(record, low, high, 'store'), host, bytes);
      return;
    }
    // RAM that may not be remembered: a page that PMP cuts, or one that is watched.
    if ((flags & ACCESS.ATOMIC) !== 0 && host !== 0) {
      this.#executeAlone(record, low, high, isLoad ? 'load' : 'store');
      return;
    }
    // Devices support no atomics (PMA; vol. II §3.6.3).
    if (
      (flags & ACCESS.ATOMIC) !== 0 ||
      !(isLoad
        ? this.#memory.load(host, translation.physical, bytes)
        : this.#store(host, translation.physical, bytes, this.#sourceCell(record, flags)))
    ) {
      hart.trap(isLoad ? CAUSE.LOAD_ACCESS : CAUSE.STORE_ACCESS, low, high);
      return;
    }
    if (isLoad) this.#loaded(head >>> 16, bytes, flags);
    hart.retire(length);
  }

  /** Whether a trigger fires before the access: its exception has then been taken. */
  #breaks(): boolean {
    const { low, high, bytes, isLoad, isStore } = leftAccess(this.#hart);
    return this.#hart.triggers.breaksAt(
      low,
      high,
      bytes,
      (isLoad ? TRIGGER_BITS.LOAD : 0) | (isStore ? TRIGGER_BITS.STORE : 0),
    );
  }

  /** LR and SC where the core does not do them. */
  #finishReserved(reservations: Reservations, record: number, host: number): void {
    const hart = this.#hart;
    const head = hart.words[record] as number;
    const operation = operationOf(head);
    const bytes = ACCESS_BYTES[operation] as number;
    const flags = ACCESS_FLAGS[operation] as number;
    if ((flags & ACCESS.LR) !== 0) {
      if (!reservations.prepare(host)) {
        this.waitsForHarts = true;
        return;
      }
      reservations.loadReserved(host, bytes);
      hart.setX(head >>> 19, reservations.low, reservations.high);
    } else {
      const source = this.#sourceCell(record, flags);
      const isDone = reservations.storeConditional(
        host,
        bytes,
        hart.words[source] as number,
        hart.words[source + 1] as number,
        hart.word(FAULT_ADDRESS),
        hart.word(FAULT_ADDRESS + 1),
      );
      hart.setX(head >>> 19, isDone ? 0 : 1, 0);
    }
    hart.retire(bytesOf(head));
  }

  /**
   * Has the core execute one load, store or atomic whose page may not be remembered, but is for as long;
   * its translation is the last that was made.
   */
  #executeAlone(record: number, low: number, high: number, access: 'load' | 'store'): void {
    const { base, core, translation } = this.#hart;
    const alone = this.#loneRecord.copy(record);
    translation.lend(low, high, access);
    core.run(base, 1, alone);
    translation.tlb.takeBack(low);
  }

  /** A misaligned access over two pages, byte by byte: both are checked before anything is written. */
  #finishCrossing(record: number, low: number, high: number): void {
    const hart = this.#hart;
    const head = hart.words[record] as number;
    const operation = operationOf(head);
    const bytes = ACCESS_BYTES[operation] as number;
    const flags = ACCESS_FLAGS[operation] as number;
    const isLoad = (flags & ACCESS.LOAD) !== 0;
    const inFirst = 4096 - (low & 0xfff);
    const first = this.#hostOfPart(low, high, inFirst, isLoad);
    if (first === 0) return;
    const nextLow = (low + inFirst) | 0;
    const nextHigh = nextLow === 0 ? (high + 1) | 0 : high;
    const second = this.#hostOfPart(nextLow, nextHigh, bytes - inFirst, isLoad);
    if (second === 0) return;
    const memory = this.#memory;
    if (isLoad) {
      memory.loadParts(first, second, inFirst, bytes);
      this.#loaded(head >>> 16, bytes, flags);
    } else {
      const source = this.#sourceCell(record, flags);
      const valueLow = hart.words[source] as number;
      const valueHigh = hart.words[source + 1] as number;
      const store = (): void =>
        memory.storeParts(first, second, inFirst, bytes, valueLow, valueHigh);
      if (hart.reservations === undefined) store();
      else hart.reservations.store(store, first, inFirst, second, bytes - inFirst);
    }
    hart.retire(bytesOf(head));
  }

  /** Where one page's part of an access lies in linear memory; 0 after taking the fault. */
  #hostOfPart(low: number, high: number, bytes: number, isLoad: boolean): number {
    const { translation } = this.#hart;
    const fault = translation.translate(low, high, isLoad ? 'load' : 'store', bytes);
    if (fault !== NO_FAULT) {
      this.#hart.trap(fault, low, high);
      return 0;
    }
    const host = translation.hostAddress();
    if (host === 0) this.#hart.trap(isLoad ? CAUSE.LOAD_ACCESS : CAUSE.STORE_ACCESS, low, high);
    return host;
  }

  /** Where the register that a record's rs2 names lies. */
  #sourceCell(record: number, flags: number): number {
    const register = (this.#hart.words[record + 1] as number) >>> 19;
    return this.#hart.block + ((flags & ACCESS.FLOAT) === 0 ? X : F) + 2 * register;
  }

  /** Stores the low bytes of a register. */
  #store(host: number, physical: number, bytes: number, cell: number): boolean {
    const { words } = this.#hart;
    const low = words[cell] as number;
    return this.#memory.store(host, physical, bytes, low, words[cell + 1] as number);
  }

  /** Gives what was loaded to the register cell at a byte offset. */
  #loaded(rdOffset: number, bytes: number, flags: number): void {
    const hart = this.#hart;
    const { low, high } = this.#memory;
    if ((flags & ACCESS.FLOAT) !== 0) {
      // A single is a NaN-boxed double (vol. I, "D").
      hart.setPair(F + (rdOffset >> 2), low, bytes === 8 ? high : -1);
      hart.setWord(MSTATUS, hart.word(MSTATUS) | MSTATUS_BITS.FS);
    } else if (bytes === 8) hart.setX(rdOffset >> 3, low, high);
    else if ((flags & ACCESS.SIGNED) !== 0) {
      const shift = 32 - 8 * bytes;
      const value = (low << shift) >> shift;
      hart.setX(rdOffset >> 3, value, value >> 31);
    } else hart.setX(rdOffset >> 3, low, 0);
  }
}
