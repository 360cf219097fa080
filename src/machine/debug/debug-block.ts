/**
 * The words that a debugger and the harts share: who has to stand still, why one stopped, where to stop,
 * and one message at a time.
 *
 * A debugger stops all harts before it touches anything else (all-stop). It stores a command for each
 * and rings it; a hart reads its command before it executes, so no order is lost in a doorbell. A hart that
 * obeys is at rest: its state is PARKED, it waits for its command to change, and it owes nobody an
 * answer. Every word but `command` and `changes` is written only while all harts concerned are at rest.
 */
import { bytes, i32, i32Array, i32Words, layout } from 'sharedarraybuffer-utils';
import type { View } from 'sharedarraybuffer-utils';

/** As many as there can be harts; memory-plan.ts owns the number but is planned around this block. */
const HARTS = 64;

/** Breakpoints and watchpoints at a time. */
export const MAX_POINTS = 256;
const POINT_WORDS = 4;

export const DEBUG_COMMAND = {
  RUN: 0,
  HALT: 1,
  /** One instruction; the hart turns it into HALT. */
  STEP: 2,
  /** Answer the message; the hart turns it into HALT. */
  ASK: 3,
} as const;

/** Why a hart is at rest. */
export const DEBUG_REASON = {
  /** It was told to. */
  ASKED: 0,
  STEPPED: 1,
  /** It came to a breakpoint, or was about to make an access that is watched; `point` says which. */
  POINT: 2,
} as const;

export const MESSAGE_BYTES = 1 << 17;

export const DebugBlock = layout('DebugBlock', {
  changes: i32.doc('goes up when a hart comes to rest. Harts add 1 and notify; the debugger waits'),
  pointChanges: i32.doc('goes up when points were changed. The debugger adds 1'),
  memoryChanges: i32.doc(
    'goes up when memory was changed behind the harts: they forget what they remember of it',
  ),
  masksSteps: i32.doc('not 0: a hart that steps takes no interrupt (dcsr.stepie = 0)'),
  pointCount: i32,
  points: i32Array(MAX_POINTS * POINT_WORDS).doc('kind, address (low, high), bytes'),
  command: i32Words(HARTS).doc(
    'DEBUG_COMMAND by hart. Written by the debugger, and by the hart that has obeyed; both notify',
  ),
  resting: i32Words(HARTS).doc('1: the hart waits for its command to change. Written by the hart'),
  reason: i32Words(HARTS).doc(
    'DEBUG_REASON. Written by the hart before it rests, else by the debugger',
  ),
  point: i32Words(HARTS).doc('index of the point that stopped the hart'),
  messageBytes: i32,
  message: bytes(MESSAGE_BYTES).doc('JSON: the question, then its answer'),
});
export type DebugView = View<(typeof DebugBlock)['fields']>;

/** What a point watches for; bits. */
export const POINT_KIND = { EXECUTE: 1, LOAD: 2, STORE: 4 } as const;

/** A virtual address, in every view and on every hart, at which a hart stops before it acts. */
export interface Point {
  /** POINT_KIND bits. */
  readonly kind: number;
  readonly low: number;
  readonly high: number;
  readonly bytes: number;
}

/** Debugger only, while every hart is at rest. @throws RangeError for more than there is room for */
export function writePoints(debug: DebugView, points: readonly Point[]): void {
  if (points.length > MAX_POINTS) throw new RangeError(`at most ${MAX_POINTS} points`);
  points.forEach(({ kind, low, high, bytes }, index) => {
    debug.points.set([kind, low, high, bytes], index * POINT_WORDS);
  });
  debug.pointCount.store(points.length);
  debug.pointChanges.add(1);
}

/** The points as they are now. */
export function readPoints(debug: DebugView): Point[] {
  return Array.from({ length: debug.pointCount.load() }, (_, index) => {
    const [kind = 0, low = 0, high = 0, size = 0] = debug.points.subarray(
      index * POINT_WORDS,
      (index + 1) * POINT_WORDS,
    );
    return { kind, low, high, bytes: size };
  });
}
