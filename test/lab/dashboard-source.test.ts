import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { dashboardSource } from '../../src/lab/dashboard-source.ts';
import { recordSession } from '../../src/lab/recording.ts';
import { readRecording } from '../../src/lab/recording-reader.ts';
import { Session, type SessionMode } from '../../src/lab/session.ts';
import { HART_STATE } from '../../src/machine/probe.ts';
import { program } from '../cpu-worker/assembler.ts';
import { countTogether, print } from '../cpu-worker/programs.ts';

/** Two harts that print, count and power off. */
const session = (mode: SessionMode): Session =>
  new Session({
    harts: 2,
    ramBytes: 16 << 20,
    image: program(`bnez a0, count\n${print('hello')}\ncount:\n${countTogether(2)}`),
    mode,
  });
const DETERMINISTIC = { kind: 'deterministic', seed: '7' } as const;

describe('the source of a session', () => {
  it('tells what the machine’s memory says, before, and after the run', async () => {
    const run = session(DETERMINISTIC);
    const source = dashboardSource(run);
    expect(source.summary()).toEqual({
      title: run.spec.image.name,
      mechanism: 'no firmware',
      schedule: 'deterministic, seed 7',
      tlb: 'model',
      finished: null,
    });
    expect(source.harts().map(({ instructions }) => instructions)).toEqual([0, 0]);
    expect(source.harts().map(({ state }) => state)).toEqual(Array(2).fill(HART_STATE.PARKED));
    const result = await run.start().done;
    expect(source.harts().map(({ instructions }) => instructions)).toEqual(
      result.harts.map(({ instructions }) => instructions),
    );
    expect(source.summary().finished).toBe('powered off');
    expect(source.domains()).toEqual([]);
    expect(source.gates().size).toBe(0);
    expect(source.events(0)).toEqual([]);
  });

  it('gives each reader the whole console, once', async () => {
    const run = session(DETERMINISTIC);
    const [one, other] = [dashboardSource(run), dashboardSource(run)];
    await run.start().done;
    const text = one.console();
    expect(text).toBe('hello');
    expect(one.console()).toBe('');
    expect(other.console()).toBe(text);
  });

  it('takes keys where the run can take them', () => {
    expect(dashboardSource(session(DETERMINISTIC)).sendInput).toBeUndefined();
    const parallel = session({ kind: 'parallel' });
    expect(dashboardSource(parallel).sendInput).toBeTypeOf('function');
    expect(dashboardSource(parallel, { interactive: false }).sendInput).toBeUndefined();
    expect(dashboardSource(parallel, { title: 'tour' }).summary()).toMatchObject({
      title: 'tour',
      schedule: 'parallel',
      tlb: 'emulator',
    });
  });
});

describe('a recorded session', () => {
  it('ends like one that is not, and its recording with its totals', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'cordon-recording-'));
    const path = join(directory, 'a.rec');
    const plain = await session(DETERMINISTIC).start().done;
    const run = session(DETERMINISTIC);
    recordSession(run, path);
    const result = await run.start().done;
    expect(result.stateHash).toBe(plain.stateHash);
    const { header, frames, brokenAt } = readRecording(readFileSync(path), path);
    rmSync(directory, { recursive: true });
    expect(header).toMatchObject({ harts: 2, ramBytes: 16 << 20, seed: '7', tlb: 'model' });
    expect(brokenAt).toBeNull();
    expect(frames.at(-1)).toMatchObject({
      finished: 'powered off',
      totals: { exit: { reason: 'power-off' }, harts: result.harts, stateHash: result.stateHash },
    });
    const text = frames.flatMap((frame) => (frame.frame === 'console' ? frame.text : []));
    expect(text.join('')).toBe('hello');
  });
});
