import { describe, expect, it } from 'vitest';

import { describeFlags, physicalOf, walk } from '../../../src/lab/gdb/walk.ts';

const V = 1n;
const LEAF = 0xcfn; // V R W X A D
const entry = (physical: bigint, flags: bigint): bigint => ((physical >> 12n) << 10n) | flags;
const satp = (mode: bigint, root: bigint): bigint => (mode << 60n) | (root >> 12n);

/** Tables as a map from an entry's address. */
const memory =
  (entries: Record<string, bigint>) =>
  (at: bigint): bigint | undefined =>
    at >= 0x8000_0000n ? (entries[at.toString(16)] ?? 0n) : undefined;

describe('the walk that is shown', () => {
  it('is none where translation is off', () => {
    expect(walk(0n, 0x1234n, memory({}))).toMatchObject({
      mode: 'Bare',
      end: { kind: 'bare', physical: 0x1234n },
    });
  });

  it('goes through three levels of Sv39 and keeps each step', () => {
    const read = memory({
      '80000ff8': entry(0x8000_1000n, V),
      '80001ff0': entry(0x8000_2000n, V),
      '80002018': entry(0x8765_4000n, LEAF),
    });
    const found = walk(satp(8n, 0x8000_0000n), 0xffff_ffff_ffc0_3abcn, read);
    expect(found.steps.map(({ level, index }) => [level, index])).toEqual([
      [2, 511],
      [1, 510],
      [0, 3],
    ]);
    expect(found.end).toEqual({ kind: 'leaf', physical: 0x8765_4abcn, pageBytes: 4096n });
  });

  it('ends at a superpage, and at one that is misaligned', () => {
    const at = (physical: bigint) =>
      walk(satp(8n, 0x8000_0000n), 0x4012_3456n, memory({ '80000008': entry(physical, LEAF) }));
    expect(at(0xc000_0000n).end).toMatchObject({ physical: 0xc012_3456n, pageBytes: 1n << 30n });
    expect(at(0xc000_1000n).end).toEqual({ kind: 'fault', why: 'misaligned superpage' });
  });

  it('knows Sv48 and 64 KiB regions of Svnapot', () => {
    const napot = (1n << 63n) | entry(0x8008_8000n, LEAF);
    const read = memory({
      '80000000': entry(0x8000_1000n, V),
      '80001000': entry(0x8000_2000n, V),
      '80002000': entry(0x8000_3000n, V),
      '80003050': napot,
    });
    const found = walk(satp(9n, 0x8000_0000n), 0xa123n, read);
    expect([found.mode, found.end]).toEqual([
      'Sv48',
      { kind: 'leaf', physical: 0x8008_a123n, pageBytes: 65_536n },
    ]);
  });

  it.each([
    ['V = 0', 0n],
    ['W without R', 5n],
    ['the table is not in RAM', entry(0x1000n, V)],
  ])('says why there is no translation: %s', (why, first) => {
    const found = walk(satp(8n, 0x8000_0000n), 0n, memory({ '80000000': first }));
    expect(found.end).toEqual({ kind: 'fault', why });
    expect(physicalOf(found)).toBeUndefined();
  });

  it('refuses an address that is not canonical', () => {
    const found = walk(satp(8n, 0x8000_0000n), 1n << 39n, memory({}));
    expect(found).toMatchObject({ steps: [], end: { kind: 'fault' } });
  });

  it('writes flags as letters', () => {
    expect(describeFlags(LEAF)).toBe('VRWX..AD');
  });
});
