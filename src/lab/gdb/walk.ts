/**
 * A page-table walk for people: every step is kept. "Virtual Address Translation Process", vol. II
 * (20250508) §12.3.2, for Sv39, Sv48 and Sv57 and with Svnapot (§12.5).
 *
 * It reads memory and nothing else, and it asks for no rights, so it may disagree with a hart on
 * purpose: about a permission, or about a translation that the hart still remembers.
 */
import { PTE } from '../../machine/page-table.ts';

const PPN_SHIFT = 10n;
const PPN_MASK = (1n << 44n) - 1n;
const NAPOT = 1n << 63n;
/** A contiguous region of 64 KiB, the only size that Svnapot has. */
const NAPOT_BITS = 4n;
const NAPOT_PATTERN = 8n;

/** satp.MODE (vol. II table "Encoding of satp MODE field") and how many levels its tables have. */
const LEVELS: Readonly<Record<string, number>> = { '8': 3, '9': 4, '10': 5 };

export interface WalkStep {
  readonly level: number;
  readonly index: number;
  /** Physical address of the entry. */
  readonly at: bigint;
  /** Undefined where there is no RAM. */
  readonly entry: bigint | undefined;
}

export type WalkEnd =
  | { readonly kind: 'bare'; readonly physical: bigint }
  | { readonly kind: 'leaf'; readonly physical: bigint; readonly pageBytes: bigint }
  | { readonly kind: 'fault'; readonly why: string };

export interface Walk {
  readonly mode: string;
  readonly steps: readonly WalkStep[];
  readonly end: WalkEnd;
}

export function walk(
  satp: bigint,
  address: bigint,
  read: (physical: bigint) => bigint | undefined,
): Walk {
  const code = satp >> 60n;
  if (code === 0n) return { mode: 'Bare', steps: [], end: { kind: 'bare', physical: address } };
  const levels = LEVELS[String(code)];
  if (levels === undefined)
    return { mode: `mode ${code}`, steps: [], end: { kind: 'fault', why: 'unknown satp.MODE' } };
  const bits = BigInt(12 + 9 * levels);
  const steps: WalkStep[] = [];
  const end = (): WalkEnd => {
    if (BigInt.asUintN(64, BigInt.asIntN(Number(bits), address)) !== address)
      return { kind: 'fault', why: `bits 63 to ${bits} differ from bit ${bits - 1n}` };
    let table = (satp & PPN_MASK) << 12n;
    for (let level = levels - 1; level >= 0; level--) {
      const shift = BigInt(12 + 9 * level);
      const index = Number((address >> shift) & 0x1ffn);
      const at = table + BigInt(index * 8);
      const entry = read(at);
      steps.push({ level, index, at, entry });
      if (entry === undefined) return { kind: 'fault', why: 'the table is not in RAM' };
      const flags = Number(entry & 0xffn);
      if ((flags & PTE.V) === 0) return { kind: 'fault', why: 'V = 0' };
      if ((flags & (PTE.R | PTE.W)) === PTE.W) return { kind: 'fault', why: 'W without R' };
      const ppn = (entry >> PPN_SHIFT) & PPN_MASK;
      if ((flags & (PTE.R | PTE.X)) !== 0) return leaf(entry, ppn, level, address);
      table = ppn << 12n;
    }
    return { kind: 'fault', why: 'a pointer at the last level' };
  };
  const ended = end();
  return { mode: `Sv${bits}`, steps, end: ended };
}

function leaf(entry: bigint, ppn: bigint, level: number, address: bigint): WalkEnd {
  const isNapot = level === 0 && (entry & NAPOT) !== 0n;
  const below = isNapot ? NAPOT_BITS : BigInt(9 * level);
  const low = (1n << below) - 1n;
  if ((ppn & low) !== (isNapot ? NAPOT_PATTERN : 0n))
    return { kind: 'fault', why: isNapot ? 'a reserved NAPOT size' : 'misaligned superpage' };
  const pageBytes = 4096n << below;
  return {
    kind: 'leaf',
    pageBytes,
    physical: ((ppn & ~low) << 12n) | (address & (pageBytes - 1n)),
  };
}

export const physicalOf = ({ end }: Walk): bigint | undefined =>
  end.kind === 'fault' ? undefined : end.physical;

const FLAG_LETTERS = Object.entries(PTE);

/** `VRWXUGAD`, with a dot for each that is not set. */
export const describeFlags = (entry: bigint): string =>
  FLAG_LETTERS.map(([letter, bit]) => ((Number(entry & 0xffn) & bit) === 0 ? '.' : letter)).join(
    '',
  );
