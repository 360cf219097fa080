/**
 * What boot decides once and every hart's monitor then knows: plain data that is posted to the workers.
 */
import type { Contexts, MechanismName } from '../policy/contexts.ts';

/**
 * Invariants that a test may switch off one at a time, to see that an attack which is stopped succeeds
 * without them. Never set outside of `cordon attack` and tests.
 */
export const ABLATIONS = [
  /** satp and sfence.vma no longer trap (NK-1). */
  'tvm',
  /** A fence reaches only the hart that asks for it (NK-11). */
  'shootdown',
  /** The core's direct map covers the domains' frames too (NK-3). */
  'direct-map-holes',
  /** MAP does not look at what a frame is used for; page tables may be written below M (NK-4). */
  'frame-types',
  /** A gate lets anybody in; and an ecall elsewhere is taken for the gate named in t6 (NK-2). */
  'gate-identity',
  /** A callee returns to where the guest's own stack says (NK-2). */
  'return-frame',
  /**
   * The domain stack of a thread that is inside of a domain stays on the hart where it gave way, and
   * whoever runs there next has it (NK-8).
   */
  'view-follows-thread',
  /** Buffers are not copied: the caller's own pages are in the callee's window for the call (NK-6). */
  'copy-in',
  /** Views are not separated: every domain runs in one view of all (NK-3). */
  'views',
  /** A call may last for ever (NK-10). */
  'budget',
] as const;
export type Ablation = (typeof ABLATIONS)[number];

/** A run of kernel pages and what each domain may do with it. */
export interface KernelRegion {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly pages: number;
  readonly frame: number;
  /** PTE.R, W, X bits by domain id; 0: not in its view. */
  readonly rights: readonly number[];
  /** Protection key, for machines that have them. */
  readonly key: number;
  readonly kind: 'gates' | 'text' | 'rodata' | 'data' | 'stacks' | 'share' | 'mmio';
  /** The owner; -1 for the gates. */
  readonly owner: number;
}

export interface MonitorConfig {
  readonly mechanism: MechanismName;
  /** undefined: a foreign kernel without separation; the monitor is its SBI firmware only. */
  readonly contexts?: Contexts;
  readonly ablate: readonly Ablation[];
  /** Frames of the monitor's own: [first, end). */
  readonly poolFirst: number;
  readonly poolEnd: number;
  readonly regions: readonly KernelRegion[];
  /** Root tables by hart and domain: index hart * domains + domain. Mechanisms with one root a hart repeat it. */
  readonly roots: readonly number[];
  /** Middle tables of each domain's window and devices, and of the core's direct map. */
  readonly windowTables: readonly number[];
  readonly mmioTables: readonly number[];
  readonly directTable: number;
  /** Initial bytes of every domain's data, at `sealedAt[domain]`; for restarts. */
  readonly sealed: SharedArrayBuffer;
  readonly sealedAt: readonly number[];
  readonly bootHart: number;
}
