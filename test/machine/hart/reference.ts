/**
 * What the integer, multiply, bit manipulation and atomic instructions mean, said again with BigInts
 * straight from the manual's prose (vol. I §2, §4, §13, §14, and the chapters of B and Zicond).
 * Registers are unsigned 64-bit values.
 */
const u = (value: bigint): bigint => BigInt.asUintN(64, value);
const s = (value: bigint): bigint => BigInt.asIntN(64, value);
const s32 = (value: bigint): bigint => BigInt.asIntN(32, value);
const u32 = (value: bigint): bigint => BigInt.asUintN(32, value);
const bit = (condition: boolean): bigint => (condition ? 1n : 0n);

export type Twin = (a: bigint, b: bigint) => bigint;

/** Signed quotient and remainder of a width, with the cases that do not trap (vol. I §13.2). */
const quotient = (a: bigint, b: bigint, min: bigint): bigint =>
  b === 0n ? -1n : a === min && b === -1n ? a : a / b;
const remainder = (a: bigint, b: bigint, min: bigint): bigint =>
  b === 0n ? a : a === min && b === -1n ? 0n : a % b;
const MIN64 = -(2n ** 63n);
const MIN32 = -(2n ** 31n);

/** The product of two polynomials over GF(2), a bit for each coefficient. */
const carryless = (a: bigint, b: bigint): bigint => {
  let product = 0n;
  for (let bit = 0n; bit < 64n; bit++) if (((b >> bit) & 1n) === 1n) product ^= a << bit;
  return product;
};
/** Bits from the most significant on, as text: most of Zbb reads off it. */
const binary = (value: bigint, width = 64): string =>
  BigInt.asUintN(width, value).toString(2).padStart(width, '0');
const fromBinary = (text: string): bigint => BigInt(`0b${text}`);
const count = (found: RegExpExecArray | null): bigint => BigInt(found?.[0].length ?? 0);
const leadingZeros = (text: string): bigint => count(/^0*/.exec(text));
const trailingZeros = (text: string): bigint => count(/0*$/.exec(text));
const ones = (text: string): bigint => BigInt(text.replaceAll('0', '').length);
const rotateLeft = (text: string, by: bigint): bigint =>
  fromBinary(text.slice(Number(by)) + text.slice(0, Number(by)));
const rotateRight = (text: string, by: bigint): bigint =>
  rotateLeft(text, (BigInt(text.length) - by) % BigInt(text.length));
const bytesOf = (value: bigint): string[] => binary(value).match(/.{8}/g) as string[];

/** rd = f(rs1). */
export const UNARY_OPERATIONS: Readonly<Record<string, (a: bigint) => bigint>> = {
  clz: (a) => leadingZeros(binary(a)),
  ctz: (a) => trailingZeros(binary(a)),
  cpop: (a) => ones(binary(a)),
  clzw: (a) => leadingZeros(binary(a, 32)),
  ctzw: (a) => trailingZeros(binary(a, 32)),
  cpopw: (a) => ones(binary(a, 32)),
  'sext.b': (a) => BigInt.asIntN(8, a),
  'sext.h': (a) => BigInt.asIntN(16, a),
  'zext.h': (a) => BigInt.asUintN(16, a),
  'orc.b': (a) =>
    fromBinary(
      bytesOf(a)
        .map((byte) => (byte.includes('1') ? '11111111' : '00000000'))
        .join(''),
    ),
  rev8: (a) => fromBinary(bytesOf(a).toReversed().join('')),
};

/** rd = f(rs1, rs2). */
export const REGISTER_OPERATIONS: Readonly<Record<string, Twin>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  sll: (a, b) => a << (b & 63n),
  slt: (a, b) => bit(s(a) < s(b)),
  sltu: (a, b) => bit(a < b),
  xor: (a, b) => a ^ b,
  srl: (a, b) => a >> (b & 63n),
  sra: (a, b) => s(a) >> (b & 63n),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  addw: (a, b) => s32(a + b),
  subw: (a, b) => s32(a - b),
  sllw: (a, b) => s32(a << (b & 31n)),
  srlw: (a, b) => s32(u32(a) >> (b & 31n)),
  sraw: (a, b) => s32(a) >> (b & 31n),
  mul: (a, b) => a * b,
  mulh: (a, b) => (s(a) * s(b)) >> 64n,
  mulhsu: (a, b) => (s(a) * b) >> 64n,
  mulhu: (a, b) => (a * b) >> 64n,
  div: (a, b) => quotient(s(a), s(b), MIN64),
  divu: (a, b) => (b === 0n ? -1n : a / b),
  rem: (a, b) => remainder(s(a), s(b), MIN64),
  remu: (a, b) => (b === 0n ? a : a % b),
  mulw: (a, b) => s32(a * b),
  divw: (a, b) => quotient(s32(a), s32(b), MIN32),
  divuw: (a, b) => (u32(b) === 0n ? -1n : s32(u32(a) / u32(b))),
  remw: (a, b) => remainder(s32(a), s32(b), MIN32),
  remuw: (a, b) => (u32(b) === 0n ? s32(a) : s32(u32(a) % u32(b))),
  'add.uw': (a, b) => u32(a) + b,
  sh1add: (a, b) => 2n * a + b,
  sh2add: (a, b) => 4n * a + b,
  sh3add: (a, b) => 8n * a + b,
  'sh1add.uw': (a, b) => 2n * u32(a) + b,
  'sh2add.uw': (a, b) => 4n * u32(a) + b,
  'sh3add.uw': (a, b) => 8n * u32(a) + b,
  andn: (a, b) => a & ~b,
  orn: (a, b) => a | ~b,
  xnor: (a, b) => ~(a ^ b),
  max: (a, b) => (s(a) > s(b) ? a : b),
  maxu: (a, b) => (a > b ? a : b),
  min: (a, b) => (s(a) < s(b) ? a : b),
  minu: (a, b) => (a < b ? a : b),
  rol: (a, b) => rotateLeft(binary(a), b & 63n),
  rolw: (a, b) => s32(rotateLeft(binary(a, 32), b & 31n)),
  ror: (a, b) => rotateRight(binary(a), b & 63n),
  rorw: (a, b) => s32(rotateRight(binary(a, 32), b & 31n)),
  clmul: (a, b) => carryless(a, b),
  clmulh: (a, b) => carryless(a, b) >> 64n,
  clmulr: (a, b) => carryless(a, b) >> 63n,
  bclr: (a, b) => a & ~(1n << (b & 63n)),
  bext: (a, b) => (a >> (b & 63n)) & 1n,
  binv: (a, b) => a ^ (1n << (b & 63n)),
  bset: (a, b) => a | (1n << (b & 63n)),
  'czero.eqz': (a, b) => (b === 0n ? 0n : a),
  'czero.nez': (a, b) => (b === 0n ? a : 0n),
};

/** rd = f(rs1, immediate). */
export const IMMEDIATE_OPERATIONS: Readonly<Record<string, Twin>> = {
  addi: (a, i) => a + i,
  slti: (a, i) => bit(s(a) < i),
  sltiu: (a, i) => bit(a < u(i)),
  xori: (a, i) => a ^ u(i),
  ori: (a, i) => a | u(i),
  andi: (a, i) => a & u(i),
  slli: (a, i) => a << i,
  srli: (a, i) => a >> i,
  srai: (a, i) => s(a) >> i,
  addiw: (a, i) => s32(a + i),
  slliw: (a, i) => s32(a << i),
  srliw: (a, i) => s32(u32(a) >> i),
  sraiw: (a, i) => s32(a) >> i,
  'slli.uw': (a, i) => u32(a) << i,
  rori: (a, i) => rotateRight(binary(a), i),
  roriw: (a, i) => s32(rotateRight(binary(a, 32), i)),
  bclri: (a, i) => a & ~(1n << i),
  bexti: (a, i) => (a >> i) & 1n,
  binvi: (a, i) => a ^ (1n << i),
  bseti: (a, i) => a | (1n << i),
};

/** Whether the branch is taken. */
export const BRANCHES: Readonly<Record<string, (a: bigint, b: bigint) => boolean>> = {
  beq: (a, b) => a === b,
  bne: (a, b) => a !== b,
  blt: (a, b) => s(a) < s(b),
  bge: (a, b) => s(a) >= s(b),
  bltu: (a, b) => a < b,
  bgeu: (a, b) => a >= b,
};

const minimum = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const maximum = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** The new value in memory from the old one and rs2, both unsigned and of the access's width. */
export const AMO_OPERATIONS: Readonly<
  Record<string, (old: bigint, value: bigint, width: number) => bigint>
> = {
  amoswap: (_, value) => value,
  amoadd: (old, value) => old + value,
  amoxor: (old, value) => old ^ value,
  amoand: (old, value) => old & value,
  amoor: (old, value) => old | value,
  amomin: (old, value, width) => minimum(BigInt.asIntN(width, old), BigInt.asIntN(width, value)),
  amomax: (old, value, width) => maximum(BigInt.asIntN(width, old), BigInt.asIntN(width, value)),
  amominu: minimum,
  amomaxu: maximum,
};
