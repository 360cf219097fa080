/**
 * The dashboard's state of knowledge: samples in, rates and histories out. Knows no terminal and no
 * clock; the caller says what time it is.
 */
import { counterIndex, type HartSample } from '../machine/probe.ts';
import { GuestText } from './guest-text.ts';
import type {
  DashboardEvent,
  DashboardSource,
  DomainSample,
  EventKind,
  RunSummary,
} from './source.ts';

/** Rates are means over at least this long: shorter ones jump too much to be read. */
const RATE_INTERVAL_MS = 450;
/** Points of history that are kept of each hart. */
export const HISTORY_POINTS = 240;
/** Events that are kept. */
export const EVENTS_KEPT = 1000;

export interface HartFigures {
  readonly id: number;
  state: number;
  mode: number;
  domain: number;
  view: number;
  thread: number;
  /** Since the start. */
  readonly totals: HartCounts;
  /** Per second of host time, over the last RATE_INTERVAL_MS or more. */
  readonly rates: HartCounts;
  /** The totals at the last measurement of rates. */
  readonly measured: HartCounts;
  /** Instruction rates, oldest first. */
  readonly history: number[];
}

export interface HartCounts {
  instructions: number;
  gates: number;
  /** Of the TLB that `RunSummary.tlb` names. */
  tlbMisses: number;
  shootdownWaitNs: number;
}

/** Crossings by caller and callee: cell `caller * size + callee`. */
export interface GateFigures {
  readonly size: number;
  readonly totals: Float64Array;
  /** Per second. */
  readonly rates: Float64Array;
}

const COUNTED = ['instructions', 'gates', 'tlbMisses', 'shootdownWaitNs'] as const;

const noCounts = (): HartCounts => ({
  instructions: 0,
  gates: 0,
  tlbMisses: 0,
  shootdownWaitNs: 0,
});

const NO_EVENTS: Readonly<Record<EventKind, number>> = {
  denial: 0,
  fault: 0,
  restart: 0,
  quarantine: 0,
  note: 0,
};

const EVENT_KINDS = Object.keys(NO_EVENTS) as readonly EventKind[];
/** Of what the guest prints during a pause, as much as the console would keep anyway. */
const PENDING_CHARACTERS = 1 << 20;

export class Model {
  harts: readonly HartFigures[] = [];
  domains: readonly DomainSample[] = [];
  gates: GateFigures = { size: 0, totals: new Float64Array(0), rates: new Float64Array(0) };
  summary: RunSummary = { title: '', mechanism: '', schedule: '', tlb: 'model', finished: null };
  readonly console: GuestText = new GuestText();
  events: readonly DashboardEvent[] = [];
  /** Events seen, by kind; those that are no longer kept included. */
  readonly eventCounts: Record<EventKind, number> = { ...NO_EVENTS };
  /** Events that were overwritten before the dashboard came to read them. */
  eventsLost = 0;
  /** The highest instruction rate of any hart in its history: the scale of bars and lines. */
  peakRate = 0;
  /** Time watched, pauses included. */
  elapsedMs = 0;
  #startMs: number | undefined;
  #measuredMs: number | undefined;
  #lastSequence = 0;
  #measuredGates = new Float64Array(0);
  #pendingConsole = '';
  #pendingEvents: readonly DashboardEvent[] = [];
  #pendingCounts: Record<EventKind, number> = { ...NO_EVENTS };

  /**
   * Takes what would be lost if nobody fetched it: console text and events. It is shown at the next
   * `sample`. This is all that happens while the dashboard is paused.
   */
  collect(source: DashboardSource): void {
    const text = source.console();
    if (text !== '')
      this.#pendingConsole = (this.#pendingConsole + text).slice(-PENDING_CHARACTERS);
    const events = source.events(this.#lastSequence);
    for (const event of events) {
      this.eventsLost += event.sequence - this.#lastSequence - 1;
      this.#lastSequence = event.sequence;
      this.#pendingCounts[event.kind]++;
    }
    if (events.length > 0) {
      this.#pendingEvents = [...this.#pendingEvents, ...events].slice(-EVENTS_KEPT);
    }
  }

  /** Looks at everything; rates move once RATE_INTERVAL_MS have passed. */
  sample(source: DashboardSource, nowMs: number): void {
    this.collect(source);
    this.console.write(this.#pendingConsole);
    this.#pendingConsole = '';
    if (this.#pendingEvents.length > 0) {
      this.events = [...this.events, ...this.#pendingEvents].slice(-EVENTS_KEPT);
      this.#pendingEvents = [];
      for (const kind of EVENT_KINDS) this.eventCounts[kind] += this.#pendingCounts[kind];
      this.#pendingCounts = { ...NO_EVENTS };
    }
    this.#startMs ??= nowMs;
    this.elapsedMs = nowMs - this.#startMs;
    const isFirst = this.#measuredMs === undefined;
    const sinceMs = nowMs - (this.#measuredMs ?? nowMs);
    const measures = isFirst || sinceMs >= RATE_INTERVAL_MS;
    if (measures) this.#measuredMs = nowMs;
    const seconds = measures ? sinceMs / 1000 : undefined;
    this.summary = source.summary();
    this.domains = source.domains().map((domain) => ({ ...domain }));
    this.#sampleHarts(source.harts(), seconds);
    this.#sampleGates(source, seconds);
  }

  domainName(id: number): string {
    return this.domains[id]?.name ?? (id < 0 || this.domains.length === 0 ? '-' : `#${id}`);
  }

  /** Sums over all harts. */
  total(kind: 'totals' | 'rates', name: keyof HartCounts): number {
    return this.harts.reduce((sum, hart) => sum + hart[kind][name], 0);
  }

  /** @param seconds since the last measurement, 0 at the first; undefined: too soon for one */
  #sampleHarts(samples: readonly HartSample[], seconds: number | undefined): void {
    if (this.harts.length !== samples.length) {
      this.harts = samples.map(({ id }) => ({
        ...{ id, state: 0, mode: 0, domain: -1, view: 0, thread: 0 },
        ...{ totals: noCounts(), rates: noCounts(), measured: noCounts(), history: [] },
      }));
    }
    this.peakRate = 0;
    const counted = [
      ['gates', 'gates'],
      ['tlbMisses', this.summary.tlb === 'model' ? 'tlbMisses' : 'softTlbMisses'],
      ['shootdownWaitNs', 'shootdownWaitNs'],
    ] as const;
    for (const [index, hart] of this.harts.entries()) {
      const sample = samples[index] as HartSample;
      hart.state = sample.state;
      hart.mode = sample.mode;
      hart.domain = sample.domain;
      hart.view = sample.view;
      hart.thread = sample.thread;
      hart.totals.instructions = sample.instructions;
      for (const [name, counter] of counted) {
        hart.totals[name] = sample.counters[counterIndex[counter]] as number;
      }
      if (seconds !== undefined) measure(hart, seconds);
      for (const point of hart.history) if (point > this.peakRate) this.peakRate = point;
    }
  }

  #sampleGates(source: DashboardSource, seconds: number | undefined): void {
    const { size, counts } = source.gates();
    const cells = size * size;
    if (this.gates.size !== size) {
      const [totals, rates] = [new Float64Array(cells), new Float64Array(cells)];
      this.gates = { size, totals, rates };
      this.#measuredGates = new Float64Array(cells);
    }
    const { totals, rates } = this.gates;
    for (let cell = 0; cell < cells; cell++) totals[cell] = counts[cell] ?? 0;
    if (seconds === undefined) return;
    for (let cell = 0; cell < cells; cell++) {
      rates[cell] = rate(this.#measuredGates[cell] as number, totals[cell] as number, seconds);
    }
    this.#measuredGates.set(totals);
  }
}

/** Zero for the first look, and for a count that went back because the machine was reset. */
const rate = (before: number, now: number, seconds: number): number =>
  seconds > 0 && now > before ? (now - before) / seconds : 0;

function measure(hart: HartFigures, seconds: number): void {
  const { totals, rates, measured, history } = hart;
  for (const name of COUNTED) {
    rates[name] = rate(measured[name], totals[name], seconds);
    measured[name] = totals[name];
  }
  if (seconds === 0) return;
  history.push(rates.instructions);
  if (history.length > HISTORY_POINTS) history.shift();
}
