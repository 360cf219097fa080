/**
 * User address spaces and granted frames: every change of a page table that the outer kernel asks for.
 *
 * Each call checks first and then commits; the commit cannot fail, and ends with the fence it needs.
 * Upholds NK-1, NK-4, NK-5 and NK-11.
 */
import type { Hart } from '../machine/hart.ts';
import { PTE } from '../machine/page-table.ts';
import { LAYOUT, MAX_SPACES, STATUS } from './abi.ts';
import { COUNT_OPS } from './cells.ts';
import { CHARGE } from './charges.ts';
import { fenceHere, type Fence } from './fence.ts';
import { MAX_MAPS } from './frames.ts';
import { frameOf, leafHigh, leafLow, vpn0, vpn1 } from './paging.ts';
import { DIRECT, DIRECT_RIGHTS, halves, type Shared, type Status } from './shared.ts';
import { FRAME, MonitorBlock, Space } from './tables.ts';
import { Word32 } from 'sharedarraybuffer-utils';

const RIGHTS = PTE.R | PTE.W | PTE.X;
const USER_PAGES = Number(LAYOUT.USER_TOP) / 4096;
const WINDOW_PAGES = Number(LAYOUT.WINDOW_BYTES) / 4096;

export interface Answer {
  readonly status: Status;
  readonly value: number;
}
/** A domain as it was when it called the core. */
export interface Grantee {
  readonly domain: number;
  readonly generation: number;
}
const refuse = (status: Status): Answer => ({ status, value: 0 });
const done = (value = 0): Answer => ({ status: STATUS.OK, value });

export class Spaces {
  readonly #shared: Shared;
  readonly #words: Record<keyof typeof Space.offset, Word32[]>;
  /** Generation of each space that this hart's TLB is known to reflect. */
  readonly #seen: Int32Array = new Int32Array(MAX_SPACES);
  readonly #active: Int32Array;

  constructor(shared: Shared) {
    this.#shared = shared;
    const { memory, parts } = shared.machine;
    const first = parts.plan.monitor + MonitorBlock.offset.spaces;
    const cells = (field: keyof typeof Space.offset): Word32[] =>
      Array.from(
        { length: MAX_SPACES },
        (_, n) => new Word32(memory, first + n * Space.sizeBytes + Space.offset[field]),
      );
    this.#words = {
      alive: cells('alive'),
      root: cells('root'),
      generation: cells('generation'),
      pages: cells('pages'),
    };
    this.#active = shared.tables.activeSpace;
  }

  /** The middle table of a live space, or 0. Space 0 has none. */
  table(space: number): number {
    if (!Number.isInteger(space) || space < 1 || space >= MAX_SPACES) return 0;
    return (this.#words.alive[space] as Word32).load() === 0
      ? 0
      : (this.#words.root[space] as Word32).load();
  }

  create(hart: Hart): Answer {
    return this.#shared.locked(hart, () => {
      let space = 1;
      while (space < MAX_SPACES && (this.#words.alive[space] as Word32).load() !== 0) space++;
      if (space === MAX_SPACES) return refuse(STATUS.NO_MEMORY);
      const table = this.#shared.paging.allocateTable();
      if (table === 0) return refuse(STATUS.NO_MEMORY);
      (this.#words.root[space] as Word32).store(table);
      // Translations of the ASID's last user may still be cached somewhere.
      (this.#words.generation[space] as Word32).add(1);
      (this.#words.pages[space] as Word32).store(0);
      (this.#words.alive[space] as Word32).store(1);
      return done(space);
    });
  }

  destroy(hart: Hart, space: number): Answer {
    const { paging } = this.#shared;
    return this.#shared.locked(hart, () => {
      const middle = this.table(space);
      if (middle === 0) return refuse(STATUS.INVALID_PARAM);
      // First say that it is gone, then look where it is active: `activate` does it the other way round.
      const alive = this.#words.alive[space] as Word32;
      alive.store(0);
      if (this.#isActiveSomewhere(space)) {
        alive.store(1);
        return refuse(STATUS.FRAME_BUSY);
      }
      const noCode: number[] = [];
      const tables: number[] = [middle];
      for (let index = 0; index < 512; index++) {
        const table = paging.next(middle, index);
        if (table === 0) continue;
        for (let leaf = 0; leaf < 512; leaf++) this.#dropLeaf(hart, table, leaf, noCode);
        tables.push(table);
      }
      (this.#words.generation[space] as Word32).add(1);
      // Nobody can walk the tables any more, but harts may still hold what they read there before.
      if (noCode.length > 0) this.#shared.fence(hart, everything(space), () => true);
      this.#widen(noCode);
      for (const table of tables) paging.freeTable(table);
      return done();
    });
  }

  /**
   * Takes a leaf out of the tables and the counts; false if there was none. A frame that is text no
   * more is noted: the core may write it again, but only after the fence (`#widen`).
   */
  #dropLeaf(hart: Hart, table: number, index: number, noCode: number[]): boolean {
    const { paging, frames } = this.#shared;
    const pte = paging.read(table, index);
    if ((pte & PTE.V) === 0) return false;
    const frame = frameOf(pte, paging.high);
    hart.tally(COUNT_OPS, CHARGE.FRAME);
    paging.write(table, index, 0, 0);
    frames.countMap(frame, (pte & PTE.W) !== 0, (pte & PTE.X) !== 0, -1);
    if ((pte & PTE.X) !== 0 && frames.executableMaps(frame) === 0) noCode.push(frame);
    return true;
  }

  /** No hart can execute these frames any more: the core may write them. */
  #widen(frames: readonly number[]): void {
    for (const frame of frames) this.#shared.setDirect(frame, DIRECT_RIGHTS);
  }

  /** Up to which unmaps the hart has caught up with each space, for a snapshot. */
  get seen(): readonly number[] {
    return [...this.#seen];
  }

  resume(seen: readonly number[]): void {
    this.#seen.set(seen);
  }

  /** The hart's user half becomes that of the space. Its thread is in the core. */
  activate(hart: Hart, space: number): Answer {
    if (space !== 0 && this.table(space) === 0) return refuse(STATUS.INVALID_PARAM);
    // First say that translations may be cached here from now on, then look at what was missed; and
    // whether it still exists: its destruction says that it is gone and then looks where it is active.
    Atomics.store(this.#active, hart.id, space);
    const table = this.table(space);
    if (space !== 0 && table === 0) {
      // The space that was active before may have gone as well meanwhile.
      Atomics.store(this.#active, hart.id, 0);
      this.#shared.mechanism.activate(hart, 0, 0);
      return refuse(STATUS.INVALID_PARAM);
    }
    if (space !== 0) {
      const generation = (this.#words.generation[space] as Word32).load();
      if (this.#seen[space] !== generation) {
        this.#seen[space] = generation;
        hart.fences.all(space);
      }
    }
    this.#shared.mechanism.activate(hart, space, table);
    return done();
  }

  /** The space of this hart, which alone writes it. */
  activeOn(hart: Hart): number {
    return this.#active[hart.id] as number;
  }

  #isActiveSomewhere(space: number): boolean {
    return this.#active.some((_, hart) => Atomics.load(this.#active, hart) === space);
  }

  /** Who may have translations of a space: the harts where it is active; others fence when they activate it. */
  #fenceSpace(hart: Hart, space: number, fence: Fence, everywhere = false): void {
    const generation = (this.#words.generation[space] as Word32).add(1) + 1;
    const here = this.activeOn(hart) === space;
    // The harts that take part in the fence see the new generation; here we know that we did.
    if (here && this.#seen[space] === generation - 1) this.#seen[space] = generation;
    this.#shared.fence(
      hart,
      fence,
      (target) => everywhere || Atomics.load(this.#active, target) === space,
    );
  }

  map(hart: Hart, space: number, va: number, frameAddress: number, rights: number): Answer {
    const shared = this.#shared;
    const frame = frameAddress / 4096;
    return shared.locked(hart, () => {
      const middle = this.table(space);
      if (middle === 0) return refuse(STATUS.INVALID_PARAM);
      if (!isUserPage(va) || !isPerm(rights) || (rights & PTE.R) === 0)
        return refuse(STATUS.INVALID_PARAM);
      if (!shared.frames.has(frame)) return refuse(STATUS.INVALID_ADDRESS);
      const checked = this.#checkFrame(frame, rights);
      if (checked !== STATUS.OK) return refuse(checked);
      const table = shared.paging.nextOrMake(middle, vpn1(va));
      if (table === 0) return refuse(STATUS.NO_MEMORY);
      if ((shared.paging.read(table, vpn0(va)) & PTE.V) !== 0)
        return refuse(STATUS.ALREADY_AVAILABLE);
      this.#commitMap(hart, table, va, frame, rights);
      (this.#words.pages[space] as Word32).add(1);
      // V = 0 may have been cached: a fence here suffices, another hart's spurious fault is retried.
      hart.fences.page(va | 0, 0, space);
      return done();
    });
  }

  #checkFrame(frame: number, rights: number): Status {
    const { frames } = this.#shared;
    const type = frames.type(frame);
    const isFree = type === FRAME.CORE || type === FRAME.USER;
    if (!isFree && !this.#shared.isAblated('frame-types')) return STATUS.FRAME_TYPE;
    if (frames.maps(frame) >= MAX_MAPS) return STATUS.FRAME_BUSY;
    if ((rights & PTE.W) !== 0 && (rights & PTE.X) !== 0) return STATUS.WX;
    if ((rights & PTE.W) !== 0 && frames.executableMaps(frame) > 0) return STATUS.WX;
    if ((rights & PTE.X) !== 0 && frames.writableMaps(frame) > 0) return STATUS.WX;
    return STATUS.OK;
  }

  #commitMap(hart: Hart, table: number, va: number, frame: number, rights: number): void {
    const shared = this.#shared;
    hart.tally(COUNT_OPS, CHARGE.FRAME);
    // No hart may write it any more before one may execute it.
    if ((rights & PTE.X) !== 0 && shared.frames.executableMaps(frame) === 0)
      this.#narrowDirect(hart, frame, PTE.R);
    shared.paging.write(
      table,
      vpn0(va),
      leafLow(frame, rights | PTE.U),
      leafHigh(frame, shared.mechanism.userKey),
    );
    if (shared.frames.type(frame) === FRAME.CORE) shared.frames.setType(frame, FRAME.USER, 0);
    shared.frames.countMap(frame, (rights & PTE.W) !== 0, (rights & PTE.X) !== 0, 1);
  }

  /** Takes rights from the core's direct map; no hart may use the old ones when it returns. */
  #narrowDirect(hart: Hart, frame: number, rights: number): void {
    this.#shared.setDirect(frame, rights);
    this.#shared.fence(hart, directFence(this.#shared.directLow(frame)), () => true);
  }

  unmap(hart: Hart, space: number, va: number, pages: number): Answer {
    const shared = this.#shared;
    return shared.locked(hart, () => {
      const middle = this.table(space);
      if (middle === 0 || !isUserRange(va, pages)) return refuse(STATUS.INVALID_PARAM);
      const noCode: number[] = [];
      let unmapped = 0;
      this.#eachLeaf(middle, va, pages, (table, index) => {
        if (this.#dropLeaf(hart, table, index, noCode)) unmapped++;
      });
      if (unmapped > 0) {
        (this.#words.pages[space] as Word32).add(-unmapped);
        const fence = { low: va | 0, high: 0, pages, asid: space, code: false };
        this.#fenceSpace(hart, space, fence, noCode.length > 0);
      }
      this.#widen(noCode);
      return done(unmapped);
    });
  }

  protect(hart: Hart, space: number, va: number, pages: number, rights: number): Answer {
    const shared = this.#shared;
    return shared.locked(hart, () => {
      const middle = this.table(space);
      if (middle === 0 || !isUserRange(va, pages) || !isPerm(rights) || (rights & PTE.R) === 0) {
        return refuse(STATUS.INVALID_PARAM);
      }
      // Check all, then change all.
      let status: Status = STATUS.OK;
      this.#eachLeaf(middle, va, pages, (table, index) => {
        const pte = shared.paging.read(table, index);
        if ((pte & PTE.V) === 0 || status !== STATUS.OK) return;
        const frame = frameOf(pte, shared.paging.high);
        const others = shared.frames.writableMaps(frame) - ((pte & PTE.W) === 0 ? 0 : 1);
        const code = shared.frames.executableMaps(frame) - ((pte & PTE.X) === 0 ? 0 : 1);
        if ((rights & PTE.W) !== 0 && ((rights & PTE.X) !== 0 || code > 0)) status = STATUS.WX;
        if ((rights & PTE.X) !== 0 && others > 0) status = STATUS.WX;
      });
      if (status !== STATUS.OK) return refuse(status);
      if ((rights & PTE.X) !== 0) this.#narrowNewCode(hart, middle, va, pages);
      const noCode: number[] = [];
      let reduced = false;
      let first = -1;
      let last = -1;
      this.#eachLeaf(middle, va, pages, (table, index, at) => {
        const pte = shared.paging.read(table, index);
        if ((pte & PTE.V) === 0 || (pte & RIGHTS) === rights) return;
        hart.tally(COUNT_OPS, CHARGE.FRAME);
        const high = shared.paging.high;
        const frame = frameOf(pte, high);
        if ((pte & RIGHTS & ~rights) !== 0) reduced = true;
        if (first < 0) first = at;
        last = at;
        shared.paging.write(table, index, (pte & ~RIGHTS) | rights, high);
        shared.frames.countMap(frame, (rights & PTE.W) !== 0, (rights & PTE.X) !== 0, 1);
        shared.frames.countMap(frame, (pte & PTE.W) !== 0, (pte & PTE.X) !== 0, -1);
        if ((pte & PTE.X) !== 0 && shared.frames.executableMaps(frame) === 0) noCode.push(frame);
      });
      if (first >= 0) {
        const fence: Fence = {
          low: first | 0,
          high: 0,
          pages: (last - first) / 4096 + 1,
          asid: space,
          code: false,
        };
        // More rights: a fence here suffices, another hart's spurious fault is retried.
        if (reduced) this.#fenceSpace(hart, space, fence, noCode.length > 0);
        else fenceHere(hart, fence);
      }
      this.#widen(noCode);
      return done();
    });
  }

  /** Takes the core's right to write from every frame of a range that is about to become text. */
  #narrowNewCode(hart: Hart, middle: number, va: number, pages: number): void {
    const { paging, frames } = this.#shared;
    let count = 0;
    let last = 0;
    this.#eachLeaf(middle, va, pages, (table, index) => {
      const pte = paging.read(table, index);
      if ((pte & (PTE.V | PTE.X)) !== PTE.V) return;
      const frame = frameOf(pte, paging.high);
      if (frames.executableMaps(frame) > 0) return;
      this.#shared.setDirect(frame, PTE.R);
      last = frame;
      count++;
    });
    if (count === 1)
      this.#shared.fence(hart, directFence(this.#shared.directLow(last)), () => true);
    else if (count > 1) this.#shared.fence(hart, everything(-1), () => true);
  }

  /** The leaf entry of a user page, or 0. */
  lookup(hart: Hart, space: number, va: number): Answer {
    const { paging } = this.#shared;
    return this.#shared.locked(hart, () => {
      const middle = this.table(space);
      if (middle === 0 || !isUserPage(va)) return refuse(STATUS.INVALID_PARAM);
      const table = paging.next(middle, vpn1(va));
      if (table === 0) return done(0);
      const pte = paging.read(table, vpn0(va));
      return done((pte & PTE.V) === 0 ? 0 : frameOf(pte, paging.high) * 1024 + (pte & 0x3ff));
    });
  }

  /** Calls back for each entry of existing last-level tables in a range of pages. */
  #eachLeaf(
    middle: number,
    va: number,
    pages: number,
    each: (table: number, index: number, va: number) => void,
  ): void {
    const end = va + pages * 4096;
    let at = va;
    while (at < end) {
      const table = this.#shared.paging.next(middle, vpn1(at));
      const next = Math.min(end, (Math.floor(at / 0x200000) + 1) * 0x200000);
      if (table !== 0) for (let page = at; page < next; page += 4096) each(table, vpn0(page), page);
      at = next;
    }
  }

  // --- grants ---

  /**
   * Whether the caller of the core is still what it was when it called. Under the lock, so that a restart
   * comes before or after: a call of the last generation has no business with the pages of this one.
   */
  #isCurrent({ domain, generation }: Grantee): boolean {
    return Atomics.load(this.#shared.tables.domainGeneration, domain) === generation;
  }

  /** Gives a frame of the core to a domain; -> its address in the domain's window. */
  grant(hart: Hart, grantee: Grantee, frameAddress: number): Answer {
    const shared = this.#shared;
    const { domain } = grantee;
    return shared.locked(hart, () => {
      const frame = frameAddress / 4096;
      if (domain <= 0) return refuse(STATUS.INVALID_PARAM);
      if (!this.#isCurrent(grantee)) return refuse(STATUS.DOMAIN_DEAD);
      if (!shared.frames.has(frame)) return refuse(STATUS.INVALID_ADDRESS);
      if (shared.frames.type(frame) !== FRAME.CORE || shared.frames.maps(frame) !== 0)
        return refuse(STATUS.FRAME_TYPE);
      const [low, high] = windowBase(domain);
      const page = this.#freeWindowPage(domain, low);
      if (page < 0) return refuse(STATUS.NO_MEMORY);
      const at = (low + page * 4096) | 0;
      const table = shared.paging.nextOrMake(
        shared.config.windowTables[domain] as number,
        vpn1(at),
      );
      if (table === 0) return refuse(STATUS.NO_MEMORY);
      shared.frames.setType(frame, FRAME.QUARANTINE, domain);
      if (!shared.isAblated('direct-map-holes')) this.#narrowDirect(hart, frame, 0);
      shared.paging.clear(frame);
      shared.frames.setType(frame, FRAME.PRIVATE, domain);
      shared.paging.write(
        table,
        vpn0(at),
        leafLow(frame, DIRECT_RIGHTS),
        leafHigh(frame, shared.mechanism.keyOfDomain(domain)),
      );
      shared.tables.windowNext[domain] = (page + 1) % WINDOW_PAGES;
      hart.count('grants');
      return { status: STATUS.OK, value: (high >>> 0) * 2 ** 32 + (at >>> 0) };
    });
  }

  #freeWindowPage(domain: number, low: number): number {
    const { paging, config, tables } = this.#shared;
    const start = tables.windowNext[domain] as number;
    for (let tried = 0; tried < WINDOW_PAGES; tried++) {
      const page = (start + tried) % WINDOW_PAGES;
      const at = (low + page * 4096) | 0;
      const table = paging.next(config.windowTables[domain] as number, vpn1(at));
      if (table === 0 || (paging.read(table, vpn0(at)) & PTE.V) === 0) return page;
    }
    return -1;
  }

  /** Takes a granted frame back, zeroed, when no hart can reach it as the domain's any more; -> frame. */
  revoke(hart: Hart, grantee: Grantee, low: number, high: number): Answer {
    const shared = this.#shared;
    const { domain } = grantee;
    return shared.locked(hart, () => {
      if (domain > 0 && !this.#isCurrent(grantee)) return refuse(STATUS.DOMAIN_DEAD);
      const [base, baseHigh] = windowBase(domain);
      const page = ((low - base) >>> 0) / 4096;
      if (domain <= 0 || high !== baseHigh || !Number.isInteger(page) || page >= WINDOW_PAGES) {
        return refuse(STATUS.INVALID_ADDRESS);
      }
      const table = shared.paging.next(shared.config.windowTables[domain] as number, vpn1(low));
      const pte = table === 0 ? 0 : shared.paging.read(table, vpn0(low));
      if ((pte & PTE.V) === 0) return refuse(STATUS.INVALID_ADDRESS);
      const frame = frameOf(pte, shared.paging.high);
      this.#takeBack(hart, domain, table, low, high, frame);
      hart.count('revokes');
      return done(frame * 4096);
    });
  }

  #takeBack(
    hart: Hart,
    domain: number,
    table: number,
    low: number,
    high: number,
    frame: number,
  ): void {
    const shared = this.#shared;
    shared.paging.write(table, vpn0(low), 0, 0);
    shared.frames.setType(frame, FRAME.QUARANTINE, domain);
    shared.fence(hart, { low, high, pages: 1, asid: -1, code: false }, () => true);
    shared.paging.clear(frame);
    shared.frames.setType(frame, FRAME.CORE, 0);
    shared.setDirect(frame, DIRECT_RIGHTS);
  }

  /** All frames granted to a domain return to the core. Under the lock. */
  revokeAll(hart: Hart, domain: number): void {
    const shared = this.#shared;
    const [low, high] = windowBase(domain);
    for (let page = 0; page < WINDOW_PAGES; page++) {
      const at = (low + page * 4096) | 0;
      const table = shared.paging.next(shared.config.windowTables[domain] as number, vpn1(at));
      if (table === 0) {
        page |= 511;
        continue;
      }
      const pte = shared.paging.read(table, vpn0(at));
      if ((pte & PTE.V) !== 0)
        this.#takeBack(hart, domain, table, at, high, frameOf(pte, shared.paging.high));
    }
  }
}

/** First address of a domain's window. */
export const windowBase = (domain: number): readonly [number, number] =>
  halves(LAYOUT.WINDOW_BASE + BigInt(domain) * LAYOUT.WINDOW_BYTES);

const directFence = (low: number): Fence => ({
  low,
  high: DIRECT[1],
  pages: 1,
  asid: -1,
  code: false,
});
const everything = (asid: number): Fence => ({ low: 0, high: 0, pages: 0, asid, code: false });
const isUserPage = (va: number): boolean =>
  Number.isInteger(va) && va >= 0 && va % 4096 === 0 && va / 4096 < USER_PAGES;
const isUserRange = (va: number, pages: number): boolean =>
  isUserPage(va) && Number.isInteger(pages) && pages >= 0 && va / 4096 + pages <= USER_PAGES;
const isPerm = (rights: number): boolean => (rights & ~RIGHTS) === 0;
