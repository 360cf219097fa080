/**
 * Runs litmus tests on harts with a thread of the host each, and compares what was seen with what the
 * model allows: the outcomes in a `.allowed` file beside the test, one a line, or herd7's verdict.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

import { HartPool } from '../../../cpu-worker/pool.ts';
import { describeExit } from '../../run-result.ts';
import { Session } from '../../session.ts';
import { LitmusError, normalOutcome, parseLitmus } from './parse.ts';
import { litmusImage } from './program.ts';

export interface LitmusSpec {
  readonly rounds: number;
  readonly jit: boolean;
  /** herd7's command, for tests without a file of allowed outcomes. */
  readonly herd: string;
}

export interface LitmusOutcome {
  readonly name: string;
  /** How often each outcome was seen. */
  readonly seen: Readonly<Record<string, number>>;
  /** How many outcomes the model allows. */
  readonly allowed: number;
  /** Seen, but not allowed: the machine or the host is broken. */
  readonly forbidden: readonly string[];
}

/** A pool for each number of harts that tests have asked for. */
export class LitmusRunner {
  readonly #spec: LitmusSpec;
  readonly #pools = new Map<number, HartPool>();

  constructor(spec: LitmusSpec) {
    this.#spec = spec;
  }

  /** Runs the test in a file. @throws LitmusError, AssemblyError for one that cannot be run or judged */
  async run(file: string): Promise<LitmusOutcome> {
    const test = parseLitmus(readFileSync(file, 'utf8'), file);
    const allowed = new Set(this.#allowed(file));
    const { rounds, jit } = this.#spec;
    const { image, ramBytes, outcome } = litmusImage(test, rounds);
    const harts = test.threads.length;
    const pool = this.#pools.get(harts) ?? new HartPool(harts);
    this.#pools.set(harts, pool);
    const session = new Session({ harts, ramBytes, image, mode: { kind: 'parallel', jit }, pool });
    const result = await session.start().done;
    if (result.exit.reason !== 'power-off')
      throw new LitmusError(`${file}: ${describeExit(result)}`);
    const { memory, parts } = session.machine;
    const ram = new DataView(memory, parts.plan.ram, ramBytes);
    const seen: Record<string, number> = {};
    for (let round = 0; round < rounds; round++) {
      const one = outcome(ram, round);
      seen[one] = (seen[one] ?? 0) + 1;
    }
    return {
      name: test.name,
      seen,
      allowed: allowed.size,
      forbidden: Object.keys(seen).filter((one) => !allowed.has(normalOutcome(one))),
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()));
  }

  #allowed(file: string): string[] {
    const list = file.replace(/\.litmus$/, '.allowed');
    if (existsSync(list)) return outcomesIn(readFileSync(list, 'utf8').split('\n'));
    const { stdout, error, status } = spawnSync(this.#spec.herd, [file], { encoding: 'utf8' });
    // "States 3", as many lines, then the verdict.
    const lines = stdout?.split('\n') ?? [];
    const first = lines.findIndex((line) => line.startsWith('States '));
    if (error !== undefined || status !== 0 || first < 0) {
      throw new LitmusError(
        `${file}: there is no ${list}, and ${this.#spec.herd} cannot say what is allowed; ` +
          'install herdtools7, or name its command with --herd',
      );
    }
    const count = Number(lines[first]?.slice('States '.length));
    return outcomesIn(lines.slice(first + 1, first + 1 + count));
  }
}

const outcomesIn = (lines: readonly string[]): string[] =>
  lines.filter((line) => line.trim() !== '').map(normalOutcome);
