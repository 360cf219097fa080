/** A machine that was saved and goes on elsewhere is the machine that never stopped. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

import type { RunResult } from '../../../src/lab/run-result.ts';
import { Session, type SessionSpec } from '../../../src/lab/session.ts';
import { promptTypist, timedTypist } from '../../../src/lab/session-console.ts';
import { LAYOUT, readSnapshot, SnapshotError } from '../../../src/lab/snapshot/format.ts';
import { restoredSpec } from '../../../src/lab/snapshot/restore.ts';
import { memoryDrive } from '../../../src/machine/devices/drive.ts';
import { program } from '../../cpu-worker/assembler.ts';
import { countTogether, ECHO, passToken, RACE, sleepOnTimer } from '../../cpu-worker/programs.ts';

const directory = mkdtempSync(join(tmpdir(), 'cordon-snapshot-'));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;
const newPath = (): string => join(directory, `${files++}.snap`);

const specOf = (text: string, options: Partial<SessionSpec> = {}): SessionSpec => ({
  harts: 1,
  ramBytes: 16 << 20,
  image: program(text),
  mode: { kind: 'deterministic', seed: 'snapshot' },
  ...options,
});

interface Ended {
  readonly result: RunResult;
  readonly printed: string;
}

async function finish(session: Session): Promise<Ended> {
  let printed = '';
  session.onOutput((bytes) => (printed += new TextDecoder().decode(bytes)));
  return { result: await session.start().done, printed };
}

/** What a guest can find out about its run, and what people are told of it. */
const essence = ({ result }: Ended) => ({
  ...result,
  hostSeconds: 0,
  harts: result.harts.map(({ hart, instructions, traps, tlbMisses }) => ({
    ...{ hart, instructions, traps, tlbMisses },
  })),
});

/**
 * Saves at some instructions of a run, and goes on from each snapshot: how the run ends by itself, and all
 * the other ends.
 */
async function ends(
  spec: () => SessionSpec,
  points: readonly number[],
): Promise<{ alone: object; others: object[] }> {
  const others: object[] = [];
  for (const instructions of points) {
    const path = newPath();
    const session = new Session(spec());
    const saved = session.saveAt({ instructions }, path);
    const whole = await finish(session);
    expect(await saved).toBeGreaterThan(0);
    const rest = await finish(new Session(restoredSpec(readSnapshot(path))));
    expect(whole.printed.endsWith(rest.printed)).toBe(true);
    others.push(essence(whole), essence(rest));
  }
  return { alone: essence(await finish(new Session(spec()))), others };
}

describe('a deterministic run that goes on from a snapshot', { timeout: 30_000 }, () => {
  it.each([
    ['one hart', 1, countTogether(1), [0, 500]],
    ['three harts that race', 3, RACE, [777, 2500]],
    ['three harts and atomics', 3, countTogether(3), [10, 9000]],
    ['harts that wait for each other', 3, passToken(3, 20), [50, 333]],
    ['a timer', 2, sleepOnTimer(5000), [5, 14]],
  ])('is as if it had not stopped: %s', async (_what, harts, text, points) => {
    const { alone, others } = await ends(() => specOf(text, { harts }), points);
    for (const other of others) expect(other).toEqual(alone);
  });

  it('hears what was typed and not yet heard, and its script', async () => {
    const timed = (): SessionSpec =>
      specOf(ECHO, {
        typist: timedTypist([
          { atTick: 5, text: 'a' },
          { atTick: 3000, text: 'q' },
        ]),
      });
    const { alone, others } = await ends(timed, [20, 60]);
    for (const other of others) expect(other).toEqual(alone);
  });

  it('keeps a drive in memory', async () => {
    const spec = (): SessionSpec => {
      const buffer = new SharedArrayBuffer(4096);
      new Uint8Array(buffer).fill(7, 100, 200);
      return specOf(countTogether(1), { drive: memoryDrive(buffer) });
    };
    const { alone, others } = await ends(spec, [1000]);
    for (const other of others) expect(other).toEqual(alone);
    const path = newPath();
    const session = new Session(spec());
    const saved = session.saveAt({ instructions: 10 }, path);
    await finish(session);
    await saved;
    const { drive } = restoredSpec(readSnapshot(path));
    if (drive?.kind !== 'memory') throw new Error('the drive is gone');
    expect(new Uint8Array(drive.buffer).subarray(98, 102)).toEqual(Uint8Array.of(0, 0, 7, 7));
  });

  it('can be saved again, and from there too', async () => {
    const spec = (): SessionSpec => specOf(RACE, { harts: 3 });
    const alone = await finish(new Session(spec()));
    const [first, second] = [newPath(), newPath()];
    const session = new Session(spec());
    const saved = session.saveAt({ instructions: 100 }, first);
    await finish(session);
    await saved;
    const next = new Session(restoredSpec(readSnapshot(first)));
    const again = next.saveAt({ instructions: 2000 }, second);
    await finish(next);
    await again;
    const last = await finish(new Session(restoredSpec(readSnapshot(second))));
    expect(essence(last)).toEqual(essence(alone));
  });

  it('says nothing was saved if it ends before', async () => {
    const session = new Session(specOf(countTogether(1)));
    const saved = session.saveAt({ instructions: 1e9 }, newPath());
    await finish(session);
    expect(await saved).toBeUndefined();
  });
});

describe('a typist', () => {
  it('goes on where it was', () => {
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
    const typist = promptTypist(['one', 'two'], '$ ');
    expect(typist.type(bytes('hello\r\n$ '), 0)).toEqual(bytes('one\n'));
    typist.type(bytes('one\r\n$'), 0);
    const state = typist.save();
    if (state.kind !== 'prompt') throw new Error('another typist');
    const next = promptTypist(state.lines, state.prompt, state.tail);
    expect(next.type(bytes(' '), 0)).toEqual(bytes('two\n'));
  });
});

describe('a place where no file can be', { timeout: 30_000 }, () => {
  it.each(['/dev/null', tmpdir()])('%s stays what it is', async (path) => {
    const before = statSync(path).mode;
    const session = new Session(specOf(countTogether(1)));
    const saved = session.saveAt({ instructions: 100 }, path);
    await Promise.all([finish(session), expect(saved).rejects.toThrow(/is there and no file/)]);
    expect(statSync(path).mode).toBe(before);
  });
});

describe('a file that is no snapshot', { timeout: 30_000 }, () => {
  const snapshot = async (): Promise<string> => {
    const path = newPath();
    const session = new Session(specOf(countTogether(1)));
    const saved = session.saveAt({ instructions: 100 }, path);
    await finish(session);
    await saved;
    return path;
  };
  const refusal = (bytes: Uint8Array): string => {
    const path = newPath();
    writeFileSync(path, bytes);
    try {
      readSnapshot(path);
    } catch (error) {
      if (error instanceof SnapshotError) return error.message;
      throw error;
    }
    throw new Error('it was taken');
  };

  it('is refused with its reason, wherever it is torn or changed', async () => {
    const whole = readFileSync(await snapshot());
    for (let n = 1; n < 40; n++) {
      const cut = whole.subarray(0, Math.floor((whole.length * n) / 40));
      expect(refusal(cut)).toMatch(/is torn or damaged|is not a snapshot/);
      const changed = Uint8Array.from(whole);
      changed[cut.length] = (changed[cut.length] as number) ^ 0x10;
      expect(refusal(changed)).toMatch(/torn or damaged|not a snapshot|another version/);
    }
    expect(refusal(new Uint8Array(0))).toMatch(/is not a snapshot/);
    expect(refusal(new TextEncoder().encode('hello'))).toMatch(/is not a snapshot/);
  });

  it('is refused if it is of another version', async () => {
    const whole = readFileSync(await snapshot()).toString('latin1');
    const other = whole.replace(LAYOUT, '0123456789abcdef');
    expect(refusal(Buffer.from(other, 'latin1'))).toMatch(/saved by another version of Cordon/);
  });
});
