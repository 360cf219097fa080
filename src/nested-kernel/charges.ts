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
 * The charge of a gate is measured: a reference in guest code does the same and is executed in a test. The
 * other numbers are counted from the TypeScript, statement by statement.
 */
import { CALL } from './abi.ts';

/** Registers kept for a caller, those that nobody gets to see of another domain, and all. */
const KEPT = 16;
const CLEARED = 26;
const ALL_REGISTERS = 31;
/** What test/lab/bench/reference-gate.ts executes for a call and for its return, beyond a monitor call. */
const ENTER = 148;
const LEAVE = 120;

export const CHARGE = {
  GATE_ENTER: ENTER,
  GATE_LEAVE: LEAVE,
  /** Its kind, and the bound of a scalar. */
  ARGUMENT: 4,
  /** Bounds, the split at page ends, alignment, and the record for copying back. */
  BUFFER: 20,
  /** Eight bytes of a string looked through for its end: load, test, branch, advance. */
  STRING_WORD: 4,
  /** As entering, with all registers kept, and sepc, scause and stval made up. */
  INTERRUPT: ENTER + 2 * (ALL_REGISTERS - KEPT) + 12,
  /** As leaving, with all registers given back and none cleared. */
  RESUME: LEAVE + 2 * (ALL_REGISTERS - KEPT) - CLEARED,
  /** A trap handed on to the kernel: six CSRs read, seven written, mstatus put together. */
  REFLECT: 20,
  /** Taking and leaving a ticket lock that is free: an atomic, two loads, a store, fences, branches. */
  LOCK: 10,
  /** A record of fourteen words. */
  LEDGER: 30,
  /** The index into a table before the access, and the test of the entry after it. */
  PTE_READ: 4,
  /** The index into a table before the access. */
  PTE_WRITE: 2,
  /** A frame's type and its counts of mappings, read, checked and written. */
  FRAME: 14,
  /** One page of a view in turn: its leaf and its address loaded, and the loop. */
  SLOT: 4,
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
