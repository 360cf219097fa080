/**
 * Register blocks that a policy may grant, by the names it uses. Where they are is the machine's to say; a
 * grant is of whole pages, because no view is finer.
 */
import {
  ACLINT,
  FINISHER,
  PLIC,
  UART,
  virtioSlot,
  type PhysRange,
} from '../machine/physical-map.ts';
import type { DeviceMap } from './linker/link.ts';

const PAGE_BYTES = 4096;

/** Slots that a policy may name, whether or not a device is in them. */
const VIRTIO_COUNT = 8;

const wholePages = ({ base, sizeBytes }: PhysRange): PhysRange => ({
  base,
  sizeBytes: Math.ceil(sizeBytes / PAGE_BYTES) * PAGE_BYTES,
});

export const DEVICES: DeviceMap = {
  finisher: wholePages(FINISHER),
  aclint0: wholePages(ACLINT),
  plic0: wholePages(PLIC),
  uart0: wholePages(UART),
  ...Object.fromEntries(
    Array.from({ length: VIRTIO_COUNT }, (_, slot) => [
      `virtio${slot}`,
      wholePages(virtioSlot(slot)),
    ]),
  ),
};
