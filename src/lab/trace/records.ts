/**
 * What a hart leaves behind of a traced run: records of 48 bytes in a file of its own, written by its own thread.
 * Nothing is ever dropped for want of room, and no hart waits for another or for a reader. The last record of a whole
 * file is END with the number of records before it.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export const RECORD = {
  /** From now on: domain, mode (a PRIVILEGE, or IDLE), thread. */
  SWITCH: 1,
  /** A gate was entered: caller, callee, pc of the gate (2). The next record is a SWITCH. */
  GATE: 2,
  /** A gate was left: callee, caller. */
  RETURN: 3,
  /** Cause, whether an interrupt, mode before, mode after, pc (2), value (2). */
  TRAP: 4,
  /** Fences asked of others: how many, of how many harts, nanoseconds waited. */
  SHOOTDOWN: 5,
  /** Fences done for others: how many. */
  SERVED: 6,
  /** Inter-processor interrupts sent: how many. */
  IPI: 7,
  /** A ledger entry: sequence, kind, rule, domain, gate, value, address (2), cause. */
  LEDGER: 8,
  /** Instructions and TLB misses since reset, as two doubles. */
  COUNTERS: 9,
  /** Ledger entries that were overwritten before we looked: how many. */
  LOST: 10,
  END: 11,
} as const;

/** In place of a mode: the hart waits. */
export const IDLE = 4;

const WORDS = 12;
export const RECORD_BYTES: number = WORDS * 4;
/** Where the payload begins, after the kind, an unused word and the time as a double. */
const PAYLOAD = 4;
const BUFFERED = 8192;

/** A record as it is read; the numbers that follow its kind's comment. */
export interface TraceRecord {
  readonly kind: number;
  /** Nanoseconds since the machine began. */
  readonly time: number;
  readonly values: Int32Array;
}

export const recordFile = (folder: string, hart: number): string =>
  join(folder, `hart-${hart}.records`);

export class RecordWriter {
  readonly #words = new Int32Array(BUFFERED * WORDS);
  readonly #doubles = new Float64Array(this.#words.buffer);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  #file: number | undefined;
  #filled = 0;
  #written = 0;

  /** @throws what the operating system says about a file that cannot be made */
  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  put(kind: number, time: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0): void {
    const words = this.#words;
    const at = this.#filled * WORDS;
    words[at] = kind;
    this.#doubles[(at >> 1) + 1] = time;
    words[at + PAYLOAD] = a;
    words[at + PAYLOAD + 1] = b;
    words[at + PAYLOAD + 2] = c;
    words[at + PAYLOAD + 3] = d;
    words[at + PAYLOAD + 4] = e;
    words[at + PAYLOAD + 5] = f;
    words[at + PAYLOAD + 6] = g;
    words[at + PAYLOAD + 7] = h;
    if (++this.#filled === BUFFERED) this.#flush();
  }

  /** A record of two doubles. */
  putNumbers(kind: number, time: number, first: number, second: number): void {
    const at = ((this.#filled * WORDS) >> 1) + PAYLOAD / 2;
    // Before `put` counts the record, which may empty the buffer.
    this.#doubles[at] = first;
    this.#doubles[at + 1] = second;
    const words = this.#words.subarray(at * 2, at * 2 + 4);
    this.put(kind, time, words[0], words[1], words[2], words[3]);
  }

  /** Writes the END record and closes the file. */
  close(time: number): void {
    const count = this.#written + this.#filled;
    this.putNumbers(RECORD.END, time, count, 0);
    this.#flush();
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** A file that takes no more ends there, without END: the run goes on, and the reader says what is missing. */
  #flush(): void {
    const bytes = this.#bytes.subarray(0, this.#filled * RECORD_BYTES);
    this.#written += this.#filled;
    this.#filled = 0;
    if (this.#file === undefined) return;
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at);
    } catch {
      closeSync(this.#file);
      this.#file = undefined;
    }
  }
}

/**
 * The records of a file, in order; each is valid until the next is asked for. Returns whether the file is whole: whether
 * it ends with END and has as many records as that says.
 */
export function* readRecords(path: string): Generator<TraceRecord, boolean> {
  const words = new Int32Array(BUFFERED * WORDS);
  const doubles = new Float64Array(words.buffer);
  const bytes = new Uint8Array(words.buffer);
  const file = openSync(path, 'r');
  try {
    let count = 0;
    for (;;) {
      const read = fill(file, bytes);
      for (let record = 0; record < Math.floor(read / RECORD_BYTES); record++) {
        const at = record * WORDS;
        const kind = words[at] as number;
        const values = words.subarray(at + PAYLOAD, at + WORDS);
        if (kind === RECORD.END) return numbersOf(values)[0] === count;
        yield { kind, time: doubles[(at >> 1) + 1] as number, values };
        count += 1;
      }
      if (read < bytes.length) return false;
    }
  } finally {
    closeSync(file);
  }
}

/** Fills the buffer, or as much of it as the file has. */
function fill(file: number, bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const read = readSync(file, bytes, at, bytes.length - at, null);
    if (read === 0) break;
    at += read;
  }
  return at;
}

/** The two doubles of COUNTERS and END. */
export function numbersOf(values: Int32Array): readonly [number, number] {
  const doubles = new Float64Array(values.slice(0, 4).buffer);
  return [doubles[0] as number, doubles[1] as number];
}
