/** The smallest executable there is: one segment, loaded where it is linked. */
import type { KernelImage } from '../../src/lab/session-image.ts';

const EHDR_BYTES = 64;
const PHDR_BYTES = 56;

export function writeElf({ entry, segments }: Pick<KernelImage, 'entry' | 'segments'>): Uint8Array {
  const [segment] = segments;
  if (segment === undefined || segments.length > 1) throw new Error('one segment, please');
  const start = EHDR_BYTES + PHDR_BYTES;
  const bytes = new Uint8Array(start + segment.data.length);
  const view = new DataView(bytes.buffer);
  const u16 = (at: number, value: number): void => view.setUint16(at, value, true);
  const u32 = (at: number, value: number): void => view.setUint32(at, value, true);
  const u64 = (at: number, value: number): void => view.setBigUint64(at, BigInt(value), true);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // magic, 64 bits, little-endian, version
  u16(16, 2); // ET_EXEC
  u16(18, 243); // EM_RISCV
  u32(20, 1);
  u64(24, entry);
  u64(32, EHDR_BYTES); // e_phoff
  u16(52, EHDR_BYTES);
  u16(54, PHDR_BYTES);
  u16(56, 1);
  const header = EHDR_BYTES;
  u32(header, 1); // PT_LOAD
  u32(header + 4, 7);
  u64(header + 8, start);
  u64(header + 16, segment.physical);
  u64(header + 24, segment.physical);
  u64(header + 32, segment.data.length);
  u64(header + 40, segment.sizeBytes);
  u64(header + 48, 8);
  bytes.set(segment.data, start);
  return bytes;
}
