/** Where and of what a measurement was made. */
import { execFileSync } from 'node:child_process';
import { arch, availableParallelism, cpus, loadavg, platform } from 'node:os';

import { ROOT } from '../bundled.ts';
import type { HostFacts } from './report.ts';

export const hostFacts = (): HostFacts => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  system: `${platform()} ${arch()}`,
  loadAverage: loadavg()[0] ?? 0,
});

/** The commit of the sources, with `+` if a tracked file differs from it; null if git does not know. */
export function commitOfSources(): string | null {
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', ROOT, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no');
    return `${git('rev-parse', '--short=12', 'HEAD')}${changed === '' ? '' : '+'}`;
  } catch {
    return null;
  }
}
