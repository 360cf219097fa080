/**
 * The shared state of one hart: architectural registers, the words other threads may touch, counters,
 * and the tables of the executing core. The generated core, the hart's TypeScript and the probe all
 * take their offsets from here.
 *
 * Unless a field says otherwise, only the thread that carries the hart reads and writes it.
 */
import { bytes, f64Array, i32, i32Array, i64, i64Array, layout } from 'sharedarraybuffer-utils';
import type { Layout } from 'sharedarraybuffer-utils';

/** Writes to x0 go to cell 32. */
export const X_SINK = 32;

/** CSRs that are kept as plain 64-bit cells, in the order of their cells. */
export const CSR_CELLS = [
  'mstatus',
  'medeleg',
  'mideleg',
  'mie',
  'mtvec',
  'mscratch',
  'mepc',
  'mcause',
  'mtval',
  'mcounteren',
  'menvcfg',
  'mcountinhibit',
  'stvec',
  'sscratch',
  'sepc',
  'scause',
  'stval',
  'satp',
  'scounteren',
  'senvcfg',
  'stimecmp',
  'mkeys',
  'cycleOffset',
  'instretOffset',
] as const;
export type CsrCell = (typeof CSR_CELLS)[number];
export const csrIndex = Object.fromEntries(CSR_CELLS.map((name, index) => [name, index])) as Record<
  CsrCell,
  number
>;

/** What is counted on each hart; the cost model is a linear function of these. */
export const COUNTERS = [
  'instructions',
  'traps',
  'interrupts',
  'ecalls',
  'monitorCalls',
  'gates',
  'gateReturns',
  'softTlbMisses',
  'softTlbContextEvictions',
  'decodedParcels',
  'tlbMisses',
  'tlbL2Hits',
  'walkLevels',
  'satpWrites',
  'keyWrites',
  'fencesPage',
  'fencesAll',
  'pteReads',
  'pteWrites',
  'monitorOps',
  'bytesCopied',
  'bytesCleared',
  'shootdownsSent',
  'shootdownIpis',
  'shootdownsServed',
  'shootdownRounds',
  'shootdownTargets',
  'shootdownWaitNs',
  'ipisSent',
  'denials',
  'contained',
  'restarts',
  'migrations',
  'grants',
  'revokes',
  'wfi',
  'escapes',
  'regions',
  'regionBytes',
  'regionInstructions',
] as const;
export type Counter = (typeof COUNTERS)[number];
export const counterIndex = Object.fromEntries(
  COUNTERS.map((name, index) => [name, index]),
) as Record<Counter, number>;

/** What the modelled TLB (tlb-model.ts) counts inside of the core. */
export const MODEL_COUNTS = [
  'tlbMisses',
  'tlbL2Hits',
  'walkLevels',
] as const satisfies readonly Counter[];

/** What the core counts of the traps that it takes (traps.ts). */
export const TRAP_COUNTS = ['traps', 'interrupts', 'ecalls'] as const satisfies readonly Counter[];

/** Views whose regimes are at hand, and the regimes of a view: see `regimeRows`. */
export const REGIME_VIEWS = 32;
export const REGIME_ROW_WORDS = 16;
/** Brings SUM and MXR of mstatus to bits 2 and 3. */
export const REGIME_FLAGS_SHIFT = 16;

/** The core runs for fewer instructions than this at a time. */
export const MOST_AT_ONCE: number = 1 << 24;

/**
 * Bits of `pending`: why the core must return to its caller. Each is more than what a hart can have left
 * to run, so that one comparison asks for both; and all are in the highest byte, which is all that
 * translated code reads.
 */
export const PENDING = {
  /** Something in `mip` changed. */
  INTERRUPT: MOST_AT_ONCE,
  /** `fenceRequest` moved. */
  FENCE: MOST_AT_ONCE * 2,
  STOP: MOST_AT_ONCE * 4,
  /** Look at the timer. */
  TIMER: MOST_AT_ONCE * 8,
  /** The monitor has work for this hart. */
  MONITOR: MOST_AT_ONCE * 16,
  /** Look at the debugger's command. */
  DEBUG: MOST_AT_ONCE * 32,
  /** A page is watched from now on (reservations.ts): drop its write tags. */
  WATCH: MOST_AT_ONCE * 64,
} as const;

/** Values of `state`. */
export const HART_STATE = {
  /** Not started (SBI HSM "STOPPED"). */
  STOPPED: 0,
  /** Executing guest instructions: translations may be in use. */
  RUNNING: 1,
  /** Not executing; looks at `fenceRequest` before it does again. */
  PARKED: 2,
} as const;

export const PRIVILEGE = { U: 0, S: 1, M: 3 } as const;
export type Privilege = (typeof PRIVILEGE)[keyof typeof PRIVILEGE];

export const HartBlock = layout('HartBlock', {
  x: i64Array(33).doc('x0..x31; cell 32 takes what is written to x0'),
  f: i64Array(32).doc('f0..f31; a binary32 value has all ones above it (NaN boxing)'),
  pc: i64,
  instret: i64.doc('instructions retired since reset'),
  faultAddress: i64.doc('virtual address of the access that made the core return'),
  reservedAddress: i64.doc(
    'linear-memory address reserved by LR, plus 1 if 8 bytes wide; 0 if none',
  ),
  reservedValue: i64,
  reservationLost: i32.doc(
    'not 0: the hart with this number less 1 has stored to it. Under the lock of the reservations',
  ),
  watchSeen: i32.doc('epoch of the watched pages whose write tags the owner has dropped'),
  exitIp: i32.doc('record of the instruction that made the core return'),
  fetchTlb: i32.doc('linear-memory address of the fetch entries of the present regime'),
  dataTlb: i32.doc('the same of the data entries'),
  machineTable: i32.doc('linear-memory address of the soft TLB table of M-mode; 0: none yet'),
  regimeRow: i32.doc("linear-memory address of the present view's row of `regimeRows`"),
  floatStatus: i32.doc('the bits of mstatus.FS that can be written: all, none without misa.F'),
  isHosted: i32.doc('1: a trap to M goes to a MachineMode of the host, not to mtvec'),
  joinBias: i32.doc("added to a quarter of a record's address: its join word (see Region)"),
  fetchStamp: i32.doc('names the present fetch translations; a region is proven for it or is not'),
  stampOffset: i32.doc('where a region keeps the stamp of the present regime, from its `stamps`'),
  budgetLeft: i32.doc('what a region leaves of the instructions it was allowed'),
  regionInstructions: i64.doc('of `instret`: those that translated regions retired'),
  high: i32.doc('high half of a 64-bit result of a helper function'),
  fflags: i32.doc('exceptions accrued; the low bits of fcsr'),
  frm: i32.doc(
    'dynamic rounding mode; the bits of fcsr above them. 5 to 7 are kept, and trap when used',
  ),
  mode: i32.doc('privilege mode; read by the probe'),
  pending: i32.doc(
    'PENDING bits. Any thread ors and notifies; the owner exchanges with 0 before it acts',
  ),
  state: i32.doc(
    'HART_STATE. Written by the owner (and by whoever starts it), read by shootdown issuers',
  ),
  mip: i32.doc('interrupt lines by mip bit. Any thread ors or ands'),
  softwareSei: i32.doc(
    'the bit of mip.SEIP that M writes, at its place; the controller has its own in mip',
  ),
  fenceRequest: i32.doc('count of remote fences asked. Any thread adds 1, then sets PENDING.FENCE'),
  fenceAcked: i32.doc('the request count that the owner has served. Issuers wait on it'),
  fenceCode: i32.doc(
    'not 0: the fences asked include FENCE.I. Any thread stores 1, the owner exchanges',
  ),
  domain: i32.doc('current domain id, for the probe; -1 if there is no monitor'),
  view: i32.doc('identity of the current view, for the probe'),
  thread: i32.doc('thread slot that the hart runs, for the probe'),
  startPc: i64.doc(
    'where a hart that is started begins. Written by the starter before it stores `state`',
  ),
  startArgument: i64,
  csr: i64Array(CSR_CELLS.length),
  counters: f64Array(COUNTERS.length).doc('one writer; readers may see an older value'),
  modelCounts: i32Array(MODEL_COUNTS.length).doc(
    'counted by the core itself; the hart moves them to `counters`',
  ),
  trapCounts: i32Array(TRAP_COUNTS.length).doc('the same of traps that the core took'),
  regimeRows: i32Array(REGIME_VIEWS * REGIME_ROW_WORDS).doc(
    'by view, then privilege with SUM in bit 2 and MXR in bit 3: the table of that regime; 0: none yet',
  ),
  scratchRecords: bytes(96, 16).doc('a decoded page-crossing instruction and the record after it'),
});
export type HartBlockView = ReturnType<typeof HartBlock.at>;

/** A decoded parcel: what the interpreter reads instead of the instruction. */
export const Record16: Layout<
  Record<'dispatch' | 'rd' | 'rs1' | 'rs2' | 'imm' | 'extra', ReturnType<typeof bytes>>
> = layout('Record16', {
  dispatch: bytes(2, 2).doc(
    'dispatch number (operations.ts): what to do, how long the instruction is',
  ),
  rd: bytes(2, 2).doc('byte offset of the register cell'),
  rs1: bytes(2, 2),
  rs2: bytes(2, 2),
  imm: bytes(4, 4),
  extra: bytes(4, 4).doc(
    'of a plain CSR: lowest privilege; above it, the bits that it keeps. Of a branch or JAL within its ' +
      'page: how far the target record is, in bytes. Of an instruction of F or D: the raw bits. Of a JALR: ' +
      'the low half of its last target, if code is translated. Else 0',
  ),
});
export const RECORD_BYTES = 16;
export const PARCELS_PER_PAGE = 2048;
/** One record a parcel, and a last one that says: look the next page up. */
export const DECODED_PAGE_BYTES: number = (PARCELS_PER_PAGE + 1) * RECORD_BYTES;

/** One translation for loads and stores: tags are the page's virtual address, or an impossible one. */
export const DataEntry = layout('DataEntry', {
  readTag: i64,
  writeTag: i64,
  addend: i32.doc('the linear-memory address less the low half of the virtual one'),
  shape: i32.doc('level of the leaf in bits 0-1, SHAPE flags above; for the modelled TLB'),
  unused: bytes(8, 8).doc('an entry is found with a shift, which wants a power of two'),
});

/**
 * One translation for fetches. They have tables of their own: an instruction and its operand may share
 * an index, and each would evict the other for ever.
 */
export const FetchEntry = layout('FetchEntry', {
  tag: i64,
  decoded: i32.doc("linear-memory address of the page's decoded records"),
  shape: i32,
});
/** Translation regimes that keep their entries side by side: view, ASID, privilege, SUM, MXR, keys. */
export const TLB_CONTEXTS = 32;

/**
 * A translated region (machine/jit). Each record has a join word: it counts how often control came to the
 * record from elsewhere than the one before, up to a threshold; negative, it is minus the address of the
 * region that begins there.
 */
export const Region = layout('Region', {
  va: i64.doc('virtual address it was translated for; an odd one is never met'),
  index: i32.doc('in the table of the core'),
  stamps: i32Array(TLB_CONTEXTS).doc(
    'by regime: the `fetchStamp` under which all of its pages were last found where they were',
  ),
});
export const MAX_REGIONS = 4096;
export const JOINS_PER_PAGE: number = PARCELS_PER_PAGE + 1;
/** What a region returns. */
export const REGION_END = {
  /** Go on at pc. */
  CONTINUE: 0,
  /** The instruction at pc is the interpreter's. */
  INTERPRET: 1,
} as const;

/**
 * Where regions begin that control came to: found by address alone, without the fetch translation, the
 * join word and the region's own words. An entry holds while its stamp is the present one, and is emptied
 * when its region is dropped.
 */
export const JumpEntry = layout('JumpEntry', {
  va: i64.doc('an odd one is never met'),
  stamp: i32.doc(
    'the `fetchStamp` under which the region was proven; 0, which is none, if never filled',
  ),
  index: i32.doc('in the table of the core'),
});
/** A power of two. */
export const JUMP_ENTRIES = 4096;
/** What bits 1 and up of an address are mixed with: those from here on. */
export const JUMP_MIX = 13;
/** The number of the only entry that can hold an address, by its low half. */
export const jumpNumber = (low: number): number =>
  ((low >>> 1) ^ (low >>> JUMP_MIX)) & (JUMP_ENTRIES - 1);

/** Enough data entries for a working set of 4 MiB; code is denser. Powers of two. */
export const DATA_TLB_ENTRIES = 1024;
export const FETCH_TLB_ENTRIES = 1024;
/** A table: the data entries, then the fetch entries. */
export const FETCH_TABLE_OFFSET: number = DATA_TLB_ENTRIES * DataEntry.sizeBytes;
/** What a table knows of itself: `select` copies it to the fields of the same names. */
export const TableState = layout('TableState', {
  stamp: i32.doc('`fetchStamp`: new whenever a fetch translation of the table may have gone'),
  stampOffset: i32,
});
/** Behind the entries of a table. */
export const TABLE_STATE_OFFSET: number =
  FETCH_TABLE_OFFSET + FETCH_TLB_ENTRIES * FetchEntry.sizeBytes;
export const TLB_BYTES: number = TABLE_STATE_OFFSET + Math.ceil(TableState.sizeBytes / 16) * 16;
/**
 * Flips the low half of a page's address into the tag of an empty entry: one that belongs to the
 * neighbouring entry, so that no address which is looked for here can match it. (A tag that is no page's
 * address would not do: the core compares by distance.)
 */
export const EMPTY_TAG_FLIP = 0x1000;

/** Word index, from the start of a hart block, of a field or of a CSR cell. */
export const wordOf = (field: keyof typeof HartBlock.offset): number =>
  HartBlock.offset[field] >> 2;
export const csrWordOf = (name: CsrCell): number => wordOf('csr') + 2 * csrIndex[name];
