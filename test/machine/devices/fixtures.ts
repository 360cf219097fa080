/** What the device tests share: recorded interrupt lines, and a board in fresh memory. */
import type { InterruptLines } from '../../../src/machine/bus.ts';
import { ManualClock } from '../../../src/machine/clock.ts';
import {
  BoardState,
  createBoard,
  type Board,
  type BoardDeps,
} from '../../../src/machine/devices/board.ts';
import type { InterruptSink } from '../../../src/machine/devices/plic.ts';

/** Lines as a hart sees them: `high` holds `hart:bit`; `changes` counts the calls. */
export class RecordedLines implements InterruptLines {
  readonly high: Set<string> = new Set();
  changes = 0;

  set(hart: number, mipBit: number, level: boolean): void {
    this.changes++;
    if (level) this.high.add(`${hart}:${mipBit}`);
    else this.high.delete(`${hart}:${mipBit}`);
  }
}

/** Wires as an interrupt controller sees them. */
export class RecordedSources implements InterruptSink {
  readonly high: Set<number> = new Set();

  raise(source: number): void {
    this.high.add(source);
  }

  lower(source: number): void {
    this.high.delete(source);
  }
}

export const RAM_BYTES: number = 1 << 16;

/** The bytes of a machine: the board's state at 0, then guest RAM between two guard bands. */
export interface TestMachine {
  readonly memory: SharedArrayBuffer;
  readonly ramAt: number;
  readonly ram: Uint8Array;
  readonly clock: ManualClock;
  readonly lines: RecordedLines;
  readonly exits: string[];
  readonly moved: number[];
  readonly board: Board;
  /** Another worker's board over the same bytes. */
  attach(): Board;
  /** True while nobody has written beside RAM. */
  isGuardIntact(): boolean;
}

const GUARD_BYTES = 4096;
const GUARD = 0xa5;

export function createMachine(options: Partial<BoardDeps> = {}): TestMachine {
  const guardAt = Math.ceil(BoardState.sizeBytes / GUARD_BYTES) * GUARD_BYTES;
  const ramAt = guardAt + GUARD_BYTES;
  const memory = new SharedArrayBuffer(ramAt + RAM_BYTES + GUARD_BYTES);
  const guards = [guardAt, ramAt + RAM_BYTES].map((at) => new Uint8Array(memory, at, GUARD_BYTES));
  for (const guard of guards) guard.fill(GUARD);
  const clock = new ManualClock();
  const lines = new RecordedLines();
  const exits: string[] = [];
  const moved: number[] = [];
  const deps: BoardDeps = {
    harts: 2,
    clock,
    epochMs: 1_000_000,
    lines,
    ram: { memory, byteOffset: ramAt, sizeBytes: RAM_BYTES },
    deadlineMoved: (hart) => moved.push(hart),
    onExit: () => exits.push('exit'),
    ...options,
  };
  const attach = (): Board => createBoard(memory, 0, deps);
  const board = attach();
  board.reset();
  return {
    memory,
    ramAt,
    ram: new Uint8Array(memory, ramAt, RAM_BYTES),
    clock,
    lines,
    exits,
    moved,
    board,
    attach,
    isGuardIntact: () => guards.every((guard) => guard.every((byte) => byte === GUARD)),
  };
}
