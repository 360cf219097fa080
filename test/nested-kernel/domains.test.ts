/** Faults, budgets and restarts: NK-9 and NK-10 under every mechanism. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { STATUS } from '../../src/nested-kernel/abi.ts';
import { TOOLCHAIN } from '../policy/snippets.ts';
import {
  ALPHA,
  BETA,
  buildGuest,
  call,
  EIO,
  monitor,
  PROBE,
  runGuest,
  SEPARATIONS,
  set,
  told,
  waitFor,
  type Guest,
  type Outcome,
  type Step,
} from './guest.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

describe.skipIf(TOOLCHAIN === null).each(SEPARATIONS)('%s', (mechanism) => {
  let guest: Guest;
  beforeAll(async () => {
    guest = await buildGuest('domains');
  });
  const run = (...programs: Step[][]): Promise<Outcome> =>
    runGuest(guest, { mechanism }, ...programs);
  const fault = call('alpha_probe', PROBE.LOAD, 0);

  it('a fault stops the domain, fails the call as its policy says, and leaves the caller alone (NK-9)', async () => {
    const { results, values, events } = await run([
      fault,
      call('alpha_add', 1, 1),
      monitor('STOPPED'),
      call('beta_deep', 0),
    ]);
    expect(results[0]).toEqual([EIO, EIO, 0, 2000]);
    expect(values[0]?.[2]).toBe(1 << ALPHA);
    expect(told(events)).toEqual(['fault access-own-memory', 'stop live-domain']);
    expect(events[0]).toMatchObject({ domain: ALPHA, address: '0x0000000000000000', cause: 13 });
  });

  it('a restart gives initial data and a generation; a living domain is not restarted (NK-9)', async () => {
    const { results, values } = await run([
      call('alpha_count'),
      call('alpha_count'),
      monitor('RESTART', ALPHA),
      fault,
      monitor('RESTART', ALPHA),
      call('alpha_count'),
      monitor('RESTART', 0),
      monitor('RESTART', 99),
    ]);
    const no = STATUS.INVALID_PARAM;
    expect(results[0]).toEqual([1, 2, no, EIO, 0, 1, no, no]);
    expect(values[0]?.[4]).toBe(2);
  });

  it('a domain that faults too often stays down, and one that is never restarted at once (NK-9)', async () => {
    const again = [fault, monitor('RESTART', ALPHA)];
    const { results, events } = await run([
      ...again,
      ...again,
      ...again,
      ...again,
      ...again,
      call('alpha_add', 1, 1),
      call('beta_probe', PROBE.LOAD, 0),
      monitor('RESTART', BETA),
    ]);
    const { DENIED, INVALID_PARAM } = STATUS;
    expect(results[0]).toEqual([
      EIO,
      0,
      EIO,
      0,
      EIO,
      0,
      EIO,
      DENIED,
      EIO,
      INVALID_PARAM,
      EIO,
      EIO,
      DENIED,
    ]);
    expect(told(events).filter((line) => line.startsWith('quarantine'))).toHaveLength(2);
  });

  it('a call does not return into a generation that is gone (NK-9)', async () => {
    const outcome = await run([
      call('alpha_nested', 2 + 8),
      call('alpha_nested', 7),
      call('alpha_count'),
    ]);
    expect(outcome.results[0]).toEqual([11, EIO, 1]);
    expect([1, 2, 3].map((flag) => outcome.long('flags', flag))).toEqual([EIO, 0, 2]);
  });

  it('a fault in an inner domain is the error of that call, not of the outer domain (NK-9)', async () => {
    const { results, events } = await run([
      call('alpha_nested', 6),
      call('alpha_add', 1, 1),
      call('beta_deep', 0),
    ]);
    expect(results[0]).toEqual([EIO, 2, EIO]);
    expect(events[0]?.domain).toBe(BETA);
  });

  it('a call that lasts too long ends, with interrupts off, and calls below it are not charged (NK-10)', async () => {
    const { results, events } = await run([call('alpha_nested', 5), call('alpha_add', 1, 1)]);
    expect(results[0]).toEqual([EIO, 2]);
    expect(told(events)).toEqual(['fault budget', 'stop live-domain']);
    expect(events[0]?.domain).toBe(BETA);
  });

  it('only its starter enters a domain that starts, until the first call has returned (NK-9)', async () => {
    const outcome = await run(
      [
        fault,
        monitor('RESTART', ALPHA),
        set(9, 1),
        waitFor(9, 2),
        call('alpha_add', 1, 1),
        set(9, 3),
        waitFor(9, 4),
      ],
      [
        waitFor(9, 1),
        call('alpha_add', 1, 1),
        set(9, 2),
        waitFor(9, 3),
        call('alpha_add', 1, 1),
        set(9, 4),
      ],
    );
    expect(outcome.results[0]?.[4]).toBe(2);
    expect([outcome.results[1]?.[1], outcome.results[1]?.[4]]).toEqual([EIO, 2]);
  });

  it.each(['1', '2', '3', '4'])(
    'with harts inside a fault stops it on all of them; of two that restart it one does (seed %s) (NK-9)',
    async (seed) => {
      const restart = (mine: number): Step[] => [
        waitFor(9, 1),
        monitor('RESTART', ALPHA),
        set(mine, 1),
      ];
      const outcome = await runGuest(
        guest,
        { mechanism, seed, sliceMax: 64 },
        [call('alpha_probe', PROBE.SPIN, 0), ...restart(10), waitFor(11, 1), waitFor(12, 1)],
        [call('gates_while', 13), set(12, 1)],
        [fault, set(9, 1), monitor('RESTART', ALPHA), set(11, 1), set(13, 1)],
      );
      expect(outcome.results[0]?.[0]).toBe(EIO);
      const restarts = outcome.events.filter(({ kind }) => kind === 'restart');
      expect(restarts.length).toBeLessThanOrEqual(1);
      expect(outcome.run.exit.reason).toBe('power-off');
    },
  );

  it("frames granted to a domain are not its next generation's", async () => {
    const { results } = await run([
      call('alpha_nested', 1),
      fault,
      monitor('RESTART', ALPHA),
      call('alpha_add', 1, 1),
      call('alpha_probe', PROBE.LOAD, 0xffff_ffe0_0100_0000n),
    ]);
    expect(results[0]?.slice(1)).toEqual([EIO, 0, 2, EIO]);
  });
});
