import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import { readGuestRun, type GuestRun } from '../../../src/lab/host-bench/guest-output.ts';
import { buildGuest, configured } from '../../../src/lab/host-bench/guest.ts';
import { findQemu, runOnCordon, runOnQemu } from '../../../src/lab/host-bench/machines.ts';

const LIMIT_MS = 60_000;
const ONE = { harts: 1, rounds: 1, scalePercent: 2, rows: [] };
const TWO = { harts: 2, rounds: 1, scalePercent: 1, rows: ['sha256', 'shootdown', 'wakeup'] };
const U64 = (1n << 64n) - 1n;

let guest: Uint8Array;
beforeAll(async () => {
  guest = new Uint8Array(readFileSync(await buildGuest()));
}, LIMIT_MS);

const checksOf = ({ rounds }: GuestRun): Record<string, readonly string[] | undefined> =>
  Object.fromEntries([...rounds].map(([name, [first]]) => [name, first?.checks]));
const countOf = (run: GuestRun, name: string): number => run.rounds.get(name)?.[0]?.count ?? 0;

describe('the guest under Cordon', () => {
  it.each([
    ['interpreted', false],
    ['translated', true],
  ])(
    'computes what its rows say, on one hart, %s',
    async (_, jit) => {
      const run = readGuestRun(await runOnCordon(configured(guest, ONE), { harts: 1, jit }), ONE);
      const checks = checksOf(run);
      // pi(2^20) = 82025.
      expect(checks.sieve).toEqual([String(82_025 * countOf(run, 'sieve'))]);
      expect(checks.qsort).toEqual([String(medians(countOf(run, 'qsort')))]);
      expect(checks.syscall).toEqual([String(syscalls(countOf(run, 'syscall')))]);
      const faults = countOf(run, 'page-fault');
      expect(checks['page-fault']).toEqual([String((faults * (faults - 1)) / 2)]);
      expect(checks.trap).toEqual([String(countOf(run, 'trap'))]);
      expect(checks['context-switch']).toEqual([String(countOf(run, 'context-switch'))]);
      expect(run.rounds.has('shootdown')).toBe(false);
    },
    LIMIT_MS,
  );

  it(
    'runs on two harts only the rows that were asked for',
    async () => {
      const run = readGuestRun(
        await runOnCordon(configured(guest, TWO), { harts: 2, jit: true }),
        TWO,
      );
      expect([...run.rounds.keys()]).toEqual(TWO.rows);
      const { sha256, shootdown } = checksOf(run);
      expect(sha256?.[0]).toBe(sha256?.[1]);
      const asked = String(countOf(run, 'shootdown'));
      expect(shootdown).toEqual([asked, asked]);
    },
    LIMIT_MS,
  );
});

const qemu = findQemu();
describe.skipIf(qemu === undefined)('the guest under QEMU (needs qemu-system-riscv64)', () => {
  it.each([
    ['one hart', ONE],
    ['two harts', TWO],
  ])(
    'gives the results that it gives under Cordon, on %s',
    async (_, config) => {
      const bytes = configured(guest, config);
      const folder = mkdtempSync(join(tmpdir(), 'cordon-guest-'));
      try {
        const path = join(folder, 'guest.elf');
        writeFileSync(path, bytes);
        const { command } = qemu as { command: string };
        const theirs = checksOf(readGuestRun(await runOnQemu(command, path, config.harts), config));
        const ours = checksOf(
          readGuestRun(await runOnCordon(bytes, { harts: config.harts, jit: true }), config),
        );
        // QEMU may know extensions that we lack, but not the other way round.
        expect(theirs).toMatchObject(ours);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    LIMIT_MS,
  );
});

/** The row `qsort` in other words: the middle items of arrays of random numbers. */
function medians(count: number): bigint {
  let check = 0n;
  for (let pass = 0; pass < count; pass++) {
    let random = 99 + pass;
    const items = Uint32Array.from({ length: 10_000 }, () => {
      random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
      return random;
    }).toSorted();
    check = (check * 31n + BigInt(items[5_000] as number)) & U64;
  }
  return check;
}

/** The row `syscall`: each call gives five times its argument and one. */
function syscalls(count: number): bigint {
  let value = 0n;
  for (let n = 0; n < count; n++) value = (value * 5n + 1n) & U64;
  return value;
}
