/** Every complete run, a line of JSON each, in the repository. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from '../bundled.ts';
import type { HostReport } from './report.ts';

export const HISTORY: string = join(ROOT, 'bench/history.jsonl');

export const appendToHistory = (report: HostReport): void =>
  appendFileSync(HISTORY, `${JSON.stringify(report)}\n`);

/** Oldest first. */
export function readHistory(): HostReport[] {
  if (!existsSync(HISTORY)) return [];
  const lines = readFileSync(HISTORY, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as HostReport);
}
