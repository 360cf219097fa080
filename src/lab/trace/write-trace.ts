/** From the harts' record files to one trace file. */
import { existsSync } from 'node:fs';

import type { Contexts } from '../../policy/contexts.ts';
import { chromeJsonFormat } from './chrome-json.ts';
import { OutputFile } from './output-file.ts';
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
      const isWhole = addAll(recordFile(folder, hart), builder);
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

/** Hands a hart's records on; false if they are not whole, or not there. */
function addAll(path: string, builder: TrackBuilder): boolean {
  if (!existsSync(path)) return false;
  let last = 0;
  const records = readRecords(path);
  for (;;) {
    const { value, done } = records.next();
    if (done === true) {
      builder.end(last);
      return value;
    }
    last = value.time;
    builder.add(value);
  }
}
