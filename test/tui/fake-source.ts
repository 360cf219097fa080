/** A run made of formulas: the same figures for the same time, and whatever a test puts in. */
import { counterIndex, emptySample, HART_STATE, type HartSample } from '../../src/machine/probe.ts';
import type {
  DashboardEvent,
  DashboardSource,
  DomainSample,
  EventKind,
  GateMatrix,
  RunSummary,
} from '../../src/tui/source.ts';

export const DOMAIN_NAMES = ['core', 'vfs', 'keyring', 'net'] as const;

export class FakeSource implements DashboardSource {
  readonly samples: HartSample[];
  readonly domainList: DomainSample[];
  readonly counts: Float64Array;
  readonly eventList: DashboardEvent[] = [];
  readonly typed: string[] = [];
  finished: string | null = null;
  tlb: RunSummary['tlb'] = 'model';
  failure: Error | undefined;
  reads = 0;
  #console = '';

  constructor(harts: number, domainNames: readonly string[] = DOMAIN_NAMES) {
    this.samples = Array.from({ length: harts }, (_, id) =>
      Object.assign(emptySample(id), {
        state: HART_STATE.RUNNING,
        mode: 1,
        domain: id % Math.max(1, domainNames.length),
        view: id + 10,
        thread: id,
      }),
    );
    this.domainList = domainNames.map((name) => ({
      name,
      state: 'running',
      generation: 1,
      restarts: 0,
    }));
    this.counts = new Float64Array(domainNames.length ** 2);
  }

  /** A second of the run: hart h retires (h + 1) million instructions. */
  run(seconds = 1): void {
    for (const sample of this.samples) {
      sample.instructions += (sample.id + 1) * 1e6 * seconds;
      const add = (name: 'gates' | 'tlbMisses' | 'shootdownWaitNs', by: number): void => {
        sample.counters[counterIndex[name]] =
          (sample.counters[counterIndex[name]] as number) + by * seconds;
      };
      add('gates', 1200);
      add('tlbMisses', 34_000);
      add('shootdownWaitNs', 5.6e6);
    }
    for (let i = 0; i < this.counts.length; i++) {
      this.counts[i] = (this.counts[i] as number) + i * 10 * seconds;
    }
  }

  happen(kind: EventKind, text: string, domain = 'keyring', hart = 0): void {
    const sequence = this.eventList.length + 1;
    this.eventList.push({ sequence, timeMs: sequence * 100, kind, hart, domain, text });
  }

  print(text: string): void {
    this.#console += text;
  }

  summary(): RunSummary {
    return {
      title: 'kernel.elf',
      mechanism: 'vbit',
      schedule: 'parallel',
      tlb: this.tlb,
      finished: this.finished,
    };
  }

  harts(): readonly HartSample[] {
    this.reads++;
    if (this.failure !== undefined) throw this.failure;
    return this.samples;
  }

  domains(): readonly DomainSample[] {
    return this.domainList;
  }

  gates(): GateMatrix {
    return { size: this.domainList.length, counts: this.counts };
  }

  events(since: number): readonly DashboardEvent[] {
    return this.eventList.filter(({ sequence }) => sequence > since);
  }

  console(): string {
    const text = this.#console;
    this.#console = '';
    return text;
  }

  sendInput(text: string): void {
    this.typed.push(text);
  }
}
