/**
 * The modelled TLB of one hart, from the hart's side: its size, the ASID that tags it, and what fences take
 * from it. The exact core alone feeds it (core/tlb-model.ts); nothing that is executed depends on it.
 */
import {
  MODEL_EMPTY,
  MODEL_KEY,
  MODEL_L1_MAX,
  MODEL_L2_MAX,
  MODEL_OFFSET,
  ModelTlb,
} from './core/tlb-model.ts';
import { csrWordOf } from './core/hart-block.ts';
import type { HartCells } from './hart-cells.ts';
import { levelsOf } from './page-table.ts';

const SATP = csrWordOf('satp');
const L1_ENTRIES = ModelTlb.offset.l1Entries >> 2;
const L2_ENTRIES = ModelTlb.offset.l2Entries >> 2;
const LEVELS = ModelTlb.offset.levels >> 2;
const ASID = ModelTlb.offset.asid >> 2;

const levelIn = (key: bigint): bigint => (key >> MODEL_KEY.LEVEL_SHIFT) & 3n;
const asidIn = (key: bigint): number => Number((key >> MODEL_KEY.ASID_SHIFT) & 0xffffn);

const addressOf = (low: number, high: number): bigint =>
  (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);

export class ModelledTlb {
  readonly #hart: HartCells;
  /** Word index of the model. */
  readonly #at: number;
  #isOn = false;

  constructor(hart: HartCells) {
    this.#hart = hart;
    this.#at = (hart.base + MODEL_OFFSET) >> 2;
  }

  /** Gives it its size; 0 entries switch it off. Only the exact core feeds it. */
  configure(l1Entries: number, l2Entries: number): void {
    if (l1Entries > MODEL_L1_MAX || l2Entries > MODEL_L2_MAX)
      throw new RangeError('the modelled TLB is too large');
    const { words } = this.#hart;
    this.#isOn = l1Entries > 0;
    words[this.#at + L1_ENTRIES] = l1Entries;
    words[this.#at + L2_ENTRIES] = l2Entries;
    this.#forget(() => true);
    this.chooseAsid();
  }

  /** `satp` has changed: without translation, nothing is looked up. */
  chooseAsid(): void {
    const { words } = this.#hart;
    const satpHigh = this.#hart.word(SATP + 1);
    const levels = this.#isOn ? levelsOf(satpHigh >>> 28) : 0;
    words[this.#at + LEVELS] = levels;
    words[this.#at + ASID] = levels > 0 ? (satpHigh >>> 12) & 0xffff : -1;
  }

  /** SFENCE.VMA for every address, of one ASID or (`asid` < 0) of all. */
  fenceAll(asid: number): void {
    if (this.#isOn) this.#forget((key) => asid < 0 || asidIn(key) === asid);
  }

  /** SFENCE.VMA for one address. */
  fencePage(low: number, high: number): void {
    if (!this.#isOn) return;
    const va = addressOf(low, high);
    this.#forget(
      (key) =>
        (key & MODEL_KEY.PAGE_MASK) === ((va >> (12n + 9n * levelIn(key))) & MODEL_KEY.PAGE_MASK),
    );
  }

  /** SFENCE.VMA for many addresses that pages translate, given as low and high halves in turn. */
  fencePages(pages: readonly number[]): void {
    if (!this.#isOn) return;
    const numbers = new Set<bigint>();
    for (let n = 0; n < pages.length; n += 2) {
      const va = addressOf(pages[n] as number, pages[n + 1] as number);
      numbers.add((va >> 12n) & MODEL_KEY.PAGE_MASK);
    }
    this.#forget((key) => levelIn(key) === 0n && numbers.has(key & MODEL_KEY.PAGE_MASK));
  }

  #forget(matches: (key: bigint) => boolean): void {
    const cells = new BigInt64Array(
      this.#hart.words.buffer,
      this.#hart.base + MODEL_OFFSET + ModelTlb.offset.last,
      2 + 2 * MODEL_L1_MAX + MODEL_L2_MAX,
    );
    for (let n = 0; n < cells.length; n++) {
      if (matches(cells[n] as bigint)) cells[n] = MODEL_EMPTY;
    }
  }
}
