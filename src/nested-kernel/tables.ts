/**
 * The monitor's shared tables: what all harts' monitors agree on. They lie outside guest physical
 * memory, so no guest access of any kind can reach them.
 *
 * Unless a field says otherwise it is guarded by `MonitorBlock.lock`.
 */
import { i32, i32Array, i64Array, layout, ticketLock, type View } from 'sharedarraybuffer-utils';
import type { CsrCell } from '../machine/core/hart-block.ts';
import { MAX_HARTS } from '../machine/physical-map.ts';
import { MAX_SPACES, MAX_THREADS } from './abi.ts';

/** Domains of one image, the core included. */
export const MAX_DOMAINS = 16;

/**
 * Frames of a domain stack. Calls leave the last one free: an interrupt needs a frame only in a domain
 * that a call has entered, so it always finds that one.
 */
export const MAX_DEPTH = 16;

/** Ledger records kept; older ones are overwritten and counted. */
export const LEDGER_RECORDS = 512;

/** What a frame of RAM is used for (`Frames`). */
export const FRAME = {
  /** The core's own: kernel heap, page cache, free pages. */
  CORE: 0,
  /** Mapped in at least one user space. */
  USER: 1,
  /** A page table. Never writable below M. */
  TABLE: 2,
  /** Part of the image, or granted: belongs to one domain. */
  PRIVATE: 3,
  /** Part of the image that several domains may reach. */
  SHARED: 4,
  /** Revoked or unmapped, not every hart has acknowledged yet. */
  QUARANTINE: 5,
} as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

export const DOMAIN_STATE = {
  RUNNING: 0,
  /** Faulted; its code and data are in no view until RESTART. */
  STOPPED: 1,
  /** Faulted too often; stays down. */
  QUARANTINED: 2,
  /** Restarted; only the thread that restarted it may enter, until its first call has returned. */
  STARTING: 3,
} as const;

/** SBI hart states (SBI 2.0, "Hart State Management Extension"). */
export const HSM = {
  STARTED: 0,
  STOPPED: 1,
  START_PENDING: 2,
  STOP_PENDING: 3,
  SUSPENDED: 4,
} as const;

/** What a frame on a domain stack remembers of the interrupted or calling domain. */
export const FRAME_KIND = { CALL: 1, INTERRUPT: 2 } as const;

/** An `out` or `inout` buffer to copy back: where in the caller, where in the callee, how long. */
export const CopyBack = layout('CopyBack', {
  callerLow: i32,
  callerHigh: i32,
  calleeHost: i32.doc('offset in the shared memory'),
  sizeBytes: i32,
});
/** Arguments of a gate, all of which may be buffers that come back: those that have registers (psABI). */
export const MAX_ARGUMENTS = 8;

/** One frame of a thread's domain stack. */
export const StackFrame = layout('StackFrame', {
  kind: i32,
  caller: i32,
  callee: i32,
  gate: i32,
  generation: i32.doc("the callee's generation at the call; a later one means it was restarted"),
  callerGeneration: i32,
  sstatus: i32.doc("the caller's SIE, SPIE, SPP, SUM and MXR"),
  mie: i32,
  pc: i32Array(2).doc('where the caller goes on'),
  x: i32Array(64).doc("the caller's registers; of a call only those that it may rely on"),
  copies: i32,
  copyBacks: i32Array((CopyBack.sizeBytes / 4) * MAX_ARGUMENTS),
  since: i32Array(2).doc('instret of the hart when the callee last began to run'),
  used: i32Array(2).doc('instructions the callee has retired in this call before `since`'),
});

/** One thread slot. Owned by the hart that runs the thread; by nobody else while it runs. */
export const Thread = layout('Thread', {
  alive: i32.doc('1: in use; 2: being made. Compare-exchanged'),
  hart: i32.doc('the hart that runs it, -1 if none does, -2 while it ends. Compare-exchanged'),
  depth: i32,
  lastHart: i32,
  frames: i32Array((StackFrame.sizeBytes / 4) * MAX_DEPTH),
});

/** One user address space. */
export const Space = layout('Space', {
  alive: i32,
  root: i32.doc('frame number of its root table'),
  generation: i32.doc(
    'count of unmaps; a hart that activates it flushes its ASID if it saw an older one',
  ),
  pages: i32,
});

/** Registers of S-mode that the core alone has; zero for everybody else. */
export const SUPERVISOR_CELLS = [
  'stvec',
  'sscratch',
  'sepc',
  'scause',
  'stval',
  'scounteren',
  'senvcfg',
] as const satisfies readonly CsrCell[];

/** Fences that may wait for a hart one by one; more become one fence for everything. */
export const FENCE_QUEUE = 8;
/** Address (low, high), pages (0 = all), ASID (-1 = all). */
export const FENCE_WORDS = 4;

/** One denial or event (`ledger.ts` decodes them). */
export const LEDGER_WORDS = 16;

export const MonitorBlock = layout('MonitorBlock', {
  lock: ticketLock.doc(
    'guards everything here that does not say otherwise; waiters serve fences meanwhile',
  ),
  fenceQueue: i32Array(MAX_HARTS * FENCE_QUEUE * FENCE_WORDS).doc(
    'fences asked of each hart: a ring, entry n at n mod FENCE_QUEUE; see fence.ts',
  ),
  hsm: i32Array(MAX_HARTS).doc('HSM state by hart. Atomics only'),
  activeSpace: i32Array(MAX_HARTS).doc(
    'space whose user half is in the hart view. Written by its hart, read by fence issuers',
  ),
  domainState: i32Array(MAX_DOMAINS).doc('DOMAIN_STATE. Atomics only'),
  domainGeneration: i32Array(MAX_DOMAINS),
  domainStarter: i32Array(MAX_DOMAINS).doc('thread that restarted it, while STARTING'),
  domainRestarts: i32Array(MAX_DOMAINS),
  domainFaults: i32Array(MAX_DOMAINS),
  domainMinute: i32Array(MAX_DOMAINS).doc(
    'minute of the last restart, and below how many there were in it',
  ),
  domainRestartsInMinute: i32Array(MAX_DOMAINS),
  windowNext: i32Array(MAX_DOMAINS).doc('where the search for a free page of the window begins'),
  poolNext: i32.doc('first table frame of the pool never handed out'),
  poolFree: i32.doc('head of the list of returned table frames, 0 = empty; a frame number'),
  poolUsed: i32,
  ledgerCount: i32.doc('records ever written; the newest is at (count - 1) mod LEDGER_RECORDS'),
  ledger: i32Array(LEDGER_RECORDS * LEDGER_WORDS),
  gateCounts: i32Array(MAX_HARTS * MAX_DOMAINS * MAX_DOMAINS).doc(
    'crossings by hart, caller, callee. One writer each; read by the probe',
  ),
  supervisor: i64Array(MAX_HARTS * SUPERVISOR_CELLS.length).doc(
    "by hart: the core's SUPERVISOR_CELLS while the hart is in another domain. Its hart only",
  ),
  spaces: i32Array((Space.sizeBytes / 4) * MAX_SPACES),
  threads: i32Array((Thread.sizeBytes / 4) * MAX_THREADS),
});
export type MonitorView = View<(typeof MonitorBlock)['fields']>;

/** Bytes of shared tables for a machine with that much RAM: the block, then two words a frame. */
export const monitorTableBytes = (ramBytes: number): number =>
  MonitorBlock.sizeBytes + (ramBytes / 4096) * 8;
