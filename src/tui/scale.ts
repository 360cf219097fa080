/** Numbers as a few cells: counts with a suffix, durations, bars, lines of history. */
import type { Glyphs } from './glyphs.ts';

const SUFFIXES = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** A count in at most five cells: 0, 0.4, 12, 1.2k, 34k, 567M. */
export function count(value: number): string {
  if (!(value > 0)) return '0';
  if (value < 9.95) return Number.isInteger(value) ? String(value) : value.toFixed(1);
  let scaled = value;
  let suffix = 0;
  // 999.5 would be printed as 1000.
  while (scaled >= 999.5 && suffix < SUFFIXES.length - 1) {
    scaled /= 1000;
    suffix++;
  }
  const digits = suffix > 0 && scaled < 9.95 ? 1 : 0;
  return scaled.toFixed(digits) + SUFFIXES[suffix];
}

const TIMES = [
  ['ns', 1],
  ['us', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
] as const;

/** A duration in at most five cells. */
export function duration(ns: number): string {
  if (!(ns >= 0.5)) return '0';
  for (const [unit, scale] of TIMES) {
    const value = ns / scale;
    if (value < 999.5) return value.toFixed(value < 9.95 && scale > 1 ? 1 : 0) + unit;
  }
  return `${count(ns / 1e9)}s`;
}

/** `m:ss`, with tenths below a minute. */
export function clockTime(ms: number): string {
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)}s`;
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, '0')}s`;
}

const share = (value: number, peak: number): number =>
  peak > 0 ? Math.min(1, Math.max(0, value / peak)) : 0;

/** The sign of a scale that stands for `value`; the lowest one for nothing only. */
export function level(value: number, peak: number, signs: string): string {
  const part = share(value, peak);
  const index = part === 0 ? 0 : 1 + Math.floor(part * (signs.length - 1) - 1e-9);
  return signs[Math.min(signs.length - 1, index)] as string;
}

export function bar(value: number, peak: number, width: number, glyphs: Glyphs): string {
  const full = Math.round(share(value, peak) * width);
  return glyphs.full.repeat(full) + glyphs.empty.repeat(width - full);
}

/** The newest `width` values, oldest first, right-aligned. */
export function sparkline(
  values: ArrayLike<number>,
  peak: number,
  width: number,
  glyphs: Glyphs,
): string {
  const first = Math.max(0, values.length - width);
  let line = ' '.repeat(Math.max(0, width - values.length));
  for (let i = first; i < values.length; i++)
    line += level(values[i] as number, peak, glyphs.spark);
  return line;
}
