/**
 * The standard SBI, version 2.0: base, timer, IPI, remote fences, hart state, system reset, debug console,
 * and the legacy console of version 0.1 that small kernels still use.
 */
import { IRQ } from '../machine/csr-numbers.ts';
import type { Hart } from '../machine/hart.ts';
import type { Uart } from '../machine/devices/uart.ts';
import { setInterruptLine } from '../machine/hart-lines.ts';
import { EXIT_REASON } from '../machine/memory-plan.ts';
import { RAM_BASE } from '../machine/physical-map.ts';
import { STATUS } from './abi.ts';
import { CODE_FENCE } from './fence.ts';
import { RAM_FRAME } from './paging.ts';
import type { Shared } from './shared.ts';
import { FRAME, HSM } from './tables.ts';
import type { Threads } from './threads.ts';

export const EID = {
  PUTCHAR: 0x01,
  GETCHAR: 0x02,
  SHUTDOWN: 0x08,
  BASE: 0x10,
  TIME: 0x54494d45,
  IPI: 0x735049,
  RFENCE: 0x52464e43,
  HSM: 0x48534d,
  SRST: 0x53525354,
  DBCN: 0x4442434e,
} as const;

/** Functions of the debug console. */
const CONSOLE = { WRITE: 0, READ: 1, WRITE_BYTE: 2 } as const;

const SPEC_VERSION = 2 << 24;
/** No number is assigned to us; the value is outside those that are. */
const IMPLEMENTATION_ID = 0xc0;
const IMPLEMENTATION_VERSION = 1;
const A0 = 10;
const ALL_HARTS = -1;
const MANY_PAGES = 512;

export interface SbiAnswer {
  readonly status: number;
  readonly value: number;
  /** The legacy calls give nothing in a1. */
  readonly legacy?: boolean;
}
const ok = (value = 0): SbiAnswer => ({ status: STATUS.OK, value });
const fail = (status: number): SbiAnswer => ({ status, value: 0 });

export class Sbi {
  readonly #shared: Shared;
  readonly #threads: Threads | undefined;
  readonly #extensions: ReadonlySet<number>;

  /**
   * @param vendor extensions that the caller handles, for probing
   * @param threads of a separated kernel: each hart has one from its start to its stop
   */
  constructor(shared: Shared, vendor: readonly number[], threads: Threads | undefined) {
    this.#threads = threads;
    this.#shared = shared;
    this.#extensions = new Set([...Object.values(EID), ...vendor]);
  }

  call(hart: Hart, extension: number, func: number): SbiAnswer {
    switch (extension) {
      case EID.BASE:
        return this.#base(hart, func);
      case EID.TIME:
        if (func !== 0) return fail(STATUS.NOT_SUPPORTED);
        hart.setCsr('stimecmp', hart.xLow(A0), hart.xHigh(A0));
        hart.timers.poll();
        return ok();
      case EID.IPI:
        return func === 0 ? this.#ipi(hart) : fail(STATUS.NOT_SUPPORTED);
      case EID.RFENCE:
        return this.#rfence(hart, func);
      case EID.HSM:
        return this.#hsm(hart, func);
      case EID.SRST:
        return this.#reset(hart, func);
      case EID.DBCN:
        return this.#console(hart, func);
      case EID.PUTCHAR:
        this.#uart.put(hart.xLow(A0) & 0xff);
        return { status: 0, value: 0, legacy: true };
      case EID.GETCHAR:
        return { status: this.#uart.take(), value: 0, legacy: true };
      case EID.SHUTDOWN:
        this.#shared.machine.stop(EXIT_REASON.POWER_OFF, 0, hart.id);
        return { status: 0, value: 0, legacy: true };
      default:
        return fail(STATUS.NOT_SUPPORTED);
    }
  }

  #base(hart: Hart, func: number): SbiAnswer {
    switch (func) {
      case 0:
        return ok(SPEC_VERSION);
      case 1:
        return ok(IMPLEMENTATION_ID);
      case 2:
        return ok(IMPLEMENTATION_VERSION);
      case 3:
        return ok(this.#extensions.has(hart.xLow(A0)) ? 1 : 0);
      case 4:
      case 5:
      case 6:
        return ok(0);
      default:
        return fail(STATUS.NOT_SUPPORTED);
    }
  }

  /** The harts of a mask (a0) from a base (a1); undefined if one does not exist. */
  #harts(hart: Hart): number[] | undefined {
    const { harts } = this.#shared.machine.parts.plan;
    const maskLow = hart.xLow(A0);
    const maskHigh = hart.xHigh(A0);
    const base = hart.x(A0 + 1);
    if (base === ALL_HARTS) return Array.from({ length: harts }, (_, n) => n);
    if (base < 0 || base >= harts) return undefined;
    const targets: number[] = [];
    for (let bit = 0; bit < 64; bit++) {
      if ((((bit < 32 ? maskLow : maskHigh) >>> (bit & 31)) & 1) === 0) continue;
      if (base + bit >= harts) return undefined;
      targets.push(base + bit);
    }
    return targets;
  }

  #ipi(hart: Hart): SbiAnswer {
    const targets = this.#harts(hart);
    if (targets === undefined) return fail(STATUS.INVALID_PARAM);
    const { words, parts } = this.#shared.machine;
    for (const target of targets) setInterruptLine(words, parts.plan, target, IRQ.SSI, true);
    hart.count('ipisSent', targets.length);
    return ok();
  }

  #rfence(hart: Hart, func: number): SbiAnswer {
    const targets = this.#harts(hart);
    if (targets === undefined) return fail(STATUS.INVALID_PARAM);
    const set = new Set(targets);
    const isTarget = (target: number): boolean => set.has(target);
    if (func === 0) {
      this.#shared.locked(hart, () => this.#shared.fence(hart, CODE_FENCE, isTarget));
      return ok();
    }
    if (func !== 1 && func !== 2) return fail(STATUS.NOT_SUPPORTED);
    const bytes = hart.x(A0 + 3);
    const pages =
      bytes <= 0 || bytes > MANY_PAGES * 4096
        ? 0
        : Math.ceil(((hart.xLow(A0 + 2) & 0xfff) + bytes) / 4096);
    const fence = {
      low: hart.xLow(A0 + 2) & ~0xfff,
      high: hart.xHigh(A0 + 2),
      pages,
      asid: func === 2 ? hart.xLow(A0 + 4) & 0xffff : -1,
      code: false,
    };
    this.#shared.locked(hart, () => this.#shared.fence(hart, fence, isTarget));
    return ok();
  }

  #hsm(hart: Hart, func: number): SbiAnswer {
    const { hsm } = this.#shared.tables;
    const { plan } = this.#shared.machine.parts;
    switch (func) {
      case 0: {
        const target = hart.x(A0);
        if (!Number.isInteger(target) || target < 0 || target >= plan.harts)
          return fail(STATUS.INVALID_PARAM);
        const { contexts } = this.#shared.config;
        // With separation a hart starts where the image says, in the core's view.
        if (
          this.#threads !== undefined &&
          hart.x(A0 + 1) !== Number(BigInt(contexts?.entryPhys ?? 0))
        )
          return fail(STATUS.INVALID_ADDRESS);
        if (Atomics.load(hsm, target) !== HSM.STOPPED) return fail(STATUS.ALREADY_AVAILABLE);
        // The hart's first thread; it may live on elsewhere from the hart's life before.
        if (this.#threads?.create(target) === false) return fail(STATUS.FAILED);
        if (Atomics.compareExchange(hsm, target, HSM.STOPPED, HSM.START_PENDING) !== HSM.STOPPED) {
          this.#threads?.remove(target);
          return fail(STATUS.ALREADY_AVAILABLE);
        }
        this.#shared.startHart(
          target,
          [hart.xLow(A0 + 1), hart.xHigh(A0 + 1)],
          [hart.xLow(A0 + 2), hart.xHigh(A0 + 2)],
        );
        return ok();
      }
      case 1:
        return this.#stopHart(hart);
      case 2: {
        const target = hart.x(A0);
        if (!Number.isInteger(target) || target < 0 || target >= plan.harts)
          return fail(STATUS.INVALID_PARAM);
        return ok(Atomics.load(hsm, target));
      }
      case 3:
        // Only the default retentive type: a wait for an interrupt that others can see.
        if (hart.xLow(A0) !== 0) return fail(STATUS.NOT_SUPPORTED);
        Atomics.store(hsm, hart.id, HSM.SUSPENDED);
        hart.requestWait();
        return ok();
      default:
        return fail(STATUS.NOT_SUPPORTED);
    }
  }

  /**
   * The hart takes no further instruction; the monitor puts it to rest when it has left its run
   * (`Monitor.tick`), and only then can it be started again. Its thread ends with it.
   */
  #stopHart(hart: Hart): SbiAnswer {
    const thread = hart.get('thread');
    if (this.#threads !== undefined) {
      if (this.#threads.depth(thread) !== 0) return fail(STATUS.FAILED);
      this.#threads.release(thread);
      this.#threads.remove(thread);
      Atomics.store(this.#shared.tables.activeSpace, hart.id, 0);
      this.#shared.mechanism.activate(hart, 0, 0);
    }
    Atomics.store(this.#shared.tables.hsm, hart.id, HSM.STOP_PENDING);
    hart.requestReturn();
    return ok();
  }

  #reset(hart: Hart, func: number): SbiAnswer {
    if (func !== 0) return fail(STATUS.NOT_SUPPORTED);
    const type = hart.xLow(A0);
    const reason = hart.xLow(A0 + 1);
    if (type < 0 || type > 2) return fail(STATUS.INVALID_PARAM);
    this.#shared.machine.stop(
      type === 0 ? EXIT_REASON.POWER_OFF : EXIT_REASON.RESET,
      reason === 0 ? 0 : 1,
      hart.id,
    );
    return ok();
  }

  get #uart(): Uart {
    return this.#shared.machine.board.uart;
  }

  #console(hart: Hart, func: number): SbiAnswer {
    if (func === CONSOLE.WRITE_BYTE)
      return this.#uart.put(hart.xLow(A0) & 0xff) ? ok() : fail(STATUS.FAILED);
    if (func !== CONSOLE.WRITE && func !== CONSOLE.READ) return fail(STATUS.NOT_SUPPORTED);
    const sizeBytes = hart.x(A0);
    const start = hart.x(A0 + 1);
    const { machine } = this.#shared;
    const { plan } = machine.parts;
    const offset = start - RAM_BASE;
    if (sizeBytes < 0 || offset < 0 || offset + sizeBytes > plan.ramBytes || hart.x(A0 + 2) !== 0)
      return fail(STATUS.INVALID_PARAM);
    // One call is short: the hart takes no interrupt meanwhile. The kernel asks again for the rest.
    const size = Math.min(sizeBytes, 4096);
    // The caller is the core: nothing is printed for it that it could not read, or read into what it
    // could not write.
    const isRead = func === CONSOLE.READ;
    if (!this.#isOfCore(start, size, isRead)) return fail(STATUS.DENIED);
    const at = plan.ram + offset;
    let done = 0;
    for (; done < size; done++) {
      if (isRead) {
        const byte = this.#uart.take();
        if (byte < 0) break;
        machine.bytes[at + done] = byte;
      } else if (!this.#uart.put(machine.bytes[at + done] as number)) break;
    }
    return ok(done);
  }

  #isOfCore(start: number, bytes: number, isWritten: boolean): boolean {
    if (this.#shared.config.contexts === undefined || this.#shared.config.mechanism === 'none')
      return true;
    const { frames } = this.#shared;
    for (let frame = Math.floor(start / 4096); frame * 4096 < start + bytes; frame++) {
      if (frame < RAM_FRAME || !frames.has(frame)) return false;
      const type = frames.type(frame);
      const isMine =
        type === FRAME.CORE ||
        type === FRAME.USER ||
        (!isWritten && type === FRAME.PRIVATE && frames.owner(frame) === 0);
      if (!isMine) return false;
    }
    return true;
  }
}
