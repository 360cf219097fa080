/**
 * What a crossing does to registers, generated: wasm from the lists of registers below, which are all
 * that is said about it anywhere. What a crossing decides is TypeScript, in gates.ts.
 *
 * Upholds NK-2: no register carries one domain's values into another but arguments and results, and the
 * registers of S-mode belong to the core. A sandboxed domain runs in S-mode as well and can write those
 * with ordinary instructions, of which the manual lets M-mode trap only few; so the monitor takes them
 * away when the hart leaves the core and brings them back when it returns.
 *
 * Trapped inside of a domain: `sret` (TSR), `wfi` (TW: it could wait for ever, retiring nothing),
 * `satp` and `sfence.vma` (TVM), `stimecmp` and `time` (mcounteren.TM). `sie` and `sip` read as zero
 * and ignore writes there, because nothing is delegated.
 */
import { csrIndex, HartBlock, type CsrCell } from '../machine/core/hart-block.ts';
import { CAUSE, IRQ, MSTATUS_BITS } from '../machine/csr-numbers.ts';
import { encodeModule, FunctionBuilder } from '../machine/wasm/encoder.ts';
import {
  atomicLoad,
  atomicStore,
  i32,
  i64,
  load,
  ret,
  store,
  when,
  type Expr,
  type Stmt,
} from '../machine/wasm/ir.ts';
import { StackFrame, SUPERVISOR_CELLS } from './tables.ts';

/** ra, sp, gp and tp, then s0 to s11: what a caller may rely on (psABI), and so what is kept for it. */
const SAVED = [1, 2, 3, 4, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27];
const ALL = Array.from({ length: 31 }, (_, n) => n + 1);
const A0 = 10;
const ARGUMENTS = 8;
/** What a return leaves of the callee's registers: the result. */
const RESULT = [A0];

/** Exceptions that the core takes itself when it or a user program causes them; the rest the monitor sees. */
export const CORE_EXCEPTIONS: number =
  (1 << CAUSE.ECALL_U) |
  (1 << CAUSE.BREAKPOINT) |
  (1 << CAUSE.FETCH_MISALIGNED) |
  (1 << CAUSE.LOAD_MISALIGNED) |
  (1 << CAUSE.STORE_MISALIGNED);
export const CORE_INTERRUPTS: number = (1 << IRQ.SSI) | (1 << IRQ.STI) | (1 << IRQ.SEI);
/** Counters that S-mode may read: cycle, time and instret; time is `stimecmp`, too (Sstc). */
export const CORE_COUNTERS = 7;
const DOMAIN_COUNTERS = 5;

const TRAPPED = MSTATUS_BITS.TSR | MSTATUS_BITS.TW;

/** The functions; `hart` and `frame` are addresses in the shared memory. */
export interface CrossingCode {
  /** Keeps in a frame what the caller may rely on, or every register. */
  keep(hart: number, frame: number): void;
  keepAll(hart: number, frame: number): void;
  /** Zeroes every register but the first arguments. */
  clearForCall(hart: number, count: number): void;
  clearAll(hart: number): void;
  /** Gives back what `keep` kept and zeroes the rest but a0; or everything that `keepAll` kept. */
  giveBack(hart: number, frame: number): void;
  giveAllBack(hart: number, frame: number): void;
  /** The core's registers of S-mode go to `kept`, and what a domain may not do traps; and the reverse. */
  leaveCore(hart: number, kept: number): void;
  enterCore(hart: number, kept: number): void;
  /**
   * Says that the hart is in a domain and then loads a word of the domain's; both sequentially
   * consistent (`Gates.#claim`).
   */
  claim(hart: number, domain: number, word: number): number;
}

const at = HartBlock.offset;
const x = (register: number): number => at.x + 8 * register;
const kept = (register: number): number => StackFrame.offset.x + 8 * register;
const cell = (name: CsrCell): number => at.csr + 8 * csrIndex[name];
const zero = i64.const(0);

function statements(
  name: keyof CrossingCode,
  params: 1 | 2,
  body: (hart: Expr, other: Expr) => Stmt[],
): FunctionBuilder {
  const fn = new FunctionBuilder(name, params === 1 ? ['i32'] : ['i32', 'i32']);
  fn.body = body(fn.param(0), fn.param(params - 1));
  return fn;
}

const move = (to: Expr, toOffset: number, from: Expr, fromOffset: number): Stmt =>
  store('i64', 8, to, load('i64', 8, false, from, fromOffset), toOffset);
const keep =
  (registers: readonly number[]) =>
  (hart: Expr, frame: Expr): Stmt[] =>
    registers.map((register) => move(frame, kept(register), hart, x(register)));
const give =
  (registers: readonly number[]) =>
  (hart: Expr, frame: Expr): Stmt[] =>
    registers.map((register) => move(hart, x(register), frame, kept(register)));
const clear =
  (registers: readonly number[]) =>
  (hart: Expr): Stmt[] =>
    registers.map((register) => store('i64', 8, hart, zero, x(register)));
const allBut = (...others: (readonly number[])[]): number[] =>
  ALL.filter((register) => !others.some((list) => list.includes(register)));

const setCell = (hart: Expr, name: CsrCell, value: number): Stmt =>
  store('i64', 8, hart, i64.const(value), cell(name));
const mstatus = (hart: Expr): Expr => load('i64', 8, false, hart, cell('mstatus'));

/** The module's bytes. */
export function generateCrossingCode(memoryPages: number): Uint8Array<ArrayBuffer> {
  const parameters = Array.from({ length: ARGUMENTS }, (_, n) => A0 + n);
  const claim = new FunctionBuilder('claim', ['i32', 'i32', 'i32'], 'i32');
  claim.body = [
    atomicStore('i32', claim.param(0), claim.param(1), at.domain),
    ret(atomicLoad('i32', claim.param(2))),
  ];
  const functions = [
    statements('keep', 2, keep(SAVED)),
    statements('keepAll', 2, keep(ALL)),
    statements('clearForCall', 2, (hart, count) => [
      ...clear(allBut(parameters))(hart),
      ...parameters.map((register, n) =>
        when(i32.le_u(count, i32.const(n)), clear([register])(hart)),
      ),
    ]),
    statements('clearAll', 1, clear(ALL)),
    statements('giveBack', 2, (hart, frame) => [
      ...clear(allBut(SAVED, RESULT))(hart),
      ...give(SAVED)(hart, frame),
    ]),
    statements('giveAllBack', 2, give(ALL)),
    statements('leaveCore', 2, (hart, place) => [
      ...SUPERVISOR_CELLS.flatMap((name, n) => [
        move(place, 8 * n, hart, cell(name)),
        setCell(hart, name, 0),
      ]),
      store('i64', 8, hart, i64.or(mstatus(hart), i64.const(TRAPPED)), cell('mstatus')),
      setCell(hart, 'mcounteren', DOMAIN_COUNTERS),
      setCell(hart, 'medeleg', 0),
      setCell(hart, 'mideleg', 0),
    ]),
    statements('enterCore', 2, (hart, place) => [
      ...SUPERVISOR_CELLS.map((name, n) => move(hart, cell(name), place, 8 * n)),
      store('i64', 8, hart, i64.and(mstatus(hart), i64.const(~TRAPPED)), cell('mstatus')),
      setCell(hart, 'mcounteren', CORE_COUNTERS),
      setCell(hart, 'medeleg', CORE_EXCEPTIONS),
      setCell(hart, 'mideleg', CORE_INTERRUPTS),
    ]),
    claim,
  ];
  return encodeModule({ memoryPages, functions, exports: functions.map(({ name }) => name) });
}

/** The functions over a machine's memory. */
export const crossingCode = (memory: WebAssembly.Memory, memoryPages: number): CrossingCode =>
  new WebAssembly.Instance(new WebAssembly.Module(generateCrossingCode(memoryPages)), {
    env: { memory },
  }).exports as unknown as CrossingCode;
