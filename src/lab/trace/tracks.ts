/** From a hart's records to events on tracks, in a form that both file formats can be written from. */
import { parseAddress, type Contexts } from '../../policy/contexts.ts';
import { PRIVILEGE } from '../../machine/core/hart-block.ts';
import { RULES } from '../../nested-kernel/ledger.ts';
import { CAUSE } from '../../machine/csr-numbers.ts';
import { causeName, hex64, LEDGER_KINDS, MODE_NAMES } from './names.ts';
import { IDLE, numbersOf, RECORD, type TraceRecord } from './records.ts';

export type Category = 'domain' | 'gate' | 'trap' | 'interrupt' | 'shootdown' | 'ipi' | 'ledger';
export type Notes = Readonly<Record<string, string | number>>;

export type TrackEvent =
  | {
      readonly type: 'begin';
      readonly time: number;
      readonly name: string;
      readonly notes: Notes;
      /** The gate through which this slice was entered. */
      readonly flow?: number;
    }
  | { readonly type: 'end'; readonly time: number }
  | {
      readonly type: 'instant';
      readonly time: number;
      readonly category: Category;
      readonly name: string;
      readonly notes: Notes;
      /** Where the flow of a gate begins. */
      readonly flow?: number;
    }
  | {
      readonly type: 'counter';
      readonly time: number;
      readonly counter: CounterName;
      readonly value: number;
    };

export const COUNTER_NAMES = ['instructions', 'TLB misses'] as const;
export type CounterName = (typeof COUNTER_NAMES)[number];

/** Flows of different harts never have the same number. */
const FLOWS_PER_HART = 2 ** 40;

/** Turns the records of one hart, in order, into events. */
export class TrackBuilder {
  /** Gates that were entered; every one is a flow. */
  gates = 0;
  /** Ledger entries that were gone before the hart looked. */
  lost = 0;
  readonly #hart: number;
  readonly #emit: (event: TrackEvent) => void;
  readonly #domains: readonly string[];
  readonly #gateNames = new Map<string, string>();
  readonly #gateIds: readonly string[];
  readonly #isGate: (low: number, high: number) => boolean;
  #isOpen = false;
  #flow: number | undefined;

  constructor(hart: number, contexts: Contexts | undefined, emit: (event: TrackEvent) => void) {
    this.#hart = hart;
    this.#emit = emit;
    this.#domains = contexts?.domains.map(({ name }) => name) ?? [];
    this.#gateIds = contexts?.gates.map((gate) => gate.function) ?? [];
    for (const gate of contexts?.gates ?? []) this.#gateNames.set(gate.start, gate.function);
    const start = contexts === undefined ? 0n : parseAddress(contexts.gateRegion.start);
    const end = start + BigInt(contexts?.gateRegion.sizeBytes ?? 0);
    this.#isGate = (low, high) => {
      const pc = BigInt(hex64(low, high));
      return pc >= start && pc < end;
    };
  }

  add({ kind, time, values }: TraceRecord): void {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = values;
    const instant = (category: Category, name: string, notes: Notes): void =>
      this.#emit({ type: 'instant', time, category, name, notes });
    switch (kind) {
      case RECORD.SWITCH:
        this.#switch(time, a, b, c);
        break;
      case RECORD.GATE: {
        const name = this.#gateNames.get(hex64(c, d)) ?? hex64(c, d);
        this.#flow = this.#hart * FLOWS_PER_HART + ++this.gates;
        this.#emit({
          type: 'instant',
          time,
          category: 'gate',
          name: `gate ${name}`,
          notes: { from: this.#domainName(a), to: this.#domainName(b) },
          flow: this.#flow,
        });
        break;
      }
      case RECORD.TRAP:
        // Gates have events of their own.
        if (b === 0 && a === CAUSE.ECALL_S && this.#isGate(e, f)) break;
        instant(b === 0 ? 'trap' : 'interrupt', causeName(a, b !== 0), {
          from: MODE_NAMES[c] ?? '',
          to: MODE_NAMES[d] ?? '',
          pc: hex64(e, f),
          value: hex64(g, h),
        });
        break;
      case RECORD.SHOOTDOWN:
        instant('shootdown', 'shootdown', { fences: a, harts: b, waitedNs: c });
        break;
      case RECORD.SERVED:
        instant('shootdown', 'fence for others', { fences: a });
        break;
      case RECORD.IPI:
        instant('ipi', 'IPI', { sent: a });
        break;
      case RECORD.LEDGER:
        instant('ledger', `${LEDGER_KINDS[b] ?? b} ${this.#domainName(d)}`, {
          sequence: a,
          rule: RULES[c]?.name ?? String(c),
          ...(e < 0 ? {} : { gate: this.#gateIds[e] ?? e }),
          ...(LEDGER_KINDS[b] === 'restart' ? { generation: f } : {}),
          address: hex64(g, h),
        });
        break;
      case RECORD.COUNTERS:
        numbersOf(values).forEach((value, index) =>
          this.#emit({
            type: 'counter',
            time,
            counter: COUNTER_NAMES[index] as CounterName,
            value,
          }),
        );
        break;
      case RECORD.LOST:
        this.lost += a;
        break;
    }
  }

  /** The last slice ends with the run. */
  end(time: number): void {
    if (this.#isOpen) this.#emit({ type: 'end', time });
    this.#isOpen = false;
  }

  #switch(time: number, domain: number, mode: number, thread: number): void {
    this.end(time);
    this.#emit({
      type: 'begin',
      time,
      name: this.#sliceName(domain, mode),
      notes: { mode: MODE_NAMES[mode] ?? mode, ...(thread < 0 ? {} : { thread }) },
      ...(this.#flow === undefined ? {} : { flow: this.#flow }),
    });
    this.#flow = undefined;
    this.#isOpen = true;
  }

  #sliceName(domain: number, mode: number): string {
    if (mode === IDLE) return 'wfi';
    if (domain < 0) return `${MODE_NAMES[mode] ?? mode}-mode`;
    return mode === PRIVILEGE.U ? 'user' : this.#domainName(domain);
  }

  #domainName(domain: number): string {
    return this.#domains[domain] ?? (domain < 0 ? 'nobody' : `domain ${domain}`);
  }
}
