/**
 * The monitor: the machine mode of one hart, over tables that all harts share. Every trap that is not the
 * core's own arrives here; this file only says whose it is.
 */
import { HART_STATE, HartBlock, PRIVILEGE } from '../machine/core/hart-block.ts';
import { CSR, ENVCFG, IRQ, CAUSE, MENVCFG_HIGH, MSTATUS_BITS } from '../machine/csr-numbers.ts';
import type { Hart } from '../machine/hart.ts';
import type { MachineMode } from '../machine/machine-mode.ts';
import type { Machine } from '../machine/machine.ts';
import { PMP } from '../machine/pmp.ts';
import { parseAddress } from '../policy/contexts.ts';
import { CALL, CORDON_EID, STATUS } from './abi.ts';
import {
  COUNT_CALLS,
  COUNT_OPS,
  DOMAIN,
  MCAUSE,
  MEPC,
  MIE,
  MSTATUS,
  MTVAL,
  SCAUSE,
  SEPC,
  STVAL,
  STVEC,
  THREAD,
} from './cells.ts';
import { CHARGE, chargeOfCall } from './charges.ts';
import type { MonitorConfig } from './config.ts';
import { CORE_COUNTERS, CORE_EXCEPTIONS, CORE_INTERRUPTS } from './crossing-code.ts';
import { Domains } from './domains.ts';
import { CODE_FENCE } from './fence.ts';
import { Gates } from './gates.ts';
import { Sbi } from './sbi.ts';
import { halves, Shared } from './shared.ts';
import { Spaces, type Answer, type Grantee } from './spaces.ts';
import { FRAME_KIND, HSM } from './tables.ts';
import { AT, Threads } from './threads.ts';

const A0 = 10;
const A1 = 11;
const A6 = 16;
const A7 = 17;
/** Everything but ecall from S and M: what firmware delegates to a kernel that looks after itself. */
const FOREIGN_EXCEPTIONS = 0xb1ff & ~(1 << CAUSE.ECALL_S);
const SFENCE_VMA = 0x12000073;
/** Of `sfence.vma` and `sinval.vma`, which differ in bit 26. */
const SFENCE_MASK = 0xfa007fff;

/** A mark that the guest set in a measurement. */
export type MarkListener = (hart: Hart, id: number, value: number) => void;

/** What one hart's monitor knows that no table has; plain data. */
export interface MonitorState {
  readonly view: number;
  readonly seen: readonly number[];
  readonly mechanism: readonly number[];
}

export class Monitor implements MachineMode {
  readonly machine: Machine;
  readonly config: MonitorConfig;
  readonly shared: Shared;
  readonly #sbi: Sbi;
  readonly #threads: Threads;
  readonly #spaces: Spaces;
  readonly #gates: Gates | undefined;
  readonly #domains: Domains | undefined;
  /** Called for each CORDON_MARK; for benchmarks. */
  onMark: MarkListener | undefined;

  /** @param hart whose monitor this is */
  constructor(machine: Machine, config: MonitorConfig, hart: number) {
    this.machine = machine;
    this.config = config;
    this.shared = new Shared(machine, config, hart);
    this.#threads = new Threads(this.shared.tables, config.contexts?.threads);
    this.#sbi = new Sbi(this.shared, [CORDON_EID], this.isSeparated ? this.#threads : undefined);
    this.#spaces = new Spaces(this.shared);
    if (this.isSeparated) {
      this.#gates = new Gates(this.shared, this.#threads, this.#spaces);
      this.#domains = new Domains(this.shared, this.#threads, this.#spaces, this.#gates);
    }
  }

  get isSeparated(): boolean {
    return this.config.contexts !== undefined && this.config.mechanism !== 'none';
  }

  // --- a hart begins ---

  /** First instruction of a hart that was started: registers, mode and CSRs as the start says. */
  start(hart: Hart): void {
    const pc = HartBlock.offset.startPc / 4;
    const argument = HartBlock.offset.startArgument / 4;
    const block = hart.base >> 2;
    const pcLow = hart.words[block + pc] as number;
    const pcHigh = hart.words[block + pc + 1] as number;
    const argumentLow = hart.words[block + argument] as number;
    const argumentHigh = hart.words[block + argument + 1] as number;
    // A reset forgets every translation and every count; no fence may be asked of the hart meanwhile.
    this.shared.locked(hart, () => {
      const asked = hart.get('fenceRequest');
      hart.reset(pcLow, pcHigh);
      this.shared.fences.restart(hart, asked);
    });
    this.shared.paging.chargeTo(hart);
    hart.writeCsr(CSR.mcounteren, CORE_COUNTERS, 0);
    // Operations on cache blocks give no right that loads and stores do not.
    const CACHE_BLOCKS = ENVCFG.CBIE | ENVCFG.CBCFE | ENVCFG.CBZE;
    const { STCE, PBMTE } = MENVCFG_HIGH;
    // Of page tables that are the monitor's own nobody else chooses memory types.
    hart.writeCsr(CSR.menvcfg, CACHE_BLOCKS, this.isSeparated ? STCE : STCE | PBMTE);
    hart.setX(A0, hart.id, 0);
    hart.setX(A1, argumentLow, argumentHigh);
    Atomics.store(this.shared.tables.hsm, hart.id, HSM.STARTED);
    if (this.isSeparated) this.#startSeparated(hart);
    else this.#startForeign(hart);
    hart.state = HART_STATE.PARKED;
  }

  #startForeign(hart: Hart): void {
    hart.writeCsr(CSR.medeleg, FOREIGN_EXCEPTIONS, 0);
    // SBI does not say what this is at the start. Linux's users read `time`, and Linux leaves it to firmware.
    hart.writeCsr(CSR.scounteren, CORE_COUNTERS, 0);
    hart.writeCsr(CSR.mideleg, CORE_INTERRUPTS, 0);
    this.#pmpAllowRest(hart, 0);
    hart.setPair(MEPC, hart.pcLow, hart.pcHigh);
    this.#toS(hart);
  }

  #startSeparated(hart: Hart): void {
    const { contexts } = this.config;
    if (contexts === undefined) throw new Error('separation needs the contexts of an image');
    // No register may carry anything past a gate: without F and D, those of floating point cannot.
    hart.writeCsr(CSR.misa, 0, 0);
    hart.writeCsr(CSR.medeleg, CORE_EXCEPTIONS, 0);
    hart.writeCsr(CSR.mideleg, CORE_INTERRUPTS, 0);
    if (!this.shared.isAblated('frame-types')) this.#pmpGuardPool(hart);
    this.#pmpAllowRest(hart, 15);
    // Hart h starts in thread h, which whoever starts it has made, in the core, with no user half.
    if (!this.#threads.take(hart.id, hart.id)) throw new Error(`hart ${hart.id} has no thread`);
    this.#threads.arrive(hart.id, hart.id);
    hart.setWord(THREAD, hart.id);
    hart.setWord(DOMAIN, 0);
    Atomics.store(this.shared.tables.activeSpace, hart.id, 0);
    this.shared.mechanism.install(hart);
    this.shared.mechanism.activate(hart, 0, 0);
    this.#gates?.start();
    if (!this.shared.isAblated('tvm'))
      hart.writeCsr(CSR.mstatus, hart.word(MSTATUS) | MSTATUS_BITS.TVM, 0);
    const [entryLow, entryHigh] = halves(parseAddress(contexts.entry));
    hart.setPair(MEPC, entryLow, entryHigh);
    this.#toS(hart);
  }

  /** The monitor's frames can be read (page walks are S-mode reads) but not written below M. */
  #pmpGuardPool(hart: Hart): void {
    const { poolFirst, poolEnd } = this.config;
    hart.writeCsr(CSR.pmpaddr0, (poolFirst * 1024) | 0, 0);
    hart.writeCsr(CSR.pmpaddr0 + 1, (poolEnd * 1024) | 0, 0);
    hart.writeCsr(CSR.pmpcfg0, ((PMP.TOR << PMP.A_SHIFT) | PMP.R) << 8, 0);
  }

  #pmpAllowRest(hart: Hart, entry: 0 | 15): void {
    const config = (PMP.NAPOT << PMP.A_SHIFT) | PMP.R | PMP.W | PMP.X;
    hart.writeCsr(CSR.pmpaddr0 + entry, -1, -1);
    if (entry === 0) hart.writeCsr(CSR.pmpcfg0, config, 0);
    else hart.writeCsr(CSR.pmpcfg0 + 2, 0, config << 24);
  }

  #toS(hart: Hart): void {
    const status = hart.word(MSTATUS) & ~(MSTATUS_BITS.MPP | MSTATUS_BITS.SIE);
    hart.setPair(MSTATUS, status | (PRIVILEGE.S << MSTATUS_BITS.MPP_SHIFT), hart.word(MSTATUS + 1));
    hart.mret();
  }

  // --- traps ---

  trap(hart: Hart): void {
    this.shared.paging.chargeTo(hart);
    hart.tally(COUNT_CALLS);
    const cause = hart.word(MCAUSE);
    const isInterrupt = hart.word(MCAUSE + 1) !== 0;
    if (isInterrupt) {
      this.#interrupt(hart, cause);
      return;
    }
    const from = (hart.word(MSTATUS) >> MSTATUS_BITS.MPP_SHIFT) & 3;
    if (cause === CAUSE.ECALL_S && from === PRIVILEGE.S) {
      if (this.#gates?.ecall(hart) !== true) this.#monitorCall(hart);
      return;
    }
    // Whatever else a sandboxed domain causes; its mode is S, for it cannot leave it.
    if (hart.word(DOMAIN) > 0) {
      this.#domains?.contain(hart, ruleOf(cause), cause, hart.word(MTVAL), hart.word(MTVAL + 1));
      return;
    }
    if (from === PRIVILEGE.S && this.isSeparated) this.#noteCoreFault(hart, cause);
    this.#reflect(hart);
  }

  #interrupt(hart: Hart, cause: number): void {
    if (hart.word(DOMAIN) > 0 && this.#gates !== undefined) {
      // A call that lasts too long ends here, before the core would preempt and forget it.
      if (this.#domains?.check(hart) === true) return;
      this.#gates.interrupt(hart, cause);
      return;
    }
    // Only a machine interrupt gets here otherwise, and the monitor enables none of its own.
    hart.setPair(MIE, hart.word(MIE) & ~((1 << IRQ.MSI) | (1 << IRQ.MTI) | (1 << IRQ.MEI)), 0);
    hart.mret();
  }

  /** The core reached for what it may not, or used an instruction that is the monitor's: the ledger says so. */
  #noteCoreFault(hart: Hart, cause: number): void {
    const detail = { cause, addressLow: hart.word(MTVAL), addressHigh: hart.word(MTVAL + 1) };
    if (cause === CAUSE.ILLEGAL) {
      const raw = hart.word(MTVAL);
      const isCsr = (raw & 0x7f) === 0x73 && ((raw >> 12) & 3) !== 0;
      const touchesSatp =
        (isCsr && raw >>> 20 === CSR.satp) || ((raw & SFENCE_MASK) | 0) === SFENCE_VMA;
      this.shared.deny(
        hart,
        touchesSatp ? 'address-space-is-monitored' : 'privileged-instruction',
        detail,
      );
    } else if (cause === CAUSE.STORE_ACCESS) {
      this.shared.deny(hart, 'monitor-memory', detail);
    } else if (hart.word(MTVAL + 1) < 0) {
      // The upper half: kernel addresses. A fault on a user address is the core's own business.
      this.shared.deny(hart, 'access-own-memory', detail);
    }
  }

  /** Gives a trap to the kernel as if it had been delegated. */
  #reflect(hart: Hart): void {
    hart.tally(COUNT_OPS, CHARGE.REFLECT);
    const status = hart.word(MSTATUS);
    const from = (status >> MSTATUS_BITS.MPP_SHIFT) & 3;
    hart.setPair(SEPC, hart.word(MEPC), hart.word(MEPC + 1));
    hart.setPair(SCAUSE, hart.word(MCAUSE), hart.word(MCAUSE + 1));
    hart.setPair(STVAL, hart.word(MTVAL), hart.word(MTVAL + 1));
    let next =
      status & ~(MSTATUS_BITS.SPP | MSTATUS_BITS.SPIE | MSTATUS_BITS.SIE | MSTATUS_BITS.MPP);
    next |= PRIVILEGE.S << MSTATUS_BITS.MPP_SHIFT;
    if (from === PRIVILEGE.S) next |= MSTATUS_BITS.SPP;
    if ((status & MSTATUS_BITS.SIE) !== 0) next |= MSTATUS_BITS.SPIE;
    hart.setPair(MSTATUS, next, hart.word(MSTATUS + 1));
    hart.setPair(MEPC, hart.word(STVEC) & ~3, hart.word(STVEC + 1));
    hart.mret();
  }

  // --- calls ---

  #monitorCall(hart: Hart): void {
    const extension = hart.xLow(A7);
    const func = hart.xLow(A6);
    let answer: { status: number; value: number; legacy?: boolean };
    if (hart.word(DOMAIN) > 0) {
      this.shared.deny(hart, 'monitor-call-from-core', {
        addressLow: extension,
        addressHigh: func,
      });
      answer = { status: STATUS.DENIED, value: 0 };
    } else if (extension === CORDON_EID) {
      hart.tally(COUNT_OPS, chargeOfCall(func));
      answer = this.#cordonCall(hart, func);
    } else {
      hart.tally(COUNT_OPS, CHARGE.SBI);
      answer = this.#sbi.call(hart, extension, func);
    }
    hart.setPair(MEPC, (hart.word(MEPC) + 4) | 0, hart.word(MEPC + 1));
    hart.setXNumber(A0, answer.status);
    if (answer.legacy !== true) hart.setXNumber(A1, answer.value);
    hart.mret();
  }

  #cordonCall(hart: Hart, func: number): Answer {
    const invalid: Answer = { status: STATUS.INVALID_PARAM, value: 0 };
    if (func === CALL.INFO) return { status: STATUS.OK, value: this.isSeparated ? 1 : 0 };
    if (func === CALL.MARK) {
      this.onMark?.(hart, hart.x(A0), hart.x(A0 + 1));
      return { status: STATUS.OK, value: 0 };
    }
    const { shared } = this;
    if (this.#domains === undefined) return { status: STATUS.NOT_SUPPORTED, value: 0 };
    const argument = (n: number): number => hart.x(A0 + n);
    switch (func) {
      case CALL.THREAD_CREATE: {
        const thread = argument(0);
        if (!this.#threads.isSlot(thread) || !this.#threads.create(thread)) return invalid;
        return { status: STATUS.OK, value: 0 };
      }
      case CALL.THREAD_SWITCH:
        return this.#switchThread(hart, argument(0)) ? { status: STATUS.OK, value: 0 } : invalid;
      case CALL.THREAD_EXIT: {
        const thread = argument(0);
        if (!this.#threads.isSlot(thread)) return invalid;
        const end = this.#threads.remove(thread);
        if (end === 'busy') return invalid;
        if (end === 'inside') return { status: STATUS.DEPTH, value: 0 };
        this.#domains.abandon(hart, thread);
        return { status: STATUS.OK, value: 0 };
      }
      case CALL.SPACE_CREATE:
        return this.#spaces.create(hart);
      case CALL.SPACE_DESTROY:
        return this.#spaces.destroy(hart, argument(0));
      case CALL.SPACE_ACTIVATE:
        return this.#spaces.activate(hart, argument(0));
      case CALL.MAP:
        return this.#noted(
          hart,
          A0 + 2,
          this.#spaces.map(hart, argument(0), argument(1), argument(2), hart.xLow(A0 + 3)),
        );
      case CALL.UNMAP:
        return this.#spaces.unmap(hart, argument(0), argument(1), argument(2));
      case CALL.PROTECT:
        return this.#noted(
          hart,
          A1,
          this.#spaces.protect(hart, argument(0), argument(1), argument(2), hart.xLow(A0 + 3)),
        );
      case CALL.LOOKUP:
        return this.#spaces.lookup(hart, argument(0), argument(1));
      case CALL.GRANT:
        return this.#noted(hart, A0, this.#spaces.grant(hart, this.#grantee(hart), argument(0)));
      case CALL.REVOKE:
        return this.#spaces.revoke(hart, this.#grantee(hart), hart.xLow(A0), hart.xHigh(A0));
      case CALL.STOPPED:
        return this.#domains.stopped();
      case CALL.RESTART:
        return this.#domains.restart(hart, argument(0));
      case CALL.CALLER:
        return { status: STATUS.OK, value: this.#callerOfCore(hart) };
      case CALL.FENCE_I:
        shared.locked(hart, () => shared.fence(hart, CODE_FENCE, () => true));
        return { status: STATUS.OK, value: 0 };
      default:
        return { status: STATUS.NOT_SUPPORTED, value: 0 };
    }
  }

  /** A refusal over what a frame is used for goes into the ledger, with the register that named it. */
  #noted(hart: Hart, named: number, answer: Answer): Answer {
    const at = { addressLow: hart.xLow(named), addressHigh: hart.xHigh(named) };
    if (answer.status === STATUS.FRAME_TYPE) this.shared.deny(hart, 'frame-type', at);
    if (answer.status === STATUS.WX) this.shared.deny(hart, 'write-xor-execute', at);
    return answer;
  }

  /** The domain that called the core on this thread, 0 if nobody did. */
  #callerOfCore(hart: Hart): number {
    const top = this.#threads.top(hart.word(THREAD));
    // An interrupt is no call: the core may not act for the domain that it hit.
    const isCall = top >= 0 && this.#threads.words[top + AT.kind] === FRAME_KIND.CALL;
    return isCall ? this.#threads.callerAt(top) : 0;
  }

  #grantee(hart: Hart): Grantee {
    const top = this.#threads.top(hart.word(THREAD));
    return top < 0
      ? { domain: 0, generation: 0 }
      : {
          domain: this.#threads.callerAt(top),
          generation: this.#threads.words[top + AT.callerGeneration] as number,
        };
  }

  #switchThread(hart: Hart, next: number): boolean {
    const current = hart.word(THREAD);
    if (next === current) return true;
    if (this.shared.isAblated('view-follows-thread') && this.#threads.depth(current) > 0)
      return true;
    if (!this.#threads.isSlot(next) || !this.#threads.take(next, hart.id)) return false;
    // A thread that nobody runs was left in the core: only the core gives one away.
    if (this.#threads.arrive(next, hart.id)) hart.count('migrations');
    this.#threads.release(current);
    hart.setWord(THREAD, next);
    return true;
  }

  // --- snapshots ---

  save(hart: Hart): MonitorState {
    return {
      view: this.#gates?.view ?? 0,
      seen: this.#spaces.seen,
      mechanism: this.isSeparated ? (this.shared.mechanism.save?.(hart) ?? []) : [],
    };
  }

  restore(hart: Hart, state: MonitorState): void {
    this.#gates?.resume(state.view);
    this.#spaces.resume(state.seen);
    this.shared.mechanism.restore?.(hart, state.mechanism);
    this.shared.paging.chargeTo(hart);
  }

  // --- between instructions ---

  serve(hart: Hart): void {
    this.shared.paging.chargeTo(hart);
    const { hsm } = this.shared.tables;
    const state = Atomics.load(hsm, hart.id);
    if (state === HSM.SUSPENDED) {
      Atomics.store(hsm, hart.id, HSM.STARTED);
    } else if (state === HSM.START_PENDING) {
      // Started again before its thread had come to rest.
      this.start(hart);
      hart.state = HART_STATE.RUNNING;
    }
    this.shared.fences.serve(hart);
    if (this.#domains !== undefined && hart.word(DOMAIN) > 0 && hart.mode !== PRIVILEGE.M)
      this.#checkRunning(hart);
  }

  /** Called between two slices of a run: budgets; and a hart that asked to be stopped comes to rest. */
  tick(hart: Hart): void {
    const { hsm } = this.shared.tables;
    if (Atomics.load(hsm, hart.id) === HSM.STOP_PENDING) {
      hart.state = HART_STATE.STOPPED;
      Atomics.store(hsm, hart.id, HSM.STOPPED);
      return;
    }
    if (this.#domains !== undefined && hart.word(DOMAIN) > 0 && hart.mode !== PRIVILEGE.M)
      this.#checkRunning(hart);
  }

  /** The hart was not in a trap: make it one, so that unwinding can leave it by mret. */
  #checkRunning(hart: Hart): void {
    hart.setPair(MEPC, hart.pcLow, hart.pcHigh);
    hart.set('mode', PRIVILEGE.M);
    const status = hart.word(MSTATUS) & ~MSTATUS_BITS.MPP;
    hart.setPair(MSTATUS, status | (PRIVILEGE.S << MSTATUS_BITS.MPP_SHIFT), hart.word(MSTATUS + 1));
    if (this.#domains?.check(hart) !== true) hart.mret();
  }
}

/** Which rule an exception inside of a domain breaks. */
function ruleOf(cause: number): 'access-own-memory' | 'privileged-instruction' | 'monitor-memory' {
  if (cause === CAUSE.ILLEGAL || cause === CAUSE.BREAKPOINT) return 'privileged-instruction';
  return cause === CAUSE.STORE_ACCESS ? 'monitor-memory' : 'access-own-memory';
}
