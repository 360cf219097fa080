import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  packFrame,
  Recorder,
  SAMPLE_INTERVAL_MS,
  type HeaderFrame,
  type RunTotals,
} from '../../src/lab/recording.ts';
import { readRecording, RecordingError } from '../../src/lab/recording-reader.ts';
import { createReplay } from '../../src/lab/replay.ts';
import { COUNTERS, counterIndex, HART_STATE } from '../../src/machine/probe.ts';
import { Model } from '../../src/tui/model.ts';
import { startPlain } from '../../src/tui/plain.ts';
import { DOMAIN_NAMES, FakeSource } from '../tui/fake-source.ts';
import { ManualTimer } from '../tui/headless.ts';

const HARTS = 3;

const header = (): HeaderFrame => ({
  frame: 'header',
  magic: 'cordon recording',
  version: 1,
  title: 'kernel.elf',
  harts: HARTS,
  ramBytes: 128 << 20,
  bootargs: 'quiet',
  mechanism: 'vbit',
  mode: 'deterministic',
  seed: '7',
  schedule: 'deterministic, seed 7',
  tlb: 'model',
  domains: DOMAIN_NAMES,
  counters: COUNTERS,
});

const TOTALS: RunTotals = {
  exit: { reason: 'power-off', code: 0 },
  harts: [{ hart: 0, instructions: 5, cycles: 6, traps: 1, gates: 2, tlbMisses: 3, shootdowns: 4 }],
  denials: 1,
  stateHash: null,
  machineSeconds: 2,
  hostSeconds: 3,
};

let directory = '';
/** Two seconds of a run with one event and some text. */
let bytes = new Uint8Array(0);
const recorded = new FakeSource(HARTS);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'cordon-recording-'));
  const path = join(directory, 'a.rec');
  const timer = new ManualTimer();
  const recorder = new Recorder(path, header(), recorded, timer);
  for (let step = 0; step < 10; step++) {
    recorded.run(SAMPLE_INTERVAL_MS / 1000);
    if (step === 4) {
      recorded.happen('denial', 'keyring reached for 0x1000: access-own-memory (NK-3)');
      recorded.print('hel');
      recorded.samples[2]!.state = HART_STATE.PARKED;
      recorded.domainList[2] = { name: 'keyring', state: 'stopped', generation: 2, restarts: 1 };
    }
    if (step === 7) recorded.print('lo\n');
    timer.advance(SAMPLE_INTERVAL_MS);
  }
  recorded.finished = 'powered off';
  recorder.stop(TOTALS);
  recorder.stop();
  bytes = readFileSync(path);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A model that has watched the whole recording, a look every 100 ms of the host. */
function watch(file: Uint8Array, speed = 1): Model {
  const host = new ManualTimer();
  const { source, timer } = createReplay(readRecording(file, 'a.rec'), { speed, host });
  const model = new Model();
  for (let i = 0; i <= 21; i++) {
    model.sample(source, timer.now());
    host.advance(100);
  }
  return model;
}

describe('a recording', () => {
  it('gives back header, events and totals as they were', () => {
    const recording = readRecording(bytes, 'a.rec');
    expect(recording.header).toEqual(header());
    expect(recording.brokenAt).toBeNull();
    expect(recording.durationMs).toBe(2000);
    expect(recording.frames.at(-1)).toMatchObject({ finished: 'powered off', totals: TOTALS });
    const events = recording.frames.filter(({ frame }) => frame === 'events');
    expect(events).toMatchObject([{ timeMs: 1000, events: recorded.eventList }]);
  });

  it.each([1, 4])('shows at speed %d what the run had shown, with its rates', (speed) => {
    const model = watch(bytes, speed);
    expect(model.summary).toMatchObject({ mechanism: 'vbit', finished: 'powered off' });
    expect(model.elapsedMs).toBe(2000);
    for (const [id, hart] of model.harts.entries()) {
      const { state, mode, domain, view, thread, instructions, counters } = recorded.samples[id]!;
      expect(hart).toMatchObject({ state, mode, domain, view, thread });
      expect(hart.totals.instructions).toBe(instructions);
      expect(hart.totals.tlbMisses).toBe(counters[counterIndex.tlbMisses]);
      expect(hart.history.at(-1)).toBeCloseTo((id + 1) * 1e6);
    }
    expect(model.domains).toEqual(recorded.domainList);
    expect([...model.gates.totals]).toEqual([...recorded.counts]);
    expect(model.events).toEqual(recorded.eventList);
    expect(model.console.lines.map((line) => line.map(({ text }) => text).join(''))[0]).toBe(
      'hello',
    );
  });

  it('shows nothing before its time', () => {
    const host = new ManualTimer();
    const { source, timer } = createReplay(readRecording(bytes, 'a.rec'), { host });
    timer.now();
    host.advance(999);
    timer.now();
    expect(source.events(0)).toEqual([]);
    expect(source.summary().finished).toBeNull();
    host.advance(1);
    timer.now();
    expect(source.events(0)).toHaveLength(1);
  });

  it('counts by the names of its counters, not by their places', () => {
    const counters = new Float64Array([1, 2, 3, 4, 5, 6]);
    const file = Buffer.concat([
      packFrame({ ...header(), counters: ['of-another-version', 'gates'] }),
      packFrame({
        ...{ frame: 'sample', timeMs: 0, counters, harts: new Int32Array(15) },
        ...{ instructions: new Float64Array(3), domains: new Int32Array(12) },
        ...{ gates: new Float64Array(16) },
      }),
    ]);
    expect(watch(file).harts.map(({ totals }) => totals.gates)).toEqual([2, 4, 6]);
  });

  it('notes a file that cannot be written on, and lets the run go on', () => {
    const path = join(directory, 'none', 'a.rec');
    expect(() => new Recorder(path, header(), new FakeSource(HARTS))).toThrow(/ENOENT/);
    expect(() => new Recorder('/dev/full', header(), new FakeSource(HARTS))).toThrow(/ENOSPC/);
  });
});

describe('a torn recording', () => {
  const headerBytes = packFrame(header()).length;

  it('in its header is none', () => {
    for (let cut = 0; cut < headerBytes; cut++) {
      expect(() => readRecording(bytes.subarray(0, cut), 'a.rec')).toThrow(RecordingError);
    }
  });

  it('plays to its last whole frame wherever it is torn', () => {
    const whole = readRecording(bytes, 'a.rec');
    /** Where each frame ends. */
    const ends = whole.frames.reduce<number[]>(
      (places, frame) => [...places, (places.at(-1) as number) + packFrame(frame).length],
      [headerBytes],
    );
    expect(ends.at(-1)).toBe(bytes.length);
    for (let cut = headerBytes; cut < bytes.length; cut += ends.includes(cut + 1) ? 1 : 7) {
      const { frames, brokenAt } = readRecording(bytes.subarray(0, cut), 'a.rec');
      const good = ends.findLastIndex((end) => end <= cut);
      expect({ count: frames.length, brokenAt }, `cut at ${cut}`).toEqual({
        count: good,
        brokenAt: ends[good],
      });
      expect(frames.at(-1)).toEqual(whole.frames[good - 1]);
    }
  });

  it('says in the dashboard that it breaks off', () => {
    expect(watch(bytes.subarray(0, -1)).summary.finished).toBe('the recording breaks off');
  });

  it('is one, too, if something follows its end', () => {
    const { brokenAt } = readRecording(Buffer.concat([bytes, packFrame(header())]), 'a.rec');
    expect(brokenAt).toBe(bytes.length);
  });
});

describe('a file that is no recording', () => {
  const pack = (value: unknown): Uint8Array => new Packr({ moreTypes: true }).pack(value);

  it.each([
    ['empty', new Uint8Array(0), /not a recording/],
    ['a text', Buffer.from('#!/bin/sh\necho hello\n'), /not a recording/],
    ['another program’s', pack({ magic: 'tape', version: 1 }), /not a recording/],
    ['a later version’s', pack({ ...header(), version: 2 }), /format 2.*reads format 1/],
    ['of no sense', pack({ ...header(), harts: 1e9 }), /damaged header/],
  ])('%s, is refused in one sentence', (_, file, words) => {
    expect(() => readRecording(file, 'a.rec')).toThrow(RecordingError);
    expect(() => readRecording(file, 'a.rec')).toThrow(words);
  });
});

describe('hostile bytes', () => {
  /** Reads and shows a file to its end; throws if anything but a refusal happens. */
  async function play(file: Uint8Array): Promise<string> {
    let text = '';
    const output = new Writable({
      write(chunk: Buffer, _, done) {
        text += chunk.toString();
        done();
      },
    });
    try {
      const recording = readRecording(file, 'a.rec');
      const host = new ManualTimer();
      const { source, timer } = createReplay(recording, { host, scalesIntervals: true });
      const running = startPlain(source, { output, timer });
      host.advance(3000);
      running.close();
      await running.done;
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
    }
    return text;
  }

  it('are refused or shown, and never crash or reach the terminal', async () => {
    const damage = fc.array(
      fc.record({
        at: fc.double({ min: 0, max: 0.9999999, noNaN: true }),
        byte: fc.integer({ min: 0, max: 255 }),
      }),
      { minLength: 1, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(damage, async (changes) => {
        const file = Uint8Array.from(bytes);
        for (const { at, byte } of changes) file[Math.floor(at * file.length)] = byte;
        expect(await play(file)).not.toContain('\x1b');
      }),
      { numRuns: 300 },
    );
  });

  it('after a good header do no harm either', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (tail) => {
        const file = Buffer.concat([packFrame(header()), tail]);
        expect(readRecording(file, 'a.rec').brokenAt).not.toBeNull();
        expect(await play(file)).not.toContain('\x1b');
      }),
      { numRuns: 300 },
    );
  });

  it('from the first byte on are no recording', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (file) => {
        expect(() => readRecording(file, 'a.rec')).toThrow(RecordingError);
      }),
      { numRuns: 500 },
    );
  });
});
