/**
 * `npm run bench:host`: the same binary under Cordon and under QEMU in turn, and the ratios of their times.
 *
 * The guest measures itself by its own clock, so the start of a process or a worker is in no number.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';

import { NoToolchainError } from '../../policy/toolchain.ts';
import { rowsOf, type HostRow, type Repetition } from './compare.ts';
import { HostBenchError } from './error.ts';
import { commitOfSources, hostFacts } from './facts.ts';
import { readGuestRun, type GuestRun } from './guest-output.ts';
import { buildGuest, configured, GUEST_MAX_HARTS, type GuestConfig } from './guest.ts';
import { appendToHistory, HISTORY } from './history.ts';
import { bootLinuxOnCordon, bootLinuxOnQemu, LINUX_ROW, linuxFiles } from './linux.ts';
import { findQemu, runOnCordon, runOnQemu } from './machines.ts';
import { renderHostReport, summarized, type HostReport } from './report.ts';

interface Options {
  readonly rows: readonly string[];
  readonly harts: readonly number[];
  readonly repeat: number;
  readonly rounds: number;
  readonly quick?: boolean;
  readonly qemu: boolean;
  readonly history: boolean;
  readonly json?: boolean;
  readonly jit: 'on' | 'off';
}

/** `--quick`: too short for a number, long enough to see that everything works. */
const QUICK = { repeat: 1, rounds: 2, scalePercent: 10 } as const;

const say = (text: string): void => void process.stderr.write(`${text}\n`);

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 1000)
    throw new InvalidArgumentError('Give a whole number from 1 to 1000.');
  return count;
}

function parseHartList(text: string): number[] {
  return text.split(',').map((each) => {
    const harts = Number(each);
    if (!/^\d+$/.test(each) || harts < 1 || harts > GUEST_MAX_HARTS)
      throw new InvalidArgumentError(
        `Give numbers of harts from 1 to ${GUEST_MAX_HARTS}, with commas.`,
      );
    return harts;
  });
}

const program = new Command('bench:host')
  .description('Run the same RISC-V binary under Cordon and under QEMU, and compare the times.')
  .option('--rows <list>', 'only these rows, with commas', (text) => text.split(','), [])
  .option('--harts <list>', 'numbers of harts, with commas', parseHartList, [
    1,
    ...(availableParallelism() > 1 ? [2] : []),
  ])
  .option('--repeat <count>', 'boots of each machine, alternating', parseCount, 3)
  .option('--rounds <count>', 'rounds of a row in a boot; the first is the cold one', parseCount, 4)
  .option('--quick', 'one short boot of each: does it work?')
  .addOption(
    new Option('--jit <on|off>', 'whether Cordon translates hot code')
      .choices(['on', 'off'])
      .default('on'),
  )
  .option('--no-qemu', 'Cordon alone: no ratios')
  .option('--no-history', 'do not append the result to bench/history.jsonl')
  .option('--json', 'print one JSON object on stdout')
  .addHelpText(
    'after',
    `
A complete run with QEMU appends one line to bench/history.jsonl; one with --quick, --rows or --no-qemu does not.
With CORDON_LINUX and CORDON_INITRD set, Linux is booted as well. docs/host-performance.md says what the rows are and how the ratios come about.

Examples:
  npm run bench:host
  npm run bench:host -- --rows sieve,qsort --harts 1 --repeat 9
  npm run bench:host -- --json > result.json`,
  );

async function main(options: Options): Promise<void> {
  const { rows: wanted, repeat, rounds } = options;
  const jit = options.jit === 'on';
  const plan = options.quick === true ? QUICK : { repeat, rounds, scalePercent: 100 };
  const qemu = options.qemu ? findQemu() : undefined;
  if (options.qemu && qemu === undefined)
    say(
      'qemu-system-riscv64 is not installed: there will be no ratios (Debian: apt install qemu-system-misc)',
    );
  const facts = {
    date: new Date().toISOString(),
    commit: commitOfSources(),
    host: hostFacts(),
    versions: { node: process.versions.node, v8: process.versions.v8, qemu: qemu?.version ?? null },
    jit,
    ...plan,
  };
  const guest = new Uint8Array(readFileSync(await buildGuest()));
  const folder = mkdtempSync(join(tmpdir(), 'cordon-host-bench-'));
  try {
    const measured: HostRow[] = [];
    for (const harts of options.harts) {
      const config = { harts, rows: wanted, rounds: plan.rounds, scalePercent: plan.scalePercent };
      measured.push(
        ...rowsOf(
          harts,
          await repeated(guest, config, { repeat: plan.repeat, folder, qemu: qemu?.command, jit }),
        ),
      );
    }
    finish(summarized(facts, measured), options);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** How both machines are booted. */
interface Boots {
  readonly repeat: number;
  /** Where the guest is put for QEMU. */
  readonly folder: string;
  readonly qemu: string | undefined;
  readonly jit: boolean;
}

async function repeated(
  guest: Uint8Array,
  config: GuestConfig,
  { repeat, folder, qemu, jit }: Boots,
): Promise<Repetition[]> {
  const { harts } = config;
  const bytes = configured(guest, config);
  const path = join(folder, `guest-${harts}.elf`);
  writeFileSync(path, bytes);
  const linux =
    config.rows.length === 0 || config.rows.includes(LINUX_ROW) ? linuxFiles() : undefined;
  const all: Repetition[] = [];
  for (let number = 1; number <= repeat; number++) {
    const start = performance.now();
    const theirs =
      qemu === undefined ? [] : [readGuestRun(await runOnQemu(qemu, path, harts), config)];
    const between = performance.now();
    const ours = [readGuestRun(await runOnCordon(bytes, { harts, jit }), config)];
    const elapsed = (from: number, to: number): string => `${((to - from) / 1000).toFixed(1)} s`;
    say(
      `[${number}/${repeat}] ${harts} ${harts === 1 ? 'hart' : 'harts'}: ` +
        `${qemu === undefined ? '' : `QEMU ${elapsed(start, between)}, `}Cordon ${elapsed(between, performance.now())}`,
    );
    if (linux !== undefined) {
      if (qemu !== undefined) theirs.push(await bootLinuxOnQemu(qemu, linux, harts));
      ours.push(await bootLinuxOnCordon(linux, { harts, jit }));
      say(`[${number}/${repeat}] Linux to its shell`);
    }
    checkNames(config.rows, ours);
    all.push({ cordon: joined(ours), ...(qemu === undefined ? {} : { qemu: joined(theirs) }) });
  }
  return all;
}

/** What several guests said, as one. */
const joined = (runs: readonly GuestRun[]): GuestRun => ({
  known: runs.flatMap(({ known }) => known),
  rounds: new Map(runs.flatMap(({ rounds }) => [...rounds])),
});

function checkNames(wanted: readonly string[], runs: readonly GuestRun[]): void {
  const { known } = joined(runs);
  const unknown = wanted.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new HostBenchError(
    unknown === LINUX_ROW
      ? `--rows ${LINUX_ROW} needs CORDON_LINUX and CORDON_INITRD, which name a kernel and an initial RAM disk`
      : `--rows: there is no row '${unknown}'; there are ${known.join(', ')}, ${LINUX_ROW}`,
  );
}

function finish(report: HostReport, { json, history, quick, rows }: Options): void {
  process.stdout.write(json === true ? `${JSON.stringify(report)}\n` : renderHostReport(report));
  if (!history || quick === true || rows.length > 0 || report.versions.qemu === null) return;
  appendToHistory(report);
  say(`appended to ${HISTORY}`);
}

try {
  await main(program.parse().opts<Options>());
} catch (error) {
  if (!(error instanceof HostBenchError || error instanceof NoToolchainError)) throw error;
  process.stderr.write(`bench:host: ${error.message}\n`);
  process.exitCode = 1;
}
