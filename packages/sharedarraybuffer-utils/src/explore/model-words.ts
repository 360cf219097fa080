/**
 * Model words: what the code under exploration gets for `SharedWord` and `SharedWords`.
 *
 * They hold nothing. Every operation goes to a `Performer`, which replays it, performs it on model
 * memory, or stops the thread there.
 */
import type { SharedWord, WaitResult } from '../word.ts';
import type { SharedWords } from '../words.ts';
import { type OperationKind, WAIT_RESULTS } from './operation.ts';

/** Initial values: a number makes a `SharedWord`, an array makes `SharedWords`. */
export type WordSpecs = Record<string, number | readonly number[]>;

export type ModelMemory<Specs extends WordSpecs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends number ? SharedWord : SharedWords;
};

export interface Performer {
  perform(kind: OperationKind, cell: number, a: number, b: number): number;
}

class ModelWords implements SharedWords {
  readonly length: number;
  readonly #performer: Performer;
  readonly #base: number;

  constructor(performer: Performer, base: number, length: number) {
    this.#performer = performer;
    this.#base = base;
    this.length = length;
  }

  load(index: number): number {
    return this.#perform('load', index);
  }

  store(index: number, value: number): void {
    this.#perform('store', index, value);
  }

  add(index: number, delta: number): number {
    return this.#perform('add', index, delta);
  }

  or(index: number, bits: number): number {
    return this.#perform('or', index, bits);
  }

  and(index: number, bits: number): number {
    return this.#perform('and', index, bits);
  }

  exchange(index: number, value: number): number {
    return this.#perform('exchange', index, value);
  }

  compareExchange(index: number, expected: number, replacement: number): number {
    return this.#perform('compareExchange', index, expected, replacement | 0);
  }

  wait(index: number, expected: number, timeoutMs: number = Infinity): WaitResult {
    const cell = this.#cell(index);
    const result = this.#performer.perform('wait', cell, expected | 0, timeoutMs);
    return WAIT_RESULTS[result] as WaitResult;
  }

  notify(index: number, count: number = Infinity): number {
    return this.#performer.perform('notify', this.#cell(index), count, 0);
  }

  /** Operands are converted to 32 bits as `Atomics` converts them. */
  #perform(kind: OperationKind, index: number, a = 0, b = 0): number {
    return this.#performer.perform(kind, this.#cell(index), a | 0, b);
  }

  #cell(index: number): number {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RangeError(`index ${index} outside an array of ${this.length} words`);
    }
    return this.#base + index;
  }
}

class ModelWord implements SharedWord {
  readonly #words: ModelWords;

  constructor(performer: Performer, cell: number) {
    this.#words = new ModelWords(performer, cell, 1);
  }

  load(): number {
    return this.#words.load(0);
  }

  store(value: number): void {
    this.#words.store(0, value);
  }

  add(delta: number): number {
    return this.#words.add(0, delta);
  }

  or(bits: number): number {
    return this.#words.or(0, bits);
  }

  and(bits: number): number {
    return this.#words.and(0, bits);
  }

  exchange(value: number): number {
    return this.#words.exchange(0, value);
  }

  compareExchange(expected: number, replacement: number): number {
    return this.#words.compareExchange(0, expected, replacement);
  }

  wait(expected: number, timeoutMs?: number): WaitResult {
    return this.#words.wait(0, expected, timeoutMs);
  }

  notify(count?: number): number {
    return this.#words.notify(0, count);
  }
}

/** Where the words of a scenario lie in model memory, and what each cell is called. */
export class Placement<Specs extends WordSpecs> {
  readonly initial: Int32Array;
  readonly cellNames: readonly string[];
  readonly #specs: Specs;

  constructor(specs: Specs) {
    this.#specs = specs;
    const names: string[] = [];
    const values: number[] = [];
    for (const [name, spec] of Object.entries(specs)) {
      const isWord = typeof spec === 'number';
      for (const [index, value] of (isWord ? [spec] : spec).entries()) {
        names.push(isWord ? name : `${name}[${index}]`);
        values.push(value);
      }
    }
    this.cellNames = names;
    this.initial = Int32Array.from(values);
  }

  view(performer: Performer): ModelMemory<Specs> {
    const view: Record<string, SharedWord | SharedWords> = {};
    let cell = 0;
    for (const [name, spec] of Object.entries(this.#specs)) {
      if (typeof spec === 'number') {
        view[name] = new ModelWord(performer, cell++);
      } else {
        view[name] = new ModelWords(performer, cell, spec.length);
        cell += spec.length;
      }
    }
    return view as ModelMemory<Specs>;
  }
}
