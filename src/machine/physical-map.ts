/**
 * Where everything is in the machine's physical address space, and which interrupt source it has.
 *
 * The addresses are those of QEMU's `virt` board, so that kernels built for it (Linux, xv6) boot
 * unmodified. The device tree, the devices and the loader read these numbers from here.
 */

export interface PhysRange {
  readonly base: number;
  readonly sizeBytes: number;
}

export const MAX_HARTS = 64;

/** Rate of `mtime` and of the `time` CSR: one tick is 100 ns. */
export const TIMEBASE_HZ = 10_000_000;

/** A write here ends the run: SiFive's test finisher. */
export const FINISHER: PhysRange = { base: 0x10_0000, sizeBytes: 0x1000 };

/** The real-time clock. */
export const RTC: PhysRange = { base: 0x10_1000, sizeBytes: 0x1000 };
export const RTC_SOURCE = 11;

/** Software interrupts and timers of all harts, in the layout of SiFive's CLINT. */
export const ACLINT: PhysRange = { base: 0x200_0000, sizeBytes: 0x1_0000 };

export const PLIC: PhysRange = { base: 0xc00_0000, sizeBytes: 0x60_0000 };

/** Sources are numbered from 1; 0 means "no interrupt". */
export const PLIC_MAX_SOURCE = 31;

export const UART: PhysRange = { base: 0x1000_0000, sizeBytes: 0x100 };
export const UART_SOURCE = 10;

/** Input clock of the UART's baud-rate generator. */
export const UART_CLOCK_HZ = 3_686_400;

/** Slots for virtio devices, one page and one interrupt source each. */
export const VIRTIO_SLOTS = 8;
/** What may be plugged in where; the other slots stay empty. */
export const VIRTIO_SLOT = { BLOCK: 0, NETWORK: 1, ENTROPY: 2, CONSOLE: 3 } as const;
const VIRTIO_BASE = 0x1000_1000;
const VIRTIO_SLOT_BYTES = 0x1000;
const VIRTIO_FIRST_SOURCE = 1;

export const virtioSlot = (slot: number): PhysRange => ({
  base: VIRTIO_BASE + slot * VIRTIO_SLOT_BYTES,
  sizeBytes: VIRTIO_SLOT_BYTES,
});

export const virtioSource = (slot: number): number => VIRTIO_FIRST_SOURCE + slot;

export const RAM_BASE = 0x8000_0000;

/** Firmware and its like live below; kernels that need firmware are loaded here (as on QEMU's `virt`). */
export const KERNEL_BASE = 0x8020_0000;
