/** Parsers of option values; commander puts the flag's name in front of their message. */
import { InvalidArgumentError, Option } from 'commander';

import type { RunPoint } from '../lab/debug/debugger.ts';
import type { Exposure, Forward, TransportName } from '../lab/network/user-network.ts';
import { CommandError } from './errors.ts';
import { MAX_HARTS } from '../machine/physical-map.ts';
import {
  RESERVATION_MODES,
  type ReservationMode,
  type ReservationSpec,
} from '../machine/reservation-spec.ts';

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

export type OnOff = 'on' | 'off';

/** `--jit on|off`. */
export const jitOption = (): Option =>
  new Option('--jit <on|off>', 'translate hot code; a deterministic run never does')
    .choices(['on', 'off'])
    .default('on');

/** `--reservations value|page|global`. */
export const reservationsOption = (): Option =>
  new Option(
    '--reservations <mode>',
    'how LR/SC notices stores of other harts: by value, as the manual says, or the slow way',
  )
    .choices(RESERVATION_MODES)
    .default('value');

/** `--detect-aba`: what `--reservations value` overlooks is counted, and the first cases shown. */
export const detectAbaOption = (): Option =>
  new Option('--detect-aba', 'report each SC that succeeded although its word was stored to');

export interface ReservationOptions {
  readonly reservations: ReservationMode;
  readonly detectAba?: boolean;
}

/** @throws CommandError */
export function reservationSpec(options: ReservationOptions): ReservationSpec {
  const { reservations: mode, detectAba = false } = options;
  if (detectAba && mode !== 'value')
    throw new CommandError(
      `--detect-aba looks for what --reservations value overlooks; ${mode} overlooks nothing`,
    );
  return { mode, detectsAba: detectAba };
}

export function parseHarts(text: string): number {
  const harts = Number(text);
  if (!/^\d+$/.test(text) || harts < 1 || harts > MAX_HARTS) {
    throw new InvalidArgumentError(`Give a number of harts from 1 to ${MAX_HARTS}.`);
  }
  return harts;
}

/** `64M`, `1G`, or bytes. The board has room for 16 MiB to 1 GiB in whole pages. */
export function parseMemory(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+)([KMG]?)(?:i?B)?$/i.exec(text) ?? [];
  const bytes = Number(digits) * (SIZE_UNITS[unit.toUpperCase()] as number);
  if (digits === '' || bytes < 16 * 2 ** 20 || bytes > 2 ** 30 || bytes % 4096 !== 0) {
    throw new InvalidArgumentError('Give a size from 16M to 1G in whole pages, such as 128M.');
  }
  return bytes;
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || !Number.isSafeInteger(count)) {
    throw new InvalidArgumentError('Give a whole number above 0.');
  }
  return count;
}

export function parseSpeed(text: string): number {
  const speed = Number(text);
  if (text.trim() === '' || !(speed >= 0.01) || speed > 1000) {
    throw new InvalidArgumentError('Give a factor from 0.01 to 1000, such as 4 or 0.5.');
  }
  return speed;
}

export function parseSeconds(text: string): number {
  const seconds = Number(text);
  // setTimeout counts milliseconds in 31 bits.
  if (text.trim() === '' || !(seconds > 0) || seconds > 2_000_000) {
    throw new InvalidArgumentError('Give a number of seconds above 0, such as 10 or 0.5.');
  }
  return seconds;
}

/** `250000` instructions of all harts together, or `2.5s` on the machine. */
export function parsePoint(text: string): RunPoint {
  const [, digits, seconds] = /^(?:(\d{1,15})|(\d+(?:\.\d+)?)s)$/.exec(text) ?? [];
  if (digits !== undefined) return { instructions: Number(digits) };
  if (seconds !== undefined) return { seconds: Number(seconds) };
  throw new InvalidArgumentError('Give a number of instructions, or of seconds such as 2.5s.');
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) {
    throw new InvalidArgumentError('Give a port from 1 to 65535, or 0 for any that is free.');
  }
  return port;
}

/** `tcp:8080:80`: a port of this machine and the guest's that it leads to. One more for each `--forward`. */
export function parseForward(text: string, before: readonly Forward[] = []): Forward[] {
  const [, protocol, host, guest] = /^(tcp|udp):(\d+):(\d+)$/.exec(text) ?? [];
  const [hostPort, guestPort] = [Number(host), Number(guest)];
  if (!isPort(hostPort) || !isPort(guestPort)) {
    throw new InvalidArgumentError(
      "Give the protocol, a port of this machine and the guest's, such as tcp:8080:80.",
    );
  }
  return [...before, { protocol: protocol as TransportName, hostPort, guestPort }];
}

/** `tcp:5000`: a port of this machine that the guest may reach. One more for each `--expose`. */
export function parseExposure(text: string, before: readonly Exposure[] = []): Exposure[] {
  const [, protocol, digits] = /^(tcp|udp):(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  if (!isPort(port)) {
    throw new InvalidArgumentError(
      'Give the protocol and a port of this machine, such as tcp:5000.',
    );
  }
  return [...before, { protocol: protocol as TransportName, port }];
}

const isPort = (port: number): boolean => port >= 1 && port <= 65_535;

export const traceOption = (): Option =>
  new Option(
    '--trace <file>',
    'write a trace for ui.perfetto.dev; one that ends in .json is Chrome JSON',
  );

export const profileOption = (): Option =>
  new Option(
    '--profile <file>',
    'write where harts spent their time: .svg a flame graph, .txt or - tables',
  );
