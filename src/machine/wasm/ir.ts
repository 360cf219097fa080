/**
 * A small typed tree of WebAssembly operations.
 *
 * The ISA table says the meaning of an instruction in these trees, with `operand` leaves for the
 * instruction's fields; the core generator writes its run-time functions in them. Being plain data,
 * they can be lowered in more than one way: an interpreter loads an operand from its decoded record,
 * a translator would take it from a local or a constant.
 *
 * Opcodes: WebAssembly Core Specification 2.0 §5.4, and the threads proposal for the 0xFE prefix.
 */

export type IntType = 'i32' | 'i64';
export type FloatType = 'f32' | 'f64';
export type ValType = IntType | FloatType;

/** A branch target; its nesting depth is found when the tree is encoded. */
export interface Label {
  readonly name: string;
}

export const label = (name: string): Label => ({ name });

export interface Local {
  readonly k: 'local';
  readonly t: ValType;
  readonly index: number;
}

/** An expression: leaves exactly one value. */
export type Expr =
  | { readonly k: 'const'; readonly t: IntType; readonly value: number | bigint }
  | Local
  | { readonly k: 'operand'; readonly t: ValType; readonly name: string }
  | { readonly k: 'op'; readonly t: ValType; readonly code: number; readonly args: readonly Expr[] }
  | {
      readonly k: 'load';
      readonly t: ValType;
      readonly code: readonly number[];
      readonly alignLog2: number;
      readonly offset: number;
      readonly args: readonly Expr[];
    }
  | {
      readonly k: 'call';
      readonly t: ValType;
      readonly callee: string;
      readonly args: readonly Expr[];
    }
  /** A call through the module's table; `params` and `t` are the signature that the callee must have. */
  | {
      readonly k: 'callIndirect';
      readonly t: ValType;
      readonly params: readonly ValType[];
      readonly index: Expr;
      readonly args: readonly Expr[];
    }
  /** a * b + c, in lane 0 of a vector: the scalars have no such instruction. */
  | { readonly k: 'fused'; readonly t: FloatType; readonly args: readonly [Expr, Expr, Expr] }
  /** Evaluates only the branch it takes. */
  | { readonly k: 'choose'; readonly t: ValType; readonly args: readonly [Expr, Expr, Expr] };

/** A statement: leaves nothing. */
export type Stmt =
  | { readonly k: 'set'; readonly local: Local; readonly value: Expr }
  | {
      readonly k: 'store';
      readonly code: readonly number[];
      readonly alignLog2: number;
      readonly offset: number;
      readonly address: Expr;
      readonly value: Expr;
    }
  | { readonly k: 'drop'; readonly value: Expr }
  | { readonly k: 'fence' }
  | { readonly k: 'callVoid'; readonly callee: string; readonly args: readonly Expr[] }
  | {
      readonly k: 'if';
      readonly condition: Expr;
      readonly body: readonly Stmt[];
      readonly otherwise: readonly Stmt[];
      /** Emits a branch hint "unlikely" for the condition. */
      readonly unlikely: boolean;
    }
  | { readonly k: 'block' | 'loop'; readonly label: Label; readonly body: readonly Stmt[] }
  | { readonly k: 'br'; readonly label: Label }
  | {
      readonly k: 'brTable';
      readonly index: Expr;
      readonly labels: readonly Label[];
      readonly otherwise: Label;
    }
  | { readonly k: 'return'; readonly value: Expr };

/** The opcode of an operation, -1 of any other tree: for those who look for a form. */
export const codeOf = (tree: Expr): number => (tree.k === 'op' ? tree.code : -1);

type Binary = (a: Expr, b: Expr) => Expr;
type Unary = (a: Expr) => Expr;

const binary =
  (t: ValType, code: number): Binary =>
  (a, b) => ({ k: 'op', t, code, args: [a, b] });
const unary =
  (t: ValType, code: number): Unary =>
  (a) => ({ k: 'op', t, code, args: [a] });

export const i32 = {
  const: (value: number): Expr => ({ k: 'const', t: 'i32', value }),
  eqz: unary('i32', 0x45),
  eq: binary('i32', 0x46),
  ne: binary('i32', 0x47),
  lt_s: binary('i32', 0x48),
  lt_u: binary('i32', 0x49),
  gt_u: binary('i32', 0x4b),
  le_u: binary('i32', 0x4d),
  ge_u: binary('i32', 0x4f),
  clz: unary('i32', 0x67),
  ctz: unary('i32', 0x68),
  popcnt: unary('i32', 0x69),
  add: binary('i32', 0x6a),
  sub: binary('i32', 0x6b),
  mul: binary('i32', 0x6c),
  div_s: binary('i32', 0x6d),
  div_u: binary('i32', 0x6e),
  rem_s: binary('i32', 0x6f),
  rem_u: binary('i32', 0x70),
  and: binary('i32', 0x71),
  or: binary('i32', 0x72),
  xor: binary('i32', 0x73),
  shl: binary('i32', 0x74),
  shr_s: binary('i32', 0x75),
  shr_u: binary('i32', 0x76),
  rotl: binary('i32', 0x77),
  rotr: binary('i32', 0x78),
  wrap: unary('i32', 0xa7),
} as const;

export const i64 = {
  const: (value: number | bigint): Expr => ({ k: 'const', t: 'i64', value }),
  eqz: unary('i32', 0x50),
  eq: binary('i32', 0x51),
  ne: binary('i32', 0x52),
  lt_s: binary('i32', 0x53),
  lt_u: binary('i32', 0x54),
  gt_u: binary('i32', 0x56),
  ge_s: binary('i32', 0x59),
  ge_u: binary('i32', 0x5a),
  clz: unary('i64', 0x79),
  ctz: unary('i64', 0x7a),
  popcnt: unary('i64', 0x7b),
  add: binary('i64', 0x7c),
  sub: binary('i64', 0x7d),
  mul: binary('i64', 0x7e),
  div_s: binary('i64', 0x7f),
  div_u: binary('i64', 0x80),
  rem_s: binary('i64', 0x81),
  rem_u: binary('i64', 0x82),
  and: binary('i64', 0x83),
  or: binary('i64', 0x84),
  xor: binary('i64', 0x85),
  shl: binary('i64', 0x86),
  shr_s: binary('i64', 0x87),
  shr_u: binary('i64', 0x88),
  rotl: binary('i64', 0x89),
  rotr: binary('i64', 0x8a),
  /** Sign extension of the low byte or half-word (sign-extension operators, core 2.0). */
  extend8_s: unary('i64', 0xc2),
  extend16_s: unary('i64', 0xc3),
  extend_s: unary('i64', 0xac),
  extend_u: unary('i64', 0xad),
} as const;

/** What both float types have, at the places of f32; those of f64 follow at fixed distances. */
const floats = (t: FloatType) => {
  const isWide = t === 'f64';
  const compare = (code: number): Binary => binary('i32', code + (isWide ? 6 : 0));
  const arithmetic = (code: number): number => code + (isWide ? 14 : 0);
  const convert = (code: number): Unary => unary(t, code + (isWide ? 5 : 0));
  return {
    eq: compare(0x5b),
    ne: compare(0x5c),
    lt: compare(0x5d),
    le: compare(0x5f),
    neg: unary(t, arithmetic(0x8c)),
    sqrt: unary(t, arithmetic(0x91)),
    add: binary(t, arithmetic(0x92)),
    mul: binary(t, arithmetic(0x94)),
    div: binary(t, arithmetic(0x95)),
    convert_i32_s: convert(0xb2),
    convert_i32_u: convert(0xb3),
    convert_i64_s: convert(0xb4),
    convert_i64_u: convert(0xb5),
    /** The value with these bits, and the bits of a value. */
    fromBits: unary(t, isWide ? 0xbf : 0xbe),
    toBits: unary(isWide ? 'i64' : 'i32', isWide ? 0xbd : 0xbc),
    /** a * b + c, rounded once or twice: which, the engine says (fp/host.ts). */
    fused: (a: Expr, b: Expr, c: Expr): Expr => ({ k: 'fused', t, args: [a, b, c] }),
  } as const;
};
export type FloatOps = ReturnType<typeof floats>;
export const f32: FloatOps & { readonly demote: Unary } = {
  ...floats('f32'),
  demote: unary('f32', 0xb6),
};
export const f64: FloatOps & { readonly promote: Unary } = {
  ...floats('f64'),
  promote: unary('f64', 0xbb),
};

export const choose = (condition: Expr, yes: Expr, no: Expr): Expr => ({
  k: 'choose',
  t: yes.t,
  args: [condition, yes, no],
});

export const call = (callee: string, t: ValType, ...args: Expr[]): Expr => ({
  k: 'call',
  t,
  callee,
  args,
});

export const callIndirect = (
  params: readonly ValType[],
  t: ValType,
  index: Expr,
  ...args: Expr[]
): Expr => ({ k: 'callIndirect', t, params, index, args });

export const operand = (name: string, t: ValType = 'i64'): Expr => ({ k: 'operand', t, name });

/** The narrow accesses of the wasm instruction set, by width and extension. */
const LOADS = {
  i32: { 1: [0x2d, 0x2c], 2: [0x2f, 0x2e], 4: [0x28, 0x28] },
  i64: { 1: [0x31, 0x30], 2: [0x33, 0x32], 4: [0x35, 0x34], 8: [0x29, 0x29] },
} as const;
const STORES = {
  i32: { 1: 0x3a, 2: 0x3b, 4: 0x36 },
  i64: { 1: 0x3c, 2: 0x3d, 4: 0x3e, 8: 0x37 },
} as const;

export type Width = 1 | 2 | 4 | 8;
const log2 = (bytes: Width): number => (bytes === 1 ? 0 : bytes === 2 ? 1 : bytes === 4 ? 2 : 3);

/** A plain load. Alignment is a hint only, so it is given as 1 byte: guests may misalign. */
export function load(t: IntType, bytes: Width, signed: boolean, address: Expr, offset = 0): Expr {
  const codes = (LOADS[t] as Record<number, readonly [number, number]>)[bytes];
  if (codes === undefined) throw new RangeError(`no ${bytes}-byte load into ${t}`);
  return { k: 'load', t, code: [codes[signed ? 1 : 0]], alignLog2: 0, offset, args: [address] };
}

/** A binary64 value, bit by bit. */
export const loadDouble = (address: Expr, offset = 0): Expr => ({
  k: 'load',
  t: 'f64',
  code: [0x2b],
  alignLog2: 0,
  offset,
  args: [address],
});
/** A binary32 value, bit by bit. */
export const loadSingle = (address: Expr, offset = 0): Expr => ({
  k: 'load',
  t: 'f32',
  code: [0x2a],
  alignLog2: 0,
  offset,
  args: [address],
});
export const storeDouble = (address: Expr, value: Expr, offset = 0): Stmt => ({
  k: 'store',
  code: [0x39],
  alignLog2: 0,
  offset,
  address,
  value,
});

export function store(t: IntType, bytes: Width, address: Expr, value: Expr, offset = 0): Stmt {
  const code = (STORES[t] as Record<number, number>)[bytes];
  if (code === undefined) throw new RangeError(`no ${bytes}-byte store from ${t}`);
  return { k: 'store', code: [code], alignLog2: 0, offset, address, value };
}

/** First opcode of each atomic family, in the order i32, i64 (threads proposal). */
const ATOMIC_RMW = { add: 0x1e, sub: 0x25, and: 0x2c, or: 0x33, xor: 0x3a, xchg: 0x41 } as const;
export type AtomicRmw = keyof typeof ATOMIC_RMW;
/** The width in bytes is that of the type. */
const widthOf = (t: IntType): 4 | 8 => (t === 'i32' ? 4 : 8);

const atomic = (t: IntType, code: number, offset: number, args: readonly Expr[]): Expr => ({
  k: 'load',
  t,
  code: [0xfe, code],
  alignLog2: log2(widthOf(t)),
  offset,
  args,
});

export const atomicLoad = (t: IntType, address: Expr, offset = 0): Expr =>
  atomic(t, t === 'i32' ? 0x10 : 0x11, offset, [address]);

/**
 * An atomic load of one byte: the engine has no alignment to check. (It does check that of wider ones, in
 * six instructions.)
 */
export const atomicByte = (address: Expr, offset = 0): Expr => ({
  k: 'load',
  t: 'i32',
  code: [0xfe, 0x12],
  alignLog2: 0,
  offset,
  args: [address],
});

export const atomicStore = (t: IntType, address: Expr, value: Expr, offset = 0): Stmt => ({
  k: 'store',
  code: [0xfe, t === 'i32' ? 0x17 : 0x18],
  alignLog2: log2(widthOf(t)),
  offset,
  address,
  value,
});

/** Returns the value before. */
export const atomicRmw = (
  t: IntType,
  op: AtomicRmw,
  address: Expr,
  value: Expr,
  offset = 0,
): Expr => atomic(t, ATOMIC_RMW[op] + (t === 'i32' ? 0 : 1), offset, [address, value]);

/** Returns the value before. */
export const atomicCompareExchange = (
  t: IntType,
  address: Expr,
  expected: Expr,
  replacement: Expr,
  offset = 0,
): Expr => atomic(t, t === 'i32' ? 0x48 : 0x49, offset, [address, expected, replacement]);

export const set = (local: Local, value: Expr): Stmt => ({ k: 'set', local, value });
export const drop = (value: Expr): Stmt => ({ k: 'drop', value });
export const fence: Stmt = { k: 'fence' };
export const ret = (value: Expr): Stmt => ({ k: 'return', value });
export const br = (target: Label): Stmt => ({ k: 'br', label: target });
export const block = (target: Label, body: readonly Stmt[]): Stmt => ({
  k: 'block',
  label: target,
  body,
});
export const loop = (target: Label, body: readonly Stmt[]): Stmt => ({
  k: 'loop',
  label: target,
  body,
});
export const when = (
  condition: Expr,
  body: readonly Stmt[],
  otherwise: readonly Stmt[] = [],
): Stmt => ({
  k: 'if',
  condition,
  body,
  otherwise,
  unlikely: false,
});
export const unlikely = (
  condition: Expr,
  body: readonly Stmt[],
  otherwise: readonly Stmt[] = [],
): Stmt => ({
  k: 'if',
  condition,
  body,
  otherwise,
  unlikely: true,
});
