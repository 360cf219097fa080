/**
 * Subsystem execution contexts: what the policy compiler tells the nested kernel.
 *
 * The linker writes this structure, as canonical JSON, into the section `.cordon.contexts` of the
 * kernel image; the monitor reads it at boot and never again trusts anything else about a domain.
 * This file owns the format. Addresses are virtual unless the name ends in `Phys`; all fit in 53 bits
 * once the canonical upper half is stripped, so they are kept as hexadecimal strings and parsed with
 * `parseAddress`.
 */

/** Bumped whenever the meaning of a field changes; the monitor refuses any other version. */
export const CONTEXTS_VERSION = 1;

/** The ELF section that holds the contexts, and the note that holds their SHA-256. */
export const CONTEXTS_SECTION = '.cordon.contexts';
export const CONTEXTS_HASH_SECTION = '.cordon.hash';

/** `0x` and 16 hexadecimal digits. */
export type Address = `0x${string}`;

/** A page-aligned virtual range and where its bytes lie in physical memory. */
export interface Region {
  readonly start: Address;
  readonly sizeBytes: number;
  /** Physical address of the first byte; the range is physically contiguous. */
  readonly startPhys: Address;
}

export type Access = 'r' | 'rw' | 'rx' | 'x';

/** Where a fact stands in the policy sources. */
export interface SourcePlace {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
}

/** The four mechanisms of the first release; further ones are folders in the nested kernel. */
export const MECHANISMS = ['none', 'vbit', 'asid', 'pkey'] as const;
export type MechanismName = (typeof MECHANISMS)[number];

export interface DomainContext {
  /** Index in `Contexts.domains`; 0 is the core. */
  readonly id: number;
  readonly name: string;
  readonly text: Region | null;
  readonly rodata: Region | null;
  /** `.data`, `.bss` and the heap that the policy grants, in this order. Restart restores it. */
  readonly data: Region | null;
  /** Bytes at the start of `data` that come from the image; the rest is zero. */
  readonly dataInitBytes: number;
  /** One stack per thread: `threads` slots of `stackBytes`, slot of thread t at start + t * stackBytes. */
  readonly stacks: Region | null;
  readonly stackBytes: number;
  /** Virtual range in which the monitor maps frames granted to the domain at run time. */
  readonly window: { readonly start: Address; readonly sizeBytes: number } | null;
  readonly mmio: readonly { readonly device: string; readonly region: Region }[];
  /** Symbols whose bytes no other domain may ever reach, not by a share and not by a projection. */
  readonly secrets: readonly {
    readonly symbol: string;
    readonly start: Address;
    readonly sizeBytes: number;
  }[];
  /** Instructions one call may retire inside the domain before it is stopped; 0 = no bound. */
  readonly budget: number;
  /** How often it may be restarted per model minute before it is quarantined. */
  readonly restarts: number;
  readonly place: SourcePlace;
}

/** How one argument crosses a gate; `index` is the position, register a0 + index. */
export type Projection =
  | {
      readonly kind: 'scalar';
      readonly index: number;
      readonly name: string;
      readonly max?: number;
    }
  /**
   * A buffer. `in` is copied to the callee's stack before the call, `out` back after it, `inout` both.
   * Its length is the value of argument `lengthArg`, or `fixedBytes`, or, for a `string`, up to the NUL.
   */
  | {
      readonly kind: 'in' | 'out' | 'inout';
      readonly index: number;
      readonly name: string;
      readonly type: 'bytes' | 'string';
      readonly lengthArg?: number;
      readonly fixedBytes?: number;
      /** Upper bound in bytes; a longer one is denied. */
      readonly max: number;
    };

export interface GateContext {
  readonly id: number;
  /** Address of its `ecall`: the gate's identity. */
  readonly start: Address;
  readonly caller: number;
  readonly callee: number;
  readonly function: string;
  readonly target: Address;
  readonly args: readonly Projection[];
  /** What the caller gets when the callee faults or is stopped. */
  readonly onFault:
    | { readonly action: 'fail'; readonly value: number }
    | { readonly action: 'panic' };
  /** The callee may be entered again by the same thread while it is already inside. */
  readonly place: SourcePlace;
}

export interface ShareContext {
  readonly name: string;
  readonly owner: number;
  readonly region: Region;
  /** Includes the owner. */
  readonly grants: readonly { readonly domain: number; readonly access: 'r' | 'rw' }[];
  readonly place: SourcePlace;
}

export interface Contexts {
  readonly version: typeof CONTEXTS_VERSION;
  /** Entry point of the kernel, virtual and physical. */
  readonly entry: Address;
  readonly entryPhys: Address;
  readonly defaultMechanism: MechanismName;
  /** Number of thread slots in every `stacks` region. */
  readonly threads: number;
  readonly domains: readonly DomainContext[];
  /** All gate pages; execute-only in every view. */
  readonly gateRegion: Region;
  /** Size of one gate stub: an `ecall` padded with illegal parcels. */
  readonly gateBytes: number;
  /** Address of the `ecall` that a callee returns to. */
  readonly returnGate: Address;
  /** Address of the `ecall` that the core returns to from an interrupt taken inside a domain. */
  readonly resumeGate: Address;
  readonly gates: readonly GateContext[];
  readonly shares: readonly ShareContext[];
  /** SHA-256 (hex) of every loadable segment's file bytes, in program-header order. */
  readonly segmentHashes: readonly string[];
}

/** The numeric value of an address as the unsigned 64-bit integer it denotes. */
export const parseAddress = (address: Address): bigint => BigInt(address);

export const formatAddress = (value: bigint): Address =>
  `0x${BigInt.asUintN(64, value).toString(16).padStart(16, '0')}`;
