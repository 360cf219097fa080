/**
 * The interface between the outer kernel and the monitor, and the kernel's virtual layout.
 *
 * This file owns every number that C and TypeScript share; `emitHeader` writes `cordon/abi.h` for
 * the C side at build time. Calls follow the SBI calling convention (SBI 2.0, "Binary Encoding"):
 * `a7` = extension, `a6` = function, arguments in `a0`-`a5`, status returned in `a0`, value in `a1`.
 */
import { KERNEL_BASE, MAX_HARTS, RAM_BASE } from '../machine/physical-map.ts';

/** Experimental SBI extension space (SBI 2.0: 0x08000000-0x08FFFFFF); the letters are "COR". */
export const CORDON_EID = 0x08434f52;

/**
 * Function numbers of the extension. Arguments in order; a `space` is a user address space, a `frame`
 * a 4 KiB-aligned physical address, `perm` an or of `PTE_R|PTE_W|PTE_X` (bits 1, 2, 3 as in a PTE).
 */
export const CALL = {
  /** () -> features; bit 0: separation is active (else the kernel owns satp and its page tables). */
  INFO: 0,
  /** (thread) Gives a thread slot an empty domain stack whose only frame is the core. */
  THREAD_CREATE: 1,
  /** (thread) This hart now runs that thread. Both threads must be in the core. */
  THREAD_SWITCH: 2,
  /** (thread) Its domain stack must hold only the core frame. */
  THREAD_EXIT: 3,
  /** () -> space. */
  SPACE_CREATE: 4,
  /** (space) All its mappings go, its page-table frames return to the monitor. Not active anywhere. */
  SPACE_DESTROY: 5,
  /** (space) The user half of this hart's view becomes that space. Space 0 = no user half. */
  SPACE_ACTIVATE: 6,
  /** (space, va, frame, perm) Maps one user page that was not mapped. */
  MAP: 7,
  /** (space, va, pages) Removes mappings that exist in the range; returns when every hart has fenced. */
  UNMAP: 8,
  /** (space, va, pages, perm) Changes permissions of mappings that exist in the range; fenced if reduced. */
  PROTECT: 9,
  /** (space, va) -> the leaf PTE, or 0: for the outer kernel's own page-fault handling. */
  LOOKUP: 10,
  /** (frame) Gives a frame of the core to the domain that called the core; -> its address there. */
  GRANT: 11,
  /** (va) Takes a granted frame back from the domain that called the core; zeroed; -> frame. */
  REVOKE: 12,
  /** () -> bitmap of domains that are stopped and wait for a restart. */
  STOPPED: 13,
  /** (domain) Restores initial data, starts a new generation; -> the generation. */
  RESTART: 14,
  /** (id, value) A mark in the measurement; works without separation too. */
  MARK: 15,
  /** () -> the domain id that called the core (0 if nobody did). */
  CALLER: 16,
  /** (frame) Remote fence.i on all harts, after text was written. */
  FENCE_I: 17,
} as const;

/**
 * Status of a monitor call or a gate, in `a0`. 0 and -1..-9 are the SBI's own error codes (SBI 2.0,
 * "Binary Encoding"); ours start at -32.
 */
export const STATUS = {
  OK: 0,
  FAILED: -1,
  NOT_SUPPORTED: -2,
  INVALID_PARAM: -3,
  DENIED: -4,
  INVALID_ADDRESS: -5,
  ALREADY_AVAILABLE: -6,
  /** The policy has no such edge, or the caller is not who it must be. */
  POLICY: -32,
  /** A frame has the wrong type or owner for the request. */
  FRAME_TYPE: -33,
  /** A frame still has references that the request cannot live with. */
  FRAME_BUSY: -34,
  /** The monitor's pool of page-table frames is exhausted. */
  NO_MEMORY: -35,
  /** The domain is stopped, or the handle is of an earlier generation. */
  DOMAIN_DEAD: -36,
  /** The thread's domain stack is full or empty. */
  DEPTH: -37,
  /** W^X over all roots would be broken. */
  WX: -38,
} as const;

/**
 * The kernel's virtual layout (Sv39, upper half). User space is the lowest gigabyte, one top-level
 * entry, so that a hart changes the user half of its view with one store.
 */
export const LAYOUT = {
  USER_TOP: 0x4000_0000n,
  /** RAM from its physical base, 1 GiB at most. */
  DIRECT_BASE: 0xffff_ffd0_0000_0000n,
  RAM_BASE: BigInt(RAM_BASE),
  /** Devices: virtual = MMIO_BASE + physical. */
  MMIO_BASE: 0xffff_ffd8_0000_0000n,
  /** Windows: domain d has [WINDOW_BASE + d * WINDOW_BYTES, +WINDOW_BYTES). */
  WINDOW_BASE: 0xffff_ffe0_0000_0000n,
  WINDOW_BYTES: 0x0100_0000n,
  /** Kernel image: virtual = physical + IMAGE_OFFSET. */
  IMAGE_BASE: 0xffff_ffff_8020_0000n,
  IMAGE_PHYS: BigInt(KERNEL_BASE),
  IMAGE_OFFSET: 0xffff_ffff_0000_0000n,
} as const;

/**
 * Thread slots: each hart's idle thread has one, and as many are left for work. Each has a stack in
 * every domain, 136 KiB altogether in the bundled kernel.
 */
export const MAX_THREADS = 128;
/** Address spaces, space 0 excluded; their numbers are ASIDs, and those of domains begin here. */
export const MAX_SPACES = 128;

/** The C header `cordon/abi.h`: the same facts for the other side. */
export function emitHeader(): string {
  const lines = [
    '/* Generated from src/nested-kernel/abi.ts. Do not edit. */',
    '#ifndef CORDON_ABI_H',
    '#define CORDON_ABI_H',
    '',
    `#define CORDON_EID ${hex(BigInt(CORDON_EID))}`,
    ...Object.entries(CALL).map(([name, value]) => `#define CORDON_${name} ${value}`),
    '',
    ...Object.entries(STATUS).map(([name, value]) => `#define CORDON_STATUS_${name} (${value})`),
    '',
    ...Object.entries(LAYOUT).map(([name, value]) => `#define ${name} ${hex(value)}`),
    '',
    `#define MAX_THREADS ${MAX_THREADS}`,
    `#define MAX_SPACES ${MAX_SPACES}`,
    `#define MAX_HARTS ${MAX_HARTS}`,
    '',
    '#endif',
    '',
  ];
  return lines.join('\n');
}

const hex = (value: bigint): string => `0x${value.toString(16)}UL`;
