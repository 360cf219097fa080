/**
 * Recordings: what the dashboard sees of a run, in a file.
 *
 * A file is a sequence of frames, each a msgpack value that can be read without the others (msgpackr's
 * records and typed arrays, little-endian). The header comes first, the end frame last; a file without
 * an end frame had its writer killed. Samples are chunks of numbers, never an object per hart or event.
 *
 * Recording happens on the main thread and only reads shared memory, so a hart cannot notice it.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { Packr } from 'msgpackr';

import { COUNTERS, type HartSample } from '../machine/probe.ts';
import type {
  DashboardEvent,
  DashboardSource,
  DomainSample,
  DomainState,
  RunSummary,
} from '../tui/source.ts';
import { HOST_TIMER, type Timer } from '../tui/timer.ts';
import { dashboardSource } from './dashboard-source.ts';
import type { HartResult, RunExit, RunResult } from './run-result.ts';
import type { Session } from './session.ts';

export const RECORDING_MAGIC = 'cordon recording';
/** Grows with every change that an older reader would misread. */
export const RECORDING_VERSION = 1;
export const SAMPLE_INTERVAL_MS = 200;

/** A hart's words in `SampleFrame.harts`. */
export const HART_WORDS = [
  'state',
  'mode',
  'domain',
  'view',
  'thread',
] as const satisfies (keyof HartSample)[];
/** A domain's words in `SampleFrame.domains`; the state is an index of DOMAIN_STATES. */
export const DOMAIN_WORDS = [
  'state',
  'generation',
  'restarts',
] as const satisfies (keyof DomainSample)[];
export const DOMAIN_STATES = ['running', 'stopped', 'quarantined'] as const satisfies DomainState[];

export interface HeaderFrame {
  readonly frame: 'header';
  readonly magic: typeof RECORDING_MAGIC;
  readonly version: typeof RECORDING_VERSION;
  readonly title: string;
  readonly harts: number;
  readonly ramBytes: number;
  readonly bootargs: string;
  readonly mechanism: string;
  readonly mode: 'parallel' | 'deterministic';
  /** Null in a parallel run, which has none. */
  readonly seed: string | null;
  /** For people: mode and seed. */
  readonly schedule: string;
  readonly tlb: RunSummary['tlb'];
  /** In the order of their ids. */
  readonly domains: readonly string[];
  /** In the order of a hart's counters in `SampleFrame.counters`. */
  readonly counters: readonly string[];
}

/** Every other frame says when it was written: host milliseconds since the recording began. */
interface Timed {
  readonly timeMs: number;
}

export interface SampleFrame extends Timed {
  readonly frame: 'sample';
  /** HART_WORDS of each hart. */
  readonly harts: Int32Array;
  /** Retired since reset, of each hart. */
  readonly instructions: Float64Array;
  readonly counters: Float64Array;
  /** DOMAIN_WORDS of each domain. */
  readonly domains: Int32Array;
  /** Crossings since the start; cell `caller * domains + callee`. */
  readonly gates: Float64Array;
}

interface EventsFrame extends Timed {
  readonly frame: 'events';
  readonly events: readonly DashboardEvent[];
}

interface ConsoleFrame extends Timed {
  readonly frame: 'console';
  readonly text: string;
}

/** What the run came to. */
export interface RunTotals {
  readonly exit: RunExit;
  readonly harts: readonly HartResult[];
  readonly denials: number;
  readonly stateHash: string | null;
  readonly machineSeconds: number;
  readonly hostSeconds: number;
}

export interface EndFrame extends Timed {
  readonly frame: 'end';
  /** As the dashboard says it. */
  readonly finished: string;
  readonly totals: RunTotals;
}

export type TimedFrame = SampleFrame | EventsFrame | ConsoleFrame | EndFrame;

/** Packs one frame so that it can be read without those before it. */
export function packFrame(frame: HeaderFrame | TimedFrame): Uint8Array {
  return new Packr({ moreTypes: true }).pack(frame);
}

function headerOf(session: Session, source: DashboardSource): HeaderFrame {
  const { spec } = session;
  const { title, mechanism, schedule, tlb } = source.summary();
  return {
    frame: 'header',
    magic: RECORDING_MAGIC,
    version: RECORDING_VERSION,
    title,
    harts: spec.harts,
    ramBytes: spec.ramBytes,
    bootargs: spec.bootargs ?? '',
    mechanism,
    mode: spec.mode.kind,
    seed: spec.mode.kind === 'deterministic' ? spec.mode.seed : null,
    schedule,
    tlb,
    domains: source.domains().map(({ name }) => name),
    counters: COUNTERS,
  };
}

/** Writes a source's frames to a file that it replaces. */
export class Recorder {
  /** Why the file could not be written on; the run goes on without it. */
  failure: NodeJS.ErrnoException | undefined;
  readonly #source: DashboardSource;
  readonly #timer: Timer;
  readonly #startMs: number;
  readonly #cancelTick: () => void;
  #file: number | undefined;
  #lastEvent = 0;

  /** @throws what the operating system says about a file that cannot be made */
  constructor(path: string, header: HeaderFrame, source: DashboardSource, timer = HOST_TIMER) {
    this.#source = source;
    this.#timer = timer;
    this.#startMs = timer.now();
    this.#file = openSync(path, 'w');
    this.#write(header);
    if (this.failure !== undefined) throw this.failure;
    this.#look();
    this.#cancelTick = timer.every(SAMPLE_INTERVAL_MS, () => this.#look());
  }

  /** Has a last look and closes the file. Without totals it stays without an end. */
  stop(totals?: RunTotals): void {
    this.#cancelTick();
    if (this.#file !== undefined && totals !== undefined) {
      this.#look();
      const finished = this.#source.summary().finished ?? totals.exit.reason;
      this.#write({ frame: 'end', timeMs: this.#elapsed(), finished, totals });
    }
    this.#close();
  }

  #elapsed(): number {
    return this.#timer.now() - this.#startMs;
  }

  #look(): void {
    if (this.#file === undefined) return;
    const source = this.#source;
    const timeMs = this.#elapsed();
    const text = source.console();
    const events = source.events(this.#lastEvent);
    this.#lastEvent = events.at(-1)?.sequence ?? this.#lastEvent;
    if (text !== '') this.#write({ frame: 'console', timeMs, text });
    if (events.length > 0) this.#write({ frame: 'events', timeMs, events });
    this.#write(sampleOf(source, timeMs));
  }

  #write(frame: HeaderFrame | TimedFrame): void {
    if (this.#file === undefined) return;
    const bytes = packFrame(frame);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at);
    } catch (error) {
      this.failure = error as NodeJS.ErrnoException;
      this.#close();
    }
  }

  #close(): void {
    if (this.#file === undefined) return;
    const file = this.#file;
    this.#file = undefined;
    try {
      closeSync(file);
    } catch (error) {
      this.failure ??= error as NodeJS.ErrnoException;
    }
  }
}

function sampleOf(source: DashboardSource, timeMs: number): SampleFrame {
  const harts = source.harts();
  const counters = new Float64Array(harts.length * COUNTERS.length);
  for (const [index, hart] of harts.entries()) counters.set(hart.counters, index * COUNTERS.length);
  return {
    frame: 'sample',
    timeMs,
    harts: Int32Array.from(harts.flatMap((hart) => HART_WORDS.map((word) => hart[word]))),
    instructions: Float64Array.from(harts, ({ instructions }) => instructions),
    counters,
    domains: Int32Array.from(
      source
        .domains()
        .flatMap(({ state, generation, restarts }) => [
          DOMAIN_STATES.indexOf(state),
          generation,
          restarts,
        ]),
    ),
    gates: Float64Array.from(source.gates().counts),
  };
}

const totalsOf = (result: RunResult): RunTotals => ({
  exit: result.exit,
  harts: result.harts,
  denials: result.denials.length,
  stateHash: result.stateHash,
  machineSeconds: result.machineSeconds,
  hostSeconds: result.hostSeconds,
});

/**
 * Records a session that has not started yet; the file is complete when `session.done` has settled. Call
 * `stop` on the recorder if the session never starts.
 *
 * @throws what the operating system says about a file that cannot be made
 */
export function recordSession(session: Session, path: string, title?: string): Recorder {
  const source = dashboardSource(session, title === undefined ? {} : { title });
  const recorder = new Recorder(path, headerOf(session, source), source);
  void session.done.then((result) => recorder.stop(totalsOf(result)));
  return recorder;
}
