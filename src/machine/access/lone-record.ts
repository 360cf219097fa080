/**
 * The record of one instruction that is executed alone: its halves lie on two pages, its page may not be
 * remembered, or what it needs of memory is remembered for it only. What follows sends the core back to
 * look pc up, one parcel on or two.
 */
import { HartBlock, RECORD_BYTES } from '../core/hart-block.ts';
import { unfused } from '../core/operations.ts';
import { REFETCH_HEAD, writeRecord } from '../decode-cache.ts';
import type { HartCells } from '../hart-cells.ts';

export class LoneRecord {
  readonly #words: Int32Array;
  readonly #address: number;

  constructor(hart: HartCells) {
    this.#words = hart.words;
    this.#address = hart.base + HartBlock.offset.scratchRecords;
  }

  /** Makes it of an encoding. @returns its address in linear memory */
  make(raw: number): number {
    writeRecord(this.#words, this.#address, raw);
    return this.#endLine();
  }

  /** Makes it of the record at a word index. @returns its address in linear memory */
  copy(from: number): number {
    const to = this.#address >> 2;
    this.#words.copyWithin(to, from, from + RECORD_BYTES / 4);
    this.#words[to] = unfused(this.#words[from] as number);
    return this.#endLine();
  }

  #endLine(): number {
    this.#words[(this.#address + RECORD_BYTES) >> 2] = REFETCH_HEAD;
    this.#words[(this.#address + 2 * RECORD_BYTES) >> 2] = REFETCH_HEAD;
    return this.#address;
  }
}
