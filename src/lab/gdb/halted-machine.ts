/**
 * A machine that stands still, as a debugger looks at it: registers from the hart blocks, memory by way
 * of the page tables. Rights are not asked about: a debugger may read what the hart may not. What the
 * present view does not map is not there, though, since that is what the view is.
 */
import {
  csrWordOf,
  HART_STATE,
  HartBlock,
  PRIVILEGE,
  wordOf,
} from '../../machine/core/hart-block.ts';
import type { Ask } from '../../machine/debug/questions.ts';
import { hartBase } from '../../machine/memory-plan.ts';
import { RAM_BASE } from '../../machine/physical-map.ts';
import type { Session } from '../session.ts';
import { joined } from './packets.ts';
import { physicalOf, walk, type Walk } from './walk.ts';

export const MODE_NAMES: Readonly<Record<number, string>> = {
  [PRIVILEGE.U]: 'U',
  [PRIVILEGE.S]: 'S',
  [PRIVILEGE.M]: 'M',
};

export class HaltedMachine {
  readonly session: Session;
  readonly #words: Int32Array;
  readonly #view: DataView;

  constructor(session: Session) {
    this.session = session;
    this.#words = session.machine.words;
    this.#view = new DataView(session.machine.memory);
  }

  get harts(): number {
    return this.session.harts;
  }

  #block(hart: number): number {
    return hartBase(this.session.machine.parts.plan, hart) >> 2;
  }

  /** A word of a hart's block. */
  word(hart: number, field: keyof typeof HartBlock.offset): number {
    return this.#words[this.#block(hart) + wordOf(field)] as number;
  }

  setWord(hart: number, field: keyof typeof HartBlock.offset, value: number): void {
    this.#words[this.#block(hart) + wordOf(field)] = value;
  }

  /** A 64-bit cell of an array in the block, or a field that is one cell. */
  cell(hart: number, field: keyof typeof HartBlock.offset, index = 0): readonly [number, number] {
    const at = this.#block(hart) + wordOf(field) + 2 * index;
    return [this.#words[at] as number, this.#words[at + 1] as number];
  }

  setCell(
    hart: number,
    field: keyof typeof HartBlock.offset,
    index: number,
    value: readonly [number, number],
  ): void {
    this.#words.set(value, this.#block(hart) + wordOf(field) + 2 * index);
  }

  pc(hart: number): bigint {
    return joined(...this.cell(hart, 'pc'));
  }

  /** Whether software has not started it, or has stopped it (SBI HSM). */
  isStopped(hart: number): boolean {
    return this.word(hart, 'state') === HART_STATE.STOPPED;
  }

  /** A question to the hart itself; undefined if it has nobody to answer. */
  ask(hart: number): Ask {
    return ((kind, question) => this.session.debugger.ask(hart, kind, question)) as Ask;
  }

  /** The domain that a hart is in, if the kernel has any. */
  domain(hart: number): string | undefined {
    return this.session.separation?.domains[this.word(hart, 'domain')]?.name;
  }

  // --- memory ---

  satp(hart: number): bigint {
    const at = this.#block(hart) + csrWordOf('satp');
    return joined(this.#words[at] as number, this.#words[at + 1] as number);
  }

  walk(hart: number, address: bigint): Walk {
    const isBare = this.word(hart, 'mode') === PRIVILEGE.M;
    return walk(isBare ? 0n : this.satp(hart), address, (at) => this.readPhysical64(at));
  }

  /** Where a physical address lies in the shared memory; undefined if it is no RAM. */
  #host(physical: bigint): number | undefined {
    const { plan } = this.session.machine.parts;
    const offset = physical - BigInt(RAM_BASE);
    return offset >= 0n && offset < BigInt(plan.ramBytes) ? plan.ram + Number(offset) : undefined;
  }

  readPhysical64(physical: bigint): bigint | undefined {
    const host = this.#host(physical);
    return host === undefined || this.#host(physical + 7n) === undefined
      ? undefined
      : this.#view.getBigUint64(host, true);
  }

  /** As many bytes as there are. */
  readPhysical(physical: bigint, length: number): Uint8Array {
    const { plan } = this.session.machine.parts;
    const host = this.#host(physical);
    if (host === undefined) return new Uint8Array(0);
    return this.session.machine.bytes.slice(
      host,
      Math.min(host + length, plan.ram + plan.ramBytes),
    );
  }

  /** As many bytes as are mapped to RAM, from the first on. */
  read(hart: number, address: bigint, length: number): Uint8Array {
    const parts: Uint8Array[] = [];
    for (const { host, size } of this.#pieces(hart, address, length))
      parts.push(this.session.machine.bytes.slice(host, host + size));
    return Uint8Array.from(Buffer.concat(parts));
  }

  /** All or nothing. */
  write(hart: number, address: bigint, bytes: Uint8Array): boolean {
    const pieces = [...this.#pieces(hart, address, bytes.length)];
    if (pieces.reduce((sum, { size }) => sum + size, 0) !== bytes.length) return false;
    let done = 0;
    for (const { host, size } of pieces) {
      this.session.machine.bytes.set(bytes.subarray(done, done + size), host);
      done += size;
    }
    this.session.debugger.memoryChanged();
    return true;
  }

  /** Page by page, up to the first that is not there. */
  *#pieces(
    hart: number,
    address: bigint,
    length: number,
  ): Generator<{ host: number; size: number }> {
    for (let done = 0; done < length;) {
      const at = BigInt.asUintN(64, address + BigInt(done));
      const physical = physicalOf(this.walk(hart, at));
      const host = physical === undefined ? undefined : this.#host(physical);
      if (host === undefined) return;
      const size = Math.min(length - done, 4096 - Number(at & 0xfffn));
      yield { host, size };
      done += size;
    }
  }
}
