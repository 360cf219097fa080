/**
 * Writes a region as a WebAssembly module with one function, `region(hart, left)`.
 *
 * Registers that the region uses are locals; they are loaded when it is entered and stored where it is
 * left. `left` counts the instructions that may still be retired. Meanings come from the ISA table, so
 * the function does what the interpreter would; whatever it cannot do itself ends it with pc at that
 * instruction and everything before it done.
 *
 * No byte depends on the hart: other harts make the same module, which the engine then compiles once.
 */
import { multiplyHelpers } from '../core/generate.ts';
import { HartBlock, REGION_END } from '../core/hart-block.ts';
import { plainCsr } from '../csr-numbers.ts';
import { floatFunctions } from '../fp/library.ts';
import { unboxedOperand } from '../isa/float.ts';
import { EXIT, type Meaning } from '../isa/instruction.ts';
import { encodeModule, FunctionBuilder, type FunctionImport } from '../wasm/encoder.ts';
import {
  atomicByte,
  atomicCompareExchange,
  atomicLoad,
  atomicRmw,
  block as blockOf,
  br,
  choose,
  fence,
  i32,
  i64,
  label,
  load,
  loadDouble,
  loadSingle,
  loop,
  ret,
  set,
  store,
  storeDouble,
  unlikely,
  when,
  type Expr,
  type Label,
  type Local,
  type Stmt,
} from '../wasm/ir.ts';
import type { Instruction } from './code.ts';
import type { Block, Edge } from './discover.ts';
import { floatRegister, FloatWriter } from './float.ts';
import { accessOf, type Access, type AccessGroup } from './groups.ts';
import { FILL, MemoryWriter, reachFunction } from './memory.ts';
import type { Shape } from './structure.ts';

/** What meanings call, from the core; made when it is first asked for. */
let helpers: ReadonlyMap<string, FunctionImport> | undefined;
const helperNamed = (name: string): FunctionImport => {
  helpers ??= new Map([...multiplyHelpers(), ...floatFunctions()].map((fn) => [fn.name, fn]));
  const helper = helpers.get(name);
  if (helper === undefined) throw new Error(`no helper '${name}'`);
  return helper;
};

type AtomicMeaning = Extract<
  Meaning,
  { kind: 'lr' | 'sc' } | { kind: 'amo' } | { kind: 'amoLoop' }
>;

const at = HartBlock.offset;

/**
 * Whether this file can say what an instruction means; if not, the interpreter executes it.
 * @param tracksReservations LR and SC are the hart's (reservations.ts)
 */
export function canTranslate({ decoded, raw }: Instruction, tracksReservations: boolean): boolean {
  const { meaning } = decoded.instruction;
  switch (meaning.kind) {
    case 'compute':
    case 'load':
    case 'store':
    case 'branch':
    case 'jump':
    case 'fence':
    case 'amo':
    case 'amoLoop':
    case 'float':
    case 'floatLoad':
    case 'floatStore':
      return true;
    case 'lr':
    case 'sc':
      return !tracksReservations;
    case 'exit':
      return meaning.reason === EXIT.CSR && plainCsr(raw) !== undefined;
    default:
      return false;
  }
}

/** The bytes of a region's module. */
export function emitRegion(shape: Shape, memoryPages: number): Uint8Array<ArrayBuffer> {
  const fn = new FunctionBuilder('region', ['i32', 'i32'], 'i32');
  const writer = new RegionWriter(fn, shape);
  writer.write();
  const imports = [FILL, ...writer.helpers.values()];
  const functions = writer.reaches ? [fn, reachFunction()] : [fn];
  return encodeModule({ memoryPages, imports, functions, exports: ['region'] });
}

class RegionWriter {
  /** Those that the region calls. */
  readonly helpers = new Map<string, FunctionImport>();
  readonly #fn: FunctionBuilder;
  readonly #shape: Shape;
  readonly #hart: Local;
  readonly #left: Local;
  readonly #x: (Local | undefined)[] = Array.from({ length: 32 });
  /** Registers that some instruction writes. */
  #written = 0;
  readonly #memory: MemoryWriter;
  readonly #float: FloatWriter;
  readonly #pc: Local;
  readonly #end: Local;
  readonly #target: Local;
  readonly #out = label('out');
  readonly #surrender = label('give up');
  /** Where the region gives up: see `#giveUp`. */
  readonly #spot: Local;
  #givesUp = false;
  readonly #labels: Label[];
  readonly #dispatch = label('dispatch');
  readonly #selected: Local;

  constructor(fn: FunctionBuilder, shape: Shape) {
    this.#fn = fn;
    this.#shape = shape;
    this.#hart = fn.param(0);
    this.#left = fn.param(1);
    this.#memory = new MemoryWriter(fn, this.#hart, shape);
    this.#float = new FloatWriter(fn, this.#hart, shape);
    this.#pc = fn.local('i64');
    this.#end = fn.local('i32');
    this.#spot = fn.local('i32');
    this.#target = fn.local('i64');
    this.#selected = fn.local('i32');
    this.#labels = shape.blocks.map(({ order }) => label(`block ${order}`));
  }

  /** Whether the region calls `reachFunction`. */
  get reaches(): boolean {
    return this.#memory.reaches;
  }

  write(): void {
    const code = this.#shape.isIrreducible ? this.#dispatched() : this.#tree(0);
    const loads: Stmt[] = [];
    const spills: Stmt[] = [];
    for (const [register, local] of this.#x.entries()) {
      if (local === undefined) continue;
      const cell = at.x + 8 * register;
      loads.push(set(local, load('i64', 8, false, this.#hart, cell)));
      if (((this.#written >>> register) & 1) === 1)
        spills.push(store('i64', 8, this.#hart, local, cell));
    }
    this.#fn.body = [
      this.#memory.prologue,
      ...loads,
      ...this.#float.prologue,
      blockOf(this.#out, this.#givesUp ? this.#surrendering(code) : code),
      ...spills,
      ...this.#float.epilogue,
      store('i64', 8, this.#hart, this.#pc, at.pc),
      store('i32', 4, this.#hart, this.#left, at.budgetLeft),
      ret(this.#end),
    ];
  }

  // --- control flow ---

  /** A block and all that it dominates. */
  #tree(order: number): Stmt[] {
    const { children, forwardEdges, isLoop } = this.#shape;
    const merges = (children[order] as number[]).filter((n) => (forwardEdges[n] as number) > 1);
    const own = this.#labels[order] as Label;
    if (isLoop[order] === 0) return this.#within(order, merges.length, merges);
    // A loop's label is its start; a block that others jump forward to as well has two.
    return [loop(own, this.#within(order, merges.length, merges))];
  }

  /** The block's own code, nested in one wasm block for each of its first `count` merges. */
  #within(order: number, count: number, merges: readonly number[]): Stmt[] {
    if (count === 0) return this.#code(order);
    const last = merges[count - 1] as number;
    return [
      blockOf(this.#mergeLabel(last), this.#within(order, count - 1, merges)),
      ...this.#tree(last),
    ];
  }

  readonly #mergeLabels = new Map<number, Label>();
  #mergeLabel(order: number): Label {
    let known = this.#mergeLabels.get(order);
    if (known === undefined) {
      known = label(`merge ${order}`);
      this.#mergeLabels.set(order, known);
    }
    return known;
  }

  /** All blocks in one loop around a table: for what no nesting can say. */
  #dispatched(): Stmt[] {
    const { blocks } = this.#shape;
    let nested: Stmt[] = [
      {
        k: 'brTable',
        index: this.#selected,
        labels: this.#labels,
        otherwise: this.#labels[0] as Label,
      },
    ];
    for (const { order } of blocks)
      nested = [blockOf(this.#labels[order] as Label, nested), ...this.#code(order)];
    return [loop(this.#dispatch, nested)];
  }

  #code(order: number): Stmt[] {
    const block = this.#shape.blocks[order] as Block;
    const { body, end } = block;
    const counted = body.length + ('at' in end ? 1 : 0);
    const code: Stmt[] = [];
    if (counted > 0) code.push(set(this.#left, i32.sub(this.#left, i32.const(counted))));
    this.#float.beginBlock();
    const groups = this.#memory.groups[order] ?? [];
    const begun = new Set<AccessGroup>();
    for (const [n, instruction] of body.entries()) {
      const group = groups[n];
      if (group === undefined) {
        this.#instruction(instruction, counted - n, code);
        continue;
      }
      if (!begun.has(group))
        code.push(...this.#memory.translateGroup(group, this.#read(group.base)));
      begun.add(group);
      this.#grouped(instruction, group, counted - n, code);
    }
    this.#finish(block, code);
    return code;
  }

  #finish(block: Block, code: Stmt[]): void {
    const { end } = block;
    switch (end.kind) {
      case 'interpret':
        code.push(set(this.#end, i32.const(REGION_END.INTERPRET)), ...this.#leave(end.pc));
        return;
      case 'leave':
        code.push(...this.#leave(end.pc));
        return;
      case 'fall':
        code.push(...this.#go(block, end.next));
        return;
      case 'branch': {
        const { meaning } = end.at.decoded.instruction;
        if (meaning.kind !== 'branch') throw new Error('a branch that is none');
        code.push(
          when(this.#lower(meaning.taken, end.at), this.#go(block, end.taken)),
          ...this.#go(block, end.next),
        );
        return;
      }
      case 'jump':
        this.#link(end.at, code);
        code.push(...this.#go(block, end.next));
        return;
      case 'indirect': {
        const { meaning } = end.at.decoded.instruction;
        if (meaning.kind !== 'jump') throw new Error('a jump that is none');
        code.push(set(this.#target, this.#lower(meaning.target, end.at)));
        this.#link(end.at, code);
        if (end.guess !== undefined) {
          code.push(
            when(i64.eq(this.#target, i64.const(end.guess.pc)), this.#go(block, end.guess)),
          );
        }
        code.push(set(this.#pc, this.#target), br(this.#out));
      }
    }
  }

  #link({ pc, bytes, decoded }: Instruction, code: Stmt[]): void {
    if (decoded.rd !== 0) code.push(set(this.#register(decoded.rd, true), i64.const(pc + bytes)));
  }

  #leave(pc: number): Stmt[] {
    return [set(this.#pc, i64.const(pc)), br(this.#out)];
  }

  #go(from: Block, { pc, block }: Edge): Stmt[] {
    if (block === undefined) return this.#leave(pc);
    const { order } = block;
    const back = order <= from.order;
    const poll: Stmt[] = back
      ? [
          // Nothing pending and something left, in one.
          unlikely(i32.lt_s(this.#left, this.#pending), this.#leave(pc)),
        ]
      : [];
    if (this.#shape.isIrreducible)
      return [...poll, set(this.#selected, i32.const(order)), br(this.#dispatch)];
    if (back) return [...poll, br(this.#labels[order] as Label)];
    if ((this.#shape.forwardEdges[order] as number) > 1) return [br(this.#mergeLabel(order))];
    return this.#tree(order);
  }

  /** The pending word, of which only the highest byte has bits (see PENDING). */
  get #pending(): Expr {
    return i32.shl(atomicByte(this.#hart, at.pending + 3), i32.const(24));
  }

  // --- instructions ---

  #register(register: number, isWritten = false): Local {
    if (isWritten) this.#written |= 1 << register;
    return (this.#x[register] ??= this.#fn.local('i64'));
  }

  #read(register: number): Expr {
    return register === 0 ? i64.const(0) : this.#register(register);
  }

  /** A meaning with the instruction's operands in place. */
  #lower(tree: Expr, instruction: Instruction): Expr {
    const { decoded, raw, pc, bytes } = instruction;
    switch (tree.k) {
      case 'operand':
        switch (tree.name) {
          case 'rs1':
            return this.#read(decoded.rs1);
          case 'rs2':
            return this.#read(decoded.rs2);
          case 'imm':
            return i64.const(decoded.imm);
          case 'pc':
            return i64.const(pc);
          case 'next':
            return i64.const(pc + bytes);
          case 'frs1':
          case 'frs2':
          case 'frs3':
            return this.#float.bits(floatRegister(tree.name, instruction) as number);
          case 'hart':
            return this.#hart;
          case 'rm':
            return this.#float.rounding(raw);
          default:
            throw new Error(`unknown operand '${tree.name}'`);
        }
      case 'const':
      case 'local':
        return tree;
      case 'op': {
        const args = tree.args.map((arg) => this.#lower(arg, instruction));
        const [first, second] = args;
        if (tree.code === I64_ADD && second !== undefined && first !== undefined) {
          if (isZero(second)) return first;
          if (isZero(first)) return second;
          if (first.k === 'const' && second.k === 'const')
            return i64.const(Number(first.value) + Number(second.value));
        }
        return { ...tree, args };
      }
      case 'call': {
        this.helpers.set(tree.callee, helperNamed(tree.callee));
        return { ...tree, args: tree.args.map((arg) => this.#lower(arg, instruction)) };
      }
      case 'choose': {
        const operand = unboxedOperand(tree);
        if (operand !== undefined)
          return this.#float.singleBits(floatRegister(operand, instruction) as number);
        break;
      }
    }
    return { ...tree, args: tree.args.map((arg) => this.#lower(arg, instruction)) } as Expr;
  }

  /**
   * Leaves for the interpreter at an instruction of a block that has `rest` instructions left with it,
   * all of which were counted already. There are many such places, so what they do is done in one: each
   * says its distance from the entry and its rest, in a word, if they fit.
   */
  #giveUp({ pc }: Instruction, rest: number): Stmt[] {
    const distance = (pc - this.#entryPc) / 2;
    const spot = distance * (1 << REST_BITS) + rest;
    if (rest >> REST_BITS !== 0 || (spot | 0) !== spot) {
      // A callee that is far away.
      return [
        set(this.#left, i32.add(this.#left, i32.const(rest))),
        set(this.#end, i32.const(REGION_END.INTERPRET)),
        ...this.#leave(pc),
      ];
    }
    this.#givesUp = true;
    return [set(this.#spot, i32.const(spot)), br(this.#surrender)];
  }

  get #entryPc(): number {
    return (this.#shape.blocks[0] as Block).pc;
  }

  /** Every path of the code breaks out of it. */
  #surrendering(code: readonly Stmt[]): Stmt[] {
    const rest = i32.and(this.#spot, i32.const((1 << REST_BITS) - 1));
    const distance = i64.extend_s(i32.shr_s(this.#spot, i32.const(REST_BITS)));
    return [
      blockOf(this.#surrender, code),
      set(this.#left, i32.add(this.#left, rest)),
      set(this.#end, i32.const(REGION_END.INTERPRET)),
      set(this.#pc, i64.add(i64.const(this.#entryPc), i64.shl(distance, i64.const(1)))),
    ];
  }

  #writeRd({ decoded }: Instruction, value: Expr): Stmt {
    return decoded.rd === 0 ? { k: 'drop', value } : set(this.#register(decoded.rd, true), value);
  }

  #instruction(instruction: Instruction, rest: number, code: Stmt[]): void {
    const { decoded } = instruction;
    const { meaning } = decoded.instruction;
    switch (meaning.kind) {
      case 'compute':
        if (decoded.rd !== 0)
          code.push(this.#writeRd(instruction, this.#lower(meaning.rd, instruction)));
        return;
      case 'load':
      case 'store':
      case 'floatLoad':
      case 'floatStore': {
        const { code: look, host } = this.#reach(instruction, rest);
        const { before, after } = this.#aroundFloat(instruction, rest);
        code.push(...before, ...look, ...this.#access(instruction, host, 0), ...after);
        return;
      }
      case 'fence': {
        const PREDECESSOR_W = 1 << 4;
        const SUCCESSOR_R = 1 << 1;
        const both = PREDECESSOR_W | SUCCESSOR_R;
        if ((decoded.imm & both) === both) code.push(fence);
        return;
      }
      case 'lr':
      case 'sc':
      case 'amo':
      case 'amoLoop':
        this.#atomic(instruction, meaning, rest, code);
        return;
      case 'float':
        this.#floating(instruction, meaning, rest, code);
        return;
      case 'exit':
        this.#plainCsr(instruction, rest, code);
        return;
      default:
        throw new Error(`'${decoded.instruction.name}' cannot be translated`);
    }
  }

  /** Where a load or store goes: the code that finds it, and the linear-memory address. */
  #reach(instruction: Instruction, rest: number): { readonly code: Stmt[]; readonly host: Expr } {
    const access = accessOf(instruction) as Access;
    const base = this.#read(access.base);
    const { address } = this.#memory;
    const { code, host } = this.#memory.translate(access, this.#giveUp(instruction, rest));
    const effective = access.offset === 0 ? base : i64.add(base, i64.const(access.offset));
    return { code: [set(address, effective), ...code], host };
  }

  /** The access itself, at a linear-memory address. */
  #access(instruction: Instruction, host: Expr, offset: number): Stmt[] {
    const { decoded } = instruction;
    const { meaning } = decoded.instruction;
    switch (meaning.kind) {
      case 'load':
        return [
          this.#writeRd(instruction, load('i64', meaning.bytes, meaning.signed, host, offset)),
        ];
      case 'store':
        return [store('i64', meaning.bytes, host, this.#read(decoded.rs2), offset)];
      case 'floatLoad':
        return meaning.bytes === 8
          ? this.#float.setDouble(decoded.rd, loadDouble(host, offset))
          : this.#float.setSingle(decoded.rd, loadSingle(host, offset));
      case 'floatStore':
        return [
          meaning.bytes === 8
            ? storeDouble(host, this.#float.value(decoded.rs2), offset)
            : store('i64', 4, host, this.#float.bits(decoded.rs2), offset),
        ];
      default:
        throw new Error(`'${decoded.instruction.name}' is no access`);
    }
  }

  /** What comes before and after a load or store of an f register. */
  #aroundFloat(instruction: Instruction, rest: number): { before: Stmt[]; after: Stmt[] } {
    const { kind } = instruction.decoded.instruction.meaning;
    if (kind !== 'floatLoad' && kind !== 'floatStore') return { before: [], after: [] };
    return {
      before: this.#float.begin(this.#giveUp(instruction, rest)),
      after: kind === 'floatLoad' ? this.#float.change() : [],
    };
  }

  /** A member of a group: at its distance from the group's address, or on its own. */
  #grouped(instruction: Instruction, group: AccessGroup, rest: number, code: Stmt[]): void {
    const access = accessOf(instruction) as Access;
    const host = this.#memory.hostOf(group);
    const base = this.#read(access.base);
    const alone = this.#memory.reach(access, base, this.#giveUp(instruction, rest));
    const { before, after } = this.#aroundFloat(instruction, rest);
    code.push(
      ...before,
      unlikely(
        i32.eqz(host),
        [...alone.code, ...this.#access(instruction, alone.host, 0)],
        this.#access(instruction, host, access.offset - group.from),
      ),
      ...after,
    );
  }

  #atomic(instruction: Instruction, meaning: AtomicMeaning, rest: number, code: Stmt[]): void {
    const { bytes } = meaning;
    const t = bytes === 4 ? 'i32' : 'i64';
    const rs2 = this.#read(instruction.decoded.rs2);
    const narrow = bytes === 4 ? i32.wrap(rs2) : rs2;
    const widen = (value: Expr): Expr => (bytes === 4 ? i64.extend_s(value) : value);
    const { address } = this.#memory;
    const giveUp = this.#giveUp(instruction, rest);
    const { code: look, host: target } = this.#memory.translate(
      { isStore: meaning.kind !== 'lr', bytes },
      giveUp,
    );
    code.push(
      set(address, this.#read(instruction.decoded.rs1)),
      unlikely(i32.and(i32.wrap(address), i32.const(bytes - 1)), giveUp),
      ...look,
    );
    switch (meaning.kind) {
      case 'amo':
        code.push(this.#writeRd(instruction, widen(atomicRmw(t, meaning.op, target, narrow))));
        return;
      case 'amoLoop': {
        const retry = label('retry');
        const host = this.#fn.local('i32');
        const old = this.#fn.local(t);
        const value = this.#fn.local(t);
        const result = lowerAtomic(meaning.result, old, value);
        const seen = atomicCompareExchange(t, host, old, result);
        code.push(
          set(host, target),
          set(value, narrow),
          loop(retry, [
            set(old, atomicLoad(t, host)),
            when((bytes === 4 ? i32.ne : i64.ne)(seen, old), [br(retry)]),
          ]),
          this.#writeRd(instruction, widen(old)),
        );
        return;
      }
      default:
        this.#reservation(instruction, meaning.kind, bytes, target, code);
    }
  }

  #floating(
    instruction: Instruction,
    meaning: Extract<Meaning, { kind: 'float' }>,
    rest: number,
    code: Stmt[],
  ): void {
    const { decoded, raw } = instruction;
    const giveUp = this.#giveUp(instruction, rest);
    const tree = this.#lower(meaning.result, instruction);
    const { code: before, value } = this.#float.result(tree, raw, meaning.rounds, giveUp);
    code.push(...this.#float.begin(giveUp), ...before);
    if (meaning.to === 'x') code.push(this.#writeRd(instruction, value));
    else code.push(...this.#float.change(), ...this.#float.setBits(decoded.rd, value));
  }

  /** LR and SC on the translated address, as the core has them. */
  #reservation(
    instruction: Instruction,
    kind: 'lr' | 'sc',
    bytes: 4 | 8,
    target: Expr,
    code: Stmt[],
  ): void {
    const t = bytes === 4 ? 'i32' : 'i64';
    const host = this.#fn.local('i32');
    const value = this.#fn.local('i64');
    // The width is part of what is reserved.
    const reservation = i64.extend_u(bytes === 4 ? host : i32.or(host, i32.const(1)));
    code.push(set(host, target));
    if (kind === 'lr') {
      const loaded = atomicLoad(t, host);
      code.push(
        set(value, bytes === 4 ? i64.extend_s(loaded) : loaded),
        store('i64', 8, this.#hart, reservation, at.reservedAddress),
        store('i64', 8, this.#hart, value, at.reservedValue),
        this.#writeRd(instruction, value),
      );
      return;
    }
    const rs2 = this.#read(instruction.decoded.rs2);
    const expected = load('i64', 8, false, this.#hart, at.reservedValue);
    const narrow = (wide: Expr): Expr => (bytes === 4 ? i32.wrap(wide) : wide);
    const swapped = atomicCompareExchange(t, host, narrow(value), narrow(rs2));
    code.push(
      set(value, expected),
      set(
        value,
        choose(
          i64.eq(load('i64', 8, false, this.#hart, at.reservedAddress), reservation),
          i64.extend_u((bytes === 4 ? i32.ne : i64.ne)(swapped, narrow(value))),
          i64.const(1),
        ),
      ),
      store('i64', 8, this.#hart, i64.const(0), at.reservedAddress),
      this.#writeRd(instruction, value),
    );
  }

  /** Reads a CSR that is a plain cell, or swaps one, as the core does. */
  #plainCsr(instruction: Instruction, rest: number, code: Stmt[]): void {
    const csr = plainCsr(instruction.raw);
    if (csr === undefined) throw new Error('a CSR that is no plain cell');
    const { rd, rs1 } = instruction.decoded;
    const cell = at.csr + 8 * csr.cell;
    code.push(
      unlikely(
        i32.lt_u(load('i32', 4, false, this.#hart, at.mode), i32.const(csr.privilege)),
        this.#giveUp(instruction, rest),
      ),
    );
    if (!csr.isWrite) {
      code.push(this.#writeRd(instruction, load('i64', 8, false, this.#hart, cell)));
      return;
    }
    code.push(
      set(this.#memory.address, i64.and(this.#read(rs1), i64.const(csr.kept))),
      ...(rd === 0 ? [] : [this.#writeRd(instruction, load('i64', 8, false, this.#hart, cell))]),
      store('i64', 8, this.#hart, this.#memory.address, cell),
    );
  }
}

/** Bits of `#spot` for the rest. */
const REST_BITS = 11;
const I64_ADD = 0x7c;

const isZero = (tree: Expr): boolean => tree.k === 'const' && Number(tree.value) === 0;

/** The new value of an AMO, from the old one and the operand. */
function lowerAtomic(tree: Expr, old: Local, value: Local): Expr {
  if (tree.k === 'operand') return tree.name === 'old' ? old : value;
  return 'args' in tree
    ? ({ ...tree, args: tree.args.map((arg) => lowerAtomic(arg, old, value)) } as Expr)
    : tree;
}
