/** What looks on at the harts of a run besides the oracle, and where it leaves what it saw. */
import { INSTRUCTIONS_PER_TICK } from '../cpu-worker/deterministic.ts';
import { TIMEBASE_HZ } from '../machine/physical-map.ts';
import type { HartObserver } from '../machine/hart-observer.ts';
import type { Hart } from '../machine/hart.ts';
import type { Machine } from '../machine/machine.ts';
import { HartSampler } from './profile/hart-sampler.ts';
import { sampleFile } from './profile/samples.ts';
import { HartTracer, type TraceClock } from './trace/hart-tracer.ts';
import { recordFile } from './trace/records.ts';

/** Plain data: goes to the workers with the task. */
export interface Look {
  /** An oracle, if the kernel is separated. */
  readonly isWatched: boolean;
  /** Folder for the records of traces, a file for each hart. */
  readonly trace?: string;
  /** The same for samples; may be the same folder. */
  readonly profile?: string;
}

interface Closable extends HartObserver {
  close(): void;
}

/** Begins to look at a hart, on its own thread, besides somebody else who may; returns what ends it. */
export function lookAt(
  machine: Machine,
  hart: Hart,
  look: Look,
  hasMonitor: boolean,
  other?: HartObserver,
): () => void {
  const clock = traceClock(machine);
  const observers: Closable[] = [];
  if (look.trace !== undefined)
    observers.push(
      new HartTracer(machine, hart, recordFile(look.trace, hart.id), clock, hasMonitor),
    );
  if (look.profile !== undefined)
    observers.push(
      new HartSampler(machine, hart, sampleFile(look.profile, hart.id), clock, hasMonitor),
    );
  const everybody = other === undefined ? observers : [...observers, other];
  if (everybody.length > 0) hart.observer = everybody.length === 1 ? everybody[0] : all(everybody);
  return () => {
    hart.observer = undefined;
    for (const observer of observers) observer.close();
  };
}

const all = (observers: readonly HartObserver[]): HartObserver => ({
  trapped: (hart, trap) => observers.forEach((observer) => observer.trapped(hart, trap)),
  returned: (hart) => observers.forEach((observer) => observer.returned(hart)),
  served: (hart) => observers.forEach((observer) => observer.served(hart)),
  waits: (hart) => observers.forEach((observer) => observer.waits(hart)),
});

const NS_PER_TICK = 1e9 / TIMEBASE_HZ;

/**
 * Nanoseconds since the machine began. In a deterministic run the clock stands still during a slice, so the
 * instructions that the hart has retired since it moved are added.
 */
function traceClock(machine: Machine): TraceClock {
  const { spec, clockOrigin } = machine.parts;
  if (!spec.deterministic) {
    return () => {
      const [seconds, nanoseconds] = process.hrtime();
      return seconds * 1e9 + nanoseconds - clockOrigin * NS_PER_TICK;
    };
  }
  let ticks = -1;
  let since = 0;
  return (hart) => {
    const now = machine.clock.now();
    if (now !== ticks) {
      ticks = now;
      since = hart.instret;
    }
    return (now + (hart.instret - since) / INSTRUCTIONS_PER_TICK) * NS_PER_TICK;
  };
}
