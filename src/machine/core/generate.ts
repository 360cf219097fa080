/**
 * Generates the executing core, a WebAssembly module, from the ISA table.
 *
 * `run(hart, limit)` interprets decoded records until something needs its caller: an unmapped page, a
 * device, a CSR, a trap, the pending word, the limit. Everything it needs lies in the shared memory at
 * `hart` (hart-block.ts), so one instance can carry any number of harts in turn.
 *
 * The inner loop follows records and never looks at pc; pc is recomputed from the distance to the
 * record where the straight line began.
 */
import { encodeModule, FunctionBuilder, substitute } from '../wasm/encoder.ts';
import {
  atomicCompareExchange,
  atomicLoad,
  atomicRmw,
  atomicStore,
  block,
  br,
  call,
  callIndirect,
  choose,
  fence,
  i32,
  i64,
  label,
  load,
  loop,
  ret,
  set,
  store,
  unlikely,
  when,
  type Expr,
  type Label,
  type Local,
  type Stmt,
} from '../wasm/ir.ts';
import { EXIT, OPERATIONS, type Exit, type Instruction, type Meaning } from '../isa/table.ts';
import {
  dispatchNumber,
  dispatchNumbers,
  FIRST_FUSION,
  FIRST_ISA_OPERATION,
  FUSIONS,
  OPERATION,
} from './operations.ts';
import { ROUND, ROUND_DYNAMIC } from '../fp/format.ts';
import { FLOAT_EXPORTS, floatFunctions } from '../fp/library.ts';
import { CAUSE, ENVCFG, MSTATUS_BITS, SSTATUS_MASK } from '../csr-numbers.ts';
import {
  csrIndex,
  DATA_TLB_ENTRIES,
  DataEntry,
  FETCH_TLB_ENTRIES,
  FetchEntry,
  HartBlock,
  PRIVILEGE,
  RECORD_BYTES,
  Record16,
  JUMP_ENTRIES,
  JUMP_MIX,
  JumpEntry,
  Region,
  REGION_END,
  type CsrCell,
} from './hart-block.ts';
import { MODEL_KIND, modelFunctions } from './tlb-model.ts';
import {
  countTrap,
  OBSERVER_IMPORTS,
  pendingInterrupts,
  TRAP_FUNCTIONS,
  trapFunctions,
} from './traps.ts';

/** Traps that one run takes before it gives up reaching its limit. */
const MOST_TRAPS = 10_000;

export interface CoreOptions {
  /** Size of the imported memory in 64 KiB pages. */
  readonly memoryPages: number;
  /**
   * Stop after exactly `limit` instructions and feed every access to the modelled TLB. Without it the
   * limit is looked at where control flow joins only.
   */
  readonly exact: boolean;
  /** LR and SC leave the core: somebody keeps books of stores (reservations.ts). */
  readonly tracksReservations?: boolean;
  /**
   * Counts where control flow joins, asks for a translation of what is reached so often, and calls it
   * from then on. Never together with `exact`.
   */
  readonly regions?: {
    readonly hotAfter: number;
    /** Where a hart's jump entries lie, from its block. */
    readonly jumpsOffset: number;
  };
  /** Tells the host of every trap and every return from one (OBSERVER_IMPORTS). */
  readonly isObserved?: boolean;
}

/** Takes the hart and how many instructions it may retire; returns a REGION_END. */
export const REGION_PARAMS = ['i32', 'i32'] as const;

/**
 * What the module exports; addresses are offsets in the shared memory. Besides these, for other modules
 * to import: the floating-point library (fp/library.ts).
 */
export interface CoreExports {
  /**
   * Returns an `EXIT` reason after at most `limit` instructions (more, up to a page's worth, if not
   * exact). `record`, if not 0, stands for the instruction at pc.
   */
  run(hart: number, limit: number, record: number): Exit;
  /** Low half of an aligned 64-bit atomic load; the high half goes to the hart block's `high`. */
  atomicLoad64(hart: number, address: number): number;
  atomicStore64(address: number, low: number, high: number): void;
  /** Returns 1 if the cell held the expected value and now holds the other. */
  compareExchange64(
    address: number,
    expectedLow: number,
    expectedHigh: number,
    low: number,
    high: number,
  ): number;
  /** Puts the tables of the present regime into use; 0 if they are not there yet. */
  select(hart: number): number;
  /** What follows these is 0 (go on at pc), EXIT.MONITOR or EXIT.REGIME: see traps.ts. */
  trap(hart: number, cause: number, tvalLow: number, tvalHigh: number): TrapEnd;
  takeInterrupt(hart: number): TrapEnd;
  mret(hart: number): TrapEnd;
  sret(hart: number): TrapEnd;
  /** Translated regions; only where the core was made for them. */
  readonly regions?: WebAssembly.Table;
  mulh(a: bigint, b: bigint): bigint;
  mulhsu(a: bigint, b: bigint): bigint;
  mulhu(a: bigint, b: bigint): bigint;
}

export type TrapEnd = 0 | typeof EXIT.MONITOR | typeof EXIT.REGIME;

const at = HartBlock.offset;
const MSTATUS = at.csr + 8 * csrIndex.mstatus;

/** The bytes of the core module. */
export function generateCore(options: CoreOptions): Uint8Array<ArrayBuffer> {
  return encodeModule({
    memoryPages: options.memoryPages,
    ...(options.isObserved === true ? { imports: OBSERVER_IMPORTS } : {}),
    functions: [
      ...multiplyHelpers(),
      ...sharedCellHelpers(),
      ...floatFunctions(),
      ...trapFunctions(options.isObserved === true),
      ...(options.exact ? modelFunctions() : []),
      runFunction(options),
    ],
    exports: [
      'run',
      'atomicLoad64',
      'atomicStore64',
      'compareExchange64',
      'mulh',
      'mulhsu',
      'mulhu',
      'clmul',
      'clmulh',
      ...FLOAT_EXPORTS,
      ...TRAP_FUNCTIONS,
    ],
    ...(options.regions === undefined ? {} : { table: 'regions' }),
  });
}

/** High halves of 64 x 64 bit products, from four 32 x 32 bit ones; and products without carries. */
export function multiplyHelpers(): FunctionBuilder[] {
  const low32 = i64.const(0xffffffff);
  const by32 = i64.const(32);

  const mulhu = new FunctionBuilder('mulhu', ['i64', 'i64'], 'i64');
  {
    const [a, b] = [mulhu.param(0), mulhu.param(1)];
    const middle = mulhu.local('i64');
    const cross = mulhu.local('i64');
    const [aLow, aHigh] = [i64.and(a, low32), i64.shr_u(a, by32)];
    const [bLow, bHigh] = [i64.and(b, low32), i64.shr_u(b, by32)];
    mulhu.body = [
      set(middle, i64.add(i64.mul(aHigh, bLow), i64.shr_u(i64.mul(aLow, bLow), by32))),
      set(cross, i64.add(i64.mul(aLow, bHigh), i64.and(middle, low32))),
      ret(i64.add(i64.add(i64.mul(aHigh, bHigh), i64.shr_u(middle, by32)), i64.shr_u(cross, by32))),
    ];
  }
  /** A negative factor's unsigned value is 2^64 too large, so the other factor is taken off the high half. */
  const correction = (factor: Expr, other: Expr): Expr =>
    i64.and(i64.shr_s(factor, i64.const(63)), other);

  const mulhsu = new FunctionBuilder('mulhsu', ['i64', 'i64'], 'i64');
  {
    const [a, b] = [mulhsu.param(0), mulhsu.param(1)];
    mulhsu.body = [ret(i64.sub(call('mulhu', 'i64', a, b), correction(a, b)))];
  }
  const mulh = new FunctionBuilder('mulh', ['i64', 'i64'], 'i64');
  {
    const [a, b] = [mulh.param(0), mulh.param(1)];
    mulh.body = [ret(i64.sub(call('mulhsu', 'i64', a, b), correction(b, a)))];
  }
  return [mulhu, mulhsu, mulh, carryless('clmul'), carryless('clmulh')];
}

/** One half of the product of two polynomials over GF(2): a term for each bit of the second (vol. I, "Zbc"). */
function carryless(name: 'clmul' | 'clmulh'): FunctionBuilder {
  const fn = new FunctionBuilder(name, ['i64', 'i64'], 'i64');
  const [a, b] = [fn.param(0), fn.param(1)];
  const product = fn.local('i64');
  const bit = fn.local('i64');
  const one = i64.const(1);
  const term =
    name === 'clmul' ? i64.shl(a, bit) : i64.shr_u(i64.shr_u(a, one), i64.sub(i64.const(63), bit));
  const more = label('more');
  fn.body = [
    loop(more, [
      when(i64.ne(b, i64.const(0)), [
        set(bit, i64.ctz(b)),
        set(product, i64.xor(product, term)),
        set(b, i64.and(b, i64.sub(b, one))),
        br(more),
      ]),
    ]),
    ret(product),
  ];
  return fn;
}

/** 64-bit atomics for TypeScript, which would otherwise need a BigInt for each. */
function sharedCellHelpers(): FunctionBuilder[] {
  const join = (low: Expr, high: Expr): Expr =>
    i64.or(i64.extend_u(low), i64.shl(i64.extend_u(high), i64.const(32)));

  const atomicLoad64 = new FunctionBuilder('atomicLoad64', ['i32', 'i32'], 'i32');
  {
    const value = atomicLoad64.local('i64');
    atomicLoad64.body = [
      set(value, atomicLoad('i64', atomicLoad64.param(1))),
      store('i32', 4, atomicLoad64.param(0), i32.wrap(i64.shr_u(value, i64.const(32))), at.high),
      ret(i32.wrap(value)),
    ];
  }
  const atomicStore64 = new FunctionBuilder('atomicStore64', ['i32', 'i32', 'i32']);
  atomicStore64.body = [
    atomicStore(
      'i64',
      atomicStore64.param(0),
      join(atomicStore64.param(1), atomicStore64.param(2)),
    ),
  ];
  const compareExchange64 = new FunctionBuilder(
    'compareExchange64',
    ['i32', 'i32', 'i32', 'i32', 'i32'],
    'i32',
  );
  {
    const [address, expectedLow, expectedHigh, low, high] = [0, 1, 2, 3, 4].map((n) =>
      compareExchange64.param(n),
    ) as [Local, Local, Local, Local, Local];
    const expected = compareExchange64.local('i64');
    compareExchange64.body = [
      set(expected, join(expectedLow, expectedHigh)),
      ret(i64.eq(atomicCompareExchange('i64', address, expected, join(low, high)), expected)),
    ];
  }
  return [atomicLoad64, atomicStore64, compareExchange64];
}

function runFunction(options: CoreOptions): FunctionBuilder {
  const fn = new FunctionBuilder('run', ['i32', 'i32', 'i32'], 'i32');
  const hart = fn.param(0);
  const limit = fn.param(1);
  const first = fn.param(2);
  const pc = fn.local('i64');
  /** Record of the instruction, and of the one where the straight line began (whose address is pc). */
  const ip = fn.local('i32');
  const lineStart = fn.local('i32');
  const count = fn.local('i32');
  const address = fn.local('i64');
  const tagged = fn.local('i64');
  const entry = fn.local('i32');
  const host = fn.local('i32');
  const target = fn.local('i64');
  const value32 = fn.local('i32');
  const value64 = fn.local('i64');
  const old32 = fn.local('i32');
  const old64 = fn.local('i64');
  const traps = fn.local('i32');

  const join = fn.local('i32');
  const joins = fn.local('i32');
  /** The instruction at pc is interpreted even if a region begins there. */
  const isBarred = fn.local('i32');
  /** Retired by regions, of `count`. */
  const translated = fn.local('i32');

  const fetch = label('fetch');
  const next = label('next');

  const record = (field: keyof typeof Record16.offset, bytes: 1 | 2 | 4): Expr =>
    load('i32', bytes, false, ip, Record16.offset[field]);
  /** How far the next record is: known to most handlers, and found by the others. */
  const STEP = { 2: i32.const(RECORD_BYTES), 4: i32.const(2 * RECORD_BYTES) } as const;
  const anyStep = i32.sub(
    STEP[4],
    i32.shl(i32.and(record('dispatch', 2), i32.const(1)), i32.const(Math.log2(RECORD_BYTES))),
  );
  const distance = (to: Expr): Expr =>
    i64.extend_s(i32.shr_s(i32.sub(to, lineStart), i32.const(3)));
  const currentPc = i64.add(pc, distance(ip));
  const nextPc = (step: Expr): Expr => i64.add(pc, distance(i32.add(ip, step)));
  const registerCell = (field: 'rd' | 'rs1' | 'rs2'): Expr => i32.add(hart, record(field, 2));
  const readRegister = (field: 'rs1' | 'rs2'): Expr =>
    load('i64', 8, false, registerCell(field), at.x);
  const writeRd = (value: Expr): Stmt => store('i64', 8, registerCell('rd'), value, at.x);
  const immediate = load('i64', 4, true, ip, Record16.offset.imm);

  const operandOf = (name: string, step: Expr): Expr => {
    switch (name) {
      case 'rs1':
      case 'rs2':
        return readRegister(name);
      case 'imm':
        return immediate;
      case 'pc':
        return currentPc;
      case 'next':
        return nextPc(step);
      default:
        throw new Error(`unknown operand '${name}'`);
    }
  };
  const lower = (tree: Expr, step: Expr): Expr => substitute(tree, (name) => operandOf(name, step));

  const settle = (instructions: Expr): Stmt[] => [
    store(
      'i64',
      8,
      hart,
      i64.add(load('i64', 8, false, hart, at.instret), i64.extend_u(instructions)),
      at.instret,
    ),
    ...(options.regions === undefined
      ? []
      : [
          store(
            'i64',
            8,
            hart,
            i64.add(load('i64', 8, false, hart, at.regionInstructions), i64.extend_u(translated)),
            at.regionInstructions,
          ),
        ]),
    store('i32', 4, hart, ip, at.exitIp),
  ];
  const leave = (reason: Exit, instructions: Expr): Stmt[] => [
    store('i64', 8, hart, pc, at.pc),
    ...settle(instructions),
    ret(i32.const(reason)),
  ];
  /** Leaves at an instruction that the caller has to finish or to repeat. */
  const leaveAt = (reason: Exit): Stmt[] => [set(pc, currentPc), ...leave(reason, count)];
  /** What `count` is when the instruction has retired. */
  const retired = i32.add(count, i32.const(1));
  const goOn = (step: Expr): Stmt[] => [set(count, retired), set(ip, i32.add(ip, step))];
  const advance: Stmt[] = [...goOn(anyStep), br(next)];

  /** Goes on where a function of traps.ts has set pc, or leaves with what it returned. */
  const follow = (ended: Expr, instructions: Expr): Stmt[] => [
    store('i64', 8, hart, currentPc, at.pc),
    set(value32, ended),
    set(pc, load('i64', 8, false, hart, at.pc)),
    set(count, instructions),
    when(value32, [...settle(count), ret(value32)]),
    set(traps, i32.add(traps, i32.const(1))),
    unlikely(i32.gt_u(traps, i32.const(MOST_TRAPS)), leave(EXIT.STUCK, count)),
    // Before anything that is pending: a slice ends with its last instruction.
    unlikely(i32.ge_u(count, limit), leave(EXIT.LIMIT, count)),
    br(fetch),
  ];
  /** The instruction traps: it does not retire. */
  const trap = (cause: Expr, tval: Expr): Stmt[] =>
    follow(
      call('trap', 'i32', hart, cause, i32.wrap(tval), i32.wrap(i64.shr_u(tval, i64.const(32)))),
      count,
    );
  const illegal = (): Stmt[] => trap(i32.const(CAUSE.ILLEGAL), i64.extend_u(record('imm', 4)));
  const mode = load('i32', 4, false, hart, at.mode);
  const mstatus = load('i32', 4, false, hart, MSTATUS);

  const isPending = i32.ne(atomicLoad('i32', hart, at.pending), i32.const(0));
  const joinWord = (to: Expr): Expr => i32.add(joins, i32.shr_u(to, i32.const(2)));
  /**
   * Whether a branch back may go on without looking up first, as every loop must somewhere: nothing is
   * pending and, where code is translated, the target is neither hot nor the start of a region.
   */
  const mayHopBack = i32.and(i32.eqz(isPending), i32.lt_u(count, limit));
  const hopBack = (hotAfter: number): Stmt[] => [
    set(entry, joinWord(i32.add(ip, host))),
    set(join, load('i32', 4, false, entry)),
    when(i32.and(mayHopBack, i32.lt_u(join, i32.const(hotAfter))), [
      store('i32', 4, entry, i32.add(join, i32.const(1))),
      set(ip, i32.add(ip, host)),
      br(next),
    ]),
  ];
  /** Goes on at the target of a branch that lies in the same page, whose distance the record knows. */
  const hop: Stmt[] = [
    set(host, record('extra', 4)),
    ...(options.regions === undefined
      ? [
          when(
            i32.and(i32.ne(host, i32.const(0)), i32.or(i32.lt_s(i32.const(0), host), mayHopBack)),
            [set(ip, i32.add(ip, host)), br(next)],
          ),
        ]
      : [
          when(i32.lt_s(i32.const(0), host), [set(ip, i32.add(ip, host)), br(next)]),
          when(host, hopBack(options.regions.hotAfter)),
        ]),
  ];
  /** Calls a region; it goes on wherever that came to. */
  const callRegion = (index: Expr): Stmt[] => [
    set(
      isBarred,
      i32.eq(
        callIndirect(REGION_PARAMS, 'i32', index, hart, i32.sub(limit, count)),
        i32.const(REGION_END.INTERPRET),
      ),
    ),
    set(host, i32.sub(limit, load('i32', 4, false, hart, at.budgetLeft))),
    set(translated, i32.add(translated, i32.sub(host, count))),
    set(count, host),
    set(pc, load('i64', 8, false, hart, at.pc)),
  ];
  /** Calls the region that begins at pc, if control came there of late. */
  const jump = (jumpsOffset: number): Stmt[] => [
    set(entry, jumpEntry(jumpsOffset, hart, pc)),
    when(
      i32.and(
        i32.and(
          i64.eq(load('i64', 8, false, entry, JumpEntry.offset.va), pc),
          i32.eq(
            load('i32', 4, false, entry, JumpEntry.offset.stamp),
            load('i32', 4, false, hart, at.fetchStamp),
          ),
        ),
        i32.eqz(isBarred),
      ),
      [...callRegion(load('i32', 4, false, entry, JumpEntry.offset.index)), br(fetch)],
    ),
  ];
  /** At a join: calls the region that begins at pc, or counts towards one. */
  const enterRegion = (hotAfter: number, jumpsOffset: number): Stmt[] => [
    set(host, joinWord(ip)),
    set(join, load('i32', 4, false, host)),
    when(
      i32.lt_s(join, i32.const(0)),
      [
        set(entry, i32.sub(i32.const(0), join)),
        when(
          i32.and(i64.eq(load('i64', 8, false, entry, Region.offset.va), pc), i32.eqz(isBarred)),
          [
            unlikely(
              i32.ne(
                load(
                  'i32',
                  4,
                  false,
                  i32.add(entry, load('i32', 4, false, hart, at.stampOffset)),
                  Region.offset.stamps,
                ),
                load('i32', 4, false, hart, at.fetchStamp),
              ),
              leave(EXIT.UNPROVEN, count),
            ),
            set(value32, load('i32', 4, false, entry, Region.offset.index)),
            set(entry, jumpEntry(jumpsOffset, hart, pc)),
            store('i64', 8, entry, pc, JumpEntry.offset.va),
            store(
              'i32',
              4,
              entry,
              load('i32', 4, false, hart, at.fetchStamp),
              JumpEntry.offset.stamp,
            ),
            store('i32', 4, entry, value32, JumpEntry.offset.index),
            ...callRegion(value32),
            br(fetch),
          ],
        ),
      ],
      [
        unlikely(i32.eq(join, i32.const(hotAfter)), leave(EXIT.HOT, count)),
        store('i32', 4, host, i32.add(join, i32.const(1))),
      ],
    ),
    set(isBarred, i32.const(0)),
  ];

  const modelTouch = (kind: number, va: Expr): Stmt[] =>
    options.exact
      ? [
          {
            k: 'callVoid',
            callee: 'modelTouch',
            args: [
              hart,
              i32.const(kind),
              va,
              load(
                'i32',
                4,
                false,
                entry,
                (kind === MODEL_KIND.FETCH ? FetchEntry : DataEntry).offset.shape,
              ),
            ],
          },
        ]
      : [];

  /** Sets `host` to the linear-memory address of `address`, or leaves. */
  const translate = (tag: 'readTag' | 'writeTag', bytes: number, miss: Exit): Stmt[] => [
    set(entry, dataEntry(load('i32', 4, false, hart, at.dataTlb), address)),
    set(tagged, i64.xor(load('i64', 8, false, entry, DataEntry.offset[tag]), address)),
    unlikely(i64.gt_u(tagged, i64.const(4096 - bytes)), [
      store('i64', 8, hart, address, at.faultAddress),
      ...leaveAt(miss),
    ]),
    ...modelTouch(tag === 'readTag' ? MODEL_KIND.LOAD : MODEL_KIND.STORE, address),
    set(host, i32.add(load('i32', 4, false, entry, DataEntry.offset.addend), i32.wrap(address))),
  ];
  /** The same for an atomic access, which must be aligned: the caller raises what is not. */
  const translateAtomic = (tag: 'readTag' | 'writeTag', bytes: 4 | 8, miss: Exit): Stmt[] => [
    set(address, readRegister('rs1')),
    unlikely(i32.ne(i32.and(i32.wrap(address), i32.const(bytes - 1)), i32.const(0)), [
      store('i64', 8, hart, address, at.faultAddress),
      ...leaveAt(miss),
    ]),
    ...translate(tag, bytes, miss),
  ];

  /** What an instruction does that always leads to the next record, but for the step to that. */
  const effect = ({ meaning }: Instruction, step: Expr): Stmt[] | undefined => {
    switch (meaning.kind) {
      case 'compute':
        return [writeRd(lower(meaning.rd, step))];
      case 'load':
        return [
          set(address, i64.add(readRegister('rs1'), immediate)),
          ...translate('readTag', meaning.bytes, EXIT.LOAD_MISS),
          writeRd(load('i64', meaning.bytes, meaning.signed, host)),
        ];
      case 'store':
        return [
          set(address, i64.add(readRegister('rs1'), immediate)),
          ...translate('writeTag', meaning.bytes, EXIT.STORE_MISS),
          store('i64', meaning.bytes, host, readRegister('rs2')),
        ];
      case 'branch':
        return [
          when(lower(meaning.taken, step), [
            set(count, retired),
            ...hop,
            set(pc, i64.add(currentPc, immediate)),
            br(fetch),
          ]),
        ];
      default:
        return undefined;
    }
  };

  /** @param step the distance to the next record */
  const handler = (instruction: Instruction, step: Expr = anyStep): Stmt[] => {
    const { meaning, operands } = instruction;
    switch (meaning.kind) {
      case 'compute':
      case 'load':
      case 'store':
      case 'branch':
        return [...(effect(instruction, step) as Stmt[]), ...goOn(step), br(next)];
      case 'jump':
        return [
          set(target, lower(meaning.target, step)),
          writeRd(nextPc(step)),
          set(count, retired),
          ...(operands.rs1 === undefined ? hop : []),
          ...(operands.rs1 !== undefined && options.regions !== undefined
            ? [store('i32', 4, ip, i32.wrap(target), Record16.offset.extra)]
            : []),
          set(pc, target),
          br(fetch),
        ];
      case 'fence': {
        const PREDECESSOR_W = 1 << 4;
        const SUCCESSOR_R = 1 << 1;
        const both = PREDECESSOR_W | SUCCESSOR_R;
        return [
          when(i32.eq(i32.and(record('imm', 4), i32.const(both)), i32.const(both)), [fence]),
          ...advance,
        ];
      }
      case 'lr':
      case 'sc':
      case 'amo':
      case 'amoLoop':
        return atomicHandler(meaning);
      case 'float':
      case 'floatLoad':
      case 'floatStore':
        return floatHandler(meaning);
      case 'zeroBlock':
        return zeroBlockHandler(meaning.bytes);
      case 'exit':
        return exitHandler(meaning.reason);
    }
  };

  const exitHandler = (reason: Exit): Stmt[] => {
    switch (reason) {
      case EXIT.ECALL:
        return [
          countTrap(hart, 'ecalls'),
          ...trap(i32.add(mode, i32.const(CAUSE.ECALL_U)), i64.const(0)),
        ];
      case EXIT.EBREAK:
        return trap(i32.const(CAUSE.BREAKPOINT), currentPc);
      case EXIT.MRET:
        return [
          unlikely(i32.lt_u(mode, i32.const(PRIVILEGE.M)), illegal()),
          ...follow(call('mret', 'i32', hart), retired),
        ];
      case EXIT.SRET:
        return [
          unlikely(
            i32.lt_u(
              mode,
              choose(
                i32.and(mstatus, i32.const(MSTATUS_BITS.TSR)),
                i32.const(PRIVILEGE.M),
                i32.const(PRIVILEGE.S),
              ),
            ),
            illegal(),
          ),
          ...follow(call('sret', 'i32', hart), retired),
        ];
      case EXIT.CSR:
        // Reads the count of retired instructions before it adds to it.
        return leaveAt(reason);
      default:
        return [set(pc, currentPc), ...leave(reason, retired)];
    }
  };

  const zeroBlockHandler = (bytes: number): Stmt[] => {
    const allows = (name: CsrCell): Expr =>
      i32.and(
        i32.shr_u(
          load('i32', 4, false, hart, at.csr + 8 * csrIndex[name]),
          i32.const(Math.log2(ENVCFG.CBZE)),
        ),
        i32.const(1),
      );
    const is = (privilege: number): Expr => i32.eq(mode, i32.const(privilege));
    return [
      unlikely(
        i32.eqz(
          i32.or(
            is(PRIVILEGE.M),
            i32.and(allows('menvcfg'), i32.or(is(PRIVILEGE.S), allows('senvcfg'))),
          ),
        ),
        illegal(),
      ),
      set(address, readRegister('rs1')),
      // A block lies within its page: one byte of it is as good as all.
      ...translate('writeTag', 1, EXIT.STORE_MISS),
      set(host, i32.and(host, i32.const(-bytes))),
      ...Array.from({ length: bytes / 8 }, (_, n) => store('i64', 8, host, i64.const(0), 8 * n)),
      ...advance,
    ];
  };

  const { FS } = MSTATUS_BITS;
  const floatState = i32.and(mstatus, i32.const(FS));
  const floatIllegal = label('floating point illegal');
  const unlessFloatIsOff = unlikely(i32.eqz(floatState), [br(floatIllegal)]);
  const writeFloat = (value: Expr): Stmt[] => [
    store('i64', 8, registerCell('rd'), value, at.f),
    unlikely(i32.ne(floatState, i32.const(FS)), [
      store('i32', 4, hart, i32.or(mstatus, i32.const(FS)), MSTATUS),
    ]),
  ];
  const floatHandler = (
    meaning: Extract<Meaning, { kind: 'float' | 'floatLoad' | 'floatStore' }>,
  ): Stmt[] => {
    // What the record's `extra` has are the raw bits.
    const field = (shift: number, mask: number): Expr =>
      i32.and(i32.shr_u(record('extra', 4), i32.const(shift)), i32.const(mask));
    switch (meaning.kind) {
      case 'floatLoad': {
        const isBoxed = meaning.bytes === 4;
        return [
          unlessFloatIsOff,
          set(address, i64.add(readRegister('rs1'), immediate)),
          ...translate('readTag', meaning.bytes, EXIT.LOAD_MISS),
          set(value64, load('i64', meaning.bytes, false, host)),
          ...writeFloat(isBoxed ? i64.or(value64, i64.const(-(1n << 32n))) : value64),
          ...advance,
        ];
      }
      case 'floatStore':
        return [
          unlessFloatIsOff,
          set(address, i64.add(readRegister('rs1'), immediate)),
          ...translate('writeTag', meaning.bytes, EXIT.STORE_MISS),
          store('i64', meaning.bytes, host, load('i64', 8, false, registerCell('rs2'), at.f)),
          ...advance,
        ];
      case 'float': {
        const rs3 = i32.add(hart, i32.shl(field(27, 31), i32.const(3)));
        const cellOf: Record<string, Expr> = {
          frs1: registerCell('rs1'),
          frs2: registerCell('rs2'),
          frs3: rs3,
        };
        const leaf = (name: string): Expr => {
          const cell = cellOf[name];
          if (cell !== undefined) return load('i64', 8, false, cell, at.f);
          return name === 'hart' ? hart : name === 'rm' ? value32 : operandOf(name, anyStep);
        };
        const result = substitute(meaning.result, leaf);
        return [
          unlessFloatIsOff,
          ...(meaning.rounds
            ? [
                set(value32, field(12, ROUND_DYNAMIC)),
                when(i32.eq(value32, i32.const(ROUND_DYNAMIC)), [
                  set(value32, load('i32', 4, false, hart, at.frm)),
                  unlikely(i32.gt_u(value32, i32.const(ROUND.RMM)), [br(floatIllegal)]),
                ]),
              ]
            : []),
          ...(meaning.to === 'f' ? writeFloat(result) : [writeRd(result)]),
          ...advance,
        ];
      }
    }
  };

  const atomicHandler = (
    meaning: Extract<Meaning, { bytes: 4 | 8; kind: 'lr' | 'sc' | 'amo' | 'amoLoop' }>,
  ): Stmt[] => {
    const { bytes } = meaning;
    const t = bytes === 4 ? 'i32' : 'i64';
    const value = bytes === 4 ? value32 : value64;
    const old = bytes === 4 ? old32 : old64;
    const rs2 = bytes === 4 ? i32.wrap(readRegister('rs2')) : readRegister('rs2');
    const widen = (result: Expr): Expr => (bytes === 4 ? i64.extend_s(result) : result);
    const reserved = load('i64', 8, false, hart, at.reservedAddress);
    // An SC of another width than the LR's fails: it would check less, or more, than was loaded.
    const reservation = bytes === 4 ? host : i32.or(host, i32.const(1));
    if (options.tracksReservations === true && (meaning.kind === 'lr' || meaning.kind === 'sc'))
      return [
        store('i64', 8, hart, readRegister('rs1'), at.faultAddress),
        ...leaveAt(meaning.kind === 'lr' ? EXIT.LOAD_MISS : EXIT.STORE_MISS),
      ];
    switch (meaning.kind) {
      case 'lr':
        return [
          ...translateAtomic('readTag', bytes, EXIT.LOAD_MISS),
          set(value64, widen(atomicLoad(t, host))),
          store('i64', 8, hart, i64.extend_u(reservation), at.reservedAddress),
          store('i64', 8, hart, value64, at.reservedValue),
          writeRd(value64),
          ...advance,
        ];
      case 'sc': {
        const expected = load('i64', 8, false, hart, at.reservedValue);
        const narrow = bytes === 4 ? i32.wrap(expected) : expected;
        const swapped = (bytes === 4 ? i32.eq : i64.eq)(
          atomicCompareExchange(t, host, narrow, rs2),
          narrow,
        );
        return [
          ...translateAtomic('writeTag', bytes, EXIT.STORE_MISS),
          // The lowest bit of rd is "failed".
          set(
            value32,
            choose(i64.eq(reserved, i64.extend_u(reservation)), i32.eqz(swapped), i32.const(1)),
          ),
          store('i64', 8, hart, i64.const(0), at.reservedAddress),
          writeRd(i64.extend_u(value32)),
          ...advance,
        ];
      }
      case 'amo':
        return [
          ...translateAtomic('writeTag', bytes, EXIT.STORE_MISS),
          writeRd(widen(atomicRmw(t, meaning.op, host, rs2))),
          ...advance,
        ];
      case 'amoLoop': {
        const retry = label('retry');
        const next64 = bytes === 4 ? old32 : old64;
        const result = substitute(meaning.result, (name) => (name === 'old' ? old : value));
        const seen = bytes === 4 ? fnSeen32 : fnSeen64;
        return [
          ...translateAtomic('writeTag', bytes, EXIT.STORE_MISS),
          set(value, rs2),
          loop(retry, [
            set(next64, atomicLoad(t, host)),
            set(seen, atomicCompareExchange(t, host, old, result)),
            when((bytes === 4 ? i32.ne : i64.ne)(seen, old), [br(retry)]),
          ]),
          writeRd(widen(old)),
          ...advance,
        ];
      }
    }
  };
  /** A CSR instruction that is about sstatus; raw bits in the immediate. */
  function sstatusHandler(): Stmt[] {
    const IS_IMMEDIATE = 1 << 14;
    const IS_SET = 1 << 13;
    const IS_CLEAR = 1 << 12;
    const raw = record('imm', 4);
    const UXL = 2n << 32n;
    const { FS, SIE, SPIE, SPP, SUM, MXR } = MSTATUS_BITS;
    const writable = i32.or(
      i32.const(SSTATUS_MASK & ~FS),
      load('i32', 4, false, hart, at.floatStatus),
    );
    const changed = i32.xor(i32.wrap(old64), value32);
    const changes = (bits: number): Expr => i32.and(changed, i32.const(bits));
    // SD is set if both bits of FS are.
    const isDirty = i64.and(
      i64.and(i64.shl(old64, i64.const(49)), i64.shl(old64, i64.const(50))),
      i64.const(-(1n << 63n)),
    );
    return [
      unlikely(i32.lt_u(mode, i32.const(PRIVILEGE.S)), leaveAt(EXIT.CSR)),
      set(
        value32,
        choose(
          i32.and(raw, i32.const(IS_IMMEDIATE)),
          i32.and(i32.shr_u(raw, i32.const(15)), i32.const(31)),
          i32.wrap(readRegister('rs1')),
        ),
      ),
      set(old64, load('i64', 8, false, hart, MSTATUS)),
      set(old32, i32.wrap(old64)),
      // funct3: 1 writes, 2 sets, 3 clears (vol. I, "Zicsr").
      when(i32.and(raw, i32.const(IS_SET)), [
        when(
          i32.and(raw, i32.const(IS_CLEAR)),
          [set(value32, i32.and(old32, i32.xor(value32, i32.const(-1))))],
          [set(value32, i32.or(old32, value32))],
        ),
      ]),
      set(
        value32,
        i32.or(i32.and(value32, writable), i32.and(old32, i32.xor(writable, i32.const(-1)))),
      ),
      // Whatever else sstatus has is for the CSR file, and so is what may let an interrupt in.
      unlikely(changes(~(FS | SIE | SPIE | SPP | SUM | MXR)), leaveAt(EXIT.CSR)),
      set(host, i32.or(i32.eqz(i32.and(raw, i32.const(IS_SET))), changes(SUM | MXR))),
      when(i32.or(host, i32.and(changes(SIE), value32)), [
        unlikely(pendingInterrupts(hart), leaveAt(EXIT.CSR)),
      ]),
      store('i32', 4, hart, value32, MSTATUS),
      writeRd(i64.or(i64.or(i64.and(old64, i64.const(SSTATUS_MASK)), i64.const(UXL)), isDirty)),
      when(host, [
        set(pc, nextPc(anyStep)),
        set(count, retired),
        unlikely(i32.eqz(call('select', 'i32', hart)), leave(EXIT.REGIME, count)),
        unlikely(i32.ge_u(count, limit), leave(EXIT.LIMIT, count)),
        br(fetch),
      ]),
      ...advance,
    ];
  }
  const fnSeen32 = fn.local('i32');
  const fnSeen64 = fn.local('i64');

  /** What is no instruction of the ISA table, but for the two that need no row of their own. */
  const special: readonly (readonly [operation: number, body: readonly Stmt[]])[] = [
    [OPERATION.REFETCH, [set(pc, currentPc), br(fetch)]],
    [OPERATION.CROSS, leaveAt(EXIT.CROSS)],
    [
      OPERATION.CSR_READ,
      [
        unlikely(i32.lt_u(mode, record('extra', 1)), leaveAt(EXIT.CSR)),
        writeRd(load('i64', 8, false, i32.add(hart, record('rs2', 2)), at.csr)),
        ...advance,
      ],
    ],
    [
      OPERATION.CSR_WRITE,
      [
        unlikely(i32.lt_u(mode, record('extra', 1)), leaveAt(EXIT.CSR)),
        set(
          value64,
          i64.and(readRegister('rs1'), i64.extend_s(i32.shr_s(record('extra', 4), i32.const(8)))),
        ),
        set(old64, load('i64', 8, false, i32.add(hart, record('rs2', 2)), at.csr)),
        store('i64', 8, i32.add(hart, record('rs2', 2)), value64, at.csr),
        writeRd(old64),
        ...advance,
      ],
    ],
    [OPERATION.SSTATUS, sstatusHandler()],
  ];
  const instructionAt = (number: number): Instruction =>
    OPERATIONS[(number >>> 1) - FIRST_ISA_OPERATION] as Instruction;
  const stepAt = (number: number): Expr => STEP[(number & 1) === 0 ? 4 : 2];
  const singles: readonly Row[] = [
    ...special.map(([operation, body]) => ({ numbers: [dispatchNumber(operation, 4)], body })),
    ...OPERATIONS.flatMap((instruction) => {
      const numbers = dispatchNumbers(instruction.name);
      return STEPPED.has(instruction.meaning.kind)
        ? numbers.map((number) => ({
            numbers: [number],
            body: handler(instruction, stepAt(number)),
          }))
        : [{ numbers, body: handler(instruction) }];
    }),
  ];
  const pairs: readonly Row[] = (options.exact ? [] : FUSIONS).map(({ first, second }, index) => ({
    numbers: [FIRST_FUSION + index],
    body: [
      ...(effect(instructionAt(first), stepAt(first)) as Stmt[]),
      ...goOn(stepAt(first)),
      ...handler(instructionAt(second), stepAt(second)),
    ],
  }));
  const number = record('dispatch', 2);
  // Whatever calls a function would have the engine keep the locals of all others in memory, were it not
  // in a place that is said to be unlikely.
  const cold = new Set(singles.filter(({ body }) => body.some(calls)));
  let dispatch: Stmt[] = [
    ...(options.exact
      ? [unlikely(i32.ge_u(count, limit), [set(pc, currentPc), ...leave(EXIT.LIMIT, count)])]
      : []),
    ...dispatchOn(
      number,
      [...singles.filter((row) => !cold.has(row)), ...pairs],
      [
        unlikely(number, dispatchOn(number, [...cold], illegal())),
        // The number is 0: the record is not decoded.
        ...leaveAt(EXIT.DECODE),
      ],
    ),
  ];

  // The outermost block, which every handler can break out of.
  dispatch = [
    block(floatIllegal, dispatch),
    ...trap(i32.const(CAUSE.ILLEGAL), i64.extend_u(record('extra', 4))),
  ];

  fn.body = [
    set(pc, load('i64', 8, false, hart, at.pc)),
    ...(options.regions === undefined
      ? []
      : [set(joins, load('i32', 4, false, hart, at.joinBias))]),
    loop(fetch, [
      when(
        first,
        [set(ip, first), set(first, i32.const(0))],
        [
          unlikely(isPending, leave(EXIT.PENDING, count)),
          unlikely(i32.ge_u(count, limit), leave(EXIT.LIMIT, count)),
          ...(options.regions === undefined ? [] : jump(options.regions.jumpsOffset)),
          set(entry, fetchEntry(load('i32', 4, false, hart, at.fetchTlb), pc)),
          set(tagged, i64.xor(load('i64', 8, false, entry, FetchEntry.offset.tag), pc)),
          unlikely(i64.ge_u(tagged, i64.const(4096)), leave(EXIT.FETCH_MISS, count)),
          ...modelTouch(MODEL_KIND.FETCH, pc),
          set(
            ip,
            i32.add(
              load('i32', 4, false, entry, FetchEntry.offset.decoded),
              i32.shl(i32.wrap(tagged), i32.const(3)),
            ),
          ),
          ...(options.regions === undefined
            ? []
            : enterRegion(options.regions.hotAfter, options.regions.jumpsOffset)),
        ],
      ),
      set(lineStart, ip),
      loop(next, dispatch),
    ]),
  ];
  return fn;
}

/** A handler, and the dispatch numbers that lead to it. */
interface Row {
  readonly numbers: readonly number[];
  readonly body: readonly Stmt[];
}

/** One block per handler, the innermost ending in the table: a branch to a label lands at its handler. */
function dispatchOn(number: Expr, rows: readonly Row[], otherwise: readonly Stmt[]): Stmt[] {
  const others = label('other numbers');
  const targets: Label[] = [];
  let nest: Stmt[] = [{ k: 'brTable', index: number, labels: targets, otherwise: others }];
  nest = [block(others, nest), ...otherwise];
  for (const { numbers, body } of rows) {
    const target = label(`dispatch ${numbers.join(', ')}`);
    for (const each of numbers) targets[each] = target;
    nest = [block(target, nest), ...body];
  }
  for (let each = 0; each < targets.length; each++) targets[each] ??= others;
  return nest;
}

/** Meanings whose handlers know how long their instruction is. */
const STEPPED: ReadonlySet<Meaning['kind']> = new Set([
  'compute',
  'load',
  'store',
  'branch',
  'jump',
]);

/** Whether a tree has a call of a function that gives a value. */
function calls(tree: Stmt | Expr): boolean {
  const isCall = (node: unknown): boolean =>
    Array.isArray(node)
      ? node.some(isCall)
      : typeof node === 'object' &&
        node !== null &&
        ((node as { k?: unknown }).k === 'call' || Object.values(node).some(isCall));
  return isCall(tree);
}

/** The only entry that can translate an address in a table. */
function tlbEntry(table: Expr, va: Expr, entries: number, entryBytes: number): Expr {
  const shift = 12 - Math.log2(entryBytes);
  const offset = i32.and(
    i32.shr_u(i32.wrap(va), i32.const(shift)),
    i32.const((entries - 1) * entryBytes),
  );
  return i32.add(table, offset);
}
/** The data entry that can translate an address; the core and translated regions look it up alike. */
export const dataEntry = (table: Expr, va: Expr): Expr =>
  tlbEntry(table, va, DATA_TLB_ENTRIES, DataEntry.sizeBytes);
/** The only jump entry that can hold an address: see `jumpNumber`. */
const jumpEntry = (jumpsOffset: number, hart: Expr, va: Expr): Expr => {
  const mixed = i32.xor(
    i32.shr_u(i32.wrap(va), i32.const(1)),
    i32.shr_u(i32.wrap(va), i32.const(JUMP_MIX)),
  );
  const number = i32.and(mixed, i32.const(JUMP_ENTRIES - 1));
  return i32.add(
    i32.add(hart, i32.const(jumpsOffset)),
    i32.shl(number, i32.const(Math.log2(JumpEntry.sizeBytes))),
  );
};
const fetchEntry = (table: Expr, va: Expr): Expr =>
  tlbEntry(table, va, FETCH_TLB_ENTRIES, FetchEntry.sizeBytes);
