/**
 * Register blocks that a policy may grant, by the names it uses: the memory map that QEMU's `virt`
 * machine made customary (hw/riscv/virt.c, `virt_memmap`). Sizes are whole pages.
 */
import type { DeviceMap } from './linker/link.ts';

const VIRTIO_COUNT = 8;

export const DEVICES: DeviceMap = {
  finisher: { base: 0x10_0000, sizeBytes: 0x1000 },
  aclint0: { base: 0x200_0000, sizeBytes: 0x1_0000 },
  plic0: { base: 0xc00_0000, sizeBytes: 0x60_0000 },
  uart0: { base: 0x1000_0000, sizeBytes: 0x1000 },
  ...Object.fromEntries(
    Array.from({ length: VIRTIO_COUNT }, (_, i) => [
      `virtio${i}`,
      { base: 0x1000_1000 + i * 0x1000, sizeBytes: 0x1000 },
    ]),
  ),
};
