/** Loads, stores and atomics while the debugger watches pages: whether it stops before them, and how else they are made. */
import { wordOf } from '../core/hart-block.ts';
import { POINT_KIND } from '../debug/debug-block.ts';
import { leftAccess } from './left-access.ts';
import type { LoneRecord } from './lone-record.ts';
import type { AccessOwner } from './owner.ts';
import type { SlowAccess } from './slow-access.ts';

const FAULT_ADDRESS = wordOf('faultAddress');

export class WatchedAccess {
  readonly #hart: AccessOwner;
  readonly #slowAccess: SlowAccess;
  readonly #loneRecord: LoneRecord;
  /** The core is to execute one instruction, with what is remembered of a watched page. */
  isAlone = false;

  constructor(hart: AccessOwner, slowAccess: SlowAccess, loneRecord: LoneRecord) {
    this.#hart = hart;
    this.#slowAccess = slowAccess;
    this.#loneRecord = loneRecord;
  }

  /** Whether the debugger wants to be told of the access that the core left for us; it has not been made. */
  stops(): boolean {
    const { low, high, bytes, isLoad, isStore } = leftAccess(this.#hart);
    return this.#hart.debug.stopsAccess(
      low,
      high,
      bytes,
      (isLoad ? POINT_KIND.LOAD : 0) | (isStore ? POINT_KIND.STORE : 0),
    );
  }

  /**
   * Finishes it: what that remembers of a watched page serves one instruction, which atomics need, and is
   * forgotten.
   * @returns the record of that instruction, or 0
   */
  finish(): number {
    const hart = this.#hart;
    const low = hart.word(FAULT_ADDRESS);
    const high = hart.word(FAULT_ADDRESS + 1);
    const { exitRecord, instret, trapsTaken } = hart;
    hart.debug.letGo(() => this.#slowAccess.finish());
    const isToRepeat =
      hart.instret === instret && hart.trapsTaken === trapsTaken && !this.#slowAccess.waitsForHarts;
    if (!isToRepeat || !hart.debug.holds(low, high, 'load')) return 0;
    this.isAlone = true;
    return this.#loneRecord.copy(exitRecord);
  }

  /** Ends the run of that instruction. */
  forget(): void {
    const hart = this.#hart;
    this.isAlone = false;
    hart.translation.tlb.flushPage(hart.word(FAULT_ADDRESS), hart.word(FAULT_ADDRESS + 1), -1);
  }
}
