/**
 * The bus: which device answers at a physical address, and how wide an access it takes.
 *
 * RAM is not on it. A hart looks into RAM first and comes here with what is left, so an address
 * that nobody claims here is an access fault ("Physical Memory Attributes", Priv. spec v1.13
 * (20250508) §3.6). The same bus is built in every worker over the same shared bytes.
 *
 * Nothing here allocates: a load returns its value or `NO_DEVICE`, a store whether it was taken.
 */
import type { PhysRange } from './physical-map.ts';

/** The access sizes in bytes; also the bits of `Device.widths`. */
export type Width = 1 | 2 | 4;

/**
 * One memory-mapped device. Any hart's thread may call it at any moment; all its state is in shared
 * memory. The bus has checked offsets and sizes: inside the device, naturally aligned, and of a
 * width that the device takes.
 */
export interface Device extends PhysRange {
  readonly name: string;
  /** Which of the widths 1, 2, 4 the device takes, or-ed together; others are access faults. */
  readonly widths: number;
  /** Returns the value as an unsigned number. */
  load(offset: number, sizeBytes: Width, hart: number): number;
  /** `value` is unsigned and fits `sizeBytes`. */
  store(offset: number, sizeBytes: Width, value: number, hart: number): void;
  /** An 8-byte load in one piece, low word first in `out`; without it the bus does two loads. */
  load64?(offset: number, out: Int32Array, hart: number): void;
  /** An 8-byte store in one piece; without it the bus does two stores, low word first. */
  store64?(offset: number, low: number, high: number, hart: number): void;
}

/** Bits of `mip` that the devices drive (Priv. spec §3.1.9). */
export const MIP_MSIP = 3;
export const MIP_MTIP = 7;
export const MIP_SEIP = 9;
export const MIP_MEIP = 11;

/**
 * The interrupt lines of all harts. Safe from any thread; wakes a parked hart. `mipBit` is one of
 * MIP_MSIP, MIP_MTIP, MIP_SEIP, MIP_MEIP.
 */
export interface InterruptLines {
  set(hart: number, mipBit: number, level: boolean): void;
}

/** What `Bus.load` returns when no device takes the access; every device value is >= 0. */
export const NO_DEVICE = -1;

export class Bus {
  readonly devices: readonly Device[];
  /** The device that answered last: polling loops ask the same one again. Private to this worker. */
  #last: Device | undefined;

  constructor(devices: readonly Device[]) {
    this.devices = devices.toSorted((a, b) => a.base - b.base);
    for (const [index, device] of this.devices.entries()) {
      const next = this.devices[index + 1];
      if (next !== undefined && next.base < device.base + device.sizeBytes) {
        throw new RangeError(
          `${device.name} and ${next.name} overlap at 0x${next.base.toString(16)}`,
        );
      }
    }
  }

  /** Whether there is a device at an address. */
  has(pa: number): boolean {
    return this.#find(pa, 1) !== undefined;
  }

  /** Loads 1, 2 or 4 bytes; the value is unsigned, or NO_DEVICE. */
  load(pa: number, sizeBytes: Width, hart: number): number {
    const device = this.#find(pa, sizeBytes);
    if (device === undefined || (device.widths & sizeBytes) === 0) return NO_DEVICE;
    return device.load(pa - device.base, sizeBytes, hart);
  }

  /** Stores the low `sizeBytes` of `value`; false if no device takes it. */
  store(pa: number, sizeBytes: Width, value: number, hart: number): boolean {
    const device = this.#find(pa, sizeBytes);
    if (device === undefined || (device.widths & sizeBytes) === 0) return false;
    const unsigned = sizeBytes === 4 ? value >>> 0 : value & ((1 << (8 * sizeBytes)) - 1);
    device.store(pa - device.base, sizeBytes, unsigned, hart);
    return true;
  }

  /** Loads 8 bytes into `out` (low word, high word); false if no device takes it. */
  load64(pa: number, out: Int32Array, hart: number): boolean {
    const device = this.#find(pa, 8);
    if (device === undefined || (device.widths & 4) === 0) return false;
    const offset = pa - device.base;
    if (device.load64 !== undefined) {
      device.load64(offset, out, hart);
    } else {
      out[0] = device.load(offset, 4, hart);
      out[1] = device.load(offset + 4, 4, hart);
    }
    return true;
  }

  /** Stores 8 bytes given as two words; false if no device takes it. */
  store64(pa: number, low: number, high: number, hart: number): boolean {
    const device = this.#find(pa, 8);
    if (device === undefined || (device.widths & 4) === 0) return false;
    const offset = pa - device.base;
    if (device.store64 !== undefined) {
      device.store64(offset, low >>> 0, high >>> 0, hart);
    } else {
      device.store(offset, 4, low >>> 0, hart);
      device.store(offset + 4, 4, high >>> 0, hart);
    }
    return true;
  }

  /** The device that holds all of the range; a misaligned access finds none. */
  #find(pa: number, sizeBytes: number): Device | undefined {
    if (pa % sizeBytes !== 0) return undefined;
    const last = this.#last;
    if (last !== undefined && contains(last, pa, sizeBytes)) return last;
    for (const device of this.devices) {
      if (contains(device, pa, sizeBytes)) return (this.#last = device);
    }
    return undefined;
  }
}

const contains = (range: PhysRange, pa: number, sizeBytes: number): boolean =>
  pa >= range.base && pa + sizeBytes <= range.base + range.sizeBytes;
