/**
 * Where everything lies in the machine's one shared memory (offsets are WebAssembly linear addresses):
 *
 *   control block | debugger | devices | monitor tables | reservations | hart areas | guest RAM
 *
 * RAM is last and starts on a 64 KiB boundary. The plan is plain data: it is computed once, posted to
 * every worker, and never changes while the machine lives.
 */
import { i32, layout } from 'sharedarraybuffer-utils';
import {
  DECODED_PAGE_BYTES,
  JOINS_PER_PAGE,
  JUMP_ENTRIES,
  JumpEntry,
  MAX_REGIONS,
  Region,
} from './core/hart-block.ts';
import { MODEL_OFFSET, ModelTlb } from './core/tlb-model.ts';
import { DebugBlock } from './debug/debug-block.ts';
import { MAX_HARTS } from './physical-map.ts';

export const PAGE_BYTES = 4096;

/** Words of the whole machine. */
export const ControlBlock = layout('ControlBlock', {
  stop: i32.doc('not 0: every hart returns from its run. Any thread stores, then rings every hart'),
  exitReason: i32.doc('EXIT_REASON of the first who asked; compare-exchanged from 0'),
  exitCode: i32,
  exitHart: i32,
  virtualTimeLow: i32.doc('deterministic mode: the clock, in ticks. Written by the scheduler'),
  virtualTimeHigh: i32,
  pausedLow: i32.doc(
    "ticks for which a debugger held the machine: no time of the guest's. Written while no hart runs",
  ),
  pausedHigh: i32,
});

/** Why a machine ended. */
export const EXIT_REASON = {
  NONE: 0,
  /** The guest switched it off; `exitCode` is the guest's. */
  POWER_OFF: 1,
  RESET: 2,
  /** The host asked: time limit, Ctrl-C. */
  HOST: 3,
  /** A hart could not go on: a bug of ours or a broken guest; see the log. */
  FAILURE: 4,
  /** The guest said so in `tohost`; `exitCode` is 0 or what it gave for the failure. */
  TOHOST: 5,
} as const;

export interface MemoryPlan {
  readonly harts: number;
  readonly ramBytes: number;
  readonly control: number;
  readonly debug: number;
  readonly devices: number;
  readonly deviceBytes: number;
  readonly monitor: number;
  readonly monitorBytes: number;
  /** The board of the reservations (reservations.ts), if they are tracked. */
  readonly reservations: number;
  readonly hartAreas: number;
  readonly hartAreaBytes: number;
  /** Decoded pages each hart keeps. */
  readonly decodedPages: number;
  readonly decodedOffset: number;
  /** Join words of the decoded records, and the regions they point to. */
  readonly joinsOffset: number;
  readonly regionsOffset: number;
  /** Behind the regions. */
  readonly jumpsOffset: number;
  readonly ram: number;
  readonly totalPages: number;
}

const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to;

/** @throws RangeError if harts or RAM are out of the range the machine can address. */
export function planMemory(request: {
  readonly harts: number;
  readonly ramBytes: number;
  readonly deviceBytes: number;
  readonly monitorBytes: number;
  readonly reservationBytes?: number;
}): MemoryPlan {
  const { harts, ramBytes } = request;
  if (!Number.isInteger(harts) || harts < 1 || harts > MAX_HARTS) {
    throw new RangeError(`harts must be 1 to ${MAX_HARTS}, got ${harts}`);
  }
  if (
    !Number.isInteger(ramBytes) ||
    ramBytes % PAGE_BYTES !== 0 ||
    ramBytes < 16 << 20 ||
    ramBytes > 2 ** 30
  ) {
    throw new RangeError(`memory must be 16M to 1G in whole pages, got ${ramBytes} bytes`);
  }
  // A page that has to go takes its translated code with it. Only what is used takes room on the host.
  const decodedPages = harts <= 2 ? 3072 : harts <= 8 ? 1024 : harts <= 16 ? 384 : 192;
  const decodedOffset = alignUp(MODEL_OFFSET + ModelTlb.sizeBytes, 64);
  const joinsOffset = alignUp(decodedOffset + decodedPages * DECODED_PAGE_BYTES, 64);
  const regionsOffset = alignUp(joinsOffset + decodedPages * JOINS_PER_PAGE * 4, 64);
  const jumpsOffset = alignUp(regionsOffset + MAX_REGIONS * Region.sizeBytes, 64);
  const hartAreaBytes = alignUp(jumpsOffset + JUMP_ENTRIES * JumpEntry.sizeBytes, PAGE_BYTES);
  const control = PAGE_BYTES; // nothing lies at address 0: a null host address is never valid
  const debug = alignUp(control + ControlBlock.sizeBytes, PAGE_BYTES);
  const devices = alignUp(debug + DebugBlock.sizeBytes, PAGE_BYTES);
  const monitor = alignUp(devices + request.deviceBytes, PAGE_BYTES);
  const reservations = alignUp(monitor + request.monitorBytes, PAGE_BYTES);
  const hartAreas = alignUp(reservations + (request.reservationBytes ?? 0), PAGE_BYTES);
  const ram = alignUp(hartAreas + harts * hartAreaBytes, 65536);
  const totalPages = Math.ceil((ram + ramBytes) / 65536);
  return {
    harts,
    ramBytes,
    control,
    debug,
    devices,
    deviceBytes: request.deviceBytes,
    monitor,
    monitorBytes: request.monitorBytes,
    reservations,
    hartAreas,
    hartAreaBytes,
    decodedPages,
    decodedOffset,
    joinsOffset,
    regionsOffset,
    jumpsOffset,
    ram,
    totalPages,
  };
}

/** Offset of a hart's area; its hart block comes first. */
export const hartBase = (plan: MemoryPlan, hart: number): number =>
  plan.hartAreas + hart * plan.hartAreaBytes;
