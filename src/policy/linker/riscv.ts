/**
 * RISC-V relocations: names, and how each patches bytes.
 *
 * "Relocations", RISC-V ELF psABI v1.0; instruction formats from "RV32I Base Integer Instruction
 * Set", "Base Instruction Formats", and "C" Extension, "Compressed Instruction Formats", Unpriv.
 * spec 20250508. Addresses are signed 64-bit values held in numbers: the kernel's are small negative
 * integers, so sums and differences are exact.
 */

export const R = {
  NONE: 0,
  ABS32: 1,
  ABS64: 2,
  BRANCH: 16,
  JAL: 17,
  CALL: 18,
  CALL_PLT: 19,
  GOT_HI20: 20,
  PCREL_HI20: 23,
  PCREL_LO12_I: 24,
  PCREL_LO12_S: 25,
  HI20: 26,
  LO12_I: 27,
  LO12_S: 28,
  ADD8: 33,
  ADD16: 34,
  ADD32: 35,
  ADD64: 36,
  SUB8: 37,
  SUB16: 38,
  SUB32: 39,
  SUB64: 40,
  ALIGN: 43,
  RVC_BRANCH: 44,
  RVC_JUMP: 45,
  RELAX: 51,
  SUB6: 52,
  SET6: 53,
  SET8: 54,
  SET16: 55,
  SET32: 56,
  PCREL32: 57,
  SET_ULEB128: 60,
  SUB_ULEB128: 61,
} as const;

const NAMES: ReadonlyMap<number, string> = new Map([
  ...Object.entries(R).map(([name, type]) => [type, `R_RISCV_${name}`] as const),
  [R.ABS32, 'R_RISCV_32'],
  [R.ABS64, 'R_RISCV_64'],
  [R.PCREL32, 'R_RISCV_32_PCREL'],
  [21, 'R_RISCV_TLS_GOT_HI20'],
  [22, 'R_RISCV_TLS_GD_HI20'],
  [29, 'R_RISCV_TPREL_HI20'],
  [30, 'R_RISCV_TPREL_LO12_I'],
  [31, 'R_RISCV_TPREL_LO12_S'],
  [32, 'R_RISCV_TPREL_ADD'],
  [46, 'R_RISCV_RVC_LUI'],
]);

export const relocationName = (type: number): string => NAMES.get(type) ?? `relocation ${type}`;

/** Relocations that compute from the place they patch, and so differ between two copies of it. */
export const isTls = (type: number): boolean =>
  type === 21 || type === 22 || (type >= 29 && type <= 32);

/** These end a control transfer or take an address: what a reference does, for messages. */
export const isCall = (type: number): boolean =>
  type === R.CALL ||
  type === R.CALL_PLT ||
  type === R.JAL ||
  type === R.BRANCH ||
  type === R.RVC_JUMP ||
  type === R.RVC_BRANCH;

/** Why a value cannot be encoded; the linker adds the place. */
export class RelocationError extends Error {}

/** Patches bytes of one section. `value` is S + A, `place` the address of the patched bytes. */
export type Patch = (view: DataView, offset: number, value: number, place: number) => void;

const TWO32 = 2 ** 32;

function checkRange(value: number, bits: number, what: string): void {
  const limit = 2 ** (bits - 1);
  if (value < -limit || value >= limit) {
    throw new RelocationError(`${what} is out of range: ${value} does not fit ${bits} bits`);
  }
}

function checkEven(value: number): void {
  if (value % 2 !== 0) throw new RelocationError('jumps to an odd address');
}

const bit = (value: number, from: number, count: number): number =>
  (value >> from) & ((1 << count) - 1);

/** The upper 20 bits, rounded so that a sign-extended lower 12 completes them. */
function patchUpper(view: DataView, offset: number, value: number): void {
  checkRange(value + 0x800, 32, 'the target');
  const word = view.getUint32(offset, true);
  view.setUint32(offset, ((word & 0xfff) | ((value + 0x800) & 0xfffff000)) >>> 0, true);
}

function patchLowerI(view: DataView, offset: number, value: number): void {
  const word = view.getUint32(offset, true);
  view.setUint32(offset, ((word & 0xfffff) | ((value & 0xfff) << 20)) >>> 0, true);
}

function patchLowerS(view: DataView, offset: number, value: number): void {
  const word = view.getUint32(offset, true) & 0x1fff07f;
  view.setUint32(offset, (word | (bit(value, 5, 7) << 25) | (bit(value, 0, 5) << 7)) >>> 0, true);
}

function patchBranch(view: DataView, offset: number, distance: number): void {
  checkRange(distance, 13, 'the branch');
  checkEven(distance);
  const immediate =
    (bit(distance, 12, 1) << 31) |
    (bit(distance, 5, 6) << 25) |
    (bit(distance, 1, 4) << 8) |
    (bit(distance, 11, 1) << 7);
  view.setUint32(offset, ((view.getUint32(offset, true) & 0x1fff07f) | immediate) >>> 0, true);
}

function patchJal(view: DataView, offset: number, distance: number): void {
  checkRange(distance, 21, 'the jump');
  checkEven(distance);
  const immediate =
    (bit(distance, 20, 1) << 31) |
    (bit(distance, 1, 10) << 21) |
    (bit(distance, 11, 1) << 20) |
    (bit(distance, 12, 8) << 12);
  view.setUint32(offset, ((view.getUint32(offset, true) & 0xfff) | immediate) >>> 0, true);
}

function patchRvcBranch(view: DataView, offset: number, distance: number): void {
  checkRange(distance, 9, 'the branch');
  checkEven(distance);
  const immediate =
    (bit(distance, 8, 1) << 12) |
    (bit(distance, 3, 2) << 10) |
    (bit(distance, 6, 2) << 5) |
    (bit(distance, 1, 2) << 3) |
    (bit(distance, 5, 1) << 2);
  view.setUint16(offset, (view.getUint16(offset, true) & 0xe383) | immediate, true);
}

function patchRvcJump(view: DataView, offset: number, distance: number): void {
  checkRange(distance, 12, 'the jump');
  checkEven(distance);
  const immediate =
    (bit(distance, 11, 1) << 12) |
    (bit(distance, 4, 1) << 11) |
    (bit(distance, 8, 2) << 9) |
    (bit(distance, 10, 1) << 8) |
    (bit(distance, 6, 1) << 7) |
    (bit(distance, 7, 1) << 6) |
    (bit(distance, 1, 3) << 3) |
    (bit(distance, 5, 1) << 2);
  view.setUint16(offset, (view.getUint16(offset, true) & 0xe003) | immediate, true);
}

function patchCall(view: DataView, offset: number, distance: number): void {
  patchUpper(view, offset, distance);
  patchLowerI(view, offset + 4, distance);
}

const low32 = (value: number): number => ((value % TWO32) + TWO32) % TWO32;

function patchAbs32(view: DataView, offset: number, value: number): void {
  if (value < -(2 ** 31) || value >= TWO32) {
    throw new RelocationError('the address does not fit 32 bits');
  }
  view.setUint32(offset, low32(value), true);
}

/** Rewrites a ULEB128 number in the bytes it has. */
function writeUleb(view: DataView, offset: number, compute: (old: bigint) => bigint): void {
  let length = 0;
  let old = 0n;
  for (let more = true; more; length++) {
    const byte = view.getUint8(offset + length);
    old |= BigInt(byte & 0x7f) << BigInt(7 * length);
    more = (byte & 0x80) !== 0;
  }
  let rest = BigInt.asUintN(7 * length, compute(old));
  for (let i = 0; i < length; i++) {
    const more = i < length - 1 ? 0x80 : 0;
    view.setUint8(offset + i, Number(rest & 0x7fn) | more);
    rest >>= 7n;
  }
}

const set6 = (view: DataView, offset: number, value: number): void =>
  view.setUint8(offset, (view.getUint8(offset) & 0xc0) | (value & 0x3f));

/**
 * The patch of each supported relocation, with the bytes it needs. `PCREL_LO12_*` get the distance of
 * the `HI20` they complete and so look like `LO12_*`; the linker finds that one first.
 */
export const PATCHES: ReadonlyMap<number, { readonly sizeBytes: number; readonly apply: Patch }> =
  new Map(
    (
      [
        [R.ABS32, 4, (v, o, s) => patchAbs32(v, o, s)],
        [R.ABS64, 8, (v, o, s) => v.setBigInt64(o, BigInt(s), true)],
        [R.BRANCH, 4, (v, o, s, p) => patchBranch(v, o, s - p)],
        [R.JAL, 4, (v, o, s, p) => patchJal(v, o, s - p)],
        [R.CALL, 8, (v, o, s, p) => patchCall(v, o, s - p)],
        [R.CALL_PLT, 8, (v, o, s, p) => patchCall(v, o, s - p)],
        [R.GOT_HI20, 4, (v, o, s, p) => patchUpper(v, o, s - p)],
        [R.PCREL_HI20, 4, (v, o, s, p) => patchUpper(v, o, s - p)],
        [R.PCREL_LO12_I, 4, (v, o, s) => patchLowerI(v, o, s)],
        [R.PCREL_LO12_S, 4, (v, o, s) => patchLowerS(v, o, s)],
        [R.HI20, 4, (v, o, s) => patchUpper(v, o, s)],
        [R.LO12_I, 4, (v, o, s) => patchLowerI(v, o, s)],
        [R.LO12_S, 4, (v, o, s) => patchLowerS(v, o, s)],
        [R.ADD8, 1, (v, o, s) => v.setUint8(o, v.getUint8(o) + low32(s))],
        [R.ADD16, 2, (v, o, s) => v.setUint16(o, v.getUint16(o, true) + low32(s), true)],
        [R.ADD32, 4, (v, o, s) => v.setUint32(o, low32(v.getUint32(o, true) + s), true)],
        [R.ADD64, 8, (v, o, s) => v.setBigInt64(o, v.getBigInt64(o, true) + BigInt(s), true)],
        [R.SUB8, 1, (v, o, s) => v.setUint8(o, v.getUint8(o) - low32(s))],
        [R.SUB16, 2, (v, o, s) => v.setUint16(o, v.getUint16(o, true) - low32(s), true)],
        [R.SUB32, 4, (v, o, s) => v.setUint32(o, low32(v.getUint32(o, true) - s), true)],
        [R.SUB64, 8, (v, o, s) => v.setBigInt64(o, v.getBigInt64(o, true) - BigInt(s), true)],
        [R.RVC_BRANCH, 2, (v, o, s, p) => patchRvcBranch(v, o, s - p)],
        [R.RVC_JUMP, 2, (v, o, s, p) => patchRvcJump(v, o, s - p)],
        [R.SUB6, 1, (v, o, s) => set6(v, o, (v.getUint8(o) & 0x3f) - low32(s))],
        [R.SET6, 1, (v, o, s) => set6(v, o, low32(s))],
        [R.SET8, 1, (v, o, s) => v.setUint8(o, low32(s))],
        [R.SET16, 2, (v, o, s) => v.setUint16(o, low32(s), true)],
        [R.SET32, 4, (v, o, s) => v.setUint32(o, low32(s), true)],
        [R.PCREL32, 4, (v, o, s, p) => patchAbs32(v, o, s - p)],
        [R.SET_ULEB128, 1, (v, o, s) => writeUleb(v, o, () => BigInt(s))],
        [R.SUB_ULEB128, 1, (v, o, s) => writeUleb(v, o, (old) => old - BigInt(s))],
      ] as readonly (readonly [number, number, Patch])[]
    ).map(([type, sizeBytes, apply]) => [type, { sizeBytes, apply }]),
  );
