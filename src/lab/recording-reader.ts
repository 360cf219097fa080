/**
 * Reads recordings, whoever wrote them: what comes out has the shape that its types say, and what does
 * not is where the recording breaks off.
 */
import { Unpackr } from 'msgpackr';
import * as v from 'valibot';

import { HART_STATE, PRIVILEGE } from '../machine/probe.ts';
import { MAX_HARTS } from '../machine/physical-map.ts';
import { MAX_DOMAINS } from '../nested-kernel/tables.ts';
import {
  DOMAIN_STATES,
  DOMAIN_WORDS,
  HART_WORDS,
  RECORDING_MAGIC,
  RECORDING_VERSION,
  type HeaderFrame,
  type SampleFrame,
  type TimedFrame,
} from './recording.ts';

/** A file that is no recording, or none that this version reads; the message says so. */
export class RecordingError extends Error {}

export interface Recording {
  readonly header: HeaderFrame;
  /** In the order of their times. */
  readonly frames: readonly TimedFrame[];
  /** Where the last whole frame ends, if that is not the end of a whole recording; else null. */
  readonly brokenAt: number | null;
  readonly durationMs: number;
}

const amount = v.pipe(v.number(), v.finite(), v.minValue(0));
const integer = v.pipe(v.number(), v.integer());
const index = v.pipe(integer, v.minValue(0));
const amounts = v.pipe(
  v.instance(Float64Array),
  v.check((values) => values.every((value) => Number.isFinite(value) && value >= 0)),
);

const magicSchema = v.object({ magic: v.literal(RECORDING_MAGIC), version: v.unknown() });

const headerSchema: v.GenericSchema<unknown, HeaderFrame> = v.object({
  frame: v.literal('header'),
  magic: v.literal(RECORDING_MAGIC),
  version: v.literal(RECORDING_VERSION),
  title: v.string(),
  harts: v.pipe(integer, v.minValue(1), v.maxValue(MAX_HARTS)),
  ramBytes: index,
  bootargs: v.string(),
  mechanism: v.string(),
  mode: v.picklist(['parallel', 'deterministic']),
  seed: v.nullable(v.string()),
  schedule: v.string(),
  tlb: v.picklist(['model', 'emulator']),
  // Names go to the terminal as they are.
  domains: v.pipe(v.array(v.pipe(v.string(), v.regex(/^[\w-]{1,64}$/))), v.maxLength(MAX_DOMAINS)),
  counters: v.pipe(v.array(v.string()), v.maxLength(1024)),
});

const eventSchema = v.object({
  sequence: v.pipe(integer, v.minValue(1)),
  timeMs: amount,
  kind: v.picklist(['denial', 'fault', 'restart', 'quarantine', 'note']),
  hart: v.pipe(integer, v.minValue(-1)),
  domain: v.string(),
  text: v.string(),
});

const totalsSchema = v.object({
  exit: v.object({
    reason: v.picklist([
      'power-off',
      'reset',
      'tohost',
      'time-limit',
      'interrupted',
      'idle',
      'failure',
    ]),
    code: integer,
    hart: v.exactOptional(integer),
    message: v.exactOptional(v.string()),
  }),
  harts: v.array(
    v.object({
      hart: index,
      instructions: amount,
      cycles: amount,
      traps: amount,
      gates: amount,
      tlbMisses: amount,
      shootdowns: amount,
    }),
  ),
  denials: index,
  stateHash: v.nullable(v.string()),
  machineSeconds: amount,
  hostSeconds: amount,
});

const frameSchema: v.GenericSchema<unknown, TimedFrame> = v.variant('frame', [
  v.object({
    frame: v.literal('sample'),
    timeMs: amount,
    harts: v.instance(Int32Array),
    instructions: amounts,
    counters: amounts,
    domains: v.instance(Int32Array),
    gates: amounts,
  }),
  v.object({ frame: v.literal('events'), timeMs: amount, events: v.array(eventSchema) }),
  v.object({ frame: v.literal('console'), timeMs: amount, text: v.string() }),
  v.object({
    frame: v.literal('end'),
    timeMs: amount,
    finished: v.string(),
    totals: totalsSchema,
  }),
]);

/** @throws RecordingError */
export function readRecording(bytes: Uint8Array, name: string): Recording {
  let header: HeaderFrame | undefined;
  const frames: TimedFrame[] = [];
  let durationMs = 0;
  let goodBytes = 0;
  let isOver = false;
  let lastSequence = 0;

  const take = (value: unknown): boolean => {
    if (header === undefined) {
      header = readHeader(value, name);
      return true;
    }
    const { success, output: frame } = v.safeParse(frameSchema, value);
    if (!success || isOver || frame.timeMs < durationMs) return false;
    if (frame.frame === 'sample' && !fits(frame, header)) return false;
    if (frame.frame === 'events') {
      for (const { sequence } of frame.events) {
        if (sequence <= lastSequence) return false;
        lastSequence = sequence;
      }
    }
    frames.push(frame);
    durationMs = frame.timeMs;
    isOver = frame.frame === 'end';
    return true;
  };

  const end = eachValue(bytes, (value, start) => {
    goodBytes = start;
    return take(value);
  });
  if (header === undefined) throw new RecordingError(`'${name}' is not a recording of ours`);
  goodBytes = end ?? goodBytes;
  return {
    header,
    frames,
    brokenAt: isOver && end === bytes.length ? null : goodBytes,
    durationMs,
  };
}

/**
 * Calls `take` with each value and where it begins, until one cannot be decoded or `take` returns false.
 * Returns where the last value that could be decoded ends; undefined if `take` stopped it.
 */
function eachValue(
  bytes: Uint8Array,
  take: (value: unknown, start: number) => boolean,
): number | undefined {
  if (bytes.length === 0) return 0;
  let refused: { readonly error?: unknown } | undefined;
  try {
    new Unpackr({ moreTypes: true }).unpackMultiple(bytes, (value, start = 0) => {
      try {
        if (take(value, start)) return true;
        refused = {};
      } catch (error) {
        refused = { error };
      }
      return false;
    });
  } catch (error) {
    // What the decoder says of a torn or damaged value differs; where it began does not.
    return (error as { lastPosition?: number }).lastPosition ?? 0;
  }
  if (refused === undefined) return bytes.length;
  if ('error' in refused) throw refused.error;
  return undefined;
}

/** @throws RecordingError */
function readHeader(value: unknown, name: string): HeaderFrame {
  const magic = v.safeParse(magicSchema, value);
  if (!magic.success) throw new RecordingError(`'${name}' is not a recording of ours`);
  const { version } = magic.output;
  if (version !== RECORDING_VERSION) {
    const which = typeof version === 'number' ? ` ${version}` : '';
    throw new RecordingError(
      `'${name}' is a recording of format${which}, and this version of cordon reads format ` +
        `${RECORDING_VERSION}; replay it with the version that wrote it`,
    );
  }
  const header = v.safeParse(headerSchema, value);
  if (!header.success) throw new RecordingError(`'${name}' is a recording with a damaged header`);
  return header.output;
}

const STATES: readonly number[] = Object.values(HART_STATE);
const MODES: readonly number[] = Object.values(PRIVILEGE);

/** Whether the chunks have the sizes that the header says, and words that mean something. */
function fits(sample: SampleFrame, { harts, domains, counters }: HeaderFrame): boolean {
  const hasSizes =
    sample.harts.length === harts * HART_WORDS.length &&
    sample.instructions.length === harts &&
    sample.counters.length === harts * counters.length &&
    sample.domains.length === domains.length * DOMAIN_WORDS.length &&
    sample.gates.length === domains.length ** 2;
  if (!hasSizes) return false;
  for (let hart = 0; hart < harts; hart++) {
    const at = hart * HART_WORDS.length;
    if (!STATES.includes(sample.harts[at + HART_WORDS.indexOf('state')] as number)) return false;
    if (!MODES.includes(sample.harts[at + HART_WORDS.indexOf('mode')] as number)) return false;
  }
  for (let domain = 0; domain < domains.length; domain++) {
    const state = sample.domains[domain * DOMAIN_WORDS.length + DOMAIN_WORDS.indexOf('state')];
    if (DOMAIN_STATES[state as number] === undefined) return false;
  }
  return true;
}
