/** Every trap as a line of text, all harts in the order of time. */
import { existsSync } from 'node:fs';

import type { Contexts } from '../../policy/contexts.ts';
import { causeName, hex64, MODE_NAMES } from './names.ts';
import { readRecords, RECORD, recordFile, type TraceRecord } from './records.ts';

/** Calls back with lines, each with its end. */
export function writeTraps(
  folder: string,
  harts: number,
  contexts: Contexts | undefined,
  write: (line: string) => void,
): void {
  const sources = Array.from({ length: harts }, (_, hart) => hart)
    .filter((hart) => existsSync(recordFile(folder, hart)))
    .map((hart) => new TrapSource(hart, folder, contexts))
    .filter((source) => source.advance());
  while (sources.length > 0) {
    const next = sources.reduce((first, other) => (other.time < first.time ? other : first));
    write(next.line);
    if (!next.advance()) sources.splice(sources.indexOf(next), 1);
  }
}

/** The traps of one hart, one after the other. */
class TrapSource {
  time = 0;
  line = '';
  readonly #hart: number;
  readonly #records: Generator<TraceRecord, boolean>;
  readonly #contexts: Contexts | undefined;
  #domain = -1;

  constructor(hart: number, folder: string, contexts: Contexts | undefined) {
    this.#hart = hart;
    this.#records = readRecords(recordFile(folder, hart));
    this.#contexts = contexts;
  }

  /** Goes to the next trap; false if there is none. */
  advance(): boolean {
    for (;;) {
      const { value: record, done } = this.#records.next();
      if (done === true) return false;
      if (record.kind === RECORD.SWITCH) this.#domain = record.values[0] as number;
      if (record.kind !== RECORD.TRAP) continue;
      this.time = record.time;
      this.line = this.#lineOf(record);
      return true;
    }
  }

  #lineOf({ time, values }: TraceRecord): string {
    const [cause = 0, isInterrupt = 0, from = 0, to = 0, pcLow = 0, pcHigh = 0, low = 0, high = 0] =
      values;
    const modes = `${MODE_NAMES[from] ?? from}->${MODE_NAMES[to] ?? to}`;
    const domain = this.#domain < 0 ? '' : ` ${this.#contexts?.domains[this.#domain]?.name ?? ''}`;
    return (
      `${(time / 1000).toFixed(1).padStart(12)} us  hart ${this.#hart}${domain} ${modes} ` +
      `${causeName(cause, isInterrupt !== 0)}, pc ${hex64(pcLow, pcHigh)}, value ${hex64(low, high)}\n`
    );
  }
}
