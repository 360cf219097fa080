/**
 * What the stress programs print: a line each, `name: ok rounds=N sum=S` or `name: FAILED why`, and a
 * last one of the program that started them. The kernel's own lines come in between, even in the middle
 * of theirs: it does not wait for the terminal.
 */
export interface StressorReport {
  readonly name: string;
  readonly ok: boolean;
  readonly rounds: number;
  /** Why not. */
  readonly why: string | null;
}

export interface GuestReport {
  readonly stressors: readonly StressorReport[];
  /** Lines with which the kernel gave up. */
  readonly panics: readonly string[];
}

const OK = /^(\w+): ok rounds=(\d+) sum=[0-9a-f]+$/;
const FAILED = /^(\w+): FAILED (.*)$/;
const LAST = /^stress: (?:ok|FAILED) \d+ of \d+ passed, seed=\d+$/;
/** The line with which the core tells of a restart, wherever it fell. */
const RESTARTED = /core: restarted \w+, generation \d+\r?\n/g;
const PANIC = /\bpanic\b|^kernel: cause|overflowed its stack/i;

export function readGuestReport(output: string): GuestReport {
  const stressors: StressorReport[] = [];
  const panics: string[] = [];
  for (const line of output.replaceAll(RESTARTED, '').split(/\r?\n/)) {
    const [, okName, rounds] = OK.exec(line) ?? [];
    const [, failedName, why] = FAILED.exec(line) ?? [];
    if (okName !== undefined) {
      stressors.push({ name: okName, ok: true, rounds: Number(rounds), why: null });
    } else if (failedName !== undefined && !LAST.test(line)) {
      stressors.push({ name: failedName, ok: false, rounds: 0, why: why ?? '' });
    } else if (PANIC.test(line)) {
      panics.push(line);
    }
  }
  return { stressors, panics };
}
