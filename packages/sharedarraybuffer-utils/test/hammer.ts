/**
 * What worker threads do to the structures, all at once, and the memory they do it in.
 *
 * Each task is run by several workers with indices from 0; the test looks at memory afterwards.
 */
import {
  type Barrier,
  barrier,
  type ByteRing,
  type Doorbell,
  doorbell,
  f64Array,
  type Field,
  i32,
  i32Array,
  layout,
  mpscByteRing,
  type MpscRing,
  mpscRing,
  type Mutex,
  mutex,
  type Seqlock,
  seqlock,
  type RecordRing,
  type SharedWord,
  type SpscRing,
  spscRing,
  type TicketLock,
  ticketLock,
} from '../src/index.ts';

export const WORKERS = 3;
const SEQLOCK_WORDS = 8;
const RING_WORDS = 4;

export interface HammerView {
  readonly start: Barrier;
  readonly mutex: Mutex;
  readonly ticketLock: TicketLock;
  readonly barrier: Barrier;
  readonly seqlock: Seqlock;
  readonly doorbell: Doorbell;
  readonly spsc: SpscRing;
  readonly mpsc: MpscRing;
  readonly bytes: ByteRing;
  /** Not atomic: right only if something else keeps the threads apart. */
  readonly plain: Float64Array;
  /** One per worker. */
  readonly sums: Int32Array;
  readonly request: SharedWord;
  readonly acknowledged: SharedWord;
  readonly work: SharedWord;
  readonly done: SharedWord;
}

export const Hammer: Field<HammerView> = layout('Hammer', {
  start: barrier(WORKERS),
  mutex,
  ticketLock,
  barrier: barrier(WORKERS),
  seqlock: seqlock(SEQLOCK_WORDS),
  doorbell,
  spsc: spscRing(64, RING_WORDS),
  mpsc: mpscRing(64, RING_WORDS),
  bytes: mpscByteRing(256),
  plain: f64Array(1),
  sums: i32Array(WORKERS),
  request: i32,
  acknowledged: i32,
  work: i32,
  done: i32,
});

export type Task = (view: HammerView, index: number, rounds: number) => unknown;

export type TaskName =
  | 'mutex'
  | 'ticketLock'
  | 'shootdown'
  | 'barrier'
  | 'seqlock'
  | 'doorbell'
  | 'spsc'
  | 'mpsc'
  | 'mpscForEver'
  | 'bytes';

/** Words of a record, of which the last is a checksum of the others. */
function fill(record: Int32Array, producer: number, serial: number): Int32Array {
  record[0] = producer;
  record[1] = serial;
  record[2] = Math.imul(serial, 0x9e3779b1);
  record[3] = checksum(record);
  return record;
}

const checksum = (record: Int32Array): number =>
  Math.imul((record[0] as number) ^ (record[1] as number), 0x85ebca6b) ^ (record[2] as number);

/** What the reader of a ring found. */
export interface Tally {
  received: number[];
  dropped: number;
  torn: number;
  outOfOrder: number;
}

/** Drains until `isOver` says that nothing more will come, and once more. */
export function tally(ring: RecordRing, isOver: () => boolean): Tally {
  const found: Tally = { received: [0, 0, 0], dropped: 0, torn: 0, outOfOrder: 0 };
  const last = [0, 0, 0];
  for (let wasOver = false; ;) {
    ring.drain((record) => {
      const [producer, serial] = record as unknown as [number, number];
      if (record[3] !== checksum(record)) found.torn++;
      if (serial <= (last[producer] as number)) found.outOfOrder++;
      last[producer] = serial;
      found.received[producer] = (found.received[producer] as number) + 1;
    }, 1000);
    found.dropped += ring.takeDropped();
    if (wasOver) return found;
    wasOver = isOver();
  }
}

/** Worker 0 reads; `producers` others push and say when they are done. */
const ringTask =
  (choose: (view: HammerView) => RecordRing, producers: number): Task =>
  (view, index, rounds) => {
    if (index === 0) return tally(choose(view), () => view.done.load() === producers);
    if (index > producers) return null;
    const record = new Int32Array(RING_WORDS);
    for (let serial = 1; serial <= rounds; serial++) choose(view).push(fill(record, index, serial));
    view.done.add(1);
    return null;
  };

export const tasks: Record<TaskName, Task> = {
  mutex: ({ mutex: guard, plain }, _, rounds) => {
    for (let round = 0; round < rounds; round++) {
      guard.withLock(() => (plain[0] = (plain[0] as number) + 1));
    }
  },

  ticketLock: ({ ticketLock: lock, plain }, _, rounds) => {
    for (let round = 0; round < rounds; round++) {
      lock.withLock(() => (plain[0] = (plain[0] as number) + 1));
    }
  },

  /** Each holder in turn wants an acknowledgement of all others, who give it while they spin. */
  shootdown: ({ ticketLock: lock, request, acknowledged, done }, _, rounds) => {
    let answered = 0;
    const poll = (): void => {
      if (request.load() === answered) return;
      answered = request.load();
      acknowledged.add(1);
    };
    for (let round = 0; round < rounds; round++) {
      lock.withLock(() => {
        poll(); // what was asked between the last turn of spinning and now
        acknowledged.store(0);
        answered = request.add(1) + 1;
        while (acknowledged.load() !== WORKERS - 1);
      }, poll);
    }
    done.add(1);
    while (done.load() !== WORKERS) poll();
  },

  /** Each round, everybody writes; after the barrier, everybody sees what all have written. */
  barrier: ({ barrier: gate, sums }, index, rounds) => {
    let wrong = 0;
    let last = 0;
    for (let round = 1; round <= rounds; round++) {
      sums[index] = round;
      if (gate.arriveAndWait()) last++;
      if (!sums.every((sum) => sum === round)) wrong++;
      gate.arriveAndWait();
    }
    return { wrong, last };
  },

  /** Worker 0 writes; the others read until they have seen the last write. */
  seqlock: ({ seqlock: lock }, index, rounds) => {
    const values = new Int32Array(SEQLOCK_WORDS);
    if (index === 0) {
      for (let round = 1; round <= rounds; round++) {
        lock.write(values.map((_, at) => Math.imul(round, at + 1)));
      }
      return null;
    }
    let torn = 0;
    let backwards = 0;
    for (let seen = 0; seen < rounds;) {
      lock.read(values);
      const first = values[0] as number;
      if (values.some((value, at) => value !== Math.imul(first, at + 1))) torn++;
      if (first < seen) backwards++;
      seen = first;
    }
    return { torn, backwards };
  },

  /** Worker 0 parks between pieces of work, with no timeout: a lost ring would hang it. */
  doorbell: ({ doorbell: bell, work }, index, rounds) => {
    if (index !== 0) {
      for (let round = 0; round < rounds; round++) {
        work.add(1);
        bell.ring();
      }
      return null;
    }
    let found = 0;
    let parks = 0;
    for (; found < rounds * (WORKERS - 1); found += work.exchange(0)) {
      bell.park();
      parks++;
    }
    return { found, parks };
  },

  spsc: ringTask((view) => view.spsc, 1),

  mpsc: ringTask((view) => view.mpsc, WORKERS - 1),

  /** Pushes until it is killed. */
  mpscForEver: ({ mpsc }, index) => {
    const record = new Int32Array(RING_WORDS);
    for (let serial = 1; ; serial++) mpsc.push(fill(record, index, serial));
  },

  /** Worker 0 reads what the others write; each writes its own letter, `rounds` times. */
  bytes: ({ bytes: ring, done }, index, rounds) => {
    if (index !== 0) {
      for (let round = 0; round < rounds; round++) ring.put(0x40 + index);
      done.add(1);
      return null;
    }
    const counts: Record<string, number> = { dropped: 0 };
    const count = (key: string, by: number): void => {
      counts[key] = (counts[key] ?? 0) + by;
    };
    for (let wasOver = false; ;) {
      for (const byte of ring.read()) count(String.fromCharCode(byte), 1);
      count('dropped', ring.takeDropped());
      if (wasOver) return counts;
      wasOver = done.load() === WORKERS - 1;
    }
  },
};
