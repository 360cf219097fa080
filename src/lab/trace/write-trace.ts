/** From the harts' record files to one trace file. */
import { closeSync, existsSync, openSync, writeSync } from 'node:fs';

import type { Contexts } from '../../policy/contexts.ts';
import { chromeJsonFormat } from './chrome-json.ts';
import { perfettoFormat } from './perfetto.ts';
import { readRecords, recordFile } from './records.ts';
import { TrackBuilder } from './tracks.ts';

export interface TraceSummary {
  /** Gates entered, by hart. */
  readonly gates: readonly number[];
  readonly events: number;
  /** Ledger entries that no hart saw in time. */
  readonly lost: number;
  /** Harts whose records are not whole: the disk was full, or the worker was killed. */
  readonly broken: readonly number[];
}

const BUFFER_BYTES = 1 << 20;

/** Collects small pieces into large writes. */
class OutputFile {
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #file: number;
  #filled = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  readonly write = (bytes: Uint8Array): void => {
    if (this.#filled + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) this.#out(bytes);
    else {
      this.#buffer.set(bytes, this.#filled);
      this.#filled += bytes.length;
    }
  };

  close(): void {
    try {
      this.#flush();
    } finally {
      closeSync(this.#file);
    }
  }

  #flush(): void {
    this.#out(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }

  #out(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at);
  }
}

/** @throws what the operating system says about a file that cannot be written */
export function writeTrace(
  folder: string,
  path: string,
  { title, harts, contexts }: { title: string; harts: number; contexts?: Contexts | undefined },
): TraceSummary {
  const format = path.endsWith('.json') ? chromeJsonFormat : perfettoFormat;
  const output = new OutputFile(path);
  try {
    const body = format.start(title, harts, output.write);
    let events = 0;
    let lost = 0;
    const gates: number[] = [];
    const broken: number[] = [];
    for (let hart = 0; hart < harts; hart++) {
      const emit = body.hart(hart);
      const builder = new TrackBuilder(hart, contexts, (event) => {
        events += 1;
        emit(event);
      });
      let last = 0;
      const file = recordFile(folder, hart);
      const isWhole =
        existsSync(file) &&
        readRecords(file, (record) => {
          last = record.time;
          builder.add(record);
        });
      builder.end(last);
      gates.push(builder.gates);
      lost += builder.lost;
      if (!isWhole) broken.push(hart);
    }
    body.end();
    return { gates, events, lost, broken };
  } finally {
    output.close();
  }
}
