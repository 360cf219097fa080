/**
 * Thread slots and their domain stacks. A slot belongs to the hart that runs the thread; nobody else
 * writes to it meanwhile.
 */
import { MAX_THREADS } from './abi.ts';
import { MAX_DEPTH, StackFrame, Thread, type MonitorView } from './tables.ts';

const THREAD_WORDS = Thread.sizeBytes / 4;
const FRAME_WORDS = StackFrame.sizeBytes / 4;
const threadWord = (field: keyof typeof Thread.offset): number => Thread.offset[field] / 4;
const DEPTH = threadWord('depth');
const FRAMES = threadWord('frames');
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

/** `hart` of a thread that nobody runs, and of one that is being removed. */
const NOBODY = -1;
const ENDING = -2;

export class Threads {
  /** All slots, as words; a frame is addressed by its first word. */
  readonly words: Int32Array;
  /** Slots that have a stack in every domain. */
  readonly #slots: number;

  constructor(tables: MonitorView, slots: number = MAX_THREADS) {
    this.words = tables.threads;
    this.#slots = Math.min(slots, MAX_THREADS);
  }

  isSlot(thread: number): boolean {
    return Number.isInteger(thread) && thread >= 0 && thread < this.#slots;
  }

  #at(thread: number, field: keyof typeof Thread.offset): number {
    return thread * THREAD_WORDS + threadWord(field);
  }

  isAlive(thread: number): boolean {
    return Atomics.load(this.words, this.#at(thread, 'alive')) === 1;
  }

  /** Makes a thread that is in the core; false if the slot is in use, however many ask at once. */
  create(thread: number): boolean {
    const alive = this.#at(thread, 'alive');
    if (Atomics.compareExchange(this.words, alive, 0, 2) !== 0) return false;
    this.words[this.#at(thread, 'depth')] = 0;
    Atomics.store(this.words, this.#at(thread, 'hart'), NOBODY);
    Atomics.store(this.words, this.#at(thread, 'lastHart'), NOBODY);
    Atomics.store(this.words, alive, 1);
    return true;
  }

  /**
   * Ends a thread that no hart runs and that is in the core with nothing outstanding.
   * @returns 'busy' if one runs it, 'inside' if it has frames; it stays then
   */
  remove(thread: number): 'removed' | 'busy' | 'inside' {
    const hart = this.#at(thread, 'hart');
    if (
      !this.isAlive(thread) ||
      Atomics.compareExchange(this.words, hart, NOBODY, ENDING) !== NOBODY
    )
      return 'busy';
    if (this.depth(thread) !== 0) {
      Atomics.store(this.words, hart, NOBODY);
      return 'inside';
    }
    Atomics.store(this.words, this.#at(thread, 'alive'), 0);
    return 'removed';
  }

  /** Takes the thread for a hart; false if it is not there to be taken. */
  take(thread: number, hart: number): boolean {
    if (!this.isAlive(thread)) return false;
    const at = this.#at(thread, 'hart');
    return Atomics.compareExchange(this.words, at, NOBODY, hart) === NOBODY;
  }

  /** Notes that the thread runs here; says whether it ran elsewhere before. Its hart only. */
  arrive(thread: number, hart: number): boolean {
    const last = Atomics.exchange(this.words, this.#at(thread, 'lastHart'), hart);
    return last !== NOBODY && last !== hart;
  }

  release(thread: number): void {
    Atomics.store(this.words, this.#at(thread, 'hart'), NOBODY);
  }

  depth(thread: number): number {
    return this.words[thread * THREAD_WORDS + DEPTH] as number;
  }

  setDepth(thread: number, depth: number): void {
    this.words[thread * THREAD_WORDS + DEPTH] = depth;
  }

  /** First word of the frame at a depth, 0 being the first call out of the core. */
  frame(thread: number, depth: number): number {
    return thread * THREAD_WORDS + FRAMES + depth * FRAME_WORDS;
  }

  /** First word of the frame on top, or -1. */
  top(thread: number): number {
    const depth = this.depth(thread);
    return depth === 0 ? -1 : this.frame(thread, depth - 1);
  }

  /** The last frame is for an interrupt (`MAX_DEPTH`). */
  hasRoomForCall(thread: number): boolean {
    return this.depth(thread) < MAX_DEPTH - 1;
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

  /** Whether the thread has entered a domain and not left it yet. */
  isInside(thread: number, domain: number): boolean {
    for (let depth = this.depth(thread) - 1; depth >= 0; depth--) {
      if (this.words[this.frame(thread, depth) + AT.callee] === domain) return true;
    }
    return false;
  }
}
