/**
 * The fences of one hart, SFENCE.VMA (vol. II §12.2.1) and FENCE.I (vol. I §5): for its own instructions, and for
 * those who fence it from elsewhere. What it remembers of memory is in the soft TLB, in the modelled TLB
 * and among the decoded pages.
 */
import { counterIndex, PRIVILEGE } from './core/hart-block.ts';
import { MSTATUS_BITS } from './csr-numbers.ts';
import type { DecodeCache } from './decode-cache.ts';
import type { HartCells } from './hart-cells.ts';
import type { ModelledTlb } from './modelled-tlb.ts';
import type { Translation } from './translation.ts';

const COUNT_ALL = counterIndex.fencesAll;
const COUNT_PAGE = counterIndex.fencesPage;

/** So many pages are forgotten one by one; for more, all are. */
const MANY_PAGES = 16;

/** What fences need of their hart. */
export interface FenceOwner extends HartCells {
  readonly translation: Translation;
  readonly modelledTlb: ModelledTlb;
}

export class Fences {
  readonly #hart: FenceOwner;
  readonly #decodeCache: DecodeCache;

  constructor(hart: FenceOwner, decodeCache: DecodeCache) {
    this.#hart = hart;
    this.#decodeCache = decodeCache;
  }

  /** Whether SFENCE.VMA is forbidden where the hart is: to U, and to S by mstatus.TVM. */
  get isForbidden(): boolean {
    const hart = this.#hart;
    return (
      hart.mode === PRIVILEGE.U || (hart.mode === PRIVILEGE.S && hart.statusHas(MSTATUS_BITS.TVM))
    );
  }

  /** SFENCE.VMA as an instruction has it. */
  execute(raw: number): void {
    const hart = this.#hart;
    const rs1 = (raw >>> 15) & 31;
    const rs2 = (raw >>> 20) & 31;
    const asid = rs2 === 0 ? -1 : hart.xLow(rs2) & 0xffff;
    // More than is asked, and allowed: xv6 writes a program into a page that held another one's code and
    // goes there without FENCE.I, with only this between them, as many a processor lets it.
    if (rs1 === 0 && rs2 === 0) this.#decodeCache.markUnproven();
    if (rs1 === 0) this.all(asid);
    else this.page(hart.xLow(rs1), hart.xHigh(rs1), asid);
  }

  /** SFENCE.VMA for every address, of one ASID or (`asid` < 0) of all. */
  all(asid: number): void {
    const { translation, modelledTlb } = this.#hart;
    this.#hart.tally(COUNT_ALL);
    if (asid < 0) translation.tlb.flushAll();
    else translation.tlb.flushAsid(asid);
    modelledTlb.fenceAll(asid);
  }

  /** SFENCE.VMA for one address. */
  page(low: number, high: number, asid: number): void {
    const { translation, modelledTlb } = this.#hart;
    this.#hart.tally(COUNT_PAGE);
    translation.tlb.flushPage(low, high, asid);
    modelledTlb.fencePage(low, high);
  }

  /** SFENCE.VMA for many addresses, given as low and high halves in turn: each is counted. */
  pages(pages: readonly number[]): void {
    const { translation, modelledTlb } = this.#hart;
    this.#hart.tally(COUNT_PAGE, pages.length / 2);
    if (pages.length > 2 * MANY_PAGES) translation.tlb.flushAll();
    else
      for (let n = 0; n < pages.length; n += 2)
        translation.tlb.flushPage(pages[n] as number, pages[n + 1] as number, -1);
    modelledTlb.fencePages(pages);
  }

  /** FENCE.I. */
  code(): void {
    if (this.#decodeCache.areCurrent()) return;
    this.#decodeCache.markUnproven();
    this.#hart.translation.tlb.flushFetch();
  }
}
