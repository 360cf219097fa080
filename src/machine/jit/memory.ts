/**
 * How a region gets at guest memory: looks into the soft TLB inline, one for accesses that lie near each
 * other (groups.ts). What the TLB lacks `fill` brings in; what even that cannot settle is the interpreter's.
 *
 * To remember the last page of an access in locals, and look only when it goes to another, was tried and
 * is not worth it: three locals that change in a branch cost the engine's register allocation more than the
 * look, and a page that changes now and then is a branch predicted wrongly (sieve 1.5 times slower, copy 1.2;
 * only the walk through a list became faster, by a tenth).
 */
import { dataEntry } from '../core/generate.ts';
import { DataEntry, HartBlock } from '../core/hart-block.ts';
import { FunctionBuilder, type FunctionImport } from '../wasm/encoder.ts';
import {
  call,
  choose,
  i32,
  i64,
  load,
  ret,
  set,
  store,
  unlikely,
  when,
  type Expr,
  type Local,
  type Stmt,
  type Width,
} from '../wasm/ir.ts';
import { groupAccesses, type Access, type AccessGroup } from './groups.ts';
import type { Shape } from './structure.ts';

/** Argument of the imported `fill`: the width of the access, and this if it is a store. */
export const FILL_STORE = 16;

/** Of the hart: makes the TLB translate `faultAddress`; not 0 if it cannot. */
export const FILL: FunctionImport = { name: 'fill', params: ['i32'], result: 'i32' };

const kindOf = (isStore: boolean, bytes: Width): number => bytes | (isStore ? FILL_STORE : 0);

const REACH = 'reach';
const PAGE_BYTES = 4096;
const at = HartBlock.offset;

export class MemoryWriter {
  /** By block, then by instruction of its body. */
  readonly groups: readonly (readonly (AccessGroup | undefined)[])[];
  /** The virtual address of the access; to be set before it is translated. */
  readonly address: Local;
  readonly #fn: FunctionBuilder;
  readonly #hart: Local;
  readonly #tlb: Local;
  readonly #entry: Local;
  readonly #groupHosts: Local[] = [];
  /** Whether `reach` was used: the module needs `reachFunction`. */
  reaches = false;
  #reached: Local | undefined;

  constructor(fn: FunctionBuilder, hart: Local, shape: Shape) {
    this.#fn = fn;
    this.#hart = hart;
    this.#tlb = fn.local('i32');
    this.#entry = fn.local('i32');
    this.address = fn.local('i64');
    this.groups = shape.blocks.map(({ body }) => groupAccesses(body));
  }

  /** What a region begins with. */
  get prologue(): Stmt {
    return set(this.#tlb, load('i32', 4, false, this.#hart, at.dataTlb));
  }

  /** The linear-memory address of `address`, by the entry. */
  get #host(): Expr {
    const addend = load('i32', 4, false, this.#entry, DataEntry.offset.addend);
    return i32.add(addend, i32.wrap(this.address));
  }

  /** Whether the entry, once found, does not translate this many bytes at `address`. */
  #isMiss(isStore: boolean, bytes: number): Expr {
    const tag = load(
      'i64',
      8,
      false,
      this.#entry,
      DataEntry.offset[isStore ? 'writeTag' : 'readTag'],
    );
    return i64.gt_u(i64.xor(tag, this.address), i64.const(PAGE_BYTES - bytes));
  }

  #find(): Stmt {
    return set(this.#entry, dataEntry(this.#tlb, this.address));
  }

  /** Translates `address`: the code that does, and an expression for the linear-memory address. */
  translate(
    { isStore, bytes }: { readonly isStore: boolean; readonly bytes: Width },
    giveUp: readonly Stmt[],
  ): { readonly code: Stmt[]; readonly host: Expr } {
    const code: Stmt[] = [
      this.#find(),
      unlikely(this.#isMiss(isStore, bytes), [
        store('i64', 8, this.#hart, this.address, at.faultAddress),
        when(call(FILL.name, 'i32', i32.const(kindOf(isStore, bytes))), giveUp),
      ]),
    ];
    return { code, host: this.#host };
  }

  /** The same by a call, for where that is rare: it is shorter. */
  reach(
    { isStore, bytes, offset }: Access,
    base: Expr,
    giveUp: readonly Stmt[],
  ): { readonly code: Stmt[]; readonly host: Expr } {
    this.reaches = true;
    this.#reached ??= this.#fn.local('i32');
    const address = offset === 0 ? base : i64.add(base, i64.const(offset));
    const found = call(REACH, 'i32', this.#hart, address, i32.const(kindOf(isStore, bytes)));
    return {
      code: [set(this.#reached, found), unlikely(i32.eqz(this.#reached), giveUp)],
      host: this.#reached,
    };
  }

  /** The linear-memory address of a group's first byte; 0 if the TLB does not hold it all. */
  hostOf({ index }: AccessGroup): Local {
    return (this.#groupHosts[index] ??= this.#fn.local('i32'));
  }

  /** Looks a group up whose base register has this value. */
  translateGroup(group: AccessGroup, base: Expr): Stmt[] {
    const host = this.hostOf(group);
    const { isStore, from, to } = group;
    return [
      set(this.address, from === 0 ? base : i64.add(base, i64.const(from))),
      this.#find(),
      set(host, this.#host),
      unlikely(this.#isMiss(isStore, to - from), [set(host, i32.const(0))]),
    ];
  }
}

/** `reach(hart, address, kind)`: the linear-memory address of an access, 0 if it is the interpreter's. */
export function reachFunction(): FunctionBuilder {
  const fn = new FunctionBuilder(REACH, ['i32', 'i64', 'i32'], 'i32');
  const [hart, address, kind] = [fn.param(0), fn.param(1), fn.param(2)];
  const entry = fn.local('i32');
  const { readTag, writeTag, addend } = DataEntry.offset;
  const isStore = i32.and(kind, i32.const(FILL_STORE));
  const tag = choose(
    isStore,
    load('i64', 8, false, entry, writeTag),
    load('i64', 8, false, entry, readTag),
  );
  const bytes = i64.extend_u(i32.and(kind, i32.const(FILL_STORE - 1)));
  fn.body = [
    set(entry, dataEntry(load('i32', 4, false, hart, at.dataTlb), address)),
    when(i64.gt_u(i64.xor(tag, address), i64.sub(i64.const(PAGE_BYTES), bytes)), [
      store('i64', 8, hart, address, at.faultAddress),
      when(call(FILL.name, 'i32', kind), [ret(i32.const(0))]),
    ]),
    ret(i32.add(load('i32', 4, false, entry, addend), i32.wrap(address))),
  ];
  return fn;
}
