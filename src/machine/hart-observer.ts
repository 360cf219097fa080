/** Who looks on at a hart and decides nothing: traces, profiles. Without one, a trap pays a comparison. */
import type { Hart } from './hart.ts';

/** A trap as it is taken. Addresses are two halves. */
export interface TakenTrap {
  readonly cause: number;
  readonly isInterrupt: boolean;
  /** PRIVILEGE before and after. */
  readonly from: number;
  readonly to: number;
  readonly pcLow: number;
  readonly pcHigh: number;
  readonly valueLow: number;
  readonly valueHigh: number;
}

/** Called on the hart's own thread, between two instructions. */
export interface HartObserver {
  /** A trap is being taken: the hart is still in the mode and at the pc where it was. */
  trapped(hart: Hart, trap: TakenTrap): void;
  /** MRET or SRET, or the monitor, has put the hart into the mode and at the pc where it goes on. */
  returned(hart: Hart): void;
  /** The hart has done what others asked of it: at the start of a run and of each slice, and when its pending word was set. */
  served(hart: Hart): void;
  /** A WFI that nothing ends yet; the next that is heard of the hart is `served`. */
  waits(hart: Hart): void;
}
