/**
 * A machine of one or more harts in the test's own thread, with a program in RAM.
 *
 * A program ends with `wfi` in M-mode, where nothing wakes it; so does every trap that the test does not
 * direct elsewhere, because `mtvec` points to a page that holds nothing else. What the trap left behind
 * is then read from the CSRs.
 */
import { HartBlock, PRIVILEGE } from '../../../src/machine/core/hart-block.ts';
import type { Hart, RunEnd } from '../../../src/machine/hart.ts';
import { setInterruptLine } from '../../../src/machine/hart-lines.ts';
import {
  attachMachine,
  createMachine,
  type Machine,
  type MachineSpec,
} from '../../../src/machine/machine.ts';
import type { ReservationSpec } from '../../../src/machine/reservation-spec.ts';
import { hartBase } from '../../../src/machine/memory-plan.ts';
import { assemble, csrNumber, registerNumber } from '../isa/assembler.ts';

export const RAM = 0x8000_0000n;
/** Where `mtvec` points: nothing but waiting is done there. */
export const TRAP_PAGE: bigint = RAM + 0x8000n;
/** The same for `stvec`, in tests that set it so. */
export const HANDLER: bigint = RAM + 0x4000n;
/** `wfi` goes on while an enabled interrupt is pending. */
const WAIT = 'wfi\n again: wfi\n j again';
export const RAM_BYTES: number = 16 << 20;

/** The executing cores; the last translates every instruction to which control jumps, at once. */
export const CORES: readonly (readonly [string, BenchOptions])[] = [
  ['fast', { deterministic: false }],
  ['exact', { deterministic: true }],
  ['translating', { deterministic: false, jitAfter: 0 }],
];

export const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);

export interface BenchOptions {
  readonly deterministic: boolean;
  readonly jitAfter?: number;
  readonly harts?: number;
  readonly hasKeys?: boolean;
  readonly reservations?: ReservationSpec;
}

export class Bench {
  readonly machine: Machine;
  readonly harts: readonly Hart[];
  readonly #registers: readonly BigInt64Array[];
  readonly #floats: readonly BigInt64Array[];
  readonly #view: DataView;
  labels: ReadonlyMap<string, bigint> = new Map();
  /** The hart that the accessors below are about. */
  current = 0;

  constructor(options: BenchOptions) {
    const spec: MachineSpec = {
      harts: options.harts ?? 1,
      ramBytes: RAM_BYTES,
      deterministic: options.deterministic,
      ...(options.jitAfter === undefined ? {} : { jitAfter: options.jitAfter }),
      hasKeys: options.hasKeys ?? false,
      monitorBytes: 4096,
      ...(options.reservations === undefined ? {} : { reservations: options.reservations }),
    };
    this.machine = attachMachine(createMachine(spec));
    const { plan } = this.machine.parts;
    this.harts = Array.from({ length: spec.harts }, (_, id) => this.machine.hart(id));
    this.#registers = this.harts.map(
      (_, id) =>
        new BigInt64Array(this.machine.memory, hartBase(plan, id) + HartBlock.offset.x, 33),
    );
    this.#floats = this.harts.map(
      (_, id) =>
        new BigInt64Array(this.machine.memory, hartBase(plan, id) + HartBlock.offset.f, 32),
    );
    this.#view = new DataView(this.machine.memory, plan.ram, plan.ramBytes);
    this.reset();
  }

  get hart(): Hart {
    return this.harts[this.current] as Hart;
  }

  /** Every hart as after reset, but for `mtvec`; memory as it is, but for the pages of handlers. */
  reset(): void {
    for (const [id, hart] of this.harts.entries()) {
      this.current = id;
      hart.set('mip', 0); // the lines of the test before
      hart.set('pending', 0);
      hart.reset(0x8000_0000 | 0, 0);
      this.setCsr('mtvec', TRAP_PAGE);
    }
    this.current = 0;
    this.load(WAIT, TRAP_PAGE);
    this.load(WAIT, HANDLER);
    this.labels = new Map();
  }

  /** Assembles a program into RAM; its labels are then known to `at`. */
  load(source: string, base: bigint = RAM, physical: bigint = base): void {
    const { bytes, labels } = assemble(source, base);
    this.machine.load(Number(physical), bytes);
    this.labels = new Map([...this.labels, ...labels]);
    // The test is no store of the guest's: what is cached must not outlive it.
    for (const hart of this.harts) hart.fences.code();
  }

  at(label: string): bigint {
    const address = this.labels.get(label);
    if (address === undefined) throw new Error(`no label '${label}'`);
    return address;
  }

  x(name: string): bigint {
    return u64((this.#registers[this.current] as BigInt64Array)[registerNumber(name)] as bigint);
  }

  setX(name: string, value: bigint): void {
    (this.#registers[this.current] as BigInt64Array)[registerNumber(name)] = value;
  }

  /** An f register by ABI name, all 64 bits. */
  f(name: string): bigint {
    return u64((this.#floats[this.current] as BigInt64Array)[registerNumber(name)] as bigint);
  }

  setF(name: string, value: bigint): void {
    (this.#floats[this.current] as BigInt64Array)[registerNumber(name)] = value;
  }

  get pc(): bigint {
    return (BigInt(this.hart.pcHigh >>> 0) << 32n) | BigInt(this.hart.pcLow >>> 0);
  }

  set pc(value: bigint) {
    this.hart.setPc(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }

  /** A CSR as M-mode reads it. */
  csr(name: string): bigint {
    const { hart } = this;
    const mode = hart.mode;
    hart.set('mode', PRIVILEGE.M);
    const isThere = hart.readCsr(csrNumber(name));
    hart.set('mode', mode);
    if (!isThere) throw new Error(`no CSR '${name}'`);
    return (BigInt(hart.high >>> 0) << 32n) | BigInt(hart.low >>> 0);
  }

  setCsr(name: string, value: bigint): void {
    this.hart.writeCsr(
      csrNumber(name),
      Number(BigInt.asIntN(32, value)),
      Number(BigInt.asIntN(32, value >> 32n)),
    );
  }

  get mode(): 'M' | 'S' | 'U' {
    return (['U', 'S', '', 'M'] as const)[this.hart.mode] as 'M' | 'S' | 'U';
  }

  set mode(mode: 'M' | 'S' | 'U') {
    this.hart.set('mode', PRIVILEGE[mode]);
    this.hart.translation.tlb.select();
  }

  /** Lets S and U reach all of memory, as firmware does. */
  openPmp(): void {
    this.hart.translation.pmp.open();
    this.hart.translation.tlb.flushAll();
  }

  /** Raises or lowers an interrupt line, as a device would. */
  line(bit: number, level: boolean): void {
    setInterruptLine(this.machine.words, this.machine.parts.plan, this.current, bit, level);
  }

  run(limit = 10_000): RunEnd {
    return this.hart.run(limit);
  }

  /** Runs from `pc` until the program, or the trap it takes, ends in `wfi`. */
  finish(from: bigint | string = RAM, limit = 20_000): void {
    this.pc = typeof from === 'string' ? this.at(from) : from;
    const end = this.run(limit);
    const isWaiting = end === 'waiting' || [TRAP_PAGE, HANDLER].includes(this.pc & ~15n);
    if (!isWaiting) throw new Error(`the program ended with '${end}' at ${this.pc.toString(16)}`);
  }

  /** Loads, runs to the end in a mode. */
  execute(source: string, mode: 'M' | 'S' | 'U' = 'M'): void {
    this.load(source);
    this.mode = mode;
    this.finish();
  }

  /** What the last trap to M left behind. */
  trap(): { cause: bigint; pc: bigint; value: bigint; mode: string } {
    return {
      cause: this.csr('mcause'),
      pc: this.csr('mepc'),
      value: this.csr('mtval'),
      mode: ['U', 'S', '', 'M'][Number((this.csr('mstatus') >> 11n) & 3n)] as string,
    };
  }

  read(address: bigint, bytes: 1 | 2 | 4 | 8): bigint {
    const at = Number(address - RAM);
    let value = 0n;
    for (let n = bytes - 1; n >= 0; n--)
      value = (value << 8n) | BigInt(this.#view.getUint8(at + n));
    return value;
  }

  write(address: bigint, value: bigint, bytes: 1 | 2 | 4 | 8 = 8): void {
    const at = Number(address - RAM);
    for (let n = 0; n < bytes; n++)
      this.#view.setUint8(at + n, Number((value >> BigInt(8 * n)) & 0xffn));
  }
}

export const CAUSES = {
  FETCH_ACCESS: 1n,
  ILLEGAL: 2n,
  BREAKPOINT: 3n,
  LOAD_MISALIGNED: 4n,
  LOAD_ACCESS: 5n,
  STORE_MISALIGNED: 6n,
  STORE_ACCESS: 7n,
  ECALL_U: 8n,
  ECALL_S: 9n,
  ECALL_M: 11n,
  FETCH_PAGE: 12n,
  LOAD_PAGE: 13n,
  STORE_PAGE: 15n,
} as const;
