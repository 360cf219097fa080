/**
 * Gates: the only way from one domain into another.
 *
 * A gate is the address of its `ecall`; the trap brings the privilege, so what stands before or after
 * it means nothing. Entering pushes a frame on the thread's domain stack, which lies in the monitor's
 * memory; leaving pops that frame and nothing else, wherever the guest's own stack says it came from.
 * Arguments are in arguments.ts, what happens to registers in crossing-code.ts.
 * Upholds NK-2, NK-8 and NK-9.
 */
import { HART_STATE, PRIVILEGE } from '../machine/core/hart-block.ts';
import type { Hart } from '../machine/hart.ts';
import { MSTATUS_BITS } from '../machine/csr-numbers.ts';
import { parseAddress, type GateContext } from '../policy/contexts.ts';
import { STATUS } from './abi.ts';
import { Arguments, planArguments, type ArgumentPlan, type Refusal } from './arguments.ts';
import {
  COUNT_GATES,
  COUNT_OPS,
  COUNT_RETURNS,
  INSTRET,
  MEPC,
  MIE,
  MSTATUS,
  SATP,
  SCAUSE,
  SEPC,
  STVAL,
  STVEC,
  THREAD,
  VIEW,
} from './cells.ts';
import { CHARGE } from './charges.ts';
import { crossingCode, type CrossingCode } from './crossing-code.ts';
import { halves, type Shared } from './shared.ts';
import type { Spaces } from './spaces.ts';
import { DOMAIN_STATE, FRAME_KIND, MAX_DOMAINS } from './tables.ts';
import { AT, type Threads } from './threads.ts';

/** ABI register numbers. */
const RA = 1;
const SP = 2;
const TP = 4;
const A0 = 10;
/** What of sstatus belongs to the caller and comes back with it. */
const CALLER_STATUS =
  MSTATUS_BITS.SIE | MSTATUS_BITS.SPIE | MSTATUS_BITS.SPP | MSTATUS_BITS.SUM | MSTATUS_BITS.MXR;

interface Gate {
  readonly context: GateContext;
  readonly targetLow: number;
  readonly targetHigh: number;
  readonly plan: ArgumentPlan;
}

export class Gates {
  readonly #shared: Shared;
  readonly #threads: Threads;
  readonly #spaces: Spaces;
  readonly #arguments: Arguments;
  readonly #code: CrossingCode;
  /** Where in the shared memory the frames lie, the core's registers of S-mode on this hart, the states. */
  readonly #framesAt: number;
  readonly #supervisorAt: number;
  readonly #statesAt: number;
  readonly #states: Int32Array;
  readonly #generations: Int32Array;
  readonly #starters: Int32Array;
  readonly #counts: Int32Array;
  readonly #gates: (Gate | undefined)[] = [];
  readonly #regionLow: number;
  readonly #regionHigh: number;
  readonly #regionBytes: number;
  readonly #stubBytes: number;
  readonly #returnIndex: number;
  readonly #resumeIndex: number;
  readonly #returnLow: number;
  readonly #returnHigh: number;
  readonly #resumeLow: number;
  readonly #resumeHigh: number;
  /** Where each domain's stacks begin, and the bytes of one; undefined if it has none. */
  readonly #stacks: (readonly [low: number, high: number, bytes: number] | undefined)[];
  readonly #isHijackable: boolean;
  readonly #areViewsSeparate: boolean;
  /** Who calls is not looked at, and any ecall may name a gate: the ablated form of identity. */
  readonly #trustsNames: boolean;
  /** The domain whose view is current on this hart. */
  #view = 0;
  /** The stack pointer that `#findEntrySp` found. */
  #spLow = 0;
  #spHigh = 0;

  constructor(shared: Shared, threads: Threads, spaces: Spaces) {
    const { contexts } = shared.config;
    if (contexts === undefined) throw new Error('gates need the contexts of an image');
    this.#shared = shared;
    this.#threads = threads;
    this.#spaces = spaces;
    this.#arguments = new Arguments(shared);
    const { parts } = shared.machine;
    this.#code = crossingCode(parts.memory, parts.plan.totalPages);
    this.#framesAt = threads.words.byteOffset;
    this.#supervisorAt = shared.supervisorAt;
    this.#states = shared.tables.domainState;
    this.#statesAt = this.#states.byteOffset;
    this.#generations = shared.tables.domainGeneration;
    this.#starters = shared.tables.domainStarter;
    this.#counts = shared.tables.gateCounts;
    this.#isHijackable = shared.isAblated('return-frame');
    this.#areViewsSeparate = !shared.isAblated('views');
    this.#trustsNames = shared.isAblated('gate-identity');
    [this.#regionLow, this.#regionHigh] = halves(parseAddress(contexts.gateRegion.start));
    this.#regionBytes = contexts.gateRegion.sizeBytes;
    this.#stubBytes = contexts.gateBytes;
    [this.#returnLow, this.#returnHigh] = halves(parseAddress(contexts.returnGate));
    [this.#resumeLow, this.#resumeHigh] = halves(parseAddress(contexts.resumeGate));
    for (const gate of contexts.gates) {
      const [targetLow, targetHigh] = halves(parseAddress(gate.target));
      this.#gates[this.#indexOf(halves(parseAddress(gate.start))[0])] = {
        context: gate,
        targetLow,
        targetHigh,
        plan: planArguments(gate),
      };
    }
    this.#returnIndex = this.#indexOf(this.#returnLow);
    this.#resumeIndex = this.#indexOf(this.#resumeLow);
    this.#stacks = contexts.domains.map(({ stacks, stackBytes }) => {
      if (stacks === null) return undefined;
      const [low, high] = halves(parseAddress(stacks.start));
      return [low, high, stackBytes] as const;
    });
  }

  #indexOf(low: number): number {
    return ((low - this.#regionLow) >>> 0) / this.#stubBytes;
  }

  /** A hart begins, in the core's view. */
  start(): void {
    this.#view = 0;
  }

  /** Handles an ecall from S; false if it stands at no gate, so it is a call of the monitor. */
  ecall(hart: Hart): boolean {
    const low = hart.word(MEPC);
    const offset = (low - this.#regionLow) >>> 0;
    const isInRegion = hart.word(MEPC + 1) === this.#regionHigh && offset < this.#regionBytes;
    if (!isInRegion) return this.#trustsNames && this.#namedGate(hart);
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

  /** The domain's state some time ago: a stop may just have come. Who must not miss one claims first. */
  #state(domain: number): number {
    return this.#states[domain] as number;
  }

  /** Changes only while nobody is inside of the domain. */
  #generation(domain: number): number {
    return this.#generations[domain] as number;
  }

  #mayEnter(domain: number, state: number, thread: number): boolean {
    return (
      domain === 0 ||
      state === DOMAIN_STATE.RUNNING ||
      (state === DOMAIN_STATE.STARTING && this.#starters[domain] === thread)
    );
  }

  #isAlive(domain: number, state: number, generation: number): boolean {
    if (domain === 0) return true;
    const isUp = state === DOMAIN_STATE.RUNNING || state === DOMAIN_STATE.STARTING;
    return isUp && this.#generation(domain) === generation;
  }

  /**
   * Says that this hart is in a domain, and returns the domain's state. A restart first makes sure that
   * the domain is down and then that no hart is in it; we first say that we are in it and then look
   * whether it is up. Both sequentially consistent, so one of the two sees the other: nobody is inside
   * during a restart.
   */
  #claim(hart: Hart, domain: number): number {
    return this.#code.claim(hart.base, domain, this.#statesAt + 4 * domain);
  }

  /** Its starter's first call has returned: everybody may come. */
  #endStart(domain: number, thread: number): void {
    if (domain === 0 || this.#state(domain) !== DOMAIN_STATE.STARTING) return;
    if (this.#starters[domain] !== thread || this.#threads.isInside(thread, domain)) return;
    Atomics.compareExchange(this.#states, domain, DOMAIN_STATE.STARTING, DOMAIN_STATE.RUNNING);
  }

  /** A call that is not made: the caller goes on behind it with a status. */
  #refuse(hart: Hart, { rule, status, addressLow, addressHigh }: Refusal, gate = -1): void {
    this.#shared.deny(hart, rule, {
      gate,
      addressLow: addressLow ?? hart.word(MEPC),
      addressHigh: addressHigh ?? hart.word(MEPC + 1),
    });
    this.#failAtCaller(hart, status);
  }

  /** Goes on where the gate's caller would, with a result. */
  #failAtCaller(hart: Hart, result: number): void {
    hart.setXNumber(A0, result);
    hart.setPair(MEPC, hart.xLow(RA), hart.xHigh(RA));
    hart.mret();
  }

  // --- entering ---

  #enter(hart: Hart, gate: Gate): void {
    const { context, plan } = gate;
    const { callee } = context;
    hart.tally(COUNT_OPS, CHARGE.GATE_ENTER + CHARGE.ARGUMENT * context.args.length);
    const threads = this.#threads;
    const thread = hart.word(THREAD);
    const caller = threads.domain(thread);
    if (caller !== context.caller && !this.#trustsNames) {
      this.#refuse(hart, { rule: 'enter-by-gate', status: STATUS.POLICY }, context.id);
      return;
    }
    if (!this.#mayEnter(callee, this.#state(callee), thread)) {
      this.#failCall(hart, context);
      return;
    }
    if (!threads.hasRoomForCall(thread) || !this.#findEntrySp(thread, callee)) {
      this.#refuse(hart, { rule: 'stack-depth', status: STATUS.DEPTH }, context.id);
      return;
    }
    const spHigh = this.#spHigh;
    const arguments_ = this.#arguments;
    const refusal = arguments_.check(hart, plan, thread, caller, callee, this.#spLow, spHigh);
    if (refusal !== undefined) {
      this.#refuse(hart, refusal, context.id);
      return;
    }
    if (!this.#mayEnter(callee, this.#claim(hart, callee), thread)) {
      // Stopped since we looked.
      this.#claim(hart, caller);
      this.#failCall(hart, context);
      return;
    }

    // Committed from here on.
    const { onlooker } = this.#shared;
    onlooker?.crossed(hart, 'call', caller, callee, hart.xLow(RA), hart.xHigh(RA));
    hart.tally(COUNT_GATES);
    const cell = (hart.id * MAX_DOMAINS + caller) * MAX_DOMAINS + callee;
    this.#counts[cell] = (this.#counts[cell] as number) + 1;
    const { words } = threads;
    const frame = this.#push(hart, thread, FRAME_KIND.CALL, caller, callee, context.id);
    words[frame + AT.pc] = hart.xLow(RA);
    words[frame + AT.pc + 1] = hart.xHigh(RA);
    this.#code.keep(hart.base, this.#address(frame));
    arguments_.copyIn(hart, plan, words, frame, spHigh);
    // What is no argument is nobody's: t0 to t6, the other a registers, all s registers, gp, tp.
    this.#code.clearForCall(hart.base, plan.count);
    hart.setX(RA, this.#returnLow, this.#returnHigh);
    hart.setX(SP, arguments_.sp, spHigh);
    const before = hart.word(MSTATUS);
    this.#switchView(hart, callee, thread);
    let status = 0;
    if (callee === 0) {
      // The core goes on with interrupts as it last left with, whatever its caller made of SIE.
      const exit = threads.lastExit(thread, 0);
      status = (words[exit + AT.sstatus] as number) & MSTATUS_BITS.SIE;
      this.#restoreTp(hart, exit);
      hart.setPair(MIE, words[exit + AT.mie] as number, 0);
    } else if (caller === 0 && (before & MSTATUS_BITS.SIE) === 0) {
      // The core calls with interrupts off: they stay off until it goes on.
      hart.setPair(MIE, 0, 0);
    }
    hart.setPair(MEPC, gate.targetLow, gate.targetHigh);
    this.#toSupervisor(hart, status);
  }

  /** The callee is down: the call fails as its policy says, and is no denial. */
  #failCall(hart: Hart, { onFault, callee }: GateContext): void {
    if (onFault.action === 'panic') this.#panic(hart, callee);
    else this.#failAtCaller(hart, onFault.value);
  }

  /** Nobody can go on without the domain: the machine stops, and this hart takes no further step. */
  #panic(hart: Hart, domain: number): void {
    this.#shared.record(hart, { kind: 'PANIC', rule: 'live-domain', domain });
    this.#shared.machine.stop(1, 1, hart.id);
    hart.state = HART_STATE.STOPPED;
    hart.requestReturn();
  }

  /** The stack pointer with which a thread enters a domain: below where it left it, or the top. */
  #findEntrySp(thread: number, domain: number): boolean {
    const exit = this.#threads.lastExit(thread, domain);
    if (exit >= 0) {
      const { words } = this.#threads;
      this.#spLow = (words[exit + AT.x + 2 * SP] as number) & ~15;
      this.#spHigh = words[exit + AT.x + 2 * SP + 1] as number;
      return true;
    }
    const stacks = this.#stacks[domain];
    if (stacks === undefined) return false;
    this.#spLow = (stacks[0] + (thread + 1) * stacks[2]) | 0;
    this.#spHigh = stacks[1];
    return true;
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
    if (depth > 0) this.#charge(threads.frame(thread, depth - 1), hart.instret);
    const frame = threads.frame(thread, depth);
    const { words } = threads;
    words[frame + AT.kind] = kind;
    words[frame + AT.caller] = caller;
    words[frame + AT.callee] = callee;
    words[frame + AT.gate] = gate;
    words[frame + AT.generation] = this.#generation(callee);
    words[frame + AT.callerGeneration] = this.#generation(caller);
    words[frame + AT.sstatus] = hart.word(MSTATUS) & CALLER_STATUS;
    words[frame + AT.mie] = hart.word(MIE);
    words[frame + AT.copies] = 0;
    words[frame + AT.used] = 0;
    words[frame + AT.used + 1] = 0;
    this.#beginCharge(hart, frame);
    threads.setDepth(thread, depth + 1);
    return frame;
  }

  /** The frame's callee begins to run. */
  #beginCharge(hart: Hart, frame: number): void {
    const { words } = this.#threads;
    words[frame + AT.since] = hart.word(INSTRET);
    words[frame + AT.since + 1] = hart.word(INSTRET + 1);
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

  /** Of a frame, in the shared memory. */
  #address(frame: number): number {
    return this.#framesAt + 4 * frame;
  }

  /** tp is the core's: it finds its thread there; for anybody else it is zero. */
  #restoreTp(hart: Hart, exit: number): void {
    const { words } = this.#threads;
    hart.setX(TP, words[exit + AT.x + 2 * TP] as number, words[exit + AT.x + 2 * TP + 1] as number);
  }

  /** The domain in whose view the hart is, for a snapshot. */
  get view(): number {
    return this.#view;
  }

  /** The hart goes on in that view, which is in force. */
  resume(view: number): void {
    this.#view = view;
  }

  /** The view, the registers of S-mode, and who takes which traps, follow the domain, which is claimed. */
  #switchView(hart: Hart, to: number, thread: number): void {
    const from = this.#view;
    if (from === to) return;
    this.#view = to;
    if (this.#areViewsSeparate) {
      const space = this.#spaces.activeOn(hart);
      this.#shared.mechanism.enter(hart, from, to, thread, space);
      hart.setWord(VIEW, hart.word(SATP) ^ (hart.word(SATP + 1) << 12));
    }
    if (from === 0) this.#code.leaveCore(hart.base, this.#supervisorAt);
    else if (to === 0) this.#code.enterCore(hart.base, this.#supervisorAt);
  }

  /** Ends the trap in S-mode with the given bits of sstatus. */
  #toSupervisor(hart: Hart, sstatus: number): void {
    const status = hart.word(MSTATUS) & ~(CALLER_STATUS | MSTATUS_BITS.MPP);
    hart.setWord(MSTATUS, status | sstatus | (PRIVILEGE.S << MSTATUS_BITS.MPP_SHIFT));
    hart.mret();
  }

  // --- leaving ---

  #leave(hart: Hart): void {
    const threads = this.#threads;
    const { words } = threads;
    const thread = hart.word(THREAD);
    const top = threads.top(thread);
    if (top < 0 || words[top + AT.kind] !== FRAME_KIND.CALL) {
      this.#refuse(hart, { rule: 'return-by-frame', status: STATUS.POLICY });
      return;
    }
    const callee = words[top + AT.callee] as number;
    if (!this.#isAlive(callee, this.#state(callee), words[top + AT.generation] as number)) {
      // Stopped while it ran here: what it says does not count any more.
      this.unwind(hart, thread);
      return;
    }
    hart.tally(COUNT_RETURNS);
    hart.tally(COUNT_OPS, CHARGE.GATE_LEAVE);
    if (!this.#return(hart, thread, top, hart.xLow(A0), hart.xHigh(A0), true))
      this.unwind(hart, thread);
  }

  /** Pops a call and gives its caller a result; false if the caller is dead meanwhile: pop on. */
  #return(
    hart: Hart,
    thread: number,
    top: number,
    resultLow: number,
    resultHigh: number,
    copyOut: boolean,
  ): boolean {
    const threads = this.#threads;
    const { words } = threads;
    const caller = words[top + AT.caller] as number;
    // A domain that is unwound does not return: there is nothing of its making to follow.
    const raLow = hart.xLow(RA);
    const raHigh = hart.xHigh(RA);
    const isForged = raLow !== this.#returnLow || raHigh !== this.#returnHigh;
    const isHijacked = copyOut && this.#isHijackable && isForged;
    const pcLow = isHijacked ? raLow : (words[top + AT.pc] as number);
    const pcHigh = isHijacked ? raHigh : (words[top + AT.pc + 1] as number);
    const callee = words[top + AT.callee] as number;
    this.#shared.onlooker?.crossed(hart, 'return', callee, caller, pcLow, pcHigh);
    threads.setDepth(thread, threads.depth(thread) - 1);
    this.#resumeCharge(hart, thread);
    this.#endStart(callee, thread);
    this.#arguments.endLoans(hart, words, top);
    const state = this.#claim(hart, caller);
    if (!this.#isAlive(caller, state, words[top + AT.callerGeneration] as number)) return false;
    this.#switchView(hart, caller, thread);
    const copied = !copyOut || this.#arguments.copyOut(hart, words, top, caller);
    this.#code.giveBack(hart.base, this.#address(top));
    if (copied) hart.setX(A0, resultLow, resultHigh);
    else hart.setXNumber(A0, STATUS.INVALID_ADDRESS);
    hart.setPair(MIE, words[top + AT.mie] as number, 0);
    hart.setPair(MEPC, pcLow, pcHigh);
    this.#toSupervisor(hart, words[top + AT.sstatus] as number);
    return true;
  }

  /** The frame that is on top now begins to run again. */
  #resumeCharge(hart: Hart, thread: number): void {
    const top = this.#threads.top(thread);
    if (top >= 0) this.#beginCharge(hart, top);
  }

  // --- interrupts inside a domain ---

  /** The core takes an interrupt that hit inside another domain, and sees nothing of it but that. */
  interrupt(hart: Hart, cause: number): void {
    const threads = this.#threads;
    hart.tally(COUNT_OPS, CHARGE.INTERRUPT);
    const { words } = threads;
    const thread = hart.word(THREAD);
    const domain = threads.domain(thread);
    const exit = threads.lastExit(thread, 0);
    this.#findEntrySp(thread, 0);
    const pcLow = hart.word(MEPC);
    const pcHigh = hart.word(MEPC + 1);
    this.#shared.onlooker?.crossed(hart, 'interrupt', domain, 0, pcLow, pcHigh);
    const frame = this.#push(hart, thread, FRAME_KIND.INTERRUPT, domain, 0, -1);
    words[frame + AT.pc] = pcLow;
    words[frame + AT.pc + 1] = pcHigh;
    this.#code.keepAll(hart.base, this.#address(frame));
    this.#code.clearAll(hart.base);
    hart.setX(SP, this.#spLow, this.#spHigh);
    this.#restoreTp(hart, exit);
    this.#claim(hart, 0);
    this.#switchView(hart, 0, thread);
    hart.setPair(SEPC, this.#resumeLow, this.#resumeHigh);
    hart.setPair(SCAUSE, cause, 1 << 31);
    hart.setPair(STVAL, 0, 0);
    hart.setPair(MEPC, hart.word(STVEC) & ~3, hart.word(STVEC + 1));
    this.#toSupervisor(hart, MSTATUS_BITS.SPP | MSTATUS_BITS.SPIE);
  }

  /** The core is done with the interrupt: the domain goes on where it was, on whichever hart this is. */
  #resume(hart: Hart): void {
    hart.tally(COUNT_OPS, CHARGE.RESUME);
    const threads = this.#threads;
    const { words } = threads;
    const thread = hart.word(THREAD);
    const top = threads.top(thread);
    if (top < 0 || words[top + AT.kind] !== FRAME_KIND.INTERRUPT) {
      this.#refuse(hart, { rule: 'return-by-frame', status: STATUS.POLICY });
      return;
    }
    const domain = words[top + AT.caller] as number;
    const pcLow = words[top + AT.pc] as number;
    const pcHigh = words[top + AT.pc + 1] as number;
    this.#shared.onlooker?.crossed(hart, 'resume', 0, domain, pcLow, pcHigh);
    threads.setDepth(thread, threads.depth(thread) - 1);
    this.#resumeCharge(hart, thread);
    const state = this.#claim(hart, domain);
    if (!this.#isAlive(domain, state, words[top + AT.callerGeneration] as number)) {
      this.unwind(hart, thread);
      return;
    }
    this.#switchView(hart, domain, thread);
    this.#code.giveAllBack(hart.base, this.#address(top));
    hart.setPair(MEPC, pcLow, pcHigh);
    this.#toSupervisor(hart, words[top + AT.sstatus] as number);
  }

  // --- stopping ---

  /**
   * The thread is inside a domain that is dead (or is to leave it): pops every frame up to the last call
   * out of a live domain, which fails with the value that the policy chose.
   */
  unwind(hart: Hart, thread: number): void {
    const { words } = this.#threads;
    for (;;) {
      const top = this.#threads.top(thread);
      // Interrupts lead into the core, and that is never dead.
      if (top < 0 || words[top + AT.kind] !== FRAME_KIND.CALL)
        throw new Error(`thread ${thread} has no call to unwind`);
      const gate = this.#shared.config.contexts?.gates[words[top + AT.gate] as number];
      const onFault = gate?.onFault ?? { action: 'fail', value: STATUS.FAILED };
      if (onFault.action === 'panic') {
        this.#panic(hart, words[top + AT.callee] as number);
        return;
      }
      const { value } = onFault;
      if (this.#return(hart, thread, top, value | 0, value < 0 ? -1 : 0, false)) return;
    }
  }

  /** Whether the thread's present domain was stopped, or restarted, since it entered. */
  isStale(thread: number): boolean {
    const top = this.#threads.top(thread);
    if (top < 0) return false;
    const { words } = this.#threads;
    const domain = words[top + AT.callee] as number;
    return !this.#isAlive(domain, this.#state(domain), words[top + AT.generation] as number);
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

/** A count below 2^53 in two words. */
function writeNumber(words: Int32Array, at: number, value: number): void {
  words[at] = value | 0;
  words[at + 1] = Math.floor(value / 2 ** 32);
}

const readNumber = (words: Int32Array, at: number): number =>
  (words[at + 1] as number) * 2 ** 32 + ((words[at] as number) >>> 0);
