/**
 * Floating point in a region. The f registers that it uses are locals, as binary64 values whatever they
 * hold: WebAssembly moves values bit by bit. Those that it reads as binary32 have a second local with that
 * value, out of its box, which changes with the first. Operations ask the host first, inline, on the terms of the
 * library (fp/round.ts, `mayAskHost`): to the nearest, "inexact" accrued already, and a result that shows
 * that no other flag is due. Else the library's function is called.
 */
import { csrIndex, HartBlock } from '../core/hart-block.ts';
import { MSTATUS_BITS } from '../csr-numbers.ts';
import { BINARY32, BINARY64, ROUND, ROUND_DYNAMIC, type Format } from '../fp/format.ts';
import { hostFuses } from '../fp/host.ts';
import { mayAskHost } from '../fp/round.ts';
import { boxed, boxedBits, unboxed, unboxedOperand } from '../isa/float.ts';
import type { Instruction as IsaInstruction } from '../isa/instruction.ts';
import type { FunctionBuilder } from '../wasm/encoder.ts';
import {
  choose,
  codeOf,
  f32,
  f64,
  i32,
  i64,
  load,
  loadDouble,
  set,
  store,
  storeDouble,
  unlikely,
  type Expr,
  type Local,
  type Stmt,
} from '../wasm/ir.ts';
import type { Instruction } from './code.ts';
import type { Shape } from './structure.ts';

const at = HartBlock.offset;
const MSTATUS = at.csr + 8 * csrIndex.mstatus;
const { FS } = MSTATUS_BITS;

const LOCAL_OF: Readonly<Record<string, (instruction: Instruction) => number>> = {
  frs1: ({ decoded }) => decoded.rs1,
  frs2: ({ decoded }) => decoded.rs2,
  frs3: ({ raw }) => raw >>> 27,
};
/** The f register that an operand of a meaning names. */
export const floatRegister = (name: string, instruction: Instruction): number | undefined =>
  LOCAL_OF[name]?.(instruction);

type Call = Extract<Expr, { readonly k: 'call' }>;
type Asking = (format: Format, args: readonly Expr[]) => Expr;

/** Library functions of (hart, operands, rm) that the host may stand in for, and how. */
const HOST: Readonly<Record<string, Asking>> = {
  add: ({ host }, [a, b]) => host.add(a as Expr, b as Expr),
  mul: ({ host }, [a, b]) => host.mul(a as Expr, b as Expr),
  div: ({ host }, [a, b]) => host.div(a as Expr, b as Expr),
  sqrt: ({ host }, [a]) => host.sqrt(a as Expr),
  muladd: ({ host }, [a, b, c]) => host.fused(a as Expr, b as Expr, c as Expr),
  from_f64: (_, [a]) => f32.demote(a as Expr),
};
/** Functions of (hart, operands) that are simple unless one is a NaN. */
const KNOWN_NUMBERS: Readonly<Record<string, Asking>> = {
  eq: ({ host }, [a, b]) => i64.extend_u(host.eq(a as Expr, b as Expr)),
  lt: ({ host }, [a, b]) => i64.extend_u(host.lt(a as Expr, b as Expr)),
  le: ({ host }, [a, b]) => i64.extend_u(host.le(a as Expr, b as Expr)),
  from_f32: (_, [a]) => f64.toBits(f64.promote(a as Expr)),
};
/** The operands' format is the result's but for conversions. */
const operandFormat = (name: string, format: Format): Format =>
  name === 'from_f64' ? BINARY64 : name === 'from_f32' ? BINARY32 : format;

/** The value with these bits; bits that were just taken from a value are that value. */
function valueOf(format: Format, tree: Expr): Expr {
  const { host, t, bits } = format;
  const [first, second] = tree.k === 'op' ? tree.args : [];
  if (tree.k === 'op' && first !== undefined) {
    if (tree.code === TO_BITS[t]) return first;
    const sign = second?.k === 'const' ? BigInt.asUintN(bits, BigInt(second.value)) : 0n;
    if (tree.code === XOR[t] && sign === 1n << BigInt(bits - 1))
      return host.neg(valueOf(format, first));
  }
  return host.fromBits(tree);
}
const TO_BITS = { i32: codeOf(f32.toBits(i32.const(0))), i64: codeOf(f64.toBits(i64.const(0))) };
const XOR = {
  i32: codeOf(i32.xor(i32.const(0), i32.const(0))),
  i64: codeOf(i64.xor(i64.const(0), i64.const(0))),
};

/** Operands that a meaning reads as binary32, by instruction of the ISA. */
const singlesRead = new WeakMap<IsaInstruction, readonly string[]>();
function singleOperands(instruction: IsaInstruction): readonly string[] {
  let names = singlesRead.get(instruction);
  if (names === undefined) {
    const { meaning } = instruction;
    names = meaning.kind === 'float' ? operandsIn(meaning.result) : [];
    singlesRead.set(instruction, names);
  }
  return names;
}
function operandsIn(tree: Expr): string[] {
  const name = unboxedOperand(tree);
  if (name !== undefined) return [name];
  return 'args' in tree ? tree.args.flatMap(operandsIn) : [];
}

export class FloatWriter {
  readonly #fn: FunctionBuilder;
  readonly #hart: Local;
  readonly #f: (Local | undefined)[] = Array.from({ length: 32 });
  /** The binary32 values of those registers that the region reads as such. */
  readonly #singles: (Local | undefined)[] = Array.from({ length: 32 });
  #written = 0;
  /** mstatus.FS when the region began: nothing that a region does changes it but to Dirty. */
  #status: Local | undefined;
  /** What is to be ored into mstatus. */
  #dirty: Local | undefined;
  #isDirty = false;
  #isOn = false;
  /**
   * By format: what the exponent of the host's result is compared with, see `#isOrdinary`. 0 while the host
   * may not be asked.
   */
  readonly #bounds = new Map<Format, Local>();
  /** By format: what the host said. */
  readonly #results = new Map<Format, Local>();

  constructor(fn: FunctionBuilder, hart: Local, { blocks }: Shape) {
    this.#fn = fn;
    this.#hart = hart;
    for (const { body } of blocks) {
      for (const instruction of body) {
        for (const name of singleOperands(instruction.decoded.instruction)) {
          const register = floatRegister(name, instruction) as number;
          this.#singles[register] ??= fn.local('f32');
        }
      }
    }
  }

  /** What a region begins with; known when all of it is written. */
  get prologue(): Stmt[] {
    return [
      ...(this.#status === undefined
        ? []
        : [set(this.#status, i32.and(this.#mstatus, i32.const(FS)))]),
      ...this.#cells().map(({ local, cell }) => set(local, loadDouble(this.#hart, cell))),
      ...this.#cells().flatMap(({ register }) => this.#unbox(register)),
      ...this.#setBounds(),
    ];
  }

  /** What it ends with. */
  get epilogue(): Stmt[] {
    return [
      ...this.#cells()
        .filter(({ register }) => ((this.#written >>> register) & 1) === 1)
        .map(({ local, cell }) => storeDouble(this.#hart, local, cell)),
      ...(this.#dirty === undefined
        ? []
        : [store('i32', 4, this.#hart, i32.or(this.#mstatus, this.#dirty), MSTATUS)]),
    ];
  }

  get #mstatus(): Expr {
    return load('i32', 4, false, this.#hart, MSTATUS);
  }

  #cells(): { readonly register: number; readonly local: Local; readonly cell: number }[] {
    return this.#f.flatMap((local, register) =>
      local === undefined ? [] : [{ register, local, cell: at.f + 8 * register }],
    );
  }

  #setBounds(): Stmt[] {
    const frm = load('i32', 4, false, this.#hart, at.frm);
    return [...this.#bounds].map(([format, bound]) =>
      set(
        bound,
        i32.and(
          i32.sub(i32.const(0), mayAskHost(this.#hart, frm)),
          i32.const((format.special - 2) << exponentPlace(format)),
        ),
      ),
    );
  }

  beginBlock(): void {
    this.#isOn = false;
    this.#isDirty = false;
  }

  /** To come before anything of F or D: gives up if mstatus.FS is Off. */
  begin(giveUp: readonly Stmt[]): Stmt[] {
    if (this.#isOn) return [];
    this.#isOn = true;
    this.#status ??= this.#fn.local('i32');
    return [unlikely(i32.eqz(this.#status), giveUp)];
  }

  /** To come where an f register is written. */
  change(): Stmt[] {
    if (this.#isDirty) return [];
    this.#isDirty = true;
    this.#dirty ??= this.#fn.local('i32');
    return [set(this.#dirty, i32.const(FS))];
  }

  /** A register's value, for moves of 64 bits. */
  value(register: number): Local {
    return (this.#f[register] ??= this.#fn.local('f64'));
  }

  bits(register: number): Expr {
    return f64.toBits(this.value(register));
  }

  /** The bits of a register's binary32 value. */
  singleBits(register: number): Expr {
    const single = this.#singles[register];
    if (single === undefined) throw new Error(`f${register} is not known to be read as binary32`);
    this.value(register);
    return f32.toBits(single);
  }

  #unbox(register: number): Stmt[] {
    const single = this.#singles[register];
    return single === undefined ? [] : [set(single, f32.fromBits(unboxed(this.bits(register))))];
  }

  setBits(register: number, bits: Expr): Stmt[] {
    const inner = boxedBits(bits);
    return inner === undefined
      ? this.setDouble(register, valueOf(BINARY64, bits))
      : this.setSingle(register, valueOf(BINARY32, inner));
  }

  setDouble(register: number, value: Expr): Stmt[] {
    return [this.#set(register, value), ...this.#unbox(register)];
  }

  setSingle(register: number, value: Expr): Stmt[] {
    const single = this.#singles[register];
    if (single === undefined) return [this.#set(register, f64.fromBits(boxed(f32.toBits(value))))];
    return [set(single, value), this.#set(register, f64.fromBits(boxed(f32.toBits(single))))];
  }

  #set(register: number, value: Expr): Stmt {
    const local = this.value(register);
    this.#written |= 1 << register;
    return set(local, value);
  }

  /** The rounding mode: the instruction's, or frm. */
  rounding(raw: number): Expr {
    const mode = (raw >>> 12) & ROUND_DYNAMIC;
    return mode === ROUND_DYNAMIC ? load('i32', 4, false, this.#hart, at.frm) : i32.const(mode);
  }

  /** Gives up if frm, where the instruction refers to it, holds a reserved mode. */
  #checkMode(raw: number, giveUp: readonly Stmt[]): Stmt[] {
    return ((raw >>> 12) & ROUND_DYNAMIC) === ROUND_DYNAMIC
      ? [unlikely(i32.gt_u(this.rounding(raw), i32.const(ROUND.RMM)), giveUp)]
      : [];
  }

  /**
   * An instruction's result, whose tree has its operands in place, and what has to be done before.
   * @param rounds the instruction has a rounding mode
   */
  result(
    tree: Expr,
    raw: number,
    rounds: boolean,
    giveUp: readonly Stmt[],
  ): { readonly code: Stmt[]; readonly value: Expr } {
    const mode = rounds ? this.#checkMode(raw, giveUp) : [];
    const called = callIn(tree);
    if (called === undefined) return { code: mode, value: tree };
    const [prefix = '', ...rest] = called.callee.split('_');
    const name = rest.join('_');
    const format = prefix === BINARY32.name ? BINARY32 : BINARY64;
    const operands = called.args
      .slice(1, name in HOST ? -1 : undefined)
      .map((operand) => valueOf(operandFormat(name, format), operand));
    const known = KNOWN_NUMBERS[name];
    if (known !== undefined) {
      // The host's NaNs are its own, and some of ours raise a flag.
      const isNumber = operands
        .map((operand) => operandFormat(name, format).host.eq(operand, operand))
        .reduce((x, y) => i32.and(x, y));
      return {
        code: mode,
        value: replaced(tree, called, choose(isNumber, known(format, operands), called)),
      };
    }
    const ask = HOST[name];
    const isNearest = [ROUND.RNE, ROUND_DYNAMIC].includes((raw >>> 12) & ROUND_DYNAMIC);
    if (ask === undefined || !isNearest || (name === 'muladd' && !hostFuses()))
      return { code: mode, value: tree };

    const result = this.#resultOf(format);
    const code = [
      set(result, ask(format, operands)),
      unlikely(i32.eqz(this.#isOrdinary(format, result)), [
        ...mode,
        set(result, format.host.fromBits(called)),
        ...this.#setBounds(),
      ]),
    ];
    return { code, value: replaced(tree, called, format.host.toBits(result)) };
  }

  #resultOf(format: Format): Local {
    let local = this.#results.get(format);
    if (local === undefined) this.#results.set(format, (local = this.#fn.local(format.name)));
    return local;
  }

  /**
   * Whether the host may be asked, and its result is neither special nor zero, subnormal or so small that
   * it may have been subnormal before rounding: the exponent less 2, at the top of a word, is below the
   * bound.
   */
  #isOrdinary(format: Format, value: Local): Expr {
    let bound = this.#bounds.get(format);
    if (bound === undefined) this.#bounds.set(format, (bound = this.#fn.local('i32')));
    const bits = format.host.toBits(value);
    const high = format.t === 'i32' ? bits : i32.wrap(i64.shr_u(bits, i64.const(32)));
    const least = i32.const(2 << exponentPlace(format));
    return i32.lt_u(i32.sub(i32.add(high, high), least), bound);
  }
}

/** Where the exponent is in the highest word of a number, once the sign is shifted out. */
const exponentPlace = ({ special }: Format): number => 32 - Math.log2(special + 1);

/** The call of the library in a meaning: there is none, or one. */
function callIn(tree: Expr): Call | undefined {
  if (tree.k === 'call') return tree;
  if (!('args' in tree)) return undefined;
  for (const arg of tree.args) {
    const found = callIn(arg);
    if (found !== undefined) return found;
  }
  return undefined;
}

function replaced(tree: Expr, called: Call, by: Expr): Expr {
  if (tree === called) return by;
  return 'args' in tree
    ? ({ ...tree, args: tree.args.map((arg) => replaced(arg, called, by)) } as Expr)
    : tree;
}
