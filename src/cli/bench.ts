/** What `cordon bench` does: files to measurements, measurements to a report. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { renderChart } from '../lab/bench/chart.ts';
import { BenchError, BenchInterrupted, measure, type Measurement } from '../lab/bench/measure.ts';
import { renderReport, type Report } from '../lab/bench/report.ts';
import { csv, rowsOf } from '../lab/bench/rows.ts';
import { readScript, ScriptError, type BenchScript } from '../lab/bench/script.ts';
import { ordersOf, tornadosOf } from '../lab/bench/sensitivity.ts';
import { bundledKernel, ROOT, type Bundled } from '../lab/bundled.ts';
import { PresetError, readPreset, type Preset } from '../lab/cost-model.ts';
import { BuildError } from '../policy/build.ts';
import { formatDiagnostics } from '../policy/diagnostics.ts';
import { NoToolchainError } from '../policy/toolchain.ts';
import type { BenchOptions } from './bench-command.ts';
import { CommandError, EXIT } from './errors.ts';
import { exitCodeOf, onEndSignals, type EndSignal } from './signals.ts';

const FOLDER = join(ROOT, 'bench');

/** Returns the exit code. @throws CommandError */
export async function bench(path: string | undefined, options: BenchOptions): Promise<number> {
  checkOutputs(options);
  const script = chosenRuns(
    readFileOf('script', path ?? join(FOLDER, 'standard.toml'), readScript),
    options.only,
  );
  const preset = readFileOf('--preset', presetPath(options.preset), readPreset);
  const abort = new AbortController();
  let signalled: EndSignal | undefined;
  const release = onEndSignals((signal) => {
    signalled = signal;
    abort.abort();
  });
  try {
    const kernel = await buildKernel();
    const measurements = await measureAll(kernel, script, preset, options, abort.signal);
    writeResults(measurements, script, preset, options);
    return EXIT.OK;
  } catch (error) {
    if (error instanceof BenchInterrupted)
      return signalled === undefined ? EXIT.INTERRUPTED : exitCodeOf(signalled);
    if (error instanceof BenchError) throw new CommandError(error.message, EXIT.INPUT);
    throw error;
  } finally {
    release();
  }
}

function checkOutputs({ json, csv: table }: BenchOptions): void {
  if (json === true && table === '-')
    throw new CommandError('--json and --csv - both want stdout; give --csv a file');
}

// --- files ---

/** A preset's name is that of a file of ours; whatever else looks like a path is one. */
const presetPath = (preset: string): string =>
  /^[\w-]+$/.test(preset) ? join(FOLDER, 'presets', `${preset}.toml`) : preset;

function readFileOf<Content>(flag: string, path: string, read: (path: string) => Content): Content {
  try {
    return read(path);
  } catch (error) {
    if (error instanceof ScriptError || error instanceof PresetError)
      throw new CommandError(error.message, EXIT.INPUT);
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    const what = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new CommandError(`${flag}: '${path}' ${what}`, EXIT.INPUT);
  }
}

function chosenRuns(script: BenchScript, only: string | undefined): BenchScript {
  if (only === undefined) return script;
  const runs = script.runs.filter(({ name }) => name.includes(only));
  if (runs.length > 0) return { ...script, runs };
  const names = script.runs.map(({ name }) => name).join('; ');
  throw new CommandError(`--only: no run's name contains '${only}'; there are: ${names}`);
}

async function buildKernel(): Promise<Bundled> {
  try {
    return await bundledKernel((event) => {
      if (event.kind === 'link') say(`link ${event.output}`);
    });
  } catch (error) {
    if (error instanceof NoToolchainError)
      throw new CommandError(`the kernel cannot be built: ${error.message}`, EXIT.INPUT);
    if (!(error instanceof BuildError)) throw error;
    const why = [...error.compilerOutput, formatDiagnostics(error.diagnostics, () => undefined)];
    throw new CommandError(`the kernel cannot be built:\n${why.join('\n').trim()}`, EXIT.INPUT);
  }
}

// --- measuring ---

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function measureAll(
  kernel: Bundled,
  script: BenchScript,
  preset: Preset,
  { mechanism: mechanisms, harts: hartCounts, seed }: BenchOptions,
  signal: AbortSignal,
): Promise<Measurement[]> {
  const all: Measurement[] = [];
  const boots = hartCounts.flatMap((harts) =>
    mechanisms.map((mechanism) => ({ harts, mechanism })),
  );
  for (const [index, { harts, mechanism }] of boots.entries()) {
    const where = `[${index + 1}/${boots.length}] ${mechanism}, ${harts} ${harts === 1 ? 'hart' : 'harts'}`;
    const progress = progressOf(where, script.runs.length);
    const onRow = ({ run }: Measurement): void => progress.row(run.name);
    all.push(...(await measure({ kernel, script, preset, mechanism, harts, seed, signal, onRow })));
    progress.end();
  }
  return all;
}

/** One line per boot; at a terminal it says how far the boot is. */
function progressOf(where: string, runs: number): { row(name: string): void; end(): void } {
  const start = performance.now();
  let done = 0;
  const isTerminal = process.stderr.isTTY;
  const rewrite = (text: string): void => void process.stderr.write(`\r\x1b[K${text}`);
  if (isTerminal) rewrite(`${where}: booting`);
  return {
    row: (name) => {
      done += 1;
      if (isTerminal) rewrite(`${where}: ${done} of ${runs}, ${name}`);
    },
    end: () => {
      const text = `${where}: ${runs} runs in ${((performance.now() - start) / 1000).toFixed(1)} s`;
      if (isTerminal) rewrite(`${text}\n`);
      else say(text);
    },
  };
}

// --- results ---

function writeResults(
  measurements: readonly Measurement[],
  script: BenchScript,
  preset: Preset,
  options: BenchOptions,
): void {
  const rows = rowsOf(measurements, preset);
  const report: Report = { title: script.title, seed: options.seed, preset, rows };
  if (options.svg !== undefined) writeFile('--svg', options.svg, renderChart(report));
  if (options.csv === '-') process.stdout.write(csv(rows));
  else if (options.csv !== undefined) writeFile('--csv', options.csv, csv(rows));
  if (options.json === true) {
    const { title, seed } = report;
    const orders = ordersOf(rows, preset);
    const sensitivity = tornadosOf(rows, preset);
    process.stdout.write(`${JSON.stringify({ title, seed, preset, rows, orders, sensitivity })}\n`);
  } else if (options.csv !== '-') {
    process.stdout.write(renderReport(report));
  }
}

function writeFile(flag: string, path: string, content: string): void {
  try {
    writeFileSync(path, content);
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new CommandError(`${flag}: '${path}' cannot be written (${code})`, EXIT.INPUT);
  }
}
