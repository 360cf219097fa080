/**
 * The oracle: a reference monitor that prevents nothing. It watches every translation that enters a TLB
 * and compares it with what the policy says about the frame; what reaches more than that is an escape.
 * It shares no code with the nested kernel, and the nested kernel's tables are not consulted.
 *
 * Of each hart it must know in which domain it runs. It takes the hart block's word for that, but a
 * fetch gives it away: text is its owner's alone, so a wrong word shows at the next page of code.
 *
 * With all harts in one thread it knows more: which domain a granted frame belongs to, that no frame is
 * writable and executable at the same time, that a completed fence has left nothing behind, and which calls
 * each thread has outstanding.
 */
import { HART_STATE, PRIVILEGE } from '../machine/core/hart-block.ts';
import type { Hart } from '../machine/hart.ts';
import { RAM_BASE } from '../machine/physical-map.ts';
import { PTE } from '../machine/page-table.ts';
import type { GroundTruth } from './ground-truth.ts';

export type EscapeKind =
  /** A domain has a right on a frame that the policy does not give it. */
  | 'frame'
  /** A user program has a right on a frame of the kernel image or on a page table. */
  | 'user'
  /** A domain reaches a device that is not its own. */
  | 'device'
  /** Kernel code runs without translation. */
  | 'untranslated'
  /** A granted frame is reached by two domains. */
  | 'exclusive'
  /** A frame is writable and executable in two live translations. */
  | 'write-xor-execute'
  /** A fence is complete, and a TLB still translates what it fenced. */
  | 'stale'
  /** A call without a gate; a return without a call, or to somewhere else. */
  | 'transfer';

export interface Escape {
  readonly kind: EscapeKind;
  readonly hart: number;
  /** Name of the domain, or `user`. */
  readonly domain: string;
  readonly address: string;
  /** `0x` and the physical address of the page, or null. */
  readonly physical: string | null;
  readonly text: string;
}

/** What the oracle has to know of a fence. */
export interface SeenFence {
  readonly low: number;
  readonly high: number;
  readonly pages: number;
  readonly asid: number;
}

/** Records kept of each kind; all are counted. */
const KEPT = 16;
/** A fence of more pages is not checked page by page. */
const SWEPT_PAGES = 512;

const hex = (low: number, high: number): string =>
  `0x${(high >>> 0).toString(16).padStart(8, '0')}${(low >>> 0).toString(16).padStart(8, '0')}`;

export class Oracle {
  readonly escapes: Escape[] = [];
  readonly #truth: GroundTruth;
  readonly #harts: Hart[] = [];
  readonly #seesAll: boolean;
  /** Domains that have reached a frame which the policy says nothing about: bit by domain. */
  readonly #holders: Uint16Array;
  /** PTE.W and PTE.X as they were seen on the frame. */
  readonly #seen: Uint8Array;
  /** ASID with which each hart last left the core: that of its space. */
  readonly #coreAsid: number[] = [];
  /** What each window page was last seen to hold. */
  readonly #windowFrames: Map<string, number> = new Map();
  /** The calls that each thread of the core has outstanding, by its tp. */
  readonly #threads: Map<number, Call[]> = new Map();
  /** Those of the thread that each hart was last seen to run. */
  readonly #calls: Call[][] = [];
  /** A page that escaped once is reported once. */
  readonly #reported: Set<string> = new Set();

  /** @param seesAll every hart of the machine is attached here, and the monitor tells of fences */
  constructor(truth: GroundTruth, seesAll: boolean) {
    this.#truth = truth;
    this.#seesAll = seesAll;
    this.#holders = new Uint16Array(seesAll ? truth.frames : 0);
    this.#seen = new Uint8Array(seesAll ? truth.frames : 0);
  }

  /** Begins to watch a hart. */
  attach(hart: Hart): void {
    this.#harts[hart.id] = hart;
    hart.translation.observer = (low, high, page, rights, mode, isTranslated) =>
      this.#entered(hart, low, high, page, rights, mode, isTranslated);
  }

  #report(
    hart: Hart,
    kind: EscapeKind,
    at: { low: number; high: number; page?: number; mode?: number },
    text: string,
  ): void {
    const domain =
      at.mode === PRIVILEGE.U ? 'user' : (this.#truth.names[hart.get('domain')] ?? 'nobody');
    const key = `${kind} ${domain} ${at.page ?? hex(at.low, at.high)}`;
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    hart.count('escapes');
    if (this.escapes.filter((escape) => escape.kind === kind).length >= KEPT) return;
    this.escapes.push({
      kind,
      hart: hart.id,
      domain,
      address: hex(at.low, at.high),
      physical: at.page === undefined ? null : `0x${at.page.toString(16)}`,
      text,
    });
  }

  #entered(
    hart: Hart,
    low: number,
    high: number,
    page: number,
    rights: number,
    mode: number,
    isTranslated: boolean,
  ): void {
    const at = { low, high, page, mode };
    const domain = hart.get('domain');
    if (!isTranslated) {
      const whose = this.#truth.piece((page - RAM_BASE) / 4096)?.name ?? 'memory';
      this.#report(
        hart,
        'untranslated',
        at,
        `${rightsText(rights)} on ${whose}, by physical address`,
      );
      return;
    }
    const frame = (page - RAM_BASE) / 4096;
    const isUser = mode === PRIVILEGE.U;
    if (frame < 0 || frame >= this.#truth.frames) {
      if (isUser || !this.#truth.ownsDevice(domain, page))
        this.#report(hart, 'device', at, 'a device of somebody else');
      return;
    }
    const piece = this.#truth.piece(frame);
    if (piece !== undefined) {
      if (isUser) this.#report(hart, 'user', at, piece.name);
      else if ((rights & ~(piece.rights[domain] ?? 0)) !== 0)
        this.#report(hart, 'frame', at, `${rightsText(rights)} on ${piece.name}`);
    } else if (!isUser && domain !== 0 && !this.#truth.isInWindow(domain, low, high)) {
      this.#report(hart, 'frame', at, `${rightsText(rights)} on memory that it was not granted`);
    }
    if (!this.#seesAll) return;
    if (piece === undefined) {
      if (domain !== 0) this.#windowFrames.set(hex(low, high), frame);
      this.#hold(hart, frame, isUser ? 0 : domain, at);
    }
    this.#noteRights(hart, frame, rights, at);
  }

  /** A frame that the policy leaves to run time is the core's (and its programs') or one domain's. */
  #hold(
    hart: Hart,
    frame: number,
    party: number,
    at: { low: number; high: number; page: number; mode: number },
  ): void {
    const others = (this.#holders[frame] as number) & ~(1 << party);
    this.#holders[frame] = others | (1 << party);
    if (others === 0) return;
    const names = this.#truth.names.filter((_, domain) => (others & (1 << domain)) !== 0);
    this.#report(hart, 'exclusive', at, `the frame is also that of ${names.join(', ')}`);
  }

  #noteRights(
    hart: Hart,
    frame: number,
    rights: number,
    at: { low: number; high: number; page: number; mode: number },
  ): void {
    const both = PTE.W | PTE.X;
    const before = this.#seen[frame] as number;
    this.#seen[frame] = before | (rights & both);
    if (((this.#seen[frame] as number) & both) !== both || before === this.#seen[frame]) return;
    // Both were seen at some time: only what is live now counts, and the entry that comes in.
    let live = rights & both;
    for (const each of this.#harts) {
      for (const entry of each.translation.tlb.entries()) {
        if (entry.page !== frame) continue;
        // Those of a space that is not the hart's are dropped before they can be used.
        const isUsable = this.#mustHaveFenced(each, entry.high < 0 ? -1 : entry.asid);
        if (isUsable) live |= entry.rights & both;
      }
    }
    this.#seen[frame] = live;
    if (live === both)
      this.#report(hart, 'write-xor-execute', at, 'writable here, executable there');
  }

  /** The monitor says that a fence is complete. */
  fenced(issuer: Hart, fence: SeenFence): void {
    for (let n = 0; n < Math.min(fence.pages, SWEPT_PAGES); n++) {
      const low = (fence.low + n * 4096) | 0;
      const high = low >>> 0 < fence.low >>> 0 ? (fence.high + 1) | 0 : fence.high;
      for (const hart of this.#harts) {
        if (
          this.#mustHaveFenced(hart, fence.asid) &&
          hart.translation.tlb.holds(low, high, fence.asid)
        ) {
          const text = `hart ${issuer.id} has fenced it, hart ${hart.id} still translates it`;
          this.#report(hart, 'stale', { low, high }, text);
        }
      }
      this.#letGo(low, high);
    }
  }

  /** A hart that has been asked and does not run will fence before its next instruction. */
  #mustHaveFenced(hart: Hart, asid: number): boolean {
    const isAsked = hart.get('fenceRequest') !== hart.get('fenceAcked');
    if (isAsked && hart.get('state') !== HART_STATE.RUNNING) return false;
    if (asid < 0) return true;
    // Translations of a space that is not the hart's are dropped when it becomes so.
    return (hart.get('domain') === 0 ? asidOf(hart) : this.#coreAsid[hart.id]) === asid;
  }

  /** What a fence says about whose a frame is: nobody has it by that address any more. */
  #letGo(low: number, high: number): void {
    const { windows, frames } = this.#truth;
    const domain = windows.findIndex((_, n) => this.#truth.isInWindow(n, low, high));
    if (domain > 0) {
      const frame = this.#windowFrames.get(hex(low, high));
      if (frame !== undefined)
        this.#holders[frame] = (this.#holders[frame] as number) & ~(1 << domain);
    } else if (high === DIRECT_HIGH && low >>> 12 < frames) {
      const frame = low >>> 12;
      this.#holders[frame] = (this.#holders[frame] as number) & ~1;
    }
  }

  /** A hart goes from one domain to another. */
  crossed(
    hart: Hart,
    how: 'call' | 'return' | 'interrupt' | 'resume' | 'unwind',
    from: number,
    to: number,
    low: number,
    high: number,
  ): void {
    if (!this.#seesAll) return;
    if (from === 0) this.#coreAsid[hart.id] = asidOf(hart);
    // The core tells its threads apart by tp; no other domain can change threads.
    const stack =
      from === 0 && how !== 'unwind' ? this.#callsOf(hart.x(TP)) : (this.#calls[hart.id] ?? []);
    this.#calls[hart.id] = stack;
    if (how === 'call' || how === 'interrupt') {
      if (how === 'call' && !this.#truth.mayCall(from, to))
        this.#transfer(hart, from, to, 'no gate leads there');
      stack.push({ from, to, low, high });
      return;
    }
    const last = stack.at(-1);
    if (last === undefined || last.from !== to || last.to !== from) {
      this.#transfer(hart, from, to, 'this thread was not called from there');
      return;
    }
    stack.pop();
    if (how !== 'unwind' && (last.low !== low || last.high !== high))
      this.#transfer(hart, from, to, `goes on at ${hex(low, high)} and not where it was left`);
  }

  #transfer(hart: Hart, from: number, to: number, why: string): void {
    const at = { low: hart.csrLow('mepc'), high: hart.csrHigh('mepc') };
    const name = (domain: number): string => this.#truth.names[domain] ?? String(domain);
    this.#report(hart, 'transfer', at, `from ${name(from)} to ${name(to)}: ${why}`);
  }

  #callsOf(thread: number): Call[] {
    const known = this.#threads.get(thread);
    if (known !== undefined) return known;
    const none: Call[] = [];
    this.#threads.set(thread, none);
    return none;
  }
}

/** A call that has not returned, or an interrupt. */
interface Call {
  readonly from: number;
  readonly to: number;
  /** Where it is to go on. */
  readonly low: number;
  readonly high: number;
}

const TP = 4;

/** The core's map of all RAM (LAYOUT.DIRECT_BASE), up to four gigabytes of it. */
const DIRECT_HIGH = 0xffffffd0 | 0;

const asidOf = (hart: Hart): number => (hart.csrHigh('satp') >>> 12) & 0xffff;

const rightsText = (rights: number): string =>
  `${(rights & PTE.R) === 0 ? '' : 'r'}${(rights & PTE.W) === 0 ? '' : 'w'}${(rights & PTE.X) === 0 ? '' : 'x'}`;
