/**
 * A hart's block in shared memory, by the names of what lies there: registers, pc, CSR cells, counters.
 * What a cell means is for others to say; here it is read and written.
 *
 * The block is the hart's own while it runs; of the cells that other threads write (`state`, `pending`,
 * `mip`), core/hart-block.ts says who may.
 * 64-bit values are pairs of signed 32-bit halves; nothing here makes a BigInt.
 */
import {
  counterIndex,
  csrWordOf,
  HartBlock,
  PRIVILEGE,
  TRAP_COUNTS,
  wordOf,
  X_SINK,
  type Counter,
  type CsrCell,
} from './core/hart-block.ts';
import { IRQ } from './csr-numbers.ts';

type Field = keyof typeof HartBlock.offset;

// Word indices within the block: constants here, so that no hot path looks a name up.
const PC = wordOf('pc');
const X = wordOf('x');
const INSTRET = wordOf('instret');
const MIP = wordOf('mip');
const PENDING = wordOf('pending');
const STATE = wordOf('state');
const EXIT_IP = wordOf('exitIp');
const MODE = wordOf('mode');
const TRAPS_OF_THE_CORE = wordOf('trapCounts') + TRAP_COUNTS.indexOf('traps');
const COUNT_TRAPS = counterIndex.traps;
const MSTATUS = csrWordOf('mstatus');

export class HartCells {
  /** Address of the block in linear memory, of which `words` is all. */
  readonly base: number;
  readonly words: Int32Array;
  readonly counters: Float64Array;
  /** Word index of the block. */
  readonly block: number;

  constructor(memory: SharedArrayBuffer, base: number) {
    this.base = base;
    this.block = base >> 2;
    this.words = new Int32Array(memory);
    this.counters = HartBlock.fields.counters.at(memory, base + HartBlock.offset.counters);
  }

  // --- any cell ---

  /** A word of the hart block. */
  get(field: Field): number {
    return this.word(wordOf(field));
  }

  set(field: Field, value: number): void {
    this.setWord(wordOf(field), value);
  }

  /** The same by its index (`wordOf`, `csrWordOf`), for those who cannot afford to look a name up. */
  word(index: number): number {
    return this.words[this.block + index] as number;
  }

  setWord(index: number, value: number): void {
    this.words[this.block + index] = value;
  }

  /** A 64-bit cell by its index. */
  setPair(index: number, low: number, high: number): void {
    this.words[this.block + index] = low;
    this.words[this.block + index + 1] = high;
  }

  /** A 64-bit cell as an unsigned number, exact below 2^53. */
  unsigned(index: number): number {
    return (this.word(index + 1) >>> 0) * 2 ** 32 + (this.word(index) >>> 0);
  }

  // --- state ---

  get state(): number {
    return Atomics.load(this.words, this.block + STATE);
  }

  set state(value: number) {
    Atomics.store(this.words, this.block + STATE, value);
  }

  get mode(): number {
    return this.words[this.block + MODE] as number;
  }

  /** Zero everywhere, and M-mode, but for what others raise or ask: they may do so at this very moment, and do it once. */
  protected clear(): void {
    for (let word = 0; word < HartBlock.sizeBytes / 4; word++)
      if (word !== MIP && word !== PENDING) this.words[this.block + word] = 0;
    Atomics.and(this.words, this.block + MIP, ~((1 << IRQ.MTI) | (1 << IRQ.STI)));
    this.setWord(MODE, PRIVILEGE.M);
  }

  // --- registers ---

  xLow(register: number): number {
    return this.words[this.block + X + 2 * register] as number;
  }

  xHigh(register: number): number {
    return this.words[this.block + X + 2 * register + 1] as number;
  }

  setX(register: number, low: number, high: number): void {
    const cell = this.block + X + 2 * (register === 0 ? X_SINK : register);
    this.words[cell] = low;
    this.words[cell + 1] = high;
  }

  /** A register as the signed 64-bit number it holds, exact below 2^53. */
  x(register: number): number {
    return this.xHigh(register) * 2 ** 32 + (this.xLow(register) >>> 0);
  }

  /** Writes a whole number, |value| < 2^53. */
  setXNumber(register: number, value: number): void {
    this.setX(register, value | 0, Math.floor(value / 2 ** 32) | 0);
  }

  // --- the instruction ---

  get pcLow(): number {
    return this.words[this.block + PC] as number;
  }

  get pcHigh(): number {
    return this.words[this.block + PC + 1] as number;
  }

  setPc(low: number, high: number): void {
    this.words[this.block + PC] = low & ~1;
    this.words[this.block + PC + 1] = high;
  }

  /** Goes on behind an instruction of so many bytes. */
  advance(bytes: number): void {
    const low = this.pcLow;
    const next = (low + bytes) | 0;
    this.words[this.block + PC] = next;
    if (next >>> 0 < low >>> 0) this.words[this.block + PC + 1] = (this.pcHigh + 1) | 0;
  }

  /** The same where the core has not counted the instruction. */
  retire(bytes: number): void {
    this.#addInstret(1);
    this.advance(bytes);
  }

  get instret(): number {
    return (
      (this.words[this.block + INSTRET + 1] as number) * 2 ** 32 +
      ((this.words[this.block + INSTRET] as number) >>> 0)
    );
  }

  /** Takes back that the instruction with which the core left has retired: it traps. */
  unretire(): void {
    this.#addInstret(-1);
  }

  #addInstret(by: number): void {
    const next = this.instret + by;
    this.words[this.block + INSTRET] = next | 0;
    this.words[this.block + INSTRET + 1] = Math.floor(next / 2 ** 32);
  }

  /** Linear-memory address of the record that the core left with. */
  get exitIp(): number {
    return this.words[this.block + EXIT_IP] as number;
  }

  /** Its word index in `words`. */
  get exitRecord(): number {
    return this.exitIp >> 2;
  }

  /** The immediate of that record; of an instruction that the core leaves to others, its encoding. */
  get exitImmediate(): number {
    return this.words[this.exitRecord + 2] as number;
  }

  // --- CSRs ---

  csrLow(name: CsrCell): number {
    return this.word(csrWordOf(name));
  }

  csrHigh(name: CsrCell): number {
    return this.word(csrWordOf(name) + 1);
  }

  setCsr(name: CsrCell, low: number, high: number): void {
    this.setPair(csrWordOf(name), low, high);
  }

  /** Whether mstatus has a bit, of its low half. */
  statusHas(bit: number): boolean {
    return (this.word(MSTATUS) & bit) !== 0;
  }

  // --- counters ---

  count(name: Counter, by = 1): void {
    this.tally(counterIndex[name], by);
  }

  /** Counts by the counter's index. */
  tally(index: number, by = 1): void {
    this.counters[index] = (this.counters[index] as number) + by;
  }

  counter(name: Counter): number {
    return this.counters[counterIndex[name]] as number;
  }

  /** Traps so far, those included that the core has counted by itself. */
  get trapsTaken(): number {
    return (this.counters[COUNT_TRAPS] as number) + (this.word(TRAPS_OF_THE_CORE) >>> 0);
  }
}
