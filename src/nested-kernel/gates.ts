/**
 * Gates: the only way from one domain into another.
 *
 * A gate is the address of its `ecall`; the trap brings the privilege, so what stands before or after
 * it means nothing. Entering pushes a frame on the thread's domain stack, which lies in the monitor's
 * memory; leaving pops that frame and nothing else, wherever the guest's own stack says it came from.
 * Upholds NK-2, NK-6, NK-8 and NK-9.
 */
import { HartBlock, PRIVILEGE } from '../machine/core/hart-block.ts';
import { IRQ, type Hart } from '../machine/hart.ts';
import { RAM_BASE } from '../machine/physical-map.ts';
import { CAUSE, MSTATUS_BITS } from '../machine/translation.ts';
import { parseAddress, type GateContext, type Projection } from '../policy/contexts.ts';
import { STATUS } from './abi.ts';
import { CHARGE } from './charges.ts';
import type { RuleName } from './ledger.ts';
import { lend, takeBack } from './lend.ts';
import { RAM_FRAME } from './paging.ts';
import { halves, type Shared } from './shared.ts';
import type { Spaces } from './spaces.ts';
import { CopyBack, DOMAIN_STATE, FRAME_KIND, MAX_COPY_BACKS, MAX_DOMAINS } from './tables.ts';
import { AT, type Threads } from './threads.ts';

/** ABI register numbers. */
const RA = 1;
const SP = 2;
const GP = 3;
const TP = 4;
const A0 = 10;
/** s0, s1 and s2 to s11: what a caller may rely on (psABI), and so what is saved for it. */
const CALLEE_SAVED = [8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27];
const SAVED = [RA, SP, GP, TP, ...CALLEE_SAVED];
const ALL = Array.from({ length: 31 }, (_, n) => n + 1);

/** Exceptions that the core takes itself when it or a user program causes them; the rest the monitor sees. */
export const CORE_EXCEPTIONS: number =
  (1 << CAUSE.ECALL_U) |
  (1 << CAUSE.BREAKPOINT) |
  (1 << CAUSE.FETCH_MISALIGNED) |
  (1 << CAUSE.LOAD_MISALIGNED) |
  (1 << CAUSE.STORE_MISALIGNED);
export const CORE_INTERRUPTS: number = (1 << IRQ.SSI) | (1 << IRQ.STI) | (1 << IRQ.SEI);

/** What of sstatus belongs to the caller and comes back with it. */
const CALLER_STATUS =
  MSTATUS_BITS.SIE | MSTATUS_BITS.SPIE | MSTATUS_BITS.SPP | MSTATUS_BITS.SUM | MSTATUS_BITS.MXR;

interface Gate {
  readonly context: GateContext;
  readonly targetLow: number;
  readonly targetHigh: number;
}

interface Refusal {
  readonly rule: RuleName;
  readonly status: number;
  readonly addressLow?: number;
  readonly addressHigh?: number;
}

const OUTSIDE = -1;

/** Bytes of its stack that must be left for a callee when its arguments are on it. */
const LEFT_FOR_CALLEE = 1024;

export class Gates {
  readonly #shared: Shared;
  readonly #threads: Threads;
  readonly #spaces: Spaces;
  readonly #gates: (Gate | undefined)[] = [];
  readonly #regionLow: number;
  readonly #regionHigh: number;
  readonly #regionBytes: number;
  readonly #stubBytes: number;
  readonly #returnIndex: number;
  readonly #resumeIndex: number;
  readonly returnLow: number;
  readonly returnHigh: number;
  readonly #resumeLow: number;
  readonly #resumeHigh: number;
  readonly #stackTop: (readonly [number, number] | undefined)[];
  readonly #bytes: Uint8Array;
  readonly #ram: number;

  constructor(shared: Shared, threads: Threads, spaces: Spaces) {
    const { contexts } = shared.config;
    if (contexts === undefined) throw new Error('gates need the contexts of an image');
    this.#shared = shared;
    this.#threads = threads;
    this.#spaces = spaces;
    this.#bytes = shared.machine.bytes;
    this.#ram = shared.machine.parts.plan.ram;
    [this.#regionLow, this.#regionHigh] = halves(parseAddress(contexts.gateRegion.start));
    this.#regionBytes = contexts.gateRegion.sizeBytes;
    this.#stubBytes = contexts.gateBytes;
    [this.returnLow, this.returnHigh] = halves(parseAddress(contexts.returnGate));
    [this.#resumeLow, this.#resumeHigh] = halves(parseAddress(contexts.resumeGate));
    for (const gate of contexts.gates) {
      const [targetLow, targetHigh] = halves(parseAddress(gate.target));
      this.#gates[this.#indexOf(halves(parseAddress(gate.start))[0])] = {
        context: gate,
        targetLow,
        targetHigh,
      };
    }
    this.#returnIndex = this.#indexOf(this.returnLow);
    this.#resumeIndex = this.#indexOf(this.#resumeLow);
    this.#stackTop = contexts.domains.map(({ stacks }) =>
      stacks === null ? undefined : halves(parseAddress(stacks.start)),
    );
  }

  #indexOf(low: number): number {
    return ((low - this.#regionLow) >>> 0) / this.#stubBytes;
  }

  /** Handles an ecall from S; false if it stands at no gate, so it is a call of the monitor. */
  ecall(hart: Hart): boolean {
    const low = hart.csrLow('mepc');
    const offset = (low - this.#regionLow) >>> 0;
    const isInRegion = hart.csrHigh('mepc') === this.#regionHigh && offset < this.#regionBytes;
    if (!isInRegion) {
      return this.#shared.isAblated('gate-identity') && this.#namedGate(hart);
    }
    const index = this.#indexOf(low);
    if (index === this.#returnIndex) this.#leave(hart);
    else if (index === this.#resumeIndex) this.#resume(hart);
    else {
      const gate = this.#gates[index];
      if (gate === undefined) this.#refuse(hart, { rule: 'enter-by-gate', status: STATUS.POLICY });
      else this.#enter(hart, gate);
    }
    return true;
  }

  /** The ablated form of identity: the gate is what t6 says, from wherever. */
  #namedGate(hart: Hart): boolean {
    const gate = this.#gates.find((candidate) => candidate?.context.id === hart.xLow(31) - 1);
    if (gate === undefined) return false;
    this.#enter(hart, gate);
    return true;
  }

  #generation(domain: number): number {
    return Atomics.load(this.#shared.tables.domainGeneration, domain);
  }

  #state(domain: number): number {
    return Atomics.load(this.#shared.tables.domainState, domain);
  }

  #mayEnter(domain: number, thread: number): boolean {
    const state = this.#state(domain);
    if (state === DOMAIN_STATE.RUNNING) return true;
    return state === DOMAIN_STATE.STARTING && this.#shared.tables.domainStarter[domain] === thread;
  }

  /** Its starter's first call has returned: everybody may come. */
  #endStart(domain: number, thread: number): void {
    const { domainState, domainStarter } = this.#shared.tables;
    if (this.#state(domain) !== DOMAIN_STATE.STARTING || domainStarter[domain] !== thread) return;
    Atomics.compareExchange(domainState, domain, DOMAIN_STATE.STARTING, DOMAIN_STATE.RUNNING);
  }

  /** A call that is not made: the caller goes on behind it with a status. */
  #refuse(hart: Hart, { rule, status, addressLow, addressHigh }: Refusal, gate = -1): void {
    this.#shared.deny(hart, rule, {
      gate,
      addressLow: addressLow ?? hart.csrLow('mepc'),
      addressHigh: addressHigh ?? hart.csrHigh('mepc'),
    });
    hart.setXNumber(A0, status);
    hart.setCsr('mepc', hart.xLow(RA), hart.xHigh(RA));
    hart.mret();
  }

  // --- entering ---

  #enter(hart: Hart, gate: Gate): void {
    const { context } = gate;
    hart.count('monitorOps', CHARGE.GATE_ENTER + CHARGE.ARGUMENT * context.args.length);
    const thread = hart.get('thread');
    const threads = this.#threads;
    const caller = threads.domain(thread);
    if (caller !== context.caller && !this.#shared.isAblated('gate-identity')) {
      this.#refuse(hart, { rule: 'enter-by-gate', status: STATUS.POLICY }, context.id);
      return;
    }
    if (!this.#mayEnter(context.callee, thread)) {
      this.#failCall(hart, gate);
      return;
    }
    if (!threads.hasRoom(thread)) {
      this.#refuse(hart, { rule: 'stack-depth', status: STATUS.DEPTH }, context.id);
      return;
    }
    this.#keysOwner = caller;
    const sp = this.#entrySp(thread, context.callee);
    if (sp === undefined) {
      this.#refuse(hart, { rule: 'stack-depth', status: STATUS.DEPTH }, context.id);
      return;
    }
    const plan = this.#project(hart, context, sp);
    if ('rule' in plan) {
      this.#refuse(hart, plan, context.id);
      return;
    }

    // Committed from here on.
    this.#shared.onlooker?.crossed(
      hart,
      'call',
      caller,
      context.callee,
      hart.xLow(RA),
      hart.xHigh(RA),
    );
    hart.count('gates');
    const counts = this.#shared.tables.gateCounts;
    const cell = (hart.id * MAX_DOMAINS + caller) * MAX_DOMAINS + context.callee;
    counts[cell] = (counts[cell] as number) + 1;
    const frame = this.#push(hart, thread, FRAME_KIND.CALL, caller, context.callee, context.id);
    threads.words[frame + AT.pc] = hart.xLow(RA);
    threads.words[frame + AT.pc + 1] = hart.xHigh(RA);
    this.#saveRegisters(hart, frame, SAVED);
    this.#copyIn(hart, frame, plan);
    const arguments_ = context.args.length;
    for (let register = 5; register < 32; register++) {
      const isArgument = register >= A0 && register < A0 + arguments_;
      if (!isArgument) hart.setX(register, 0, 0);
    }
    for (const { register, low } of plan.pointers) hart.setX(register, low, plan.spHigh);
    this.#lendAll(hart, frame, plan);
    hart.setX(RA, this.returnLow, this.returnHigh);
    hart.setX(SP, plan.sp, plan.spHigh);
    hart.setX(GP, 0, 0);
    this.#setTp(hart, thread, context.callee);
    this.#switchView(hart, caller, context.callee, thread);
    hart.setCsr('mepc', gate.targetLow, gate.targetHigh);
    this.#enterS(hart, hart.csrLow('mstatus') & ~(MSTATUS_BITS.SUM | MSTATUS_BITS.MXR));
  }

  /** The callee is down: the call fails as its policy says, and is no denial. */
  #failCall(hart: Hart, { context }: Gate): void {
    if (context.onFault.action === 'panic') {
      this.#panic(hart, context.callee);
      return;
    }
    hart.setXNumber(A0, context.onFault.value);
    hart.setCsr('mepc', hart.xLow(RA), hart.xHigh(RA));
    hart.mret();
  }

  #panic(hart: Hart, domain: number): void {
    this.#shared.record(hart, { kind: 'PANIC', rule: 'live-domain', domain });
    this.#shared.machine.stop(1, 1, hart.id);
    hart.requestReturn();
  }

  /** The stack pointer with which a thread enters a domain: below where it left it, or the top. */
  #entrySp(thread: number, domain: number): readonly [number, number] | undefined {
    const exit = this.#threads.lastExit(thread, domain);
    const { words } = this.#threads;
    if (exit >= 0)
      return [
        (words[exit + AT.x + 2 * SP] as number) & ~15,
        words[exit + AT.x + 2 * SP + 1] as number,
      ];
    const stacks = this.#stackTop[domain];
    if (stacks === undefined) return undefined;
    const bytes = this.#shared.config.contexts?.domains[domain]?.stackBytes ?? 0;
    return [(stacks[0] + (thread + 1) * bytes) | 0, stacks[1]];
  }

  #push(
    hart: Hart,
    thread: number,
    kind: number,
    caller: number,
    callee: number,
    gate: number,
  ): number {
    const threads = this.#threads;
    const depth = threads.depth(thread);
    const now = hart.instret;
    if (depth > 0) this.#charge(threads.frame(thread, depth - 1), now);
    const frame = threads.frame(thread, depth);
    const { words } = threads;
    words[frame + AT.kind] = kind;
    words[frame + AT.caller] = caller;
    words[frame + AT.callee] = callee;
    words[frame + AT.gate] = gate;
    words[frame + AT.generation] = this.#generation(callee);
    words[frame + AT.callerGeneration] = this.#generation(caller);
    words[frame + AT.sstatus] = hart.csrLow('mstatus') & CALLER_STATUS;
    words[frame + AT.mie] = hart.csrLow('mie');
    words[frame + AT.copies] = 0;
    writeNumber(words, frame + AT.used, 0);
    writeNumber(words, frame + AT.since, now);
    threads.setDepth(thread, depth + 1);
    return frame;
  }

  /** Adds what the frame's callee has retired since it last began to run. */
  #charge(frame: number, now: number): void {
    const { words } = this.#threads;
    writeNumber(
      words,
      frame + AT.used,
      readNumber(words, frame + AT.used) + Math.max(0, now - readNumber(words, frame + AT.since)),
    );
  }

  #saveRegisters(hart: Hart, frame: number, registers: readonly number[]): void {
    const { words } = this.#threads;
    const from = (hart.base + HartBlock.offset.x) >> 2;
    for (const register of registers) {
      words[frame + AT.x + 2 * register] = hart.words[from + 2 * register] as number;
      words[frame + AT.x + 2 * register + 1] = hart.words[from + 2 * register + 1] as number;
    }
  }

  #restoreRegisters(hart: Hart, frame: number, registers: readonly number[]): void {
    const { words } = this.#threads;
    for (const register of registers) {
      hart.setX(
        register,
        words[frame + AT.x + 2 * register] as number,
        words[frame + AT.x + 2 * register + 1] as number,
      );
    }
  }

  /** tp is the core's: it finds its thread there; for anybody else it is zero. */
  #setTp(hart: Hart, thread: number, domain: number): void {
    if (domain !== 0) {
      hart.setX(TP, 0, 0);
      return;
    }
    const exit = this.#threads.lastExit(thread, 0);
    const { words } = this.#threads;
    if (exit >= 0)
      hart.setX(
        TP,
        words[exit + AT.x + 2 * TP] as number,
        words[exit + AT.x + 2 * TP + 1] as number,
      );
  }

  /** The view, and who takes which traps, follow the domain. */
  #switchView(hart: Hart, from: number, to: number, thread: number): void {
    hart.set('domain', to);
    if (from === to) return;
    if (!this.#shared.isAblated('views')) {
      this.#shared.mechanism.enter(hart, from, to, thread, this.#spaces.activeOn(hart));
      hart.set('view', hart.csrLow('satp') ^ (hart.csrHigh('satp') << 12));
    }
    const isCore = to === 0;
    // The sources stay enabled as the core has them; only where they go changes.
    hart.setCsr('medeleg', isCore ? CORE_EXCEPTIONS : 0, 0);
    hart.setCsr('mideleg', isCore ? CORE_INTERRUPTS : 0, 0);
    if (from === 0 && (hart.csrLow('mstatus') & MSTATUS_BITS.SIE) === 0) {
      // The core calls with interrupts off: they stay off until it has its view back.
      hart.setCsr('mie', 0, 0);
    } else if (isCore) {
      const exit = this.#threads.lastExit(thread, 0);
      if (exit >= 0) hart.setCsr('mie', this.#threads.words[exit + AT.mie] as number, 0);
    }
  }

  #enterS(hart: Hart, status: number): void {
    hart.setCsr(
      'mstatus',
      (status & ~MSTATUS_BITS.MPP) | (PRIVILEGE.S << MSTATUS_BITS.MPP_SHIFT),
      hart.csrHigh('mstatus'),
    );
    hart.mret();
  }

  // --- arguments ---

  #project(hart: Hart, context: GateContext, sp: readonly [number, number]): Plan | Refusal {
    const plan: Plan = { sp: sp[0], spHigh: sp[1], pointers: [], copies: [], loans: [] };
    const needsStack = context.args.some((argument) => argument.kind !== 'scalar');
    if (!needsStack) return plan;
    const stacks = this.#stackTop[context.callee];
    if (stacks === undefined) return { rule: 'stack-depth', status: STATUS.DEPTH };
    const caller = hart.csrLow('satp');
    for (const argument of context.args) {
      if (argument.kind === 'scalar') {
        if (argument.max !== undefined && !this.#isWithin(hart, argument.index, argument.max))
          return { rule: 'argument-bounds', status: STATUS.INVALID_PARAM };
        continue;
      }
      const refusal = this.#projectBuffer(hart, argument, plan, caller, context.callee);
      if (refusal !== undefined) return refusal;
    }
    plan.sp &= ~15;
    const bottom = this.#stackBottom(hart, context.callee);
    if (((plan.sp - bottom) | 0) < LEFT_FOR_CALLEE)
      return { rule: 'stack-depth', status: STATUS.DEPTH };
    return plan;
  }

  #stackBottom(hart: Hart, domain: number): number {
    const bytes = this.#shared.config.contexts?.domains[domain]?.stackBytes ?? 0;
    const stacks = this.#stackTop[domain] as readonly [number, number];
    return (stacks[0] + hart.get('thread') * bytes) | 0;
  }

  #isWithin(hart: Hart, index: number, max: number): boolean {
    const value = hart.x(A0 + index);
    return value >= 0 && value <= max;
  }

  #projectBuffer(
    hart: Hart,
    argument: Exclude<Projection, { kind: 'scalar' }>,
    plan: Plan,
    root: number,
    callee: number,
  ): Refusal | undefined {
    const register = A0 + argument.index;
    const low = hart.xLow(register);
    const high = hart.xHigh(register);
    const at = { addressLow: low, addressHigh: high };
    let bytes = argument.fixedBytes ?? 0;
    if (argument.type === 'string') {
      bytes = this.#stringBytes(low, high, argument.max, root);
      hart.count('monitorOps', CHARGE.STRING_WORD * Math.ceil(Math.max(bytes, 0) / 8));
      if (bytes < 0)
        return {
          rule: bytes === OUTSIDE ? 'argument-rights' : 'argument-bounds',
          status: STATUS.INVALID_PARAM,
          ...at,
        };
    } else if (argument.lengthArg !== undefined) {
      if (!this.#isWithin(hart, argument.lengthArg, argument.max))
        return { rule: 'argument-bounds', status: STATUS.INVALID_PARAM, ...at };
      bytes = hart.x(A0 + argument.lengthArg);
    }
    if (bytes === 0) {
      plan.pointers.push({ register, low: plan.sp });
      return undefined;
    }
    const writes = argument.kind !== 'in';
    hart.count('monitorOps', CHARGE.BUFFER);
    const pieces: Piece[] = [];
    if (!this.#locate(low, high, bytes, writes, root, pieces))
      return { rule: 'argument-rights', status: STATUS.INVALID_ADDRESS, ...at };
    if (this.#lends(callee)) {
      const frames = pieces.map(({ host }) => RAM_FRAME + ((host - this.#ram) >>> 12));
      plan.loans.push({ register, frames, writes, offset: low & 0xfff });
      return undefined;
    }
    plan.sp = (plan.sp - bytes) & ~15;
    plan.pointers.push({ register, low: plan.sp });
    plan.copies.push({
      pieces,
      calleeLow: plan.sp,
      bytes,
      in: argument.kind !== 'out',
      out: writes,
      callerLow: low,
      callerHigh: high,
    });
    return undefined;
  }

  /** Finds where a buffer lies, page by page, with the rights of the view that is current. */
  #locate(
    low: number,
    high: number,
    bytes: number,
    write: boolean,
    root: number,
    pieces: Piece[],
  ): boolean {
    const keys = this.#currentKeys();
    let rest = bytes;
    let atLow = low;
    let atHigh = high;
    while (rest > 0) {
      const physical = this.#shared.paging.reach(root, atLow, atHigh, write, keys);
      const offset = physical - RAM_BASE;
      const size = Math.min(rest, 4096 - (atLow & 0xfff));
      if (physical < 0 || offset < 0 || offset + size > this.#shared.machine.parts.plan.ramBytes)
        return false;
      pieces.push({ host: this.#ram + offset, bytes: size });
      const next = (atLow + size) | 0;
      if (next >>> 0 < atLow >>> 0) atHigh = (atHigh + 1) | 0;
      atLow = next;
      rest -= size;
    }
    return true;
  }

  /** Whose keys count for buffers: the caller's. */
  #keysOwner = 0;
  #currentKeys(): readonly [number, number] | undefined {
    return this.#shared.mechanism.keysOf(this.#keysOwner);
  }

  /** Bytes of a string with its NUL; -1 if it leaves what the caller may read, -2 if it is too long. */
  #stringBytes(low: number, high: number, max: number, root: number): number {
    let length = 0;
    const pieces: Piece[] = [];
    while (length <= max) {
      const inPage = Math.min(4096 - ((low + length) & 0xfff), max + 1 - length);
      const atLow = (low + length) | 0;
      const atHigh = atLow >>> 0 < low >>> 0 ? (high + 1) | 0 : high;
      pieces.length = 0;
      if (!this.#locate(atLow, atHigh, inPage, false, root, pieces)) return OUTSIDE;
      const { host } = pieces[0] as Piece;
      const end = this.#bytes.subarray(host, host + inPage).indexOf(0);
      if (end >= 0) return length + end + 1;
      length += inPage;
    }
    return -2;
  }

  /** Host address of a place on a domain's stack: stacks are physically contiguous. */
  #stackHost(domain: number, low: number): number {
    const region = this.#shared.config.contexts?.domains[domain]?.stacks;
    const start = this.#stackTop[domain] as readonly [number, number];
    const physical = Number(parseAddress(region?.startPhys ?? '0x0'));
    return this.#ram + (physical - RAM_BASE) + ((low - start[0]) >>> 0);
  }

  #copyIn(hart: Hart, frame: number, plan: Plan): void {
    const { words } = this.#threads;
    const callee = words[frame + AT.callee] as number;
    for (const copy of plan.copies) {
      const to = this.#stackHost(callee, copy.calleeLow);
      if (copy.in) {
        let at = to;
        for (const piece of copy.pieces) {
          this.#bytes.copyWithin(at, piece.host, piece.host + piece.bytes);
          at += piece.bytes;
        }
        hart.count('bytesCopied', copy.bytes);
      } else {
        // What the callee does not fill must not be what a former call left here.
        this.#bytes.fill(0, to, to + copy.bytes);
        hart.count('bytesCleared', copy.bytes);
      }
      if (!copy.out) continue;
      const count = words[frame + AT.copies] as number;
      if (count >= MAX_COPY_BACKS) continue;
      const back = frame + AT.copyBacks + count * (CopyBack.sizeBytes / 4);
      words[back] = copy.callerLow;
      words[back + 1] = copy.callerHigh;
      words[back + 2] = to;
      words[back + 3] = copy.bytes;
      words[frame + AT.copies] = count + 1;
    }
  }

  /** Whether buffers are lent and not copied; the core has no window to lend into. */
  #lends(callee: number): boolean {
    return callee !== 0 && this.#shared.isAblated('copy-in');
  }

  /** Loans are remembered where copies would be: address and pages. */
  #lendAll(hart: Hart, frame: number, { loans }: Plan): void {
    const { words } = this.#threads;
    const callee = words[frame + AT.callee] as number;
    loans.slice(0, MAX_COPY_BACKS).forEach(({ register, frames, writes, offset }, n) => {
      const [low, high] = lend(this.#shared, hart, callee, frames, writes);
      hart.setX(register, (low + offset) | 0, high);
      const at = frame + AT.copyBacks + n * (CopyBack.sizeBytes / 4);
      words[at] = low;
      words[at + 1] = frames.length;
      words[frame + AT.copies] = n + 1;
    });
  }

  #endLoans(hart: Hart, frame: number): void {
    const { words } = this.#threads;
    const callee = words[frame + AT.callee] as number;
    for (let n = 0; n < (words[frame + AT.copies] as number); n++) {
      const at = frame + AT.copyBacks + n * (CopyBack.sizeBytes / 4);
      takeBack(this.#shared, hart, callee, words[at] as number, words[at + 1] as number);
    }
  }

  /** The caller's view is current again: what is no longer its own is not written. */
  #copyOut(hart: Hart, frame: number): boolean {
    const { words } = this.#threads;
    const root = hart.csrLow('satp');
    const count = words[frame + AT.copies] as number;
    for (let n = 0; n < count; n++) {
      const back = frame + AT.copyBacks + n * (CopyBack.sizeBytes / 4);
      const [low, high, from, bytes] = words.subarray(back, back + 4) as unknown as [
        number,
        number,
        number,
        number,
      ];
      const pieces: Piece[] = [];
      if (!this.#locate(low, high, bytes, true, root, pieces)) {
        this.#shared.deny(hart, 'argument-rights', { addressLow: low, addressHigh: high });
        return false;
      }
      let at = from;
      for (const piece of pieces) {
        this.#bytes.copyWithin(piece.host, at, at + piece.bytes);
        at += piece.bytes;
      }
      hart.count('bytesCopied', bytes);
    }
    return true;
  }

  // --- leaving ---

  #leave(hart: Hart): void {
    const thread = hart.get('thread');
    const top = this.#threads.top(thread);
    if (top < 0 || this.#threads.words[top + AT.kind] !== FRAME_KIND.CALL) {
      this.#refuse(hart, { rule: 'return-by-frame', status: STATUS.POLICY });
      return;
    }
    hart.count('gateReturns');
    hart.count('monitorOps', CHARGE.GATE_LEAVE);
    this.#endStart(this.#threads.words[top + AT.callee] as number, thread);
    const low = hart.xLow(A0);
    const high = hart.xHigh(A0);
    this.#return(hart, thread, top, low, high, true);
  }

  /** Pops a call and gives its caller a result; if the caller is dead meanwhile, pops on. */
  #return(
    hart: Hart,
    thread: number,
    top: number,
    resultLow: number,
    resultHigh: number,
    copyOut: boolean,
  ): void {
    const threads = this.#threads;
    const { words } = threads;
    const caller = words[top + AT.caller] as number;
    const callee = words[top + AT.callee] as number;
    // A domain that is unwound does not return: there is nothing of its making to follow.
    const raLow = hart.xLow(RA);
    const raHigh = hart.xHigh(RA);
    const isHijacked =
      copyOut &&
      this.#shared.isAblated('return-frame') &&
      (raLow !== this.returnLow || raHigh !== this.returnHigh);
    const pcLow = isHijacked ? raLow : (words[top + AT.pc] as number);
    const pcHigh = isHijacked ? raHigh : (words[top + AT.pc + 1] as number);
    this.#shared.onlooker?.crossed(hart, 'return', callee, caller, pcLow, pcHigh);
    threads.setDepth(thread, threads.depth(thread) - 1);
    this.#resumeCharge(hart, thread);
    const lent = this.#lends(callee);
    if (lent) this.#endLoans(hart, top);
    if (!this.#isAlive(caller, words[top + AT.callerGeneration] as number)) {
      this.#switchView(hart, callee, caller, thread);
      this.unwind(hart, thread);
      return;
    }
    this.#switchView(hart, callee, caller, thread);
    this.#keysOwner = caller;
    const copied = !copyOut || lent || this.#copyOut(hart, top);
    for (let register = 5; register < 32; register++) hart.setX(register, 0, 0);
    this.#restoreRegisters(hart, top, SAVED);
    if (copied) hart.setX(A0, resultLow, resultHigh);
    else hart.setXNumber(A0, STATUS.INVALID_ADDRESS);
    hart.setCsr('mie', words[top + AT.mie] as number, 0);
    hart.setCsr('mepc', pcLow, pcHigh);
    this.#restoreStatus(hart, words[top + AT.sstatus] as number);
  }

  #restoreStatus(hart: Hart, saved: number): void {
    this.#enterS(hart, (hart.csrLow('mstatus') & ~CALLER_STATUS) | saved);
  }

  #isAlive(domain: number, generation: number): boolean {
    if (domain === 0) return true;
    const state = this.#state(domain);
    const isUp = state === DOMAIN_STATE.RUNNING || state === DOMAIN_STATE.STARTING;
    return isUp && this.#generation(domain) === generation;
  }

  /** The frame that is on top now begins to run again. */
  #resumeCharge(hart: Hart, thread: number): void {
    const top = this.#threads.top(thread);
    if (top >= 0) writeNumber(this.#threads.words, top + AT.since, hart.instret);
  }

  // --- interrupts inside a domain ---

  /** The core takes an interrupt that hit inside another domain, and sees nothing of it but that. */
  interrupt(hart: Hart, cause: number): void {
    const thread = hart.get('thread');
    const threads = this.#threads;
    const domain = threads.domain(thread);
    if (!threads.hasRoom(thread)) {
      this.#shared.deny(hart, 'stack-depth');
      this.unwind(hart, thread);
      return;
    }
    hart.count('monitorOps', CHARGE.INTERRUPT);
    this.#shared.onlooker?.crossed(
      hart,
      'interrupt',
      domain,
      0,
      hart.csrLow('mepc'),
      hart.csrHigh('mepc'),
    );
    const sp = this.#entrySp(thread, 0) as readonly [number, number];
    const frame = this.#push(hart, thread, FRAME_KIND.INTERRUPT, domain, 0, -1);
    const { words } = threads;
    words[frame + AT.pc] = hart.csrLow('mepc');
    words[frame + AT.pc + 1] = hart.csrHigh('mepc');
    this.#saveRegisters(hart, frame, ALL);
    for (const register of ALL) hart.setX(register, 0, 0);
    hart.setX(SP, sp[0], sp[1]);
    // The frame just pushed left the domain, not the core, so this finds the core's own.
    this.#setTp(hart, thread, 0);
    this.#switchView(hart, domain, 0, thread);
    hart.setCsr('sepc', this.#resumeLow, this.#resumeHigh);
    hart.setCsr('scause', cause, 1 << 31);
    hart.setCsr('stval', 0, 0);
    hart.setCsr('mepc', hart.csrLow('stvec') & ~3, hart.csrHigh('stvec'));
    const status =
      hart.csrLow('mstatus') & ~(MSTATUS_BITS.SIE | MSTATUS_BITS.SUM | MSTATUS_BITS.MXR);
    this.#enterS(hart, status | MSTATUS_BITS.SPP | MSTATUS_BITS.SPIE);
  }

  /** The core is done with the interrupt: the domain goes on where it was, on whichever hart this is. */
  #resume(hart: Hart): void {
    hart.count('monitorOps', CHARGE.RESUME);
    const thread = hart.get('thread');
    const threads = this.#threads;
    const top = threads.top(thread);
    const { words } = threads;
    if (top < 0 || words[top + AT.kind] !== FRAME_KIND.INTERRUPT) {
      this.#refuse(hart, { rule: 'return-by-frame', status: STATUS.POLICY });
      return;
    }
    const domain = words[top + AT.caller] as number;
    const generation = words[top + AT.callerGeneration] as number;
    this.#shared.onlooker?.crossed(
      hart,
      'resume',
      0,
      domain,
      words[top + AT.pc] as number,
      words[top + AT.pc + 1] as number,
    );
    threads.setDepth(thread, threads.depth(thread) - 1);
    this.#resumeCharge(hart, thread);
    this.#switchView(hart, 0, domain, thread);
    if (!this.#isAlive(domain, generation)) {
      this.unwind(hart, thread);
      return;
    }
    this.#restoreRegisters(hart, top, ALL);
    hart.setCsr('mepc', words[top + AT.pc] as number, words[top + AT.pc + 1] as number);
    this.#restoreStatus(hart, words[top + AT.sstatus] as number);
  }

  // --- stopping ---

  /**
   * The thread is inside a domain that is dead (or is to leave it): pops every frame up to the last call
   * out of a live domain, which fails with the value that the policy chose.
   */
  unwind(hart: Hart, thread: number): void {
    const threads = this.#threads;
    const { words } = threads;
    for (;;) {
      const top = threads.top(thread);
      if (top < 0) throw new Error(`thread ${thread} has no frame to unwind to`);
      if (words[top + AT.kind] === FRAME_KIND.INTERRUPT) {
        const from = words[top + AT.callee] as number;
        const to = words[top + AT.caller] as number;
        this.#shared.onlooker?.crossed(hart, 'unwind', from, to, 0, 0);
        threads.setDepth(thread, threads.depth(thread) - 1);
        this.#switchView(hart, from, words[top + AT.caller] as number, thread);
        continue;
      }
      const gate = this.#shared.config.contexts?.gates[words[top + AT.gate] as number];
      const onFault = gate?.onFault ?? { action: 'fail', value: STATUS.FAILED };
      if (onFault.action === 'panic') {
        this.#panic(hart, words[top + AT.callee] as number);
        return;
      }
      this.#return(hart, thread, top, onFault.value | 0, onFault.value < 0 ? -1 : 0, false);
      return;
    }
  }

  /** Whether the thread's present domain was stopped, or restarted, since it entered. */
  isStale(thread: number): boolean {
    const top = this.#threads.top(thread);
    if (top < 0) return false;
    const { words } = this.#threads;
    const domain = words[top + AT.callee] as number;
    return !this.#isAlive(domain, words[top + AT.generation] as number);
  }

  /** Instructions that the present call has retired in its domain; 0 in the core. */
  usedNow(hart: Hart, thread: number): number {
    const top = this.#threads.top(thread);
    if (top < 0 || this.#threads.words[top + AT.callee] === 0) return 0;
    const { words } = this.#threads;
    return (
      readNumber(words, top + AT.used) +
      Math.max(0, hart.instret - readNumber(words, top + AT.since))
    );
  }
}

interface Piece {
  readonly host: number;
  readonly bytes: number;
}

interface Plan {
  sp: number;
  readonly spHigh: number;
  readonly pointers: { readonly register: number; readonly low: number }[];
  /** Only where copying is ablated. */
  readonly loans: {
    readonly register: number;
    readonly frames: readonly number[];
    readonly writes: boolean;
    readonly offset: number;
  }[];
  readonly copies: {
    readonly pieces: readonly Piece[];
    readonly calleeLow: number;
    readonly bytes: number;
    readonly in: boolean;
    readonly out: boolean;
    readonly callerLow: number;
    readonly callerHigh: number;
  }[];
}

/** A count below 2^53 in two words. */
function writeNumber(words: Int32Array, at: number, value: number): void {
  words[at] = value | 0;
  words[at + 1] = Math.floor(value / 2 ** 32);
}

const readNumber = (words: Int32Array, at: number): number =>
  (words[at + 1] as number) * 2 ** 32 + ((words[at] as number) >>> 0);
