/**
 * How a hart waits: for an interrupt, as WFI asks (vol. II §3.3.3), and on its reservation, as WRS.NTO and
 * WRS.STO do (vol. I, "Zawrs").
 *
 * Those that sleep are for a thread that carries this hart alone; the hart's state is PARKED then.
 */
import { csrWordOf, PRIVILEGE, wordOf } from './core/hart-block.ts';
import { MSTATUS_BITS } from './csr-numbers.ts';
import type { CsrFile } from './csrs.ts';
import type { HartCells } from './hart-cells.ts';
import { WRS_NTO } from './isa/atomic.ts';
import type { Timers } from './timers.ts';

/** How a hart waits on its reservation: see `parkOnReservation`. */
const WRS_SPINS = 200;
const WRS_LOOK_MS = 0.05;
const WRS_WAIT_MS = 1;

const PENDING_WORD = wordOf('pending');
const RESERVED_ADDRESS = wordOf('reservedAddress');
const RESERVED_VALUE = wordOf('reservedValue');
const RESERVATION_LOST = wordOf('reservationLost');
const MIE = csrWordOf('mie');

/** What waiting needs of its hart. */
export interface WaitingOwner extends HartCells {
  readonly csrs: CsrFile;
  readonly timers: Timers;
}

export class Waiting {
  readonly #hart: WaitingOwner;

  constructor(hart: WaitingOwner) {
    this.#hart = hart;
  }

  // --- for an interrupt ---

  /** Whether WFI is forbidden where the hart is: to U, and to S by mstatus.TW. */
  get isForbidden(): boolean {
    const hart = this.#hart;
    return (
      hart.mode === PRIVILEGE.U || (hart.mode === PRIVILEGE.S && hart.statusHas(MSTATUS_BITS.TW))
    );
  }

  /**
   * Whether a hart that waits has something to do now: WFI resumes on any enabled pending interrupt,
   * whatever the global enables say.
   */
  mayEnd(): boolean {
    const hart = this.#hart;
    hart.timers.poll();
    return (hart.csrs.mip & hart.word(MIE)) !== 0 || hart.word(PENDING_WORD) !== 0;
  }

  /** Sleeps until something is pending, a timer fires, or the time is up. */
  park(maxMs: number): void {
    const { words, block, timers } = this.#hart;
    const timeout = Math.min(maxMs, timers.ticksToNext() / 10_000);
    if (timeout > 0) Atomics.wait(words, block + PENDING_WORD, 0, timeout);
  }

  // --- on a reservation ---

  /** Whether a WRS has something to wait for. */
  mayWaitOnReservation(): boolean {
    return this.#isReserved() && !this.mayEnd();
  }

  /** That WRS.NTO might wait for long is for mstatus.TW to forbid, as with WFI. */
  isReservationWaitForbidden(raw: number): boolean {
    const hart = this.#hart;
    return raw === WRS_NTO && hart.mode < PRIVILEGE.M && hart.statusHas(MSTATUS_BITS.TW);
  }

  /** Whether the reserved word still is what LR read, and no store to it was seen where stores are. */
  #isReserved(): boolean {
    const hart = this.#hart;
    const { words } = hart;
    const reserved = hart.word(RESERVED_ADDRESS);
    if (reserved === 0) return false;
    if (Atomics.load(words, hart.block + RESERVATION_LOST) !== 0) return false;
    const word = reserved >>> 2;
    if (Atomics.load(words, word) !== hart.word(RESERVED_VALUE)) return false;
    return (reserved & 1) === 0 || Atomics.load(words, word + 1) === hart.word(RESERVED_VALUE + 1);
  }

  /**
   * Sleeps until the reserved word has been written, an interrupt is pending, or for WRS_WAIT_MS: either
   * instruction may end early for any reason.
   *
   * Stores of other harts are plain ones that wake nobody, so the word is looked at: often at first, then
   * every WRS_LOOK_MS, which bounds how late a store is noticed. Interrupts ring at once.
   */
  parkOnReservation(): void {
    const { words, block } = this.#hart;
    const until = performance.now() + WRS_WAIT_MS;
    for (let look = 0; this.mayWaitOnReservation(); look++) {
      if (look < WRS_SPINS) Atomics.pause();
      else if (performance.now() >= until) return;
      else Atomics.wait(words, block + PENDING_WORD, 0, WRS_LOOK_MS);
    }
  }
}
