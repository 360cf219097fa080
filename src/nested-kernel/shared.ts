/**
 * One thread's hold on what all monitors share: the tables, the lock, page tables, frames, fences, the
 * mechanism and the ledger.
 */
import { TicketLock } from 'sharedarraybuffer-utils';
import { HART_STATE, HartBlock, PENDING } from '../machine/core/hart-block.ts';
import { signalHart } from '../machine/hart-lines.ts';
import type { Hart } from '../machine/hart.ts';
import type { Machine } from '../machine/machine.ts';
import { hartBase } from '../machine/memory-plan.ts';
import { LAYOUT, STATUS } from './abi.ts';
import { COUNT_OPS, DOMAIN, MEPC, THREAD } from './cells.ts';
import type { Ablation, MonitorConfig } from './config.ts';
import { CHARGE } from './charges.ts';
import type { Fence } from './fence.ts';
import { FenceBoard } from './fence-board.ts';
import { Frames } from './frames.ts';
import { append, type LedgerEntry, type RuleName } from './ledger.ts';
import { createMechanism } from './mechanisms/index.ts';
import type { Mechanism } from './mechanisms/mechanism.ts';
import { leafHigh, leafLow, Paging, RAM_FRAME } from './paging.ts';
import { MonitorBlock, SUPERVISOR_CELLS, type MonitorView } from './tables.ts';
import { PTE } from '../machine/page-table.ts';

/** A pair of halves. */
export const halves = (value: bigint): readonly [low: number, high: number] => [
  Number(value & 0xffffffffn) | 0,
  Number((value >> 32n) & 0xffffffffn) | 0,
];
export const DIRECT: readonly [number, number] = halves(LAYOUT.DIRECT_BASE);

export type Status = (typeof STATUS)[keyof typeof STATUS];

/** Who looks on from outside and decides nothing; for an oracle. */
export interface Onlooker {
  /** A fence is complete, as far as its issuer knows. */
  fenced(hart: Hart, fence: Fence): void;
  /**
   * A hart goes from one domain to another; its registers are still those of the first. The address is
   * where a call is to return to, or where the others go on.
   */
  crossed(hart: Hart, how: Crossing, from: number, to: number, pcLow: number, pcHigh: number): void;
}
export type Crossing = 'call' | 'return' | 'interrupt' | 'resume' | 'unwind';

export class Shared {
  onlooker: Onlooker | undefined;
  readonly machine: Machine;
  readonly config: MonitorConfig;
  readonly tables: MonitorView;
  readonly lock: TicketLock;
  readonly frames: Frames;
  readonly fences: FenceBoard;
  readonly paging: Paging;
  readonly mechanism: Mechanism;
  readonly domains: number;
  /** Where in the shared memory the core's registers of S-mode lie while this hart is elsewhere. */
  readonly supervisorAt: number;
  readonly #ablated: ReadonlySet<Ablation>;

  /** @param hart whose thread this is; its block serves as scratch space and its counters are charged */
  constructor(machine: Machine, config: MonitorConfig, hart: number) {
    const { plan } = machine.parts;
    const base = hartBase(plan, hart);
    this.machine = machine;
    this.config = config;
    this.tables = MonitorBlock.at(machine.memory, plan.monitor);
    this.lock = this.tables.lock;
    this.frames = new Frames(
      machine.memory,
      plan.monitor + MonitorBlock.sizeBytes,
      plan.ramBytes / 4096,
    );
    this.fences = new FenceBoard(machine.memory, plan);
    this.domains = config.contexts?.domains.length ?? 1;
    this.supervisorAt =
      plan.monitor + MonitorBlock.offset.supervisor + 8 * SUPERVISOR_CELLS.length * hart;
    this.#ablated = new Set(config.ablate);
    this.paging = new Paging({
      core: machine.core,
      words: machine.words,
      ram: plan.ram,
      scratch: base,
      highCell: (base + HartBlock.offset.high) >> 2,
      tables: this.tables,
      poolEnd: config.poolEnd,
      costs: { count: () => {} },
    });
    this.mechanism = createMechanism({ config, paging: this.paging, domains: this.domains });
  }

  isAblated(invariant: Ablation): boolean {
    return this.#ablated.has(invariant);
  }

  /** Runs a section under the lock; fences that others ask for are served while we wait. */
  locked<Result>(hart: Hart, section: () => Result): Result {
    hart.tally(COUNT_OPS, CHARGE.LOCK);
    return this.lock.withLock(section, () => this.fences.serve(hart));
  }

  /** Fences everywhere that `isTarget` says; the ablated form fences here alone. Under the lock. */
  fence(hart: Hart, fence: Fence, isTarget: (hart: number) => boolean): void {
    this.fences.everywhere(hart, fence, this.isAblated('shootdown') ? () => false : isTarget);
    this.onlooker?.fenced(hart, fence);
  }

  /** Writes a refusal into the ledger. Not under the lock. */
  deny(hart: Hart, rule: RuleName, detail: Partial<LedgerEntry> = {}): void {
    hart.count('denials');
    hart.tally(COUNT_OPS, CHARGE.LEDGER);
    this.record(hart, { kind: 'DENIAL', rule, ...detail });
  }

  /** Appends to the ledger. Not under the lock. */
  record(hart: Hart, entry: Partial<LedgerEntry> & Pick<LedgerEntry, 'kind' | 'rule'>): void {
    this.locked(hart, () =>
      append(this.tables, {
        hart: hart.id,
        thread: hart.word(THREAD),
        domain: hart.word(DOMAIN),
        addressLow: 0,
        addressHigh: 0,
        pcLow: hart.word(MEPC),
        pcHigh: hart.word(MEPC + 1),
        cause: -1,
        gate: -1,
        value: 0,
        ...entry,
      }),
    );
  }

  /**
   * Gives a frame of RAM the rights that the core's direct map has on it (0: a hole). Under the lock;
   * narrowing needs a fence by the caller.
   */
  setDirect(frame: number, rights: number): void {
    const middleIndex = (frame - RAM_FRAME) >> 9;
    const table = this.paging.next(this.config.directTable, middleIndex);
    const low = rights === 0 ? 0 : leafLow(frame, rights);
    this.paging.write(
      table,
      (frame - RAM_FRAME) & 511,
      low,
      rights === 0 ? 0 : leafHigh(frame, this.mechanism.keyOfDomain(0)),
    );
  }

  /** Hands a stopped hart its first address and argument; its own thread does the rest (`Monitor.start`). */
  startHart(
    hart: number,
    pc: readonly [number, number],
    argument: readonly [number, number],
  ): void {
    const { words, parts } = this.machine;
    const at = (field: keyof typeof HartBlock.offset): number =>
      (hartBase(parts.plan, hart) + HartBlock.offset[field]) >> 2;
    words.set(pc, at('startPc'));
    words.set(argument, at('startArgument'));
    Atomics.store(words, at('state'), HART_STATE.PARKED);
    signalHart(words, parts.plan, hart, PENDING.MONITOR);
  }

  /** The address of a frame in the core's direct map: the low half; the high half is that of DIRECT. */
  directLow(frame: number): number {
    return ((frame - RAM_FRAME) * 4096) | 0;
  }
}

export const DIRECT_RIGHTS: number = PTE.R | PTE.W;
