import { describe, expect, it } from 'vitest';

import { Session, type SessionSpec } from '../../src/lab/session.ts';
import { promptTypist, timedTypist } from '../../src/lab/session-console.ts';
import type { RunResult } from '../../src/lab/run-result.ts';
import { program } from './assembler.ts';
import {
  countTogether,
  ECHO,
  exitWith,
  passToken,
  RACE,
  sleepOnTimer,
  waitForWord,
} from './programs.ts';

const run = async (
  text: string,
  options: Partial<SessionSpec> & { seed?: string } = {},
): Promise<RunResult & { printed: string }> => {
  const { seed = 'a', ...spec } = options;
  const session = new Session({
    harts: 2,
    ramBytes: 16 << 20,
    image: program(text),
    mode: { kind: 'deterministic', seed },
    ...spec,
  });
  let printed = '';
  session.onOutput((bytes) => (printed += new TextDecoder().decode(bytes)));
  return { ...(await session.start().done), printed };
};

const instructions = ({ harts }: RunResult): number[] => harts.map((hart) => hart.instructions);

describe('a deterministic run', () => {
  it('ends with the code the guest gives', async () => {
    const { exit } = await run(exitWith(42), { harts: 1 });
    expect(exit).toEqual({ reason: 'power-off', code: 42 });
  });

  it('counts the instructions of each hart', async () => {
    // li, li, sw: what the program retires before the machine is off.
    const { harts } = await run(exitWith(7), { harts: 1 });
    expect(harts[0]?.instructions).toBeGreaterThanOrEqual(4);
    expect(harts[0]?.instructions).toBeLessThan(10);
    expect(harts[0]?.cycles).toBe(harts[0]?.instructions);
  });

  it('loses no atomic addition', async () => {
    const { exit } = await run(countTogether(4), { harts: 4 });
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
  });

  it('gives others their turn when a hart waits on a reservation', async () => {
    const [first, second] = [await run(waitForWord(20_000)), await run(waitForWord(20_000))];
    expect(first.exit).toEqual({ reason: 'power-off', code: 0 });
    expect(instructions(second)).toEqual(instructions(first));
    expect(first.harts[1]?.instructions).toBeLessThan(2000);
  });

  it('repeats itself bit for bit with the same seed', async () => {
    const [first, second] = [await run(RACE), await run(RACE)];
    expect(first.stateHash).toMatch(/^[0-9a-f]{64}$/);
    expect(second.stateHash).toBe(first.stateHash);
    expect(instructions(second)).toEqual(instructions(first));
    expect(second.machineSeconds).toBe(first.machineSeconds);
  });

  it('takes another way with another seed', async () => {
    const hashes = await Promise.all(
      ['a', 'b', 'c', 'd'].map(async (seed) => (await run(RACE, { seed })).stateHash),
    );
    expect(new Set(hashes).size).toBeGreaterThan(1);
  });

  it('repeats itself although two runs take turns on one thread', async () => {
    const [first, second] = await Promise.all([
      run(passToken(4, 500), { harts: 4 }),
      run(passToken(4, 500), { harts: 4 }),
    ]);
    expect(second.stateHash).toBe(first.stateHash);
  });

  it('wakes a hart in WFI with a software interrupt', async () => {
    const { exit, harts } = await run(passToken(3, 10), { harts: 3 });
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
    expect(harts.every((hart) => hart.instructions > 50)).toBe(true);
  });

  it('jumps to the next timer while every hart waits', async () => {
    const { exit, machineSeconds, hostSeconds } = await run(sleepOnTimer(600_000_000));
    expect(exit).toEqual({ reason: 'power-off', code: 1 });
    expect(machineSeconds).toBeGreaterThanOrEqual(60);
    expect(machineSeconds).toBeLessThan(60.001);
    expect(hostSeconds).toBeLessThan(60);
  });

  it('says so when nothing can ever wake a hart', async () => {
    const { exit } = await run('rest:\nwfi\nj rest');
    expect(exit).toEqual({ reason: 'idle', code: 0 });
  });

  it('ends at its time limit, which is of the machine’s time', async () => {
    const { exit, machineSeconds } = await run('spin:\nj spin', { seconds: 0.01 });
    expect(exit.reason).toBe('time-limit');
    expect(machineSeconds).toBeGreaterThanOrEqual(0.01);
    expect(machineSeconds).toBeLessThan(0.011);
  });

  it('lets a hart that runs alone retire ten instructions a tick', async () => {
    const { harts } = await run('bnez a0, rest\nspin:\nj spin\nrest:\nwfi\nj rest', {
      seconds: 0.01,
    });
    expect(harts[0]?.instructions).toBeGreaterThan(990_000);
    expect(harts[0]?.instructions).toBeLessThan(1_100_000);
  });

  it('types timed input at its tick', async () => {
    const result = await run(ECHO, {
      typist: timedTypist([
        { atTick: 20_000, text: 'q' },
        { atTick: 10_000, text: 'hi' },
      ]),
    });
    expect(result.printed).toBe('> hiq');
    expect(result.exit).toEqual({ reason: 'power-off', code: 0 });
    expect(result.machineSeconds).toBeCloseTo(0.002, 3);
  });

  it('types a line at each prompt, and at nothing that only looks like one', async () => {
    const typist = promptTypist(['a> ', 'q'], '> ');
    const result = await run(ECHO, { typist, seconds: 0.005 });
    expect(result.printed).toBe('> a> \n');
    expect(result.exit.reason).toBe('time-limit');
  });
});
