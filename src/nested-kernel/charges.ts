/**
 * What the monitor's own work is charged for.
 *
 * The monitor is TypeScript and retires no guest instruction, so each of its primitives declares how many
 * a plain machine-mode implementation of it would: loads, stores, CSR accesses, compares and branches, one
 * micro-operation each. They are counted as `monitorOps`, and a cost model gives them a price.
 *
 * Not in here, because they have counters and prices of their own: the trap with the save and restore of
 * all registers and the dispatch (`monitorCalls`), accesses to page tables (`pteReads`, `pteWrites`; the
 * test that follows one is in here), bytes copied and cleared, fences, and writes of `satp` and `mkeys`.
 *
 * The numbers are counted from the TypeScript, statement by statement; nothing measures them.
 */
import { CALL } from './abi.ts';

/** Registers that a callee must not see, and those kept for the caller. */
const CLEARED = 27;
const KEPT = 16;
const ALL_REGISTERS = 31;
/** medeleg, mideleg, mie, mstatus, mepc, and the tests that decide about them. */
const TRAP_ROUTING = 10;

export const CHARGE = {
  /**
   * Region test, index and load of the gate (6), caller, state and depth (8), stack pointer for this
   * thread (4), counters (3), the frame's own words (11), registers saved from the trap frame (a load and
   * a store each), registers cleared, new ra, sp, gp and tp (4), routing.
   */
  GATE_ENTER: 6 + 8 + 4 + 3 + 11 + 2 * KEPT + CLEARED + 4 + TRAP_ROUTING,
  /** Frame kind (4), start of a domain ended (3), pop and accounts (8), caller alive (4), result (2). */
  GATE_LEAVE: 4 + 3 + 8 + 4 + 2 + CLEARED + 2 * KEPT + TRAP_ROUTING,
  /** Its kind, and the bound of a scalar. */
  ARGUMENT: 4,
  /** Bounds, the split at page ends, alignment, and the record for copying back. */
  BUFFER: 20,
  /** Eight bytes of a string looked through for its end: load, test, branch, advance. */
  STRING_WORD: 4,
  /** As entering, for all registers, with sepc, scause and stval made up. */
  INTERRUPT: 6 + 4 + 11 + 3 * ALL_REGISTERS + 6 + TRAP_ROUTING,
  RESUME: 4 + 8 + 4 + 2 * ALL_REGISTERS + TRAP_ROUTING,
  /** A trap handed on to the kernel: six CSRs read, seven written, mstatus put together. */
  REFLECT: 20,
  /** Taking and leaving a ticket lock that is free: an atomic, two loads, a store, fences, branches. */
  LOCK: 10,
  /** A record of fourteen words. */
  LEDGER: 30,
  /** The index into a table before an access, and the test of the entry after it. */
  PTE: 4,
  /** A frame's type and its counts of mappings, read, checked and written. */
  FRAME: 14,
  /** One page of a view in turn: its address, thread and leaf looked at, and the loop. */
  SLOT: 6,
  /** Dispatch among the SBI's extensions, and a call of the usual length. */
  SBI: 16,
} as const;

const DEFAULT_CALL = 8;

/** Checks of the arguments and the words written, beyond what the tables' own charges cover. */
const CALLS: Readonly<Partial<Record<number, number>>> = {
  [CALL.INFO]: 2,
  [CALL.MARK]: 2,
  [CALL.THREAD_SWITCH]: 18,
  // Half of the spaces are looked at before a free one is found, at most; a few in practice.
  [CALL.SPACE_CREATE]: 24,
  [CALL.SPACE_DESTROY]: 24,
  [CALL.SPACE_ACTIVATE]: 14,
  [CALL.MAP]: 20,
  [CALL.UNMAP]: 20,
  [CALL.PROTECT]: 26,
  [CALL.LOOKUP]: 12,
  [CALL.GRANT]: 40,
  [CALL.REVOKE]: 40,
  [CALL.RESTART]: 30,
};

/** Micro-operations of a call of the monitor. */
export const chargeOfCall = (func: number): number => CALLS[func] ?? DEFAULT_CALL;
