/**
 * Thread slots and their domain stacks. A slot belongs to the hart that runs the thread; nobody else
 * writes to it meanwhile.
 */
import { MAX_THREADS } from './abi.ts';
import { MAX_DEPTH, StackFrame, Thread, type MonitorView } from './tables.ts';

const THREAD_WORDS = Thread.sizeBytes / 4;
const FRAME_WORDS = StackFrame.sizeBytes / 4;
const threadWord = (field: keyof typeof Thread.offset): number => Thread.offset[field] / 4;
const frameWord = (field: keyof typeof StackFrame.offset): number => StackFrame.offset[field] / 4;

/** Word offsets of the fields of a stack frame. */
export const AT = {
  kind: frameWord('kind'),
  caller: frameWord('caller'),
  callee: frameWord('callee'),
  gate: frameWord('gate'),
  generation: frameWord('generation'),
  callerGeneration: frameWord('callerGeneration'),
  sstatus: frameWord('sstatus'),
  mie: frameWord('mie'),
  pc: frameWord('pc'),
  x: frameWord('x'),
  copies: frameWord('copies'),
  copyBacks: frameWord('copyBacks'),
  since: frameWord('since'),
  used: frameWord('used'),
} as const;

export class Threads {
  /** All slots, as words; a frame is addressed by its first word. */
  readonly words: Int32Array;

  constructor(tables: MonitorView) {
    this.words = tables.threads;
  }

  isSlot(thread: number): boolean {
    return Number.isInteger(thread) && thread >= 0 && thread < MAX_THREADS;
  }

  #at(thread: number, field: keyof typeof Thread.offset): number {
    return thread * THREAD_WORDS + threadWord(field);
  }

  isAlive(thread: number): boolean {
    return Atomics.load(this.words, this.#at(thread, 'alive')) === 1;
  }

  create(thread: number): void {
    this.words[this.#at(thread, 'depth')] = 0;
    Atomics.store(this.words, this.#at(thread, 'hart'), -1);
    Atomics.store(this.words, this.#at(thread, 'lastHart'), -1);
    Atomics.store(this.words, this.#at(thread, 'alive'), 1);
  }

  remove(thread: number): void {
    Atomics.store(this.words, this.#at(thread, 'alive'), 0);
  }

  /** Takes the thread for a hart; false if another runs it. Says whether it ran elsewhere before. */
  take(thread: number, hart: number): { taken: boolean; migrated: boolean } {
    const taken = Atomics.compareExchange(this.words, this.#at(thread, 'hart'), -1, hart) === -1;
    if (!taken) return { taken, migrated: false };
    const last = Atomics.exchange(this.words, this.#at(thread, 'lastHart'), hart);
    return { taken, migrated: last !== -1 && last !== hart };
  }

  release(thread: number): void {
    Atomics.store(this.words, this.#at(thread, 'hart'), -1);
  }

  runsOn(thread: number): number {
    return Atomics.load(this.words, this.#at(thread, 'hart'));
  }

  depth(thread: number): number {
    return this.words[this.#at(thread, 'depth')] as number;
  }

  setDepth(thread: number, depth: number): void {
    this.words[this.#at(thread, 'depth')] = depth;
  }

  /** First word of the frame at a depth, 0 being the first call out of the core. */
  frame(thread: number, depth: number): number {
    return this.#at(thread, 'frames') + depth * FRAME_WORDS;
  }

  /** First word of the frame on top, or -1. */
  top(thread: number): number {
    const depth = this.depth(thread);
    return depth === 0 ? -1 : this.frame(thread, depth - 1);
  }

  hasRoom(thread: number): boolean {
    return this.depth(thread) < MAX_DEPTH;
  }

  /** The domain that the thread is in: the callee on top, or the core. */
  domain(thread: number): number {
    const top = this.top(thread);
    return top < 0 ? 0 : (this.words[top + AT.callee] as number);
  }

  callerAt(frame: number): number {
    return this.words[frame + AT.caller] as number;
  }

  /**
   * The frame in which the thread last left a domain that it is still inside of, or -1 if it is not
   * inside. That frame has the stack pointer at which the domain goes on.
   */
  lastExit(thread: number, domain: number): number {
    for (let depth = this.depth(thread) - 1; depth >= 0; depth--) {
      const frame = this.frame(thread, depth);
      if (this.words[frame + AT.caller] === domain) return frame;
    }
    return -1;
  }
}
