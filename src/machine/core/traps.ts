/**
 * Traps, and the return from them, as functions of the core: "Machine Cause", "Trap Delegation",
 * "Machine-Mode Privileged Instructions" and "Supervisor Trap Handling", vol. II (20250508) §3.1.6 to
 * §3.1.9, §3.3.2 and §12.1. The interpreter calls them when an instruction traps; hart.ts when its own
 * work does (a page fault, an interrupt, a host's monitor that returns), so there is no second copy.
 *
 * Each returns what has to follow: 0 to go on at the new pc, or the `EXIT` reason with which the core
 * leaves. EXIT.MONITOR: a trap to M was taken and M-mode is the host's. EXIT.REGIME: the soft TLB has no
 * table yet for the regime that is now in force.
 */
import { FunctionBuilder, type FunctionImport } from '../wasm/encoder.ts';
import {
  atomicLoad,
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
} from '../wasm/ir.ts';
import { INTERRUPT_PRIORITY, MSTATUS_BITS } from '../csr-numbers.ts';
import { EXIT } from '../isa/table.ts';
import {
  csrIndex,
  FETCH_TABLE_OFFSET,
  HartBlock,
  PRIVILEGE,
  REGIME_FLAGS_SHIFT,
  TABLE_STATE_OFFSET,
  TableState,
  TRAP_COUNTS,
  type CsrCell,
} from './hart-block.ts';

const at = HartBlock.offset;
const cell = (name: CsrCell): number => at.csr + 8 * csrIndex[name];

const MXR = MSTATUS_BITS.MXR >> REGIME_FLAGS_SHIFT;
const SUM_MXR = (MSTATUS_BITS.SUM | MSTATUS_BITS.MXR) >> REGIME_FLAGS_SHIFT;
/** The highest bit of a cause: an interrupt. */
const INTERRUPT_HIGH = 1 << 31;

const word = (hart: Expr, offset: number): Expr => load('i32', 4, false, hart, offset);
const setWord = (hart: Expr, offset: number, value: Expr): Stmt =>
  store('i32', 4, hart, value, offset);
const pair = (hart: Expr, offset: number): Expr => load('i64', 8, false, hart, offset);
const setPair = (hart: Expr, offset: number, value: Expr): Stmt =>
  store('i64', 8, hart, value, offset);

/** Adds one to a counter that hart.ts collects. */
export const countTrap = (hart: Expr, name: (typeof TRAP_COUNTS)[number]): Stmt => {
  const offset = at.trapCounts + 4 * TRAP_COUNTS.indexOf(name);
  return setWord(hart, offset, i32.add(word(hart, offset), i32.const(1)));
};

/** `value` if a bit of a word is set, else 0. */
const ifSet = (from: Expr, bit: number, value: number): Expr =>
  choose(i32.and(from, i32.const(bit)), i32.const(value), i32.const(0));
const without = (from: Expr, bits: number): Expr => i32.and(from, i32.const(~bits));
const or = (first: Expr, ...others: Expr[]): Expr => others.reduce((a, b) => i32.or(a, b), first);

/** Names of the exported ones. */
export const TRAP_FUNCTIONS = ['select', 'trap', 'takeInterrupt', 'mret', 'sret'] as const;

/**
 * What an observed core tells its host: `trapped(hart, mode to, cause, its high half, tval by halves)` while pc and mode
 * are still those of what is interrupted, and `returned(hart)` when they are those of what goes on.
 */
export const OBSERVER_IMPORTS: readonly FunctionImport[] = [
  { name: 'trapped', params: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'] },
  { name: 'returned', params: ['i32'] },
];

const tell = (isObserved: boolean, callee: 'trapped' | 'returned', ...args: Expr[]): Stmt[] =>
  isObserved ? [{ k: 'callVoid', callee, args }] : [];

export const trapFunctions = (isObserved: boolean): FunctionBuilder[] => [
  select(),
  enter('S', isObserved),
  enter('M', isObserved),
  trap(),
  takeInterrupt(),
  mret(isObserved),
  sret(isObserved),
];

/**
 * `select(hart)`: puts the tables of the present regime into use (regimes.ts); 0 and nothing is changed
 * if one of them is not there yet.
 */
function select(): FunctionBuilder {
  const fn = new FunctionBuilder('select', ['i32'], 'i32');
  const hart = fn.param(0);
  const mode = fn.local('i32');
  const status = fn.local('i32');
  const fetch = fn.local('i32');
  const data = fn.local('i32');
  const machine = i32.const(PRIVILEGE.M);
  const table = (): Expr =>
    word(
      i32.add(
        word(hart, at.regimeRow),
        i32.shl(
          i32.or(
            mode,
            i32.and(
              i32.shr_u(status, i32.const(REGIME_FLAGS_SHIFT)),
              choose(i32.eq(mode, i32.const(PRIVILEGE.S)), i32.const(SUM_MXR), i32.const(MXR)),
            ),
          ),
          i32.const(2),
        ),
      ),
      0,
    );
  fn.body = [
    set(mode, word(hart, at.mode)),
    set(status, word(hart, cell('mstatus'))),
    when(
      i32.eq(mode, machine),
      [
        set(fetch, word(hart, at.machineTable)),
        set(data, fetch),
        // MPRV lends M's loads and stores the privilege in MPP (§3.1.6.3).
        when(i32.and(status, i32.const(MSTATUS_BITS.MPRV)), [
          set(mode, i32.and(i32.shr_u(status, i32.const(MSTATUS_BITS.MPP_SHIFT)), i32.const(3))),
          when(i32.ne(mode, machine), [set(data, table())]),
        ]),
      ],
      [set(data, table()), set(fetch, data)],
    ),
    unlikely(i32.or(i32.eqz(fetch), i32.eqz(data)), [ret(i32.const(0))]),
    setWord(hart, at.fetchTlb, i32.add(fetch, i32.const(FETCH_TABLE_OFFSET))),
    setWord(hart, at.dataTlb, data),
    setWord(hart, at.fetchStamp, word(fetch, TABLE_STATE_OFFSET + TableState.offset.stamp)),
    setWord(hart, at.stampOffset, word(fetch, TABLE_STATE_OFFSET + TableState.offset.stampOffset)),
    ret(i32.const(1)),
  ];
  return fn;
}

/** Ends a function that changed the regime. */
const selectAndGoOn = (hart: Expr): Stmt[] => [
  unlikely(i32.eqz(call('select', 'i32', hart)), [ret(i32.const(EXIT.REGIME))]),
  ret(i32.const(0)),
];

/** What differs between the two modes that take traps. */
const LEVELS = {
  S: {
    name: 'enterS',
    privilege: PRIVILEGE.S,
    epc: 'sepc',
    cause: 'scause',
    tval: 'stval',
    vector: 'stvec',
    enable: MSTATUS_BITS.SIE,
    previousEnable: MSTATUS_BITS.SPIE,
    previousMode: MSTATUS_BITS.SPP,
    previousModeShift: 8,
  },
  M: {
    name: 'enterM',
    privilege: PRIVILEGE.M,
    epc: 'mepc',
    cause: 'mcause',
    tval: 'mtval',
    vector: 'mtvec',
    enable: MSTATUS_BITS.MIE,
    previousEnable: MSTATUS_BITS.MPIE,
    previousMode: MSTATUS_BITS.MPP,
    previousModeShift: MSTATUS_BITS.MPP_SHIFT,
  },
} as const;

/** `enterS` and `enterM`(hart, cause, high half of the cause, tval by halves): the trap itself (§3.1.6.1). */
function enter(level: keyof typeof LEVELS, isObserved: boolean): FunctionBuilder {
  const to = LEVELS[level];
  const fn = new FunctionBuilder(to.name, ['i32', 'i32', 'i32', 'i32', 'i32'], 'i32');
  const [hart, cause, causeHigh, tvalLow, tvalHigh] = [0, 1, 2, 3, 4].map((n) => fn.param(n)) as [
    Expr,
    Expr,
    Expr,
    Expr,
    Expr,
  ];
  const status = fn.local('i32');
  const base = fn.local('i64');
  const privilege = i32.const(to.privilege);
  fn.body = [
    ...tell(isObserved, 'trapped', hart, privilege, cause, causeHigh, tvalLow, tvalHigh),
    set(status, word(hart, cell('mstatus'))),
    setPair(hart, cell(to.epc), pair(hart, at.pc)),
    setWord(hart, cell(to.cause), cause),
    setWord(hart, cell(to.cause) + 4, causeHigh),
    setWord(hart, cell(to.tval), tvalLow),
    setWord(hart, cell(to.tval) + 4, tvalHigh),
    setWord(
      hart,
      cell('mstatus'),
      or(
        without(status, to.previousMode | to.previousEnable | to.enable),
        i32.shl(word(hart, at.mode), i32.const(to.previousModeShift)),
        ifSet(status, to.enable, to.previousEnable),
      ),
    ),
    setWord(hart, at.mode, privilege),
    ...(level === 'M' ? [when(word(hart, at.isHosted), [ret(i32.const(EXIT.MONITOR))])] : []),
    // Mode 1 (vectored) adds four times the cause, for interrupts.
    set(base, pair(hart, cell(to.vector))),
    setPair(
      hart,
      at.pc,
      i64.add(
        i64.and(base, i64.const(-4)),
        choose(
          i32.and(causeHigh, i32.shl(i32.wrap(base), i32.const(31))),
          i64.extend_u(i32.shl(cause, i32.const(2))),
          i64.const(0),
        ),
      ),
    ),
    ...selectAndGoOn(hart),
  ];
  return fn;
}

/** `trap(hart, cause, tval by halves)`: an exception, to S if it is delegated, else to M (§3.1.8). */
function trap(): FunctionBuilder {
  const fn = new FunctionBuilder('trap', ['i32', 'i32', 'i32', 'i32'], 'i32');
  const hart = fn.param(0);
  const cause = fn.param(1);
  const details = [i32.const(0), fn.param(2), fn.param(3)] as const;
  const isDelegated = i32.and(
    i32.lt_u(word(hart, at.mode), i32.const(PRIVILEGE.M)),
    i32.shr_u(word(hart, cell('medeleg')), cause),
  );
  fn.body = [
    countTrap(hart, 'traps'),
    when(isDelegated, [ret(call('enterS', 'i32', hart, cause, ...details))]),
    ret(call('enterM', 'i32', hart, cause, ...details)),
  ];
  return fn;
}

/** `takeInterrupt(hart)`: takes the interrupt of highest priority that is pending and enabled, if any. */
function takeInterrupt(): FunctionBuilder {
  const fn = new FunctionBuilder('takeInterrupt', ['i32'], 'i32');
  const hart = fn.param(0);
  const pending = fn.local('i32');
  const mine = fn.local('i32');
  const mode = word(hart, at.mode);
  const isEnabled = (privilege: number, bit: number): Expr =>
    i32.or(
      i32.lt_u(mode, i32.const(privilege)),
      i32.and(
        i32.eq(mode, i32.const(privilege)),
        i32.ne(i32.and(word(hart, cell('mstatus')), i32.const(bit)), i32.const(0)),
      ),
    );
  const highest = INTERRUPT_PRIORITY.reduceRight<Expr>(
    (lower, irq) => choose(i32.and(mine, i32.const(1 << irq)), i32.const(irq), lower),
    i32.const(0),
  );
  const take = (name: string): Stmt[] => [
    countTrap(hart, 'interrupts'),
    ret(call(name, 'i32', hart, highest, i32.const(INTERRUPT_HIGH), i32.const(0), i32.const(0))),
  ];
  const delegated = word(hart, cell('mideleg'));
  fn.body = [
    set(pending, pendingInterrupts(hart)),
    when(i32.eqz(pending), [ret(i32.const(0))]),
    set(mine, i32.and(pending, i32.xor(delegated, i32.const(-1)))),
    when(
      i32.and(i32.ne(mine, i32.const(0)), isEnabled(PRIVILEGE.M, MSTATUS_BITS.MIE)),
      take('enterM'),
    ),
    set(mine, i32.and(pending, delegated)),
    when(
      i32.and(i32.ne(mine, i32.const(0)), isEnabled(PRIVILEGE.S, MSTATUS_BITS.SIE)),
      take('enterS'),
    ),
    ret(i32.const(0)),
  ];
  return fn;
}

/** Interrupts that are pending and enabled one by one, whatever the global enables say. */
export const pendingInterrupts = (hart: Expr): Expr =>
  i32.and(
    i32.or(atomicLoad('i32', hart, at.mip), word(hart, at.softwareSei)),
    word(hart, cell('mie')),
  );

/** Ends a return from a trap: the interrupt that it lets in is taken first. */
const goOnInterruptible = (hart: Expr, next: Local): Stmt[] => [
  set(next, call('takeInterrupt', 'i32', hart)),
  unlikely(next, [ret(next)]),
  ...selectAndGoOn(hart),
];

/** `mret(hart)` (§3.3.2). */
function mret(isObserved: boolean): FunctionBuilder {
  const fn = new FunctionBuilder('mret', ['i32'], 'i32');
  const hart = fn.param(0);
  const status = fn.local('i32');
  const previous = fn.local('i32');
  const { MPP, MPP_SHIFT, MIE, MPIE, MPRV } = MSTATUS_BITS;
  fn.body = [
    set(status, word(hart, cell('mstatus'))),
    set(previous, i32.and(i32.shr_u(status, i32.const(MPP_SHIFT)), i32.const(3))),
    setWord(
      hart,
      cell('mstatus'),
      i32.and(
        or(without(status, MPP | MIE), i32.const(MPIE), ifSet(status, MPIE, MIE)),
        choose(i32.eq(previous, i32.const(PRIVILEGE.M)), i32.const(-1), i32.const(~MPRV)),
      ),
    ),
    setWord(hart, at.mode, previous),
    setPair(hart, at.pc, i64.and(pair(hart, cell('mepc')), i64.const(-2))),
    ...tell(isObserved, 'returned', hart),
    ...goOnInterruptible(hart, status),
  ];
  return fn;
}

/** `sret(hart)` (§3.3.2). */
function sret(isObserved: boolean): FunctionBuilder {
  const fn = new FunctionBuilder('sret', ['i32'], 'i32');
  const hart = fn.param(0);
  const status = fn.local('i32');
  const { SPP, SPIE, SIE, MPRV } = MSTATUS_BITS;
  fn.body = [
    set(status, word(hart, cell('mstatus'))),
    setWord(
      hart,
      cell('mstatus'),
      or(without(status, SPP | SIE | MPRV), i32.const(SPIE), ifSet(status, SPIE, SIE)),
    ),
    setWord(hart, at.mode, ifSet(status, SPP, PRIVILEGE.S)),
    setPair(hart, at.pc, i64.and(pair(hart, cell('sepc')), i64.const(-2))),
    ...tell(isObserved, 'returned', hart),
    ...goOnInterruptible(hart, status),
  ];
  return fn;
}
