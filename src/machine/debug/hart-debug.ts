/**
 * The debugger's hold on one hart, on the hart's own thread: its command, and the points that it stops at.
 *
 * A point needs no change of guest memory and costs nothing elsewhere: a page that has one never enters the
 * soft TLB, so that every fetch or access in it comes by the hart's slow path, which asks here. It follows
 * that whoever executes code in another way (the translator, src/machine/jit) must find each page as a fetch
 * would, by `Translation.remember`, and ask again when the page's fetch stamp has changed.
 */
import {
  DEBUG_COMMAND,
  DEBUG_REASON,
  POINT_KIND,
  readPoints,
  type DebugView,
  type Point,
} from './debug-block.ts';
import type { AccessKind } from '../faults.ts';
import type { HeldPages } from '../translation.ts';

/** A page as a whole number: its address has 64 bits, 12 of them zero. */
const pageOf = (low: number, high: number): number => (high >>> 0) * 2 ** 20 + (low >>> 12);

/** How far `low` is above the point, exact where it is near. */
const distance = (low: number, high: number, point: Point): number =>
  ((high - point.high) | 0) * 2 ** 32 + ((low >>> 0) - (point.low >>> 0));

/** What a hart remembers of memory. */
export interface HartMemory {
  /** Translations and decoded instructions. */
  forgetAll(): void;
  /** Translations of a virtual page, in every regime: it has a point now. */
  forgetPage(low: number, high: number): void;
}

export class HartDebug implements HeldPages {
  readonly block: DebugView;
  readonly #hart: number;
  readonly #memory: HartMemory;
  #pointChanges = 0;
  #memoryChanges = 0;
  #points: readonly Point[] = [];
  readonly #codePages = new Set<number>();
  readonly #dataPages = new Set<number>();
  #isLetGo = false;

  constructor(block: DebugView, hart: number, memory: HartMemory) {
    this.block = block;
    this.#hart = hart;
    this.#memory = memory;
  }

  get command(): number {
    return this.block.command.load(this.#hart);
  }

  /** Before the hart executes: what the debugger has changed since it last did. */
  refresh(): void {
    const memory = this.block.memoryChanges.load();
    if (memory !== this.#memoryChanges) {
      this.#memoryChanges = memory;
      this.#memory.forgetAll();
    }
    const points = this.block.pointChanges.load();
    if (points !== this.#pointChanges) {
      this.#pointChanges = points;
      this.#readPoints();
    }
  }

  #readPoints(): void {
    this.#points = readPoints(this.block);
    this.#codePages.clear();
    this.#dataPages.clear();
    for (const { kind, low, high, bytes } of this.#points) {
      const pages = kind === POINT_KIND.EXECUTE ? this.#codePages : this.#dataPages;
      const last = low + bytes - 1;
      for (let at = low & ~0xfff; at <= last; at += 4096) {
        // Past the end of the low half.
        const atHigh = low < 0 && at >= 0 ? (high + 1) | 0 : high;
        pages.add(pageOf(at | 0, atHigh));
        this.#memory.forgetPage(at | 0, atHigh);
      }
    }
  }

  /** Whether a virtual page may not be remembered for an access. */
  holds(low: number, high: number, access: AccessKind): boolean {
    const pages = access === 'fetch' ? this.#codePages : this.#dataPages;
    return pages.size > 0 && !this.#isLetGo && pages.has(pageOf(low, high));
  }

  /** Does something for which held pages count as others do. */
  letGo(work: () => void): void {
    this.#isLetGo = true;
    work();
    this.#isLetGo = false;
  }

  /** Whether any breakpoint is set. */
  get watchesCode(): boolean {
    return this.#codePages.size > 0;
  }

  /** Whether anything is watched. */
  get watchesData(): boolean {
    return this.#dataPages.size > 0;
  }

  /** Stops at the instruction at an address if there is a breakpoint. */
  stopsFetch(low: number, high: number): boolean {
    return this.#stopAt(
      (point) => point.kind === POINT_KIND.EXECUTE && distance(low, high, point) === 0,
    );
  }

  /** Stops before an access if some of its bytes are watched for it. */
  stopsAccess(low: number, high: number, bytes: number, kinds: number): boolean {
    return this.#stopAt((point) => {
      const from = distance(low, high, point);
      return (point.kind & kinds) !== 0 && from < point.bytes && -from < bytes;
    });
  }

  #stopAt(hits: (point: Point) => boolean): boolean {
    const index = this.#points.findIndex(hits);
    if (index < 0) return false;
    this.block.point.store(this.#hart, index);
    this.block.reason.store(this.#hart, DEBUG_REASON.POINT);
    return true;
  }

  /** The hart has made its one step. */
  stepped(): void {
    this.block.command.compareExchange(this.#hart, DEBUG_COMMAND.STEP, DEBUG_COMMAND.HALT);
    if (this.block.reason.load(this.#hart) !== DEBUG_REASON.POINT)
      this.block.reason.store(this.#hart, DEBUG_REASON.STEPPED);
  }

  /** A point stopped the hart: it stays until it is told to go on. */
  halted(): void {
    this.block.command.compareExchange(this.#hart, DEBUG_COMMAND.RUN, DEBUG_COMMAND.HALT);
  }

  /**
   * Stands still until the debugger says otherwise, or the machine stops. Only on a thread of the hart's
   * own, and not while the hart holds a turn.
   */
  rest(answer: (question: string) => string, isStopped: () => boolean): void {
    const { command, resting, changes } = this.block;
    for (;;) {
      const now = command.load(this.#hart);
      if (isStopped() || (now !== DEBUG_COMMAND.HALT && now !== DEBUG_COMMAND.ASK)) break;
      if (now === DEBUG_COMMAND.ASK) {
        writeMessage(this.block, answer(readMessage(this.block)));
        command.store(this.#hart, DEBUG_COMMAND.HALT);
        command.notify(this.#hart);
        continue;
      }
      if (resting.exchange(this.#hart, 1) === 0) {
        changes.add(1);
        changes.notify();
      }
      command.wait(this.#hart, DEBUG_COMMAND.HALT);
    }
    resting.store(this.#hart, 0);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Puts a message into the block. @throws RangeError if it does not fit */
export function writeMessage(block: DebugView, text: string): void {
  const encoded = encoder.encode(text);
  block.message.set(encoded);
  block.messageBytes.store(encoded.length);
}

/** The message in the block, by way of a private copy: a decoder may not read shared memory. */
export const readMessage = (block: DebugView): string =>
  decoder.decode(block.message.slice(0, block.messageBytes.load()));
