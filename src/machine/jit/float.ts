/**
 * Floating point in a region. The f registers that it uses are locals, as binary64 values whatever they
 * hold: WebAssembly moves values bit by bit. Operations ask the host first, inline, on the terms of the
 * library (fp/round.ts, `mayAskHost`): to the nearest, "inexact" accrued already, and a result that shows
 * that no other flag is due. Else the library's function is called.
 */
import { csrIndex, HartBlock } from '../core/hart-block.ts';
import { MSTATUS_BITS } from '../csr-numbers.ts';
import { BINARY32, BINARY64, ROUND, ROUND_DYNAMIC, type Format } from '../fp/format.ts';
import { hostFuses } from '../fp/host.ts';
import { mayAskHost } from '../fp/round.ts';
import type { FunctionBuilder } from '../wasm/encoder.ts';
import {
  choose,
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

const at = HartBlock.offset;
const MSTATUS = at.csr + 8 * csrIndex.mstatus;
const { FS } = MSTATUS_BITS;

type Call = Extract<Expr, { readonly k: 'call' }>;
type Asking = (format: Format, args: readonly Expr[]) => Expr;

/** Library functions of (hart, operands, rm) that the host may stand in for, and how. */
const HOST: Readonly<Record<string, Asking>> = {
  add: ({ host }, [a, b]) => host.add(a as Expr, b as Expr),
  mul: ({ host }, [a, b]) => host.mul(a as Expr, b as Expr),
  div: ({ host }, [a, b]) => host.div(a as Expr, b as Expr),
  sqrt: ({ host }, [a]) => host.sqrt(a as Expr),
  muladd: ({ host }, [a, b, c]) => host.fused(a as Expr, b as Expr, c as Expr),
};
/** Comparisons: (hart, a, b). They raise flags for NaNs only. */
const COMPARE: Readonly<Record<string, Asking>> = {
  eq: ({ host }, [a, b]) => host.eq(a as Expr, b as Expr),
  lt: ({ host }, [a, b]) => host.lt(a as Expr, b as Expr),
  le: ({ host }, [a, b]) => host.le(a as Expr, b as Expr),
};

/** The value with these bits; bits that were just taken from a value are that value. */
function valueOf({ host, t, bits }: Format, tree: Expr): Expr {
  const [first, second] = tree.k === 'op' ? tree.args : [];
  if (tree.k === 'op' && first !== undefined) {
    if (tree.code === TO_BITS && t === 'i64') return first;
    const sign = second?.k === 'const' ? BigInt.asUintN(bits, BigInt(second.value)) : 0n;
    if (tree.code === XOR[t] && sign === 1n << BigInt(bits - 1))
      return host.neg(valueOf({ host, t, bits } as Format, first));
  }
  return host.fromBits(tree);
}
const codeOf = (tree: Expr): number => (tree.k === 'op' ? tree.code : -1);
const TO_BITS = codeOf(f64.toBits(i64.const(0)));
const XOR = {
  i32: codeOf(i32.xor(i32.const(0), i32.const(0))),
  i64: codeOf(i64.xor(i64.const(0), i64.const(0))),
};

export class FloatWriter {
  readonly #fn: FunctionBuilder;
  readonly #hart: Local;
  readonly #f: (Local | undefined)[] = Array.from({ length: 32 });
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
  readonly #spares = new Map<string, Local>();

  constructor(fn: FunctionBuilder, hart: Local) {
    this.#fn = fn;
    this.#hart = hart;
  }

  /** What a region begins with; known when all of it is written. */
  get prologue(): Stmt[] {
    return [
      ...(this.#status === undefined
        ? []
        : [set(this.#status, i32.and(this.#mstatus, i32.const(FS)))]),
      ...this.#cells().map(({ local, cell }) => set(local, loadDouble(this.#hart, cell))),
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

  setBits(register: number, bits: Expr): Stmt {
    return this.setValue(register, valueOf(BINARY64, bits));
  }

  setValue(register: number, value: Expr): Stmt {
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
    const [prefix = '', name = ''] = called.callee.split('_');
    const format = prefix === BINARY32.name ? BINARY32 : BINARY64;
    const compare = COMPARE[name];
    if (compare !== undefined) return this.#compared(tree, called, format, compare);
    const ask = HOST[name];
    const isNearest = [ROUND.RNE, ROUND_DYNAMIC].includes((raw >>> 12) & ROUND_DYNAMIC);
    if (ask === undefined || !isNearest || (name === 'muladd' && !hostFuses()))
      return { code: mode, value: tree };

    const { code, operands } = this.#operands(called.args.slice(1, -1));
    const result = this.#spare(format.name, 'result');
    const { args } = called;
    const exact = { ...called, args: [args[0], ...operands, args[args.length - 1]] } as Call;
    const values = operands.map((operand) => valueOf(format, operand));
    code.push(
      set(result, ask(format, values)),
      unlikely(i32.eqz(this.#isOrdinary(format, result)), [
        ...mode,
        set(result, format.host.fromBits(exact)),
        ...this.#setBounds(),
      ]),
    );
    return { code, value: replaced(tree, called, format.host.toBits(result)) };
  }

  #compared(
    tree: Expr,
    called: Call,
    format: Format,
    compare: Asking,
  ): { readonly code: Stmt[]; readonly value: Expr } {
    const { code, operands } = this.#operands(called.args.slice(1));
    const values = operands.map((operand) => valueOf(format, operand));
    const isNumber = values.map((value) => format.host.eq(value, value)) as [Expr, Expr];
    const exact = { ...called, args: [called.args[0], ...operands] } as Call;
    const value = choose(i32.and(...isNumber), i64.extend_u(compare(format, values)), exact);
    return { code, value: replaced(tree, called, value) };
  }

  /** Operands that are used more than once: what is more than a register's bits goes to a local. */
  #operands(trees: readonly Expr[]): { readonly code: Stmt[]; readonly operands: Expr[] } {
    const code: Stmt[] = [];
    const operands = trees.map((tree, index) => {
      if (tree.t === 'i64') return tree;
      const spare = this.#spare(tree.t, `operand ${index}`);
      code.push(set(spare, tree));
      return spare;
    });
    return { code, operands };
  }

  #spare(t: Local['t'], use: string): Local {
    const key = `${t} ${use}`;
    let spare = this.#spares.get(key);
    if (spare === undefined) this.#spares.set(key, (spare = this.#fn.local(t)));
    return spare;
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
