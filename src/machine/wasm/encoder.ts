/**
 * Encodes functions written as `ir.ts` trees into a WebAssembly module
 * (WebAssembly Core Specification 2.0 §5; branch hints: the `metadata.code.branch_hint` section).
 */
import type { Expr, Label, Local, Stmt, ValType } from './ir.ts';

const VALTYPE: Record<ValType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c };

/** Instructions of vectors of each type (Core Specification 3.0 §5.4.8): splat, relaxed_madd, extract_lane 0. */
const VECTOR = {
  f32: { splat: [0xfd, 0x13], multiplyAdd: [0xfd, 0x85, 0x02], extract: [0xfd, 0x1f, 0x00] },
  f64: { splat: [0xfd, 0x14], multiplyAdd: [0xfd, 0x87, 0x02], extract: [0xfd, 0x21, 0x00] },
} as const;

/** Bytes of the largest unsigned 32-bit number. */
const PATCHED_BYTES = 5;

/** A growable byte buffer with the LEB128 encodings (§5.2.2). */
export class ByteWriter {
  #bytes: Uint8Array = new Uint8Array(1024);
  length = 0;

  byte(value: number): void {
    if (this.length === this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes[this.length++] = value;
  }

  bytes(values: ArrayLike<number>): void {
    for (let n = 0; n < values.length; n++) this.byte(values[n] as number);
  }

  unsigned(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  /** Makes room for an unsigned number that `patch` writes; returns where. */
  reserve(): number {
    const at = this.length;
    for (let n = 0; n < PATCHED_BYTES; n++) this.byte(0);
    return at;
  }

  /** Writes an unsigned number in as many bytes as `reserve` left: longer than it need be, as is allowed. */
  patch(at: number, value: number): void {
    let rest = value;
    for (let n = 0; n < PATCHED_BYTES; n++) {
      this.#bytes[at + n] = (rest & 0x7f) | (n === PATCHED_BYTES - 1 ? 0 : 0x80);
      rest = Math.floor(rest / 128);
    }
  }

  /** A number must be a safe integer; a BigInt may be of any 64-bit value. */
  signed(value: number | bigint): void {
    if (typeof value === 'bigint' && BigInt.asIntN(53, value) === value) {
      this.signed(Number(value));
      return;
    }
    if (typeof value === 'number') {
      // `&` takes a number modulo 2^32, so the low bits are right for every safe integer.
      let rest = value;
      while (rest < -64 || rest > 63) {
        this.byte((rest & 0x7f) | 0x80);
        rest = Math.floor(rest / 128);
      }
      this.byte(rest & 0x7f);
      return;
    }
    let rest = value;
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }

  /** Names are ASCII. */
  name(text: string): void {
    this.unsigned(text.length);
    for (let n = 0; n < text.length; n++) this.byte(text.charCodeAt(n));
  }

  /** Copies a part of what another writer holds. */
  append(other: ByteWriter, from = 0, to = other.length): void {
    const end = this.length + to - from;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(other.#bytes.subarray(from, to), this.length);
    this.length = end;
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length) as Uint8Array<ArrayBuffer>;
  }
}

/** A function under construction: parameters first, then locals, in one index space. */
export class FunctionBuilder {
  readonly name: string;
  readonly params: readonly ValType[];
  readonly result: ValType | undefined;
  readonly locals: ValType[] = [];
  body: readonly Stmt[] = [];

  constructor(name: string, params: readonly ValType[], result?: ValType) {
    this.name = name;
    this.params = params;
    this.result = result;
  }

  param(index: number): Local {
    const t = this.params[index];
    if (t === undefined) throw new RangeError(`${this.name} has no parameter ${index}`);
    return { k: 'local', t, index };
  }

  local(t: ValType): Local {
    this.locals.push(t);
    return { k: 'local', t, index: this.params.length + this.locals.length - 1 };
  }
}

/** Turns an operand leaf into an ordinary expression; given by whoever lowers ISA meanings. */
export type OperandLowering = (name: string) => Expr;

/** Replaces every operand leaf of a tree. */
export function substitute(tree: Expr, lowering: OperandLowering): Expr {
  switch (tree.k) {
    case 'operand':
      return lowering(tree.name);
    case 'const':
    case 'local':
      return tree;
    case 'callIndirect':
      return {
        ...tree,
        index: substitute(tree.index, lowering),
        args: tree.args.map((arg) => substitute(arg, lowering)),
      };
    default:
      return { ...tree, args: tree.args.map((arg) => substitute(arg, lowering)) } as Expr;
  }
}

/** The signatures of a module, each once. */
class TypeTable {
  readonly #indices = new Map<string, number>();
  readonly bytes = new ByteWriter();

  get count(): number {
    return this.#indices.size;
  }

  indexOf(params: readonly ValType[], result: ValType | undefined): number {
    const key = `${params.join()}:${result ?? ''}`;
    const known = this.#indices.get(key);
    if (known !== undefined) return known;
    const index = this.#indices.size;
    this.#indices.set(key, index);
    this.bytes.byte(0x60);
    this.bytes.unsigned(params.length);
    for (const t of params) this.bytes.byte(VALTYPE[t]);
    this.bytes.unsigned(result === undefined ? 0 : 1);
    if (result !== undefined) this.bytes.byte(VALTYPE[result]);
    return index;
  }
}

class BodyEncoder {
  readonly out: ByteWriter;
  /** Offsets are from the start of the function's body, its locals included. */
  readonly hints: { readonly offset: number; readonly value: number }[] = [];
  readonly #start: number;
  /** Blocks that are open, and which of them a label is. */
  #open = 0;
  readonly #labels = new Map<Label, number>();
  readonly #functionIndex: ReadonlyMap<string, number>;
  readonly #types: TypeTable;

  constructor(out: ByteWriter, functionIndex: ReadonlyMap<string, number>, types: TypeTable) {
    this.out = out;
    this.#start = out.length;
    this.#functionIndex = functionIndex;
    this.#types = types;
  }

  #depth(target: Label): number {
    const at = this.#labels.get(target);
    if (at === undefined) throw new Error(`branch to '${target.name}' outside of it`);
    return this.#open - 1 - at;
  }

  #callee(name: string): number {
    const index = this.#functionIndex.get(name);
    if (index === undefined) throw new Error(`call of unknown function '${name}'`);
    return index;
  }

  expr(tree: Expr): void {
    const { out } = this;
    switch (tree.k) {
      case 'const':
        out.byte(tree.t === 'i32' ? 0x41 : 0x42);
        out.signed(tree.value);
        return;
      case 'local':
        out.byte(0x20);
        out.unsigned(tree.index);
        return;
      case 'operand':
        throw new Error(`operand '${tree.name}' was never lowered`);
      case 'op':
        for (const arg of tree.args) this.expr(arg);
        out.byte(tree.code);
        return;
      case 'load':
        for (const arg of tree.args) this.expr(arg);
        out.bytes(tree.code);
        out.unsigned(tree.alignLog2);
        out.unsigned(tree.offset);
        return;
      case 'call':
        for (const arg of tree.args) this.expr(arg);
        out.byte(0x10);
        out.unsigned(this.#callee(tree.callee));
        return;
      case 'callIndirect':
        for (const arg of tree.args) this.expr(arg);
        this.expr(tree.index);
        out.byte(0x11);
        out.unsigned(this.#types.indexOf(tree.params, tree.t));
        out.byte(0x00);
        return;
      case 'fused': {
        const { splat, multiplyAdd, extract } = VECTOR[tree.t];
        for (const arg of tree.args) {
          this.expr(arg);
          out.bytes(splat);
        }
        out.bytes(multiplyAdd);
        out.bytes(extract);
        return;
      }
      case 'choose':
        this.expr(tree.args[0]);
        out.byte(0x04);
        out.byte(VALTYPE[tree.t]);
        this.#open += 1;
        this.expr(tree.args[1]);
        out.byte(0x05);
        this.expr(tree.args[2]);
        this.#open -= 1;
        out.byte(0x0b);
        return;
    }
  }

  stmts(list: readonly Stmt[]): void {
    for (const stmt of list) this.stmt(stmt);
  }

  stmt(stmt: Stmt): void {
    const { out } = this;
    switch (stmt.k) {
      case 'set':
        this.expr(stmt.value);
        out.byte(0x21);
        out.unsigned(stmt.local.index);
        return;
      case 'store':
        this.expr(stmt.address);
        this.expr(stmt.value);
        out.bytes(stmt.code);
        out.unsigned(stmt.alignLog2);
        out.unsigned(stmt.offset);
        return;
      case 'drop':
        this.expr(stmt.value);
        out.byte(0x1a);
        return;
      case 'fence':
        out.bytes([0xfe, 0x03, 0x00]);
        return;
      case 'callVoid':
        for (const arg of stmt.args) this.expr(arg);
        out.byte(0x10);
        out.unsigned(this.#callee(stmt.callee));
        return;
      case 'if':
        this.expr(stmt.condition);
        if (stmt.unlikely) this.hints.push({ offset: out.length - this.#start, value: 0 });
        out.bytes([0x04, 0x40]);
        this.#open += 1;
        this.stmts(stmt.body);
        if (stmt.otherwise.length > 0) {
          out.byte(0x05);
          this.stmts(stmt.otherwise);
        }
        this.#open -= 1;
        out.byte(0x0b);
        return;
      case 'block':
      case 'loop':
        out.bytes([stmt.k === 'block' ? 0x02 : 0x03, 0x40]);
        this.#labels.set(stmt.label, this.#open++);
        this.stmts(stmt.body);
        this.#labels.delete(stmt.label);
        this.#open -= 1;
        out.byte(0x0b);
        return;
      case 'br':
        out.byte(0x0c);
        out.unsigned(this.#depth(stmt.label));
        return;
      case 'brTable':
        this.expr(stmt.index);
        out.byte(0x0e);
        out.unsigned(stmt.labels.length);
        for (const target of stmt.labels) out.unsigned(this.#depth(target));
        out.unsigned(this.#depth(stmt.otherwise));
        return;
      case 'return':
        this.expr(stmt.value);
        out.byte(0x0f);
        return;
    }
  }
}

/** A function that the module takes from `env`, under the name by which it is called. */
export interface FunctionImport {
  readonly name: string;
  readonly params: readonly ValType[];
  readonly result?: ValType | undefined;
}

export interface ModuleSpec {
  /** Pages of 64 KiB; the module imports a shared memory `env.memory` of exactly this size. */
  readonly memoryPages: number;
  readonly imports?: readonly FunctionImport[];
  readonly functions: readonly FunctionBuilder[];
  /** Names of the functions to export. */
  readonly exports: readonly string[];
  /** Exports an empty table of functions under this name, for `callIndirect`. */
  readonly table?: string;
}

// Many small modules are made: what they are written into is used again and again.
const modules = new ByteWriter();
const functionBodies = new ByteWriter();

/** The bytes of a module. Throws on a tree that names an unknown label, function or operand. */
export function encodeModule(spec: ModuleSpec): Uint8Array<ArrayBuffer> {
  const imports = spec.imports ?? [];
  const functionIndex = new Map(
    [...imports, ...spec.functions].map((fn, index) => [fn.name, index]),
  );
  const types = new TypeTable();
  const importTypes = imports.map((fn) => types.indexOf(fn.params, fn.result));
  const functionTypes = spec.functions.map((fn) => types.indexOf(fn.params, fn.result));
  // Bodies first: an indirect call may need a type of its own.
  functionBodies.length = 0;
  const bodies = spec.functions.map((fn) => encodeBody(functionBodies, fn, functionIndex, types));

  const out = modules;
  out.length = 0;
  out.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);

  const section = (id: number, fill: () => void): void => {
    out.byte(id);
    const size = out.reserve();
    const start = out.length;
    fill();
    out.patch(size, out.length - start);
  };

  section(1, () => {
    out.unsigned(types.count);
    out.append(types.bytes);
  });
  section(2, () => {
    out.unsigned(1 + imports.length);
    out.name('env');
    out.name('memory');
    out.bytes([0x02, 0x03]); // a memory with a maximum, shared
    out.unsigned(spec.memoryPages);
    out.unsigned(spec.memoryPages);
    for (const [index, fn] of imports.entries()) {
      out.name('env');
      out.name(fn.name);
      out.byte(0x00);
      out.unsigned(importTypes[index] as number);
    }
  });
  section(3, () => {
    out.unsigned(functionTypes.length);
    for (const index of functionTypes) out.unsigned(index);
  });
  if (spec.table !== undefined) {
    section(4, () => out.bytes([0x01, 0x70, 0x00, 0x00])); // funcref, no maximum
  }
  section(7, () => {
    out.unsigned(spec.exports.length + (spec.table === undefined ? 0 : 1));
    for (const name of spec.exports) {
      const index = functionIndex.get(name);
      if (index === undefined) throw new Error(`export of unknown function '${name}'`);
      out.name(name);
      out.byte(0x00);
      out.unsigned(index);
    }
    if (spec.table !== undefined) {
      out.name(spec.table);
      out.bytes([0x01, 0x00]);
    }
  });

  const hinted = bodies.flatMap(({ hints }, index) =>
    hints.length > 0 ? [{ index: imports.length + index, hints }] : [],
  );
  if (hinted.length > 0) {
    section(0, () => {
      out.name('metadata.code.branch_hint');
      out.unsigned(hinted.length);
      for (const { index, hints } of hinted) {
        out.unsigned(index);
        out.unsigned(hints.length);
        for (const hint of hints) {
          out.unsigned(hint.offset);
          out.unsigned(1);
          out.byte(hint.value);
        }
      }
    });
  }
  section(10, () => {
    out.unsigned(bodies.length);
    for (const { start, end } of bodies) {
      out.unsigned(end - start);
      out.append(functionBodies, start, end);
    }
  });
  return out.take();
}

interface EncodedBody {
  /** Where it is in what all bodies were written into. */
  readonly start: number;
  readonly end: number;
  readonly hints: BodyEncoder['hints'];
}

function encodeBody(
  out: ByteWriter,
  fn: FunctionBuilder,
  functionIndex: ReadonlyMap<string, number>,
  types: TypeTable,
): EncodedBody {
  const encoder = new BodyEncoder(out, functionIndex, types);
  const start = out.length;
  out.unsigned(fn.locals.length);
  for (const t of fn.locals) {
    out.unsigned(1);
    out.byte(VALTYPE[t]);
  }
  encoder.stmts(fn.body);
  if (fn.result !== undefined) out.byte(0x00); // every path has returned: unreachable
  out.byte(0x0b);
  return { start, end: out.length, hints: encoder.hints };
}
