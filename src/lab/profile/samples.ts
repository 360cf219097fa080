/** Samples of one hart in a file of its own, equal ones as one: written by the hart's thread, read when the run is over. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Sample {
  /** Periods of running that it stands for. */
  readonly periods: number;
  /** PRIVILEGE. */
  readonly mode: number;
  /** -1 where there are none. */
  readonly domain: number;
  readonly pcLow: number;
  readonly pcHigh: number;
  /** Numbers of the gates that were entered and not left, outermost first; -1 for an interrupt. */
  readonly gates: readonly number[];
  /** Four words of code at the pc, aligned to 16 bytes; of user mode only. */
  readonly code: readonly number[];
}

export const sampleFile = (folder: string, hart: number): string =>
  join(folder, `hart-${hart}.samples`);

export class SampleWriter {
  readonly #path: string;
  readonly #counts = new Map<string, number>();

  constructor(path: string) {
    this.#path = path;
  }

  put({ periods, ...place }: Sample): void {
    const key = JSON.stringify(place);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + periods);
  }

  close(): void {
    const lines = [...this.#counts].map(([place, periods]) => `${periods} ${place}\n`);
    writeFileSync(this.#path, lines.join(''));
  }
}

export function readSamples(path: string): Sample[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const space = line.indexOf(' ');
      const place = JSON.parse(line.slice(space + 1)) as Omit<Sample, 'periods'>;
      return { periods: Number(line.slice(0, space)), ...place };
    });
}
