/**
 * Guest RAM as a device sees it: by physical address, checked, and never at an address that the
 * device computed itself.
 *
 * Everything a bus master touches goes through `locate`. That makes it the one place for a filter
 * on its accesses, as an IOPMP is in hardware.
 */
import { RAM_BASE } from '../physical-map.ts';

/** What a device is about to do to a range of guest memory. */
export type DmaAccess = 'read' | 'write';

export interface GuestRam {
  /** The buffer that holds guest RAM, at `byteOffset`. */
  readonly memory: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly sizeBytes: number;
}

export interface DmaHooks {
  /** Refuses an access that lies in RAM but is not this device's to make. Default: all allowed. */
  mayAccess?(pa: number, sizeBytes: number, access: DmaAccess): boolean;
  /** The device has written there: decoded code and reservations on it are stale. */
  wrote?(pa: number, sizeBytes: number): void;
}

export class Dma {
  readonly memory: SharedArrayBuffer;
  readonly #ram: GuestRam;
  readonly #hooks: DmaHooks;

  constructor(ram: GuestRam, hooks: DmaHooks = {}) {
    this.memory = ram.memory;
    this.#ram = ram;
    this.#hooks = hooks;
  }

  /** The offset in `memory` of a range that lies in RAM and that the device may access, else -1. */
  locate(pa: number, sizeBytes: number, access: DmaAccess): number {
    const offset = pa - RAM_BASE;
    // A 64-bit address that is rounded as a number is far beyond any RAM; it fails here too.
    if (!(offset >= 0 && offset + sizeBytes <= this.#ram.sizeBytes)) return -1;
    if (this.#hooks.mayAccess?.(pa, sizeBytes, access) === false) return -1;
    return this.#ram.byteOffset + offset;
  }

  wrote(pa: number, sizeBytes: number): void {
    this.#hooks.wrote?.(pa, sizeBytes);
  }
}
