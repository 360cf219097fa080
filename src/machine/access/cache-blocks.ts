/** CBO.ZERO where the core could not do it, and the CBOs that have nothing to do but to ask (vol. I, "CMO"). */
import { CAUSE } from '../csr-numbers.ts';
import { CACHE_BLOCK_BYTES } from '../isa/cache.ts';
import { NO_FAULT } from '../faults.ts';
import { TRIGGER_BITS } from '../triggers.ts';
import type { AccessOwner } from './owner.ts';
import type { PhysicalAccess } from './physical-access.ts';

export class CacheBlocks {
  readonly #hart: AccessOwner;
  readonly #memory: PhysicalAccess;

  constructor(hart: AccessOwner, memory: PhysicalAccess) {
    this.#hart = hart;
    this.#memory = memory;
  }

  /** CBO.ZERO at an address; a fault names that, not the block's. */
  zero(low: number, high: number, bytes: number): void {
    const { translation, reservations } = this.#hart;
    const fault = translation.translate(low & -bytes, high, 'store', bytes);
    if (fault !== NO_FAULT) {
      this.#hart.trap(fault, low, high);
      return;
    }
    if (translation.remember(low, high, 'store')) return;
    const host = translation.hostAddress();
    // Devices take no blocks (PMA; vol. II §3.6).
    if (host === 0) {
      this.#hart.trap(CAUSE.STORE_ACCESS, low, high);
      return;
    }
    if (reservations === undefined) this.#memory.clear(host, bytes);
    else reservations.store(() => this.#memory.clear(host, bytes), host, bytes);
    this.#memory.stored();
    this.#hart.retire(4);
  }

  /**
   * CBO.INVAL, CBO.CLEAN and CBO.FLUSH, which the modes above allow: they need leave of the block that it
   * may be read or written; what they raise otherwise are the faults of a store.
   */
  manage(raw: number): void {
    const hart = this.#hart;
    const { translation } = hart;
    const low = hart.xLow((raw >>> 15) & 31);
    const high = hart.xHigh((raw >>> 15) & 31);
    const block = low & -CACHE_BLOCK_BYTES;
    if (hart.triggers.breaksAt(block, high, CACHE_BLOCK_BYTES, TRIGGER_BITS.STORE)) {
      hart.unretire();
      return;
    }
    let fault = NO_FAULT;
    if (translation.translate(block, high, 'load', CACHE_BLOCK_BYTES) !== NO_FAULT)
      fault = translation.translate(block, high, 'store', CACHE_BLOCK_BYTES);
    if (
      fault === NO_FAULT &&
      translation.hostAddress() === 0 &&
      !this.#memory.hasDevice(translation.physical)
    )
      fault = CAUSE.STORE_ACCESS;
    if (fault === NO_FAULT) {
      hart.advance(4);
      return;
    }
    hart.unretire();
    hart.trap(fault, low, high);
  }
}
