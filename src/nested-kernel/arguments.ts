/**
 * Arguments at a gate: bounds of words, and buffers that are copied between two domains' memories.
 *
 * A buffer goes to the callee's stack before the call (`in`), comes back after it (`out`), or both.
 * `check` may refuse and writes nothing; `copyIn` cannot fail. Between the two no other hart can take
 * the caller's pages away: a revocation waits for this hart's acknowledgement, and a hart gives none
 * inside of a gate. Upholds NK-6.
 */
import type { Hart } from '../machine/hart.ts';
import { RAM_BASE } from '../machine/physical-map.ts';
import { parseAddress, type GateContext, type Region } from '../policy/contexts.ts';
import { STATUS } from './abi.ts';
import { COUNT_OPS, SATP } from './cells.ts';
import { CHARGE } from './charges.ts';
import type { RuleName } from './ledger.ts';
import { lend, takeBack } from './lend.ts';
import { RAM_FRAME } from './paging.ts';
import { halves, type Shared } from './shared.ts';
import { CopyBack, MAX_ARGUMENTS } from './tables.ts';
import { AT } from './threads.ts';

const A0 = 10;

/** Bytes of its stack that must be left for a callee when its arguments are on it. */
const LEFT_FOR_CALLEE = 1024;
const COPY_BACK_WORDS = CopyBack.sizeBytes / 4;

/** Why a call is not made. */
export interface Refusal {
  readonly rule: RuleName;
  readonly status: number;
  readonly addressLow?: number;
  readonly addressHigh?: number;
}

/** One buffer argument of a gate; registers by number. */
interface BufferPlan {
  readonly register: number;
  /** Register that holds its length, or -1: `bytes` is it. */
  readonly lengthRegister: number;
  readonly bytes: number;
  readonly max: number;
  readonly isString: boolean;
  readonly copiesIn: boolean;
  readonly copiesOut: boolean;
}

/** What a gate does with its arguments, worked out once at boot. */
export interface ArgumentPlan {
  /** Registers from a0 on that the callee sees. */
  readonly count: number;
  readonly bounded: readonly { readonly register: number; readonly max: number }[];
  readonly buffers: readonly BufferPlan[];
}

/** Physically contiguous memory in which a domain's stack pointer may lie. */
interface StackArea {
  readonly low: number;
  readonly high: number;
  readonly bytes: number;
  /** Bytes of one thread's slot; 0: not cut into slots. */
  readonly slotBytes: number;
  /** Where it lies in the shared memory. */
  readonly host: number;
}

interface Secret {
  readonly low: number;
  readonly high: number;
  readonly bytes: number;
}

/** Works out the plan of a gate. @throws Error for contexts that verification should have refused */
export function planArguments({ args, function: name }: GateContext): ArgumentPlan {
  if (args.length > MAX_ARGUMENTS)
    throw new Error(`gate ${name} has ${args.length} arguments, ${MAX_ARGUMENTS} at most`);
  const bounded: { register: number; max: number }[] = [];
  const buffers: BufferPlan[] = [];
  for (const argument of args) {
    const register = A0 + argument.index;
    if (argument.kind === 'scalar') {
      if (argument.max !== undefined) bounded.push({ register, max: argument.max });
      continue;
    }
    buffers.push({
      register,
      lengthRegister: argument.lengthArg === undefined ? -1 : A0 + argument.lengthArg,
      bytes: argument.fixedBytes ?? 0,
      max: argument.max,
      isString: argument.type === 'string',
      copiesIn: argument.kind !== 'out',
      copiesOut: argument.kind !== 'in',
    });
  }
  return { count: args.length, bounded, buffers };
}

/** One hart's scratch for the arguments of the call that it is just making. */
export class Arguments {
  readonly #shared: Shared;
  readonly #bytes: Uint8Array;
  readonly #areas: readonly (readonly StackArea[])[];
  readonly #secrets: readonly (readonly Secret[])[];
  readonly #copies: boolean;
  /** The callee's stack pointer below its arguments, after `check`. */
  sp = 0;
  /** By buffer of the plan: length, place in the callee (address and shared memory), pieces. */
  readonly #length: number[] = zeros(MAX_ARGUMENTS);
  readonly #calleeLow: number[] = zeros(MAX_ARGUMENTS);
  readonly #calleeHost: number[] = zeros(MAX_ARGUMENTS);
  readonly #firstPiece: number[] = zeros(MAX_ARGUMENTS + 1);
  /** Physically contiguous parts of the caller's buffers. */
  readonly #pieceHost: number[] = [];
  readonly #pieceBytes: number[] = [];
  #pieces = 0;

  constructor(shared: Shared) {
    this.#shared = shared;
    this.#bytes = shared.machine.bytes;
    this.#copies = !shared.isAblated('copy-in');
    const { ram } = shared.machine.parts.plan;
    const domains = shared.config.contexts?.domains ?? [];
    const area = (region: Region | null, slotBytes: number): StackArea[] => {
      if (region === null) return [];
      const [low, high] = halves(parseAddress(region.start));
      const host = ram + Number(parseAddress(region.startPhys)) - RAM_BASE;
      return [{ low, high, bytes: region.sizeBytes, slotBytes, host }];
    };
    // The core places its threads' stacks itself; anybody else has one slot a thread.
    this.#areas = domains.map(({ id, data, stacks, stackBytes }) =>
      id === 0 ? [...area(data, 0), ...area(stacks, 0)] : area(stacks, stackBytes),
    );
    this.#secrets = domains.map(({ secrets }) =>
      secrets.map(({ start, sizeBytes }) => {
        const [low, high] = halves(parseAddress(start));
        return { low, high, bytes: sizeBytes };
      }),
    );
  }

  /**
   * Checks the arguments in the hart's registers, with the rights that the caller has in the current
   * view, and finds their places on the callee's stack. Writes nothing that anybody else sees.
   * @param spLow the stack pointer with which the thread enters the callee
   */
  check(
    hart: Hart,
    plan: ArgumentPlan,
    thread: number,
    caller: number,
    callee: number,
    spLow: number,
    spHigh: number,
  ): Refusal | undefined {
    for (const { register, max } of plan.bounded) {
      const value = hart.x(register);
      if (!(value >= 0 && value <= max))
        return {
          rule: 'argument-bounds',
          status: STATUS.INVALID_PARAM,
          ...whereIn(hart, register),
        };
    }
    this.sp = spLow & ~15;
    if (plan.buffers.length === 0) return undefined;
    const area = this.#areaOf(callee, thread, spLow, spHigh);
    if (area === undefined) return { rule: 'stack-depth', status: STATUS.DEPTH };
    const slot = area.slotBytes * thread;
    /** Bytes of the slot that are below the stack pointer. */
    let room = ((spLow & ~15) - area.low - slot) >>> 0;
    this.#pieces = 0;
    for (let n = 0; n < plan.buffers.length; n++) {
      const buffer = plan.buffers[n] as BufferPlan;
      const bytes = this.#lengthOf(hart, buffer, caller);
      if (bytes < 0)
        return {
          rule: bytes === OUTSIDE ? 'argument-rights' : 'argument-bounds',
          status: STATUS.INVALID_PARAM,
          ...whereIn(hart, buffer.register),
        };
      room = (room - bytes) & ~15;
      if (room < LEFT_FOR_CALLEE) return { rule: 'stack-depth', status: STATUS.DEPTH };
      this.#length[n] = bytes;
      this.#calleeLow[n] = (area.low + slot + room) | 0;
      this.#calleeHost[n] = area.host + slot + room;
      this.#firstPiece[n] = this.#pieces;
      const low = hart.xLow(buffer.register);
      const high = hart.xHigh(buffer.register);
      hart.tally(COUNT_OPS, CHARGE.BUFFER);
      if (buffer.isString) hart.tally(COUNT_OPS, CHARGE.STRING_WORD * Math.ceil(bytes / 8));
      if (
        this.#touchesSecret(caller, low, high, bytes) ||
        !this.#locate(hart.word(SATP), caller, low, high, bytes, buffer.copiesOut)
      )
        return {
          rule: 'argument-rights',
          status: STATUS.INVALID_ADDRESS,
          addressLow: low,
          addressHigh: high,
        };
    }
    this.#firstPiece[plan.buffers.length] = this.#pieces;
    if (!this.#lends(callee)) this.sp = (area.low + slot + room) | 0;
    return undefined;
  }

  /** The memory around a stack pointer, if it may be the callee's on this thread. */
  #areaOf(callee: number, thread: number, spLow: number, spHigh: number): StackArea | undefined {
    for (const area of this.#areas[callee] as readonly StackArea[]) {
      if (spHigh !== area.high) continue;
      const size = area.slotBytes === 0 ? area.bytes : area.slotBytes;
      if ((spLow - area.low - area.slotBytes * thread) >>> 0 <= size) return area;
    }
    return undefined;
  }

  /** Bytes of a buffer; `OUTSIDE` or `TOO_LONG` if it cannot be passed. */
  #lengthOf(hart: Hart, buffer: BufferPlan, caller: number): number {
    if (buffer.isString) {
      return this.#stringBytes(
        hart.word(SATP),
        caller,
        hart.xLow(buffer.register),
        hart.xHigh(buffer.register),
        buffer.max,
      );
    }
    if (buffer.lengthRegister < 0) return buffer.bytes;
    const value = hart.x(buffer.lengthRegister);
    return value >= 0 && value <= buffer.max ? value : TOO_LONG;
  }

  /** Bytes of a string with its NUL. */
  #stringBytes(root: number, caller: number, low: number, high: number, max: number): number {
    const before = this.#pieces;
    let length = 0;
    while (length < max) {
      const atLow = (low + length) | 0;
      const atHigh = atLow >>> 0 < low >>> 0 ? (high + 1) | 0 : high;
      const inPage = Math.min(4096 - (atLow & 0xfff), max - length);
      if (!this.#locate(root, caller, atLow, atHigh, inPage, false)) return OUTSIDE;
      this.#pieces = before;
      const host = this.#pieceHost[before] as number;
      for (let n = 0; n < inPage; n++) if (this.#bytes[host + n] === 0) return length + n + 1;
      length += inPage;
    }
    return TOO_LONG;
  }

  #touchesSecret(caller: number, low: number, high: number, bytes: number): boolean {
    const secrets = this.#secrets[caller] as readonly Secret[];
    if (secrets.length === 0) return false;
    // The image lies within four gigabytes: high halves are equal where anything overlaps.
    return secrets.some(
      (secret) =>
        secret.high === high &&
        low >>> 0 < (secret.low >>> 0) + secret.bytes &&
        secret.low >>> 0 < (low >>> 0) + bytes,
    );
  }

  /** Finds where a buffer lies, page by page, and adds its pieces; false if not all of it may be used. */
  #locate(
    root: number,
    caller: number,
    low: number,
    high: number,
    bytes: number,
    write: boolean,
  ): boolean {
    const { paging, mechanism, machine } = this.#shared;
    const { ram, ramBytes } = machine.parts.plan;
    const keys = mechanism.keysOf(caller);
    let rest = bytes;
    let atLow = low;
    let atHigh = high;
    while (rest > 0) {
      const size = Math.min(rest, 4096 - (atLow & 0xfff));
      const offset = paging.reach(root, atLow, atHigh, write, keys) - RAM_BASE;
      if (offset < 0 || offset + size > ramBytes) return false;
      this.#pieceHost[this.#pieces] = ram + offset;
      this.#pieceBytes[this.#pieces] = size;
      this.#pieces++;
      const next = (atLow + size) | 0;
      if (next >>> 0 < atLow >>> 0) atHigh = (atHigh + 1) | 0;
      atLow = next;
      rest -= size;
    }
    return true;
  }

  /** Copies what `check` found, points the registers to the copies, and notes in the frame what comes back. */
  copyIn(hart: Hart, plan: ArgumentPlan, words: Int32Array, frame: number, spHigh: number): void {
    if (this.#lends(words[frame + AT.callee] as number)) {
      this.#lendAll(hart, plan, words, frame);
      return;
    }
    for (let n = 0; n < plan.buffers.length; n++) {
      const buffer = plan.buffers[n] as BufferPlan;
      const bytes = this.#length[n] as number;
      const to = this.#calleeHost[n] as number;
      if (buffer.copiesIn) {
        this.#copyPieces(n, to, true);
        // The caller's other threads may have written since the length was found.
        if (buffer.isString) this.#bytes[to + bytes - 1] = 0;
        hart.count('bytesCopied', bytes);
      } else if (bytes > 0) {
        // What the callee does not fill must not be what a former call left here.
        this.#bytes.fill(0, to, to + bytes);
        hart.count('bytesCleared', bytes);
      }
      if (buffer.copiesOut) {
        const count = words[frame + AT.copies] as number;
        const back = frame + AT.copyBacks + count * COPY_BACK_WORDS;
        words[back] = hart.xLow(buffer.register);
        words[back + 1] = hart.xHigh(buffer.register);
        words[back + 2] = to;
        words[back + 3] = bytes;
        words[frame + AT.copies] = count + 1;
      }
      hart.setX(buffer.register, this.#calleeLow[n] as number, spHigh);
    }
  }

  /** Whether buffers are lent and not copied (ablated NK-6); the core has no window to lend into. */
  #lends(callee: number): boolean {
    return callee !== 0 && !this.#copies;
  }

  /** Loans are noted in the frame where copies would be: address and pages. */
  #lendAll(hart: Hart, plan: ArgumentPlan, words: Int32Array, frame: number): void {
    const callee = words[frame + AT.callee] as number;
    const { ram } = this.#shared.machine.parts.plan;
    plan.buffers.forEach(({ register, copiesOut }, n) => {
      const hosts = this.#pieceHost.slice(this.#firstPiece[n], this.#firstPiece[n + 1]);
      if (hosts.length === 0) return;
      const frames = hosts.map((host) => RAM_FRAME + ((host - ram) >>> 12));
      const [low, high] = lend(this.#shared, hart, callee, frames, copiesOut);
      hart.setX(register, (low + (hart.xLow(register) & 0xfff)) | 0, high);
      const count = words[frame + AT.copies] as number;
      const at = frame + AT.copyBacks + count * COPY_BACK_WORDS;
      words[at] = low;
      words[at + 1] = frames.length;
      words[frame + AT.copies] = count + 1;
    });
  }

  /** Takes back what a call was lent; nothing unless copying is ablated. */
  endLoans(hart: Hart, words: Int32Array, frame: number): void {
    const callee = words[frame + AT.callee] as number;
    if (!this.#lends(callee)) return;
    for (let n = 0; n < (words[frame + AT.copies] as number); n++) {
      const at = frame + AT.copyBacks + n * COPY_BACK_WORDS;
      takeBack(this.#shared, hart, callee, words[at] as number, words[at + 1] as number);
    }
    words[frame + AT.copies] = 0;
  }

  #copyPieces(buffer: number, host: number, isIn: boolean): void {
    let at = host;
    const end = this.#firstPiece[buffer + 1] as number;
    for (let piece = this.#firstPiece[buffer] as number; piece < end; piece++) {
      const from = this.#pieceHost[piece] as number;
      const bytes = this.#pieceBytes[piece] as number;
      if (isIn) this.#bytes.copyWithin(at, from, from + bytes);
      else this.#bytes.copyWithin(from, at, at + bytes);
      at += bytes;
    }
  }

  /**
   * Copies back what a frame noted. The caller's view is current again, and all of it is checked before
   * any of it is written: false if something is not the caller's to write any more.
   */
  copyOut(hart: Hart, words: Int32Array, frame: number, caller: number): boolean {
    const count = words[frame + AT.copies] as number;
    if (count === 0) return true;
    const root = hart.word(SATP);
    this.#pieces = 0;
    for (let n = 0; n < count; n++) {
      const back = frame + AT.copyBacks + n * COPY_BACK_WORDS;
      const low = words[back] as number;
      const high = words[back + 1] as number;
      this.#firstPiece[n] = this.#pieces;
      if (!this.#locate(root, caller, low, high, words[back + 3] as number, true)) {
        this.#shared.deny(hart, 'argument-rights', { addressLow: low, addressHigh: high });
        return false;
      }
    }
    this.#firstPiece[count] = this.#pieces;
    for (let n = 0; n < count; n++) {
      const back = frame + AT.copyBacks + n * COPY_BACK_WORDS;
      this.#copyPieces(n, words[back + 2] as number, false);
      hart.count('bytesCopied', words[back + 3] as number);
    }
    return true;
  }
}

const zeros = (length: number): number[] => Array.from({ length }, () => 0);

const OUTSIDE = -1;
const TOO_LONG = -2;

const whereIn = (
  hart: Hart,
  register: number,
): { readonly addressLow: number; readonly addressHigh: number } => ({
  addressLow: hart.xLow(register),
  addressHigh: hart.xHigh(register),
});
