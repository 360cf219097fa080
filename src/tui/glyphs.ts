/**
 * The signs that panes draw with, for terminals with Unicode and without. Every state has a word or
 * a sign of its own, so that nothing is told by colour alone.
 */
import type { DomainState, EventKind } from './source.ts';

export interface Glyphs {
  readonly full: string;
  readonly empty: string;
  /** From low to high. */
  readonly spark: string;
  /** From nothing to full load. */
  readonly shades: string;
  readonly running: string;
  readonly parked: string;
  readonly stopped: string;
  readonly domain: Readonly<Record<DomainState, string>>;
  readonly event: Readonly<Record<EventKind, string>>;
  readonly more: string;
  readonly dot: string;
}

export const UNICODE: Glyphs = {
  full: '█',
  empty: '░',
  spark: '▁▂▃▄▅▆▇█',
  shades: ' ░▒▓█',
  running: '▸',
  parked: '·',
  stopped: '×',
  domain: { running: '▸', stopped: '×', quarantined: '■' },
  event: { denial: '×', fault: '!', restart: '↑', quarantine: '■', note: '·' },
  more: '…',
  dot: '·',
};

export const ASCII: Glyphs = {
  full: '#',
  empty: '.',
  spark: '_.-:=+*#',
  shades: ' .:+#',
  running: '>',
  parked: '.',
  stopped: 'x',
  domain: { running: '>', stopped: 'x', quarantined: 'Q' },
  event: { denial: 'x', fault: '!', restart: '^', quarantine: 'Q', note: '.' },
  more: '~',
  dot: '-',
};
