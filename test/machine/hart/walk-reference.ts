/**
 * The translation of an address, said again with BigInts straight from the manual: vol. II §12.3.2 step
 * by step, with what Sv39, Sv48, Svnapot, Svpbmt, Svade and Svadu add. Physical memory protection is not
 * in it.
 */
export type Access = 'load' | 'store' | 'fetch';

export interface WalkState {
  readonly satp: bigint;
  readonly mode: 'S' | 'U';
  readonly sum: boolean;
  readonly mxr: boolean;
  readonly pbmte: boolean;
  readonly adue: boolean;
  /** What the keys of a machine that has them allow, two bits each; undefined where it has none. */
  readonly keys: bigint | undefined;
  /** Reads a PTE; undefined where there is no memory. */
  read(physical: bigint): bigint | undefined;
  write(physical: bigint, pte: bigint): void;
}

export type Outcome = 'page fault' | 'access fault' | bigint;

const field = (value: bigint, high: number, low: number): bigint =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const bit = (value: bigint, at: number): boolean => field(value, at, at) === 1n;

export function referenceWalk(va: bigint, access: Access, state: WalkState): Outcome {
  const mode = field(state.satp, 63, 60);
  if (mode === 0n) return va;
  const levels = mode === 8n ? 3 : 4;
  const bits = 12 + 9 * levels;
  // "must have bits 63-39 all equal to bit 38, or else a page-fault exception will occur"
  if (BigInt.asIntN(64, va) !== BigInt.asIntN(bits, va)) return 'page fault';
  const vpn = (level: number): bigint => field(va, 20 + 9 * level, 12 + 9 * level);
  // 1. Let a be satp.ppn x PAGESIZE, and let i = LEVELS-1.
  let a = field(state.satp, 43, 0) << 12n;
  let i = levels - 1;
  for (;;) {
    // 2. Let pte be the value of the PTE at address a+va.vpn[i] x PTESIZE.
    const slot = a + vpn(i) * 8n;
    const pte = state.read(slot);
    if (pte === undefined) return 'access fault';
    const [v, r, w, x, u] = [0, 1, 2, 3, 4].map((at) => bit(pte, at)) as [
      boolean,
      boolean,
      boolean,
      boolean,
      boolean,
    ];
    const isLeaf = r || x;
    // 3. If pte.v=0, or if pte.r=0 and pte.w=1, or if any bits or encodings that are reserved for
    // future standard use are set within pte, stop and raise a page-fault exception.
    if (!v || (!r && w)) return 'page fault';
    if (field(pte, 60, 59) !== 0n) return 'page fault';
    if (state.keys === undefined && field(pte, 58, 54) !== 0n) return 'page fault';
    const pbmt = field(pte, 62, 61);
    if (pbmt !== 0n && (!state.pbmte || !isLeaf || pbmt === 3n)) return 'page fault';
    const napot = bit(pte, 63);
    if (napot && (!isLeaf || i !== 0 || field(pte, 13, 10) !== 8n)) return 'page fault';
    // 4. Otherwise, the PTE is valid. ... this PTE is a pointer to the next level of the page table.
    if (!isLeaf) {
      if (bit(pte, 4) || bit(pte, 6) || bit(pte, 7)) return 'page fault';
      i -= 1;
      if (i < 0) return 'page fault';
      a = field(pte, 53, 10) << 12n;
      continue;
    }
    // 5. If i>0 and pte.ppn[i-1:0] != 0, this is a misaligned superpage.
    if (i > 0 && field(pte, 9 + 9 * i, 10) !== 0n) return 'page fault';
    // 6. Determine if the requested memory access is allowed by the pte.u bit ... and SUM and MXR.
    if (state.mode === 'U' && !u) return 'page fault';
    if (state.mode === 'S' && u && (access === 'fetch' || !state.sum)) return 'page fault';
    const isAllowed = { load: r || (x && state.mxr), store: w, fetch: x }[access];
    if (!isAllowed) return 'page fault';
    if (state.keys !== undefined) {
      const rights = field(state.keys >> (2n * field(pte, 58, 54)), 1, 0);
      if (!bit(rights, 0) || (access === 'store' && !bit(rights, 1))) return 'page fault';
    }
    // 7. If pte.a=0, or if the original memory access is a store and pte.d=0 ...
    const wanted = pte | (1n << 6n) | (access === 'store' ? 1n << 7n : 0n);
    if (wanted !== pte) {
      if (!state.adue) return 'page fault';
      state.write(slot, wanted);
    }
    // 9. The translation is successful.
    const ppn = field(pte, 53, 10);
    const fromVa = napot ? 4 : 9 * i;
    const mask = (1n << BigInt(fromVa)) - 1n;
    return (((ppn & ~mask) | ((va >> 12n) & mask)) << 12n) | field(va, 11, 0);
  }
}
