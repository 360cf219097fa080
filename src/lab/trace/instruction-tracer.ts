/**
 * Prints every instruction of a deterministic run: where, in which domain and mode, what it says, and which registers it
 * changed; and between them the traps. The scheduler lets the harts go one instruction at a time meanwhile, which changes
 * nothing about the run but how far the hart gets that switches the machine off: it ends at that instruction.
 */
import type { Steering } from '../../cpu-worker/deterministic.ts';
import { HartBlock, PRIVILEGE } from '../../machine/core/hart-block.ts';
import type { HartObserver, TakenTrap } from '../../machine/hart-observer.ts';
import type { Hart } from '../../machine/hart.ts';
import {
  disassemble,
  FLOAT_REGISTER_NAMES,
  REGISTER_NAMES,
} from '../../machine/isa/disassembler.ts';
import { NO_FAULT } from '../../machine/faults.ts';
import { causeName, hex64, MODE_NAMES } from './names.ts';

export interface InstructionTraceOptions {
  /** Instructions to print, of all harts together; after that the run goes on at its own speed. */
  readonly limit: number;
  /** Names of domains by number; empty where there are none. */
  readonly domains: readonly string[];
  /** Takes a line with its end. */
  readonly write: (line: string) => void;
}

const WORDS = 64;
const X = HartBlock.offset.x >> 2;
const F = HartBlock.offset.f >> 2;

export class InstructionTracer implements HartObserver {
  readonly #options: InstructionTraceOptions;
  readonly #integers = new Int32Array(WORDS);
  readonly #floats = new Int32Array(WORDS);
  #left: number;
  #harts: readonly Hart[] = [];
  #retired = 0;
  // The instruction that is next, as far as is known.
  #pcLow = 0;
  #pcHigh = 0;
  #where = '';
  #text: string | undefined;

  constructor(options: InstructionTraceOptions) {
    this.#options = options;
    this.#left = options.limit;
  }

  /** The scheduler's steering with one-instruction portions as long as there is something to print. */
  steer(inner: Steering): Steering {
    return {
      held: () => inner.held(),
      mayRun: (hart) => inner.mayRun(hart),
      wakes: (hart) => inner.wakes(hart),
      most: () => inner.most(),
      steps: (hart) => {
        if (this.#left === 0) return inner.steps(hart);
        this.#begin(this.#harts[hart] as Hart);
        return true;
      },
      ran: (hart, end) => {
        if (this.#left > 0) this.#end(this.#harts[hart] as Hart);
        inner.ran(hart, end);
      },
    };
  }

  /** The run has begun, with these harts. */
  attach(harts: readonly Hart[]): void {
    this.#harts = harts;
  }

  trapped(hart: Hart, trap: TakenTrap): void {
    if (this.#left === 0) return;
    // An instruction that traps does not retire, but it was there.
    if (!trap.isInterrupt && this.#text !== undefined) this.#print(this.#text);
    const modes = `${MODE_NAMES[trap.from] ?? ''}->${MODE_NAMES[trap.to] ?? ''}`;
    this.#print(
      `  ${causeName(trap.cause, trap.isInterrupt)} ${modes}, value ${hex64(trap.valueLow, trap.valueHigh)}`,
    );
    // The first of the handler comes with the next step, or with this one after an interrupt.
    this.#text = undefined;
    const vector = trap.to === PRIVILEGE.M ? 'mtvec' : 'stvec';
    const low = hart.csrLow(vector);
    const isVectored = (low & 1) === 1 && trap.isInterrupt;
    this.#pcLow = ((low & ~3) + (isVectored ? 4 * trap.cause : 0)) | 0;
    this.#pcHigh = hart.csrHigh(vector);
  }

  /** The monitor has done with a trap; an instruction that returns from one is still on its way. */
  returned(hart: Hart): void {
    if (this.#left > 0 && this.#text === undefined) this.#begin(hart);
  }

  served(): void {}

  waits(): void {}

  #begin(hart: Hart): void {
    this.#retired = hart.instret;
    this.#pcLow = hart.pcLow;
    this.#pcHigh = hart.pcHigh;
    this.#remember(hart);
    this.#where = this.#placeOf(hart);
    this.#text = this.#instruction(hart);
  }

  #end(hart: Hart): void {
    if (hart.instret === this.#retired) return;
    if (this.#text === undefined) this.#where = this.#placeOf(hart);
    const text = this.#text ?? this.#instruction(hart);
    this.#left -= 1;
    this.#print(`${text}${this.#changes(hart)}`);
  }

  #remember(hart: Hart): void {
    const from = hart.base >> 2;
    this.#integers.set(hart.words.subarray(from + X, from + X + WORDS));
    this.#floats.set(hart.words.subarray(from + F, from + F + WORDS));
  }

  #placeOf(hart: Hart): string {
    const domain = hart.get('domain');
    const name = domain < 0 ? '' : ` ${this.#options.domains[domain] ?? domain}`;
    return `h${hart.id}${name} ${MODE_NAMES[hart.mode] ?? hart.mode}`;
  }

  /** The instruction at the pc: its address, its encoding, and what it says. */
  #instruction(hart: Hart): string {
    const pc = hex64(this.#pcLow, this.#pcHigh);
    const low = this.#parcel(hart, 0);
    const high = low === undefined || (low & 3) !== 3 ? 0 : this.#parcel(hart, 2);
    if (low === undefined || high === undefined) return `${pc} (cannot be fetched)`;
    const isLong = (low & 3) === 3;
    const raw = (high << 16) | low;
    const encoding = (raw >>> 0).toString(16).padStart(isLong ? 8 : 4, '0');
    return `${pc} ${encoding.padEnd(8)}  ${disassemble(raw, BigInt(pc)).padEnd(32)}`;
  }

  /** Two bytes of the instruction, by a walk of its own: an instruction may lie on two pages. */
  #parcel(hart: Hart, offset: number): number | undefined {
    const low = (this.#pcLow + offset) | 0;
    const carry = low >>> 0 < this.#pcLow >>> 0 ? 1 : 0;
    const { translation, words } = hart;
    if (translation.translate(low, (this.#pcHigh + carry) | 0, 'fetch', 2) !== NO_FAULT)
      return undefined;
    const at = translation.hostAddress();
    return at === 0 ? undefined : ((words[at >> 2] as number) >>> ((at & 2) * 8)) & 0xffff;
  }

  #changes(hart: Hart): string {
    const from = hart.base >> 2;
    return (
      changed(hart.words, from + X, this.#integers, REGISTER_NAMES) +
      changed(hart.words, from + F, this.#floats, FLOAT_REGISTER_NAMES)
    );
  }

  #print(text: string): void {
    this.#options.write(`${this.#where} ${text.trimEnd()}\n`);
  }
}

/** `name=value` of every register that is another than before. */
function changed(
  words: Int32Array,
  from: number,
  before: Int32Array,
  names: readonly string[],
): string {
  let text = '';
  for (let register = 0; register < names.length; register++) {
    const low = words[from + 2 * register] as number;
    const high = words[from + 2 * register + 1] as number;
    if (low === before[2 * register] && high === before[2 * register + 1]) continue;
    text += ` ${names[register]}=${hex64(low, high)}`;
  }
  return text;
}
