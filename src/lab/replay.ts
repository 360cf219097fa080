/** A recording as the dashboard sees a run. */
import { counterIndex, emptySample, type Counter, type HartSample } from '../machine/probe.ts';
import type { DashboardEvent, DashboardSource, DomainSample } from '../tui/source.ts';
import { HOST_TIMER, type Timer } from '../tui/timer.ts';
import {
  DOMAIN_STATES,
  DOMAIN_WORDS,
  HART_WORDS,
  type EndFrame,
  type SampleFrame,
} from './recording.ts';
import type { Recording } from './recording-reader.ts';

export interface ReplayOptions {
  /** Recorded milliseconds a host millisecond; 1 if left out. */
  readonly speed?: number;
  /** Intervals are of the recorded time, not the host's: lines, unlike frames, come by it. */
  readonly scalesIntervals?: boolean;
  readonly host?: Timer;
}

export interface Replay {
  readonly source: DashboardSource;
  /**
   * For the view of the source. `now` is the time of the sample that the source shows, so that rates are
   * those that were recorded; asking for it is what moves the replay on.
   */
  readonly timer: Timer;
}

export function createReplay(recording: Recording, options: ReplayOptions = {}): Replay {
  const { speed = 1, scalesIntervals = false, host = HOST_TIMER } = options;
  const { header, frames } = recording;
  const samples = Array.from({ length: header.harts }, (_, id) => emptySample(id));
  const gates = new Float64Array(header.domains.length ** 2);
  let domains: readonly DomainSample[] = header.domains.map((name) => ({
    ...{ name, state: 'running', generation: 0, restarts: 0 },
  }));
  const events: DashboardEvent[] = [];
  let printed = '';
  let end: EndFrame | undefined;
  let next = 0;
  let startMs: number | undefined;
  let sampleMs = 0;

  const show = (sample: SampleFrame): void => {
    sampleMs = sample.timeMs;
    for (const hart of samples) showHart(hart, sample, header.counters);
    domains = header.domains.map((name, id) => {
      const word = (which: (typeof DOMAIN_WORDS)[number]): number =>
        sample.domains[id * DOMAIN_WORDS.length + DOMAIN_WORDS.indexOf(which)] as number;
      const state = DOMAIN_STATES[word('state')] as DomainSample['state'];
      return { name, state, generation: word('generation'), restarts: word('restarts') };
    });
    gates.set(sample.gates);
  };

  const playUntil = (timeMs: number): void => {
    let latest: SampleFrame | undefined;
    for (; next < frames.length; next++) {
      const frame = frames[next] as (typeof frames)[number];
      if (frame.timeMs > timeMs) break;
      if (frame.frame === 'sample') latest = frame;
      else if (frame.frame === 'console') printed += frame.text;
      else if (frame.frame === 'events') for (const event of frame.events) events.push(event);
      else end = frame;
    }
    if (latest !== undefined) show(latest);
  };

  return {
    source: {
      summary: () => ({
        title: `${header.title} (replay)`,
        mechanism: header.mechanism,
        schedule: header.schedule,
        tlb: header.tlb,
        finished: end?.finished ?? (next < frames.length ? null : 'the recording breaks off'),
      }),
      harts: () => samples,
      domains: () => domains,
      gates: () => ({ size: header.domains.length, counts: gates }),
      events: (since) => events.filter(({ sequence }) => sequence > since),
      console: () => {
        const text = printed;
        printed = '';
        return text;
      },
    },
    timer: {
      now: () => {
        startMs ??= host.now();
        playUntil((host.now() - startMs) * speed);
        return sampleMs;
      },
      every: (intervalMs, action) =>
        host.every(scalesIntervals ? intervalMs / speed : intervalMs, action),
    },
  };
}

/** A counter that we do not have is left out; one that the writer did not have stays 0. */
function showHart(hart: HartSample, sample: SampleFrame, names: readonly string[]): void {
  for (const [index, word] of HART_WORDS.entries()) {
    hart[word] = sample.harts[hart.id * HART_WORDS.length + index] as number;
  }
  hart.instructions = sample.instructions[hart.id] as number;
  for (const [index, name] of names.entries()) {
    if (!Object.hasOwn(counterIndex, name)) continue;
    hart.counters[counterIndex[name as Counter]] = sample.counters[
      hart.id * names.length + index
    ] as number;
  }
}
