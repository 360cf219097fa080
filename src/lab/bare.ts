/**
 * A guest that brings its own M-mode: a program for bare metal, or firmware that starts a kernel.
 *
 * All harts begin at the entry, in M-mode, with their number in a0 and the devicetree in a1, as on QEMU's
 * `virt`. Firmware finds in a2 what it is to start: OpenSBI's `struct fw_dynamic_info`
 * (docs/firmware/fw_dynamic.md); software that knows nothing of it ignores a2.
 *
 * Also as on `virt`, `menvcfg.ADUE` is set: kernels like xv6 neither set A and D in their page tables nor
 * know the register. Firmware that knows it writes it anyway.
 */
import { HART_STATE, PRIVILEGE } from '../machine/core/hart-block.ts';
import { CSR, MENVCFG_HIGH } from '../machine/csr-numbers.ts';
import type { Hart } from '../machine/hart.ts';
import { loadEnclosures, loadSegments, type Enclosures } from '../machine/loader.ts';
import type { Machine } from '../machine/machine.ts';
import { RAM_BASE } from '../machine/physical-map.ts';
import type { KernelImage } from './session-image.ts';

export interface BareGuest extends Enclosures {
  readonly image: KernelImage;
  /** The kernel that the image, firmware then, is to start in S-mode. */
  readonly payload?: KernelImage;
}

/** "OSBI". */
const DYNAMIC_MAGIC = 0x4942_534fn;
const DYNAMIC_VERSION = 2n;
const NO_OPTIONS = 0n;
/** Any hart may boot. */
const ANY_HART = -1n;

const [A0, A1, A2] = [10, 11, 12] as const;

/** Loads everything and sets the harts up; they have been reset. @throws ImageError */
export function loadBare(machine: Machine, harts: readonly Hart[], guest: BareGuest): void {
  const { image, payload } = guest;
  const images = payload === undefined ? [image] : [image, payload];
  const end = RAM_BASE + machine.parts.plan.ramBytes;
  for (const each of images) loadSegments(machine, each, end);
  const info = payload === undefined ? undefined : dynamicInfo(payload.entry);
  // The firmware's message comes last of all; nobody needs it once it has been read.
  const infoAt = info === undefined ? end : end - 4096;
  if (info !== undefined) machine.load(infoAt, info);
  const tree = loadEnclosures(machine, images, infoAt, guest);
  for (const hart of harts) {
    hart.writeCsr(CSR.menvcfg, 0, MENVCFG_HIGH.ADUE);
    hart.setXNumber(A0, hart.id);
    hart.setXNumber(A1, tree);
    if (info !== undefined) hart.setXNumber(A2, infoAt);
    hart.state = HART_STATE.PARKED;
  }
}

/** `struct fw_dynamic_info`: six words of the machine's width. */
function dynamicInfo(entry: number): Uint8Array {
  const words = [
    DYNAMIC_MAGIC,
    DYNAMIC_VERSION,
    BigInt(entry),
    BigInt(PRIVILEGE.S),
    NO_OPTIONS,
    ANY_HART,
  ];
  const view = new DataView(new ArrayBuffer(8 * words.length));
  for (const [index, word] of words.entries()) view.setBigInt64(8 * index, word, true);
  return new Uint8Array(view.buffer);
}
