/**
 * A checked set of policies, with every name resolved: what the linker, the graph and the
 * documentation read. Only `check.ts` makes one, and only from policies without errors.
 */
import type { MechanismName, Projection } from './contexts.ts';

export interface PolicyFile {
  /** As shown in messages: relative to where the user stands. */
  readonly file: string;
  readonly text: string;
}

/** Where a clause stands; `line` and `column` are 1-based. */
export interface PolicyPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** The subsystem that owns traps, scheduling and address spaces; domain 0. */
export const CORE = 'core';

/** Kernel stack per thread where the policy does not say. */
export const DEFAULT_STACK_BYTES = 8192;

export interface ExportPolicy {
  readonly name: string;
  readonly args: readonly Projection[];
  /** Kind of the result, as written: `status`, `scalar`, ... or `void`. */
  readonly returns: string;
  readonly onFault:
    | { readonly action: 'fail'; readonly value: number }
    | { readonly action: 'panic' };
  /** Only these may import it; null = anybody may. */
  readonly allowed: { readonly callers: readonly string[]; readonly place: PolicyPlace } | null;
  readonly place: PolicyPlace;
}

export interface ImportPolicy {
  readonly from: string;
  readonly function: string;
  readonly place: PolicyPlace;
}

export interface SharePolicy {
  readonly symbol: string;
  readonly partners: readonly { readonly name: string; readonly access: 'r' | 'rw' }[];
  readonly place: PolicyPlace;
}

export interface MmioPolicy {
  readonly device: string;
  /** Given in the policy, or null if the machine's map of devices has it. */
  readonly range: { readonly base: number; readonly sizeBytes: number } | null;
  readonly place: PolicyPlace;
}

export interface SubsystemPolicy {
  readonly name: string;
  readonly file: string;
  readonly place: PolicyPlace;
  readonly contains: readonly { readonly glob: string; readonly place: PolicyPlace }[];
  readonly heapBytes: number;
  readonly stackBytes: number;
  readonly mmio: readonly MmioPolicy[];
  readonly secrets: readonly { readonly symbol: string; readonly place: PolicyPlace }[];
  /** 0 = no bound. */
  readonly budget: number;
  /** Per model minute; 0 = quarantined at the first fault. */
  readonly restarts: number;
  readonly mechanism: MechanismName | null;
  readonly exports: readonly ExportPolicy[];
  readonly imports: readonly ImportPolicy[];
  readonly shares: readonly SharePolicy[];
}

/** A call that both sides have signed: `callee` exports it, `caller` imports it. */
export interface Edge {
  readonly caller: string;
  readonly callee: string;
  readonly function: string;
  readonly place: PolicyPlace;
}

export interface Policies {
  /** The core first, then by name: the order of domain ids. */
  readonly subsystems: readonly SubsystemPolicy[];
  readonly edges: readonly Edge[];
  /** Text of the assertions that were checked and hold. */
  readonly assertions: readonly string[];
}
