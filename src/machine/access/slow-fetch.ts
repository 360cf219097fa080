/** Fetches that the core could not do: those that the soft TLB knows nothing of, and those over two pages. */
import { CAUSE } from '../csr-numbers.ts';
import { isFourBytes } from '../isa/decoder.ts';
import { NO_FAULT } from '../faults.ts';
import type { LoneRecord } from './lone-record.ts';
import type { AccessOwner } from './owner.ts';

export class SlowFetch {
  readonly #hart: AccessOwner;
  readonly #loneRecord: LoneRecord;
  readonly #data: DataView;

  constructor(hart: AccessOwner, loneRecord: LoneRecord) {
    this.#hart = hart;
    this.#loneRecord = loneRecord;
    this.#data = new DataView(hart.words.buffer);
  }

  /**
   * Fills the TLB for a fetch at pc, or takes the fault.
   * @returns the record of the instruction at pc if its page may not be remembered (PMP cuts it), else 0
   */
  fill(): number {
    const hart = this.#hart;
    if (hart.triggers.breaksAtPc()) return 0;
    const { translation, pcLow, pcHigh } = hart;
    const fault = translation.translate(pcLow, pcHigh, 'fetch', 2);
    if (fault !== NO_FAULT) {
      hart.trap(fault, pcLow, pcHigh);
      return 0;
    }
    if (translation.remember(pcLow, pcHigh, 'fetch')) return 0;
    if (translation.hostAddress() !== 0) return this.recordAtPc();
    hart.trap(CAUSE.FETCH_ACCESS, pcLow, pcHigh);
    return 0;
  }

  /** A record made for the instruction at pc alone; 0 after taking a fault. */
  recordAtPc(): number {
    const raw = this.#rawAtPc();
    return raw === undefined ? 0 : this.#loneRecord.make(raw);
  }

  /** The instruction at pc as memory has it now, or undefined after taking a fault. */
  #rawAtPc(): number | undefined {
    const first = this.#fetchParcel(0);
    if (first === undefined || !isFourBytes(first)) return first;
    const second = this.#fetchParcel(2);
    return second === undefined ? undefined : first | (second << 16);
  }

  /** A parcel at pc + offset, or undefined after taking the fault. */
  #fetchParcel(offset: number): number | undefined {
    const { translation, pcLow, pcHigh } = this.#hart;
    const low = (pcLow + offset) | 0;
    const high = low >>> 0 < pcLow >>> 0 ? (pcHigh + 1) | 0 : pcHigh;
    const fault = translation.translate(low, high, 'fetch', 2);
    const host = fault === NO_FAULT ? translation.hostAddress() : 0;
    if (fault !== NO_FAULT || host === 0) {
      this.#hart.trap(fault === NO_FAULT ? CAUSE.FETCH_ACCESS : fault, low, high);
      return undefined;
    }
    return this.#data.getUint16(host, true);
  }
}
