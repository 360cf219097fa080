/**
 * Runs a script's programs on the machine and takes the counters between their marks.
 *
 * One boot per mechanism and number of harts; the rows follow one another in it. Deterministic: the same
 * kernel, script, seed and TLB give the same counts.
 */
import { COUNTERS } from '../../machine/core/hart-block.ts';
import { withFile } from '../../policy/cpio.ts';
import type { MechanismName } from '../../policy/contexts.ts';
import type { Bundled } from '../bundled.ts';
import { difference, type Counts, type Preset } from '../cost-model.ts';
import type { RunExit } from '../run-result.ts';
import { Session } from '../session.ts';
import { failedRow, shellScript, type BenchRun, type BenchScript } from './script.ts';

/** As the guest's `MARK_BEGIN` and `MARK_END` (src/user/include/cordon.h). */
const MARK = { BEGIN: 1, END: 2 } as const;

/** Where the generated shell script lies in the guest. */
const SCRIPT_PATH = 'etc/bench.sh';

/** Machine time after which a guest is taken to hang. */
const LIMIT_SECONDS = 600;

export interface Measurement {
  readonly run: BenchRun;
  readonly mechanism: MechanismName;
  readonly harts: number;
  /** What the program says it did between its marks; counts divided by it are per repetition. */
  readonly repetitions: number;
  /** Of all repetitions, over all harts. */
  readonly counts: Counts;
}

export interface MeasureRequest {
  readonly kernel: Bundled;
  readonly script: BenchScript;
  readonly preset: Preset;
  readonly mechanism: MechanismName;
  readonly harts: number;
  readonly seed: string;
  /** Called at the end of each row. */
  readonly onRow?: (measurement: Measurement) => void;
  /** Aborting it ends the run. */
  readonly signal?: AbortSignal;
}

/** A guest that did not do what the script says; the message has its last words. */
export class BenchError extends Error {}
/** Somebody asked for an end. */
export class BenchInterrupted extends Error {}

/** Measures every row of a script under one mechanism. @throws BenchError, BenchInterrupted */
export async function measure(request: MeasureRequest): Promise<Measurement[]> {
  const { kernel, script, preset, mechanism, harts, seed, signal } = request;
  const measurements: Measurement[] = [];
  let problem: string | undefined;
  let begun: { readonly value: number; readonly counts: Counts } | undefined;
  const session = new Session({
    harts,
    ramBytes: script.ramBytes,
    image: kernel.image,
    mode: { kind: 'deterministic', seed, tlb: preset.tlb },
    firmware: { mechanism, contexts: kernel.contexts },
    initrd: withFile(kernel.initrd, SCRIPT_PATH, shellScript(script.runs)),
    bootargs: `quiet init=/bin/init -- /bin/sh /${SCRIPT_PATH}`,
    seconds: LIMIT_SECONDS,
    onMark: (hart, id, value) => {
      // The others brought theirs up to date when their slices ended.
      hart.settleCounters();
      if (id === MARK.BEGIN) {
        begun = { value, counts: countsOf(session) };
      } else if (id === MARK.END) {
        const run = script.runs[measurements.length];
        if (begun === undefined || run === undefined || begun.value !== value) {
          problem ??= `${mechanism}: a mark came that no run of the script explains`;
          session.stop();
          return;
        }
        const counts = difference(countsOf(session), begun.counts);
        begun = undefined;
        const measurement = { run, mechanism, harts, repetitions: value, counts };
        measurements.push(measurement);
        request.onRow?.(measurement);
      }
    },
  });
  const said = lastWords(session);
  const stop = (): void => session.stop();
  const throwIfAborted = (): void => {
    if (signal?.aborted === true) throw new BenchInterrupted('interrupted');
  };
  throwIfAborted();
  signal?.addEventListener('abort', stop, { once: true });
  const { exit, denials } = await session.start().done;
  signal?.removeEventListener('abort', stop);
  throwIfAborted();

  problem ??= problemOf(exit, script, measurements.length);
  const [denial] = denials;
  if (problem === undefined && denial !== undefined)
    problem = `the monitor refused ${denial.domain} something (${denial.rule}); nothing may be refused in a benchmark`;
  if (problem !== undefined) {
    throw new BenchError(
      [
        `${mechanism}, ${harts} harts: ${problem}`,
        ...said().map((line) => `  guest: ${line}`),
      ].join('\n'),
    );
  }
  return measurements;
}

function problemOf(exit: RunExit, script: BenchScript, rows: number): string | undefined {
  if (exit.reason !== 'power-off') {
    return `the run ended by ${exit.reason}${exit.message === undefined ? '' : `: ${exit.message}`}`;
  }
  if (exit.code !== 0) {
    const index = failedRow(exit.code);
    const name = index === undefined ? undefined : script.runs[index]?.name;
    return name === undefined
      ? `the guest ended with exit code ${exit.code}`
      : `'${name}' failed in the guest`;
  }
  if (rows === script.runs.length) return undefined;
  return `only ${rows} of ${script.runs.length} runs set marks; a program that sets none must not be given $N`;
}

/** The guest's last lines, for an error. */
function lastWords(session: Session): () => string[] {
  const LINES = 8;
  const decoder = new TextDecoder();
  let tail = '';
  session.onOutput((bytes) => {
    tail = (tail + decoder.decode(bytes.slice(), { stream: true })).slice(-4096);
  });
  return () =>
    tail
      .split(/\r?\n/)
      .filter((line) => line !== '')
      .slice(-LINES);
}

/** Counters of all harts together. */
function countsOf(session: Session): Counts {
  const readers = Array.from({ length: session.harts }, (_, hart) => session.counters(hart));
  return Object.fromEntries(
    COUNTERS.map((name) => [name, readers.reduce((sum, read) => sum + read(name), 0)]),
  ) as unknown as Counts;
}
