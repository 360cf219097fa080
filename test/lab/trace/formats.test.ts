import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { attachMachine, createMachine } from '../../../src/machine/machine.ts';
import { chromeJsonFormat } from '../../../src/lab/trace/chrome-json.ts';
import type { TraceFormat } from '../../../src/lab/trace/format.ts';
import { perfettoFormat } from '../../../src/lab/trace/perfetto.ts';
import { ProtoWriter } from '../../../src/lab/trace/protobuf.ts';
import {
  IDLE,
  numbersOf,
  readRecords,
  RECORD,
  RECORD_BYTES,
  recordFile,
  RecordWriter,
} from '../../../src/lab/trace/records.ts';
import { TrackBuilder, type TrackEvent } from '../../../src/lab/trace/tracks.ts';
import { writeTrace } from '../../../src/lab/trace/write-trace.ts';
import { decodeTrace, fields } from './decode.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cordon-trace-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the protobuf writer', () => {
  it('writes varints of every length up to 2^53', () => {
    const numbers = [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER];
    const writer = new ProtoWriter();
    numbers.forEach((value, index) => writer.uint(index + 1, value));
    expect(fields(writer.written).map(({ value }) => Number(value))).toEqual(numbers);
  });

  it('nests messages that are longer than its buffers', () => {
    const text = 'ä'.repeat(5_000);
    const writer = new ProtoWriter();
    writer.message(200, (outer) =>
      outer
        .uint(1, 7)
        .message(2, (inner) => inner.text(3, text))
        .fixed64(4, 2 ** 40),
    );
    const [outer] = fields(writer.written);
    expect(outer?.number).toBe(200);
    const [first, second, third] = fields(outer?.bytes ?? new Uint8Array(0));
    expect([first?.value, third?.value]).toEqual([7n, 1n << 40n]);
    expect(new TextDecoder().decode(fields(second?.bytes ?? new Uint8Array(0))[0]?.bytes)).toBe(
      text,
    );
  });
});

describe('the record files', () => {
  const write = (path: string, count: number, isClosed: boolean): void => {
    const writer = new RecordWriter(path);
    for (let n = 0; n < count; n++) writer.put(RECORD.TRAP, n + 0.5, n, -n, 3, 4, 5, 6, 7, 8);
    writer.putNumbers(RECORD.COUNTERS, count, 2 ** 40, 0.25);
    if (isClosed) writer.close(count);
  };
  const drain = (path: string): { count: number; isWhole: boolean; last: number[] } => {
    const records = readRecords(path);
    let count = 0;
    let last: number[] = [];
    for (;;) {
      const { value, done } = records.next();
      if (done === true) return { count, isWhole: value, last };
      last =
        value.kind === RECORD.COUNTERS
          ? [...numbersOf(value.values)]
          : [value.time, ...value.values];
      count += 1;
    }
  };

  it('bring back what was written, over many buffers', () => {
    const path = join(folder, 'whole');
    write(path, 20_000, true);
    expect(drain(path)).toEqual({ count: 20_001, isWhole: true, last: [2 ** 40, 0.25] });
  });

  it('say that something is missing when their writer died, or the disk was full', () => {
    const path = join(folder, 'cut');
    write(path, 20_000, true);
    truncateSync(path, 10_000 * RECORD_BYTES + 5);
    const { count, isWhole, last } = drain(path);
    expect([count, isWhole, last.slice(0, 3)]).toEqual([10_000, false, [9999.5, 9999, -9999]]);
    write(join(folder, 'unclosed'), 3, false);
    expect(drain(join(folder, 'unclosed'))).toEqual({ count: 0, isWhole: false, last: [] });
  });

  it('that are missing or cut are named in the summary of a trace', () => {
    const records = mkdtempSync(join(folder, 'harts-'));
    write(recordFile(records, 0), 1, true);
    write(recordFile(records, 1), 1, true);
    truncateSync(recordFile(records, 1), RECORD_BYTES);
    const out = join(folder, 'out.pftrace');
    const summary = writeTrace(records, out, { title: 'test', harts: 3 });
    expect(summary).toMatchObject({ broken: [1, 2], lost: 0, gates: [0, 0, 0] });
  });
});

describe('the slices of a hart', () => {
  const built = (
    ...records: readonly (readonly [kind: number, time: number, ...values: number[]])[]
  ): TrackEvent[] => {
    const events: TrackEvent[] = [];
    const builder = new TrackBuilder(1, undefined, (event) => events.push(event));
    for (const [kind, time, ...values] of records)
      builder.add({ kind, time, values: Int32Array.from(values) });
    builder.end(99);
    return events;
  };

  it('follow one another without gaps, and the last ends with the run', () => {
    const events = built(
      [RECORD.SWITCH, 1, 0, 1, 2],
      [RECORD.SWITCH, 5, 0, 0, 2],
      [RECORD.SWITCH, 7, 0, IDLE, 2],
    );
    expect(
      events.map((event) => [event.type, event.time, 'name' in event ? event.name : '']),
    ).toEqual([
      ['begin', 1, 'domain 0'],
      ['end', 5, ''],
      ['begin', 5, 'user'],
      ['end', 7, ''],
      ['begin', 7, 'wfi'],
      ['end', 99, ''],
    ]);
  });

  it('that begin through a gate end the flow of that gate', () => {
    const events = built(
      [RECORD.SWITCH, 1, 0, 1, 0],
      [RECORD.GATE, 2, 0, 3, 16, 0],
      [RECORD.SWITCH, 2, 3, 1, 0],
    );
    const flows = events.flatMap((event) => ('flow' in event ? [[event.type, event.flow]] : []));
    expect(flows).toEqual([
      ['instant', 2 ** 40 + 1],
      ['begin', 2 ** 40 + 1],
    ]);
  });
});

const EVENTS: readonly TrackEvent[] = [
  { type: 'begin', time: 10, name: 'core', notes: { thread: 3 } },
  {
    type: 'instant',
    time: 20.4,
    category: 'gate',
    name: 'gate vfs_open',
    notes: { to: 'vfs' },
    flow: 5,
  },
  { type: 'end', time: 20.4 },
  { type: 'begin', time: 20.4, name: 'vfs', notes: {}, flow: 5 },
  { type: 'counter', time: 30, counter: 'TLB misses', value: 1.5 },
  { type: 'end', time: 40 },
];
const written = (format: TraceFormat): Uint8Array => {
  const pieces: Uint8Array[] = [];
  const body = format.start('test', 2, (bytes) => pieces.push(bytes.slice()));
  const emit = body.hart(1);
  for (const event of EVENTS) emit(event);
  body.end();
  return Buffer.concat(pieces);
};

describe('a file for Perfetto', () => {
  it('has a thread for each hart, and its events with their names', () => {
    const { tracks, events } = decodeTrace(written(perfettoFormat));
    expect([...tracks.values()]).toEqual([
      'test',
      ...[0, 1].flatMap((hart) => [
        `hart ${hart}`,
        `hart ${hart} instructions`,
        `hart ${hart} TLB misses`,
      ]),
    ]);
    const slices = events.filter(({ type }) => type !== 'counter');
    expect(slices.map(({ track }) => tracks.get(track))).toEqual(slices.map(() => 'hart 1'));
    expect(slices.map(({ type, time, name, category }) => [type, time, name, category])).toEqual([
      ['begin', 10, 'core', 'domain'],
      ['instant', 20, 'gate vfs_open', 'gate'],
      ['end', 20, undefined, undefined],
      ['begin', 20, 'vfs', 'domain'],
      ['end', 40, undefined, undefined],
    ]);
    expect(slices.map(({ notes }) => notes).slice(0, 2)).toEqual([{ thread: 3 }, { to: 'vfs' }]);
    expect([slices[1]?.flows, slices[3]?.endingFlows]).toEqual([[5n], [5n]]);
    const [counter] = events.filter(({ type }) => type === 'counter');
    expect([tracks.get(counter?.track ?? 0), counter?.value]).toEqual(['hart 1 TLB misses', 1.5]);
  });
});

describe('a file of Chrome JSON', () => {
  it('is JSON, with flows that bind to slices and microseconds', () => {
    const { traceEvents } = JSON.parse(new TextDecoder().decode(written(chromeJsonFormat))) as {
      traceEvents: { ph: string; ts?: number; id?: number; name?: string }[];
    };
    expect(traceEvents.map(({ ph }) => ph).join('')).toBe('MMMBisEBfCE');
    const flows = traceEvents.filter(({ id }) => id !== undefined);
    expect(flows.map(({ ph, id }) => [ph, id])).toEqual([
      ['s', 5],
      ['f', 5],
    ]);
    expect(traceEvents.find(({ name }) => name === 'vfs')?.ts).toBe(0.02);
  });
});

describe('a machine that nobody observes', () => {
  const partsOf = (isObserved: boolean): ReturnType<typeof createMachine> =>
    createMachine({
      harts: 1,
      ramBytes: 16 << 20,
      deterministic: true,
      hasKeys: false,
      monitorBytes: 0,
      isObserved,
    });
  const importsOf = (isObserved: boolean): string[] =>
    WebAssembly.Module.imports(partsOf(isObserved).module).map(({ name }) => name);

  it('has a core that cannot tell anybody', () => {
    expect(importsOf(false)).toEqual(['memory']);
    expect(importsOf(true).toSorted()).toEqual(['memory', 'returned', 'trapped']);
  });

  it('else tells of a trap before it is taken, and of the return after', () => {
    const machine = attachMachine(partsOf(true));
    const hart = machine.hart(0);
    hart.reset(0x8000_0000 | 0, 0);
    // mtvec = 0x80000010; ecall. The handler: mret.
    const code = Uint32Array.of(0x00000297, 0x01028293, 0x30529073, 0x00000073, 0x30200073);
    machine.load(0x8000_0000, new Uint8Array(code.buffer));
    const seen: unknown[] = [];
    hart.observer = {
      trapped: (of, trap) => seen.push(['trapped', of.pcLow >>> 0, trap]),
      returned: (of) => seen.push(['returned', of.pcLow >>> 0]),
      served: () => {},
      waits: () => {},
    };
    hart.run(5);
    expect(seen.slice(0, 2)).toEqual([
      [
        'trapped',
        0x8000_000c,
        {
          cause: 11,
          isInterrupt: false,
          from: 3,
          to: 3,
          pcLow: 0x8000_000c | 0,
          pcHigh: 0,
          valueLow: 0,
          valueHigh: 0,
        },
      ],
      ['returned', 0x8000_000c],
    ]);
  });
});
