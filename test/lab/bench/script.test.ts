import { describe, expect, it } from 'vitest';
import {
  failedRow,
  failureCode,
  parseScript,
  readScript,
  ScriptError,
  shellScript,
} from '../../../src/lab/bench/script.ts';

const RUN = '[[run]]\nname = "a"\nprogram = "lat_pipe"\narguments = ["$N"]\nrepetitions = 7\n';

describe('a benchmark script', () => {
  it('gives a program its repetitions where it says $N', () => {
    const { runs } = parseScript(`title = "t"\n${RUN}`, 's.toml');
    expect(shellScript(runs)).toContain('\nlat_pipe 7 || exit 100\n');
  });

  it('sets marks around a program that does not ask for repetitions', () => {
    const { runs } = parseScript(
      'title = "t"\n[[run]]\nname = "b"\nprogram = "sh"\narguments = ["a b"]\nrepetitions = 2\n',
      's.toml',
    );
    expect(shellScript(runs)).toContain("\nmarked 2 sh 'a b' || exit 100\n");
  });

  it('finds the run that failed by the exit code of the guest', () => {
    expect(failedRow(failureCode(3))).toBe(3);
    expect(failedRow(1)).toBe(undefined);
  });

  it('ships in a standard form that names every benchmark once', () => {
    const { runs } = readScript(new URL('../../../bench/standard.toml', import.meta.url).pathname);
    expect(runs.map(({ program }) => program)).toEqual(
      expect.arrayContaining(['lat_syscall', 'lat_pipe', 'lat_ctx', 'lat_proc', 'lat_gate', 'sh']),
    );
    expect(new Set(runs.map(({ name }) => name)).size).toBe(runs.length);
  });

  it.each([
    ['no run', 'title = "t"', /run/],
    ['two runs of a name', `title = "t"\n${RUN}${RUN}`, /name of its own/],
    ['no repetitions', `title = "t"\n${RUN.replace('= 7', '= 0')}`, /run\.0\.repetitions: give 1/],
    ['a word the shell would take apart', `title = "t"\n${RUN.replace('$N', "a'b")}`, /without '/],
    ['memory that no machine has', `title = "t"\nmemory = "8M"\n${RUN}`, /memory: give/],
    ['a misspelt key', `title = "t"\n${RUN}repetition = 4\n`, /repetition/],
  ])('with %s is refused with the place', (_what, text, message) => {
    expect(() => parseScript(text, 's.toml')).toThrow(ScriptError);
    expect(() => parseScript(text, 's.toml')).toThrow(message);
  });
});
