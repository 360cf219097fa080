/**
 * Traces one hart, from its own thread: what it sees at a trap, at a return and after a look at the pending word is
 * compared with what it saw before, and every difference is a record.
 *
 * The monitor takes no part. Whatever it does ends in an MRET or in the answer to a request, and its counters, the hart
 * block and the ledger tell what that was; so a gate in the trace is a gate that the monitor counted.
 */
import { counterIndex, PRIVILEGE } from '../../machine/core/hart-block.ts';
import type { HartObserver, TakenTrap } from '../../machine/hart-observer.ts';
import type { Hart } from '../../machine/hart.ts';
import type { Machine } from '../../machine/machine.ts';
import { RULES, readLedger } from '../../nested-kernel/ledger.ts';
import { LEDGER_RECORDS, MonitorBlock, type MonitorView } from '../../nested-kernel/tables.ts';
import { LEDGER_KINDS } from './names.ts';
import { IDLE, RECORD, RecordWriter } from './records.ts';

/** Counters are read at the first event that is at least so much later. */
const COUNTER_INTERVAL_NS = 1e6;

/** Nanoseconds since the machine began, as a hart has them. */
export type TraceClock = (hart: Hart) => number;

const RULE_NAMES: readonly string[] = RULES.map(({ name }) => name);

export class HartTracer implements HartObserver {
  readonly #hart: Hart;
  readonly #clock: TraceClock;
  readonly #writer: RecordWriter;
  readonly #tables: MonitorView | undefined;
  #time = 0;
  #countersAt = -Infinity;
  // What was seen last.
  #domain = -2;
  #mode = -1;
  #thread = -2;
  #gatePcLow = 0;
  #gatePcHigh = 0;
  #ledger = 0;
  readonly #seen: Float64Array;

  /** @param hasMonitor whether the nested kernel stands below this hart */
  constructor(machine: Machine, hart: Hart, path: string, clock: TraceClock, hasMonitor: boolean) {
    this.#hart = hart;
    this.#clock = clock;
    this.#writer = new RecordWriter(path);
    this.#tables = hasMonitor
      ? MonitorBlock.at(machine.memory, machine.parts.plan.monitor)
      : undefined;
    this.#seen = hart.counters.slice();
  }

  trapped(hart: Hart, trap: TakenTrap): void {
    this.#look();
    this.#gatePcLow = trap.pcLow;
    this.#gatePcHigh = trap.pcHigh;
    this.#writer.put(
      RECORD.TRAP,
      this.#time,
      trap.cause,
      trap.isInterrupt ? 1 : 0,
      trap.from,
      trap.to,
      trap.pcLow,
      trap.pcHigh,
      trap.valueLow,
      trap.valueHigh,
    );
    // The monitor stands outside of the hart's modes: what it does is an instant.
    if (this.#tables === undefined) this.#switch(hart.get('domain'), trap.to, hart.get('thread'));
    else if (trap.to !== PRIVILEGE.M) this.#switch(this.#domain, trap.to, this.#thread);
  }

  returned(): void {
    this.#look();
  }

  served(): void {
    this.#look();
  }

  waits(): void {
    this.#look();
    this.#switch(this.#domain, IDLE, this.#thread);
  }

  /** The hart runs no more. */
  close(): void {
    this.#look();
    this.#counters();
    this.#writer.close(this.#time);
  }

  #look(): void {
    const hart = this.#hart;
    // Never backwards: a deterministic hart's slices may overlap.
    this.#time = Math.max(this.#time, this.#clock(hart));
    if (this.#time - this.#countersAt >= COUNTER_INTERVAL_NS) this.#counters();
    this.#work();
    this.#events();
    const domain = hart.get('domain');
    const isGate = this.#grown(counterIndex.gates) > 0;
    const isReturn = this.#grown(counterIndex.gateReturns) > 0;
    if (isGate)
      this.#writer.put(
        RECORD.GATE,
        this.#time,
        this.#domain,
        domain,
        this.#gatePcLow,
        this.#gatePcHigh,
      );
    if (isReturn) this.#writer.put(RECORD.RETURN, this.#time, this.#domain, domain);
    if (isGate) this.#domain = -2; // a new slice, whatever it is
    this.#switch(domain, hart.mode, hart.get('thread'));
  }

  #switch(domain: number, mode: number, thread: number): void {
    if (domain === this.#domain && mode === this.#mode && thread === this.#thread) return;
    this.#domain = domain;
    this.#mode = mode;
    this.#thread = thread;
    this.#writer.put(RECORD.SWITCH, this.#time, domain, mode, thread);
  }

  /** What a counter has grown by since it was last asked for. A hart that starts again counts from 0. */
  #grown(index: number): number {
    const now = this.#hart.counters[index] as number;
    const before = this.#seen[index] as number;
    this.#seen[index] = now;
    return now < before ? now : now - before;
  }

  /** What the harts asked of one another. */
  #work(): void {
    const sent = this.#grown(counterIndex.shootdownsSent);
    const targets = this.#grown(counterIndex.shootdownTargets);
    const waited = this.#grown(counterIndex.shootdownWaitNs);
    if (sent > 0) this.#writer.put(RECORD.SHOOTDOWN, this.#time, sent, targets, waited);
    const served = this.#grown(counterIndex.shootdownsServed);
    if (served > 0) this.#writer.put(RECORD.SERVED, this.#time, served);
    const ipis = this.#grown(counterIndex.ipisSent);
    if (ipis > 0) this.#writer.put(RECORD.IPI, this.#time, ipis);
  }

  /** This hart's own entries of the ledger; each is read once. */
  #events(): void {
    const tables = this.#tables;
    if (tables === undefined) return;
    const count = tables.ledgerCount.load();
    if (count === this.#ledger) return;
    const lost = count - LEDGER_RECORDS - this.#ledger;
    if (lost > 0) this.#writer.put(RECORD.LOST, this.#time, lost);
    for (const event of readLedger(tables, this.#ledger)) {
      if (event.hart !== this.#hart.id) continue;
      const address = BigInt(event.address);
      this.#writer.put(
        RECORD.LEDGER,
        this.#time,
        event.sequence,
        LEDGER_KINDS.indexOf(event.kind),
        RULE_NAMES.indexOf(event.rule),
        event.domain,
        event.gate,
        event.value,
        Number(BigInt.asIntN(32, address)),
        Number(address >> 32n) | 0,
      );
    }
    this.#ledger = count;
  }

  #counters(): void {
    const hart = this.#hart;
    this.#countersAt = this.#time;
    const misses =
      hart.counter('softTlbMisses') + hart.translation.tlb.misses + hart.counter('tlbMisses');
    this.#writer.putNumbers(RECORD.COUNTERS, this.#time, hart.instret, misses);
  }
}
