/**
 * The decoded pages of one hart: for each physical page that it executes, a record per parcel.
 *
 * Records are made from a private copy of the page, taken when the page is first executed, so a page
 * that is written while it is cached stays consistent with the copy: the hart sees the old code until
 * its next FENCE.I, as the manual allows (vol. I §5). FENCE.I compares the pages that were entered lately
 * with their copies. If one has changed, or from time to time, every copy is unproven: a page is compared,
 * and decoded anew if it changed, when it is next entered.
 */
import { decode, isFourBytes } from './isa/decoder.ts';
import { EXIT, INSTRUCTIONS, type Instruction } from './isa/table.ts';
import { dispatchNumber, fused, OPERATION, operationNumber } from './core/operations.ts';
import {
  DECODED_PAGE_BYTES,
  JOINS_PER_PAGE,
  PARCELS_PER_PAGE,
  RECORD_BYTES,
  X_SINK,
} from './core/hart-block.ts';
import { isSstatus, plainCsr } from './csr-numbers.ts';

/** Sends the core back to look pc up. */
export const REFETCH_HEAD: number = dispatchNumber(OPERATION.REFETCH, 4);
const CROSS_HEAD = dispatchNumber(OPERATION.CROSS, 4);

/** At most this many records are made at once; a line of code ends sooner or goes on at its next use. */
const DECODE_AHEAD = 32;

/** So many pages FENCE.I compares at most: as long as it takes to enter a few of them again. */
const MOST_COMPARED = 64;
/** After so many FENCE.I pages that are no longer entered are not compared any more. */
const COMPARED_TIMES = 64;

export class DecodeCache {
  readonly #words: Int32Array;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #slots: number;
  /** Physical page number (from the start of RAM) of each slot, -1 if empty. */
  readonly #pageOfSlot: Int32Array;
  readonly #slotOfPage: Int16Array;
  readonly #copies: Buffer;
  readonly #copyView: DataView;
  readonly #proven: Uint8Array;
  /** Slots that became proven since all were unproven, the first of them; how many there are. */
  readonly #entered: Int32Array = new Int32Array(MOST_COMPARED);
  #entries = 0;
  #comparisons = 0;
  readonly #ram: number;
  /** Join words (core/hart-block.ts, Region). */
  readonly #joins: number;
  readonly #fuses: boolean;
  /** Names the copy in each slot; no two copies ever share a number. */
  readonly #versions: Int32Array;
  #lastVersion = 0;
  #nextVictim = 0;
  /** Parcels decoded since the counter was last read. */
  decoded = 0;

  /** @param fuses whether a record may execute the one after it as well: never for the exact core */
  constructor(
    memory: SharedArrayBuffer,
    start: number,
    joins: number,
    slots: number,
    ram: number,
    ramBytes: number,
    fuses: boolean,
  ) {
    this.#words = new Int32Array(memory);
    this.#bytes = Buffer.from(memory);
    this.#start = start;
    this.#slots = slots;
    this.#ram = ram;
    this.#pageOfSlot = new Int32Array(slots).fill(-1);
    this.#slotOfPage = new Int16Array(ramBytes / 4096).fill(-1);
    this.#copies = Buffer.alloc(slots * 4096);
    this.#copyView = new DataView(
      this.#copies.buffer,
      this.#copies.byteOffset,
      this.#copies.length,
    );
    this.#proven = new Uint8Array(slots);
    this.#joins = joins;
    this.#fuses = fuses;
    this.#versions = new Int32Array(slots);
  }

  /** What is added to a quarter of a record's address to get its join word's. */
  get joinBias(): number {
    return this.#joins - this.#start / 4;
  }

  /** How many pages have a copy. */
  get pages(): number {
    const isFull = (this.#pageOfSlot[this.#nextVictim] as number) >= 0;
    return isFull ? this.#slots : this.#nextVictim;
  }

  /** The name of the copy that stands for a page of RAM now, -1 if there is none. */
  versionOf(page: number): number {
    const slot = this.#slotOfPage[page] as number;
    return slot < 0 ? -1 : (this.#versions[slot] as number);
  }

  /** The parcel at an offset of a page of RAM that has a copy. */
  parcelOf(page: number, offset: number): number {
    return this.#copyView.getUint16((this.#slotOfPage[page] as number) * 4096 + offset, true);
  }

  /** Has every page compared before it is next entered; the caller drops its fetch translations as well. */
  markUnproven(): void {
    this.#proven.fill(0);
    this.#entries = 0;
    this.#comparisons = 0;
  }

  /** Whether all proven copies are found to be what their pages hold now; if that is not worth finding out, false. */
  areCurrent(): boolean {
    if (this.#entries > MOST_COMPARED || ++this.#comparisons > COMPARED_TIMES) return false;
    for (let index = 0; index < this.#entries; index++) {
      const slot = this.#entered[index] as number;
      if (!this.#isUnchanged(slot, this.#pageOfSlot[slot] as number)) return false;
    }
    return true;
  }

  #enter(slot: number): void {
    this.#proven[slot] = 1;
    if (this.#entries < MOST_COMPARED) this.#entered[this.#entries] = slot;
    this.#entries += 1;
  }

  /**
   * Linear-memory address of the records of a page of RAM.
   * @param evicted called if another page had to go: translations that point to it must be dropped
   */
  recordsOf(page: number, evicted: () => void): number {
    let slot = this.#slotOfPage[page] as number;
    if (slot >= 0) {
      if (this.#proven[slot] === 0) {
        if (!this.#isUnchanged(slot, page)) this.#load(slot, page);
        this.#enter(slot);
      }
      return this.#address(slot);
    }
    slot = this.#nextVictim;
    this.#nextVictim = (slot + 1) % this.#slots;
    const old = this.#pageOfSlot[slot] as number;
    if (old >= 0) {
      this.#slotOfPage[old] = -1;
      evicted();
    }
    this.#pageOfSlot[slot] = page;
    this.#slotOfPage[page] = slot;
    this.#load(slot, page);
    this.#enter(slot);
    return this.#address(slot);
  }

  #address(slot: number): number {
    return this.#start + slot * DECODED_PAGE_BYTES;
  }

  #isUnchanged(slot: number, page: number): boolean {
    const at = this.#ram + page * 4096;
    const copy = slot * 4096;
    return this.#copies.compare(this.#bytes, at, at + 4096, copy, copy + 4096) === 0;
  }

  #load(slot: number, page: number): void {
    const at = this.#ram + page * 4096;
    this.#copies.set(this.#bytes.subarray(at, at + 4096), slot * 4096);
    const first = this.#address(slot) >> 2;
    const last = first + PARCELS_PER_PAGE * 4;
    // Memory that was never used is 0, and takes no room on the host until it is.
    if (this.#words[last] === REFETCH_HEAD) {
      this.#words.fill(0, first, last);
      const join = (this.#joins >> 2) + slot * JOINS_PER_PAGE;
      this.#words.fill(0, join, join + JOINS_PER_PAGE);
    }
    this.#words[last] = REFETCH_HEAD;
    this.#versions[slot] = ++this.#lastVersion;
  }

  /** The page of RAM whose records lie at an address, or -1. */
  pageAt(records: number): number {
    return this.#pageOfSlot[Math.floor((records - this.#start) / DECODED_PAGE_BYTES)] ?? -1;
  }

  /** Makes the record at `ip`, and those that follow it in a straight line. */
  decodeAt(ip: number): void {
    const slot = Math.floor((ip - this.#start) / DECODED_PAGE_BYTES);
    let parcel = (ip - this.#address(slot)) / RECORD_BYTES;
    let record = ip;
    let before = 0;
    for (let made = 0; made < DECODE_AHEAD && parcel < PARCELS_PER_PAGE; made++) {
      if ((this.#words[record >> 2] as number) !== 0) {
        this.#fuse(before, record);
        return;
      }
      const offset = slot * 4096 + parcel * 2;
      let raw = this.#copyView.getUint16(offset, true);
      if (isFourBytes(raw)) {
        if (parcel === PARCELS_PER_PAGE - 1) {
          this.#words[record >> 2] = CROSS_HEAD;
          return;
        }
        raw |= this.#copyView.getUint16(offset + 2, true) << 16;
      }
      const bytes = isFourBytes(raw) ? 4 : 2;
      const endsLine = writeRecord(this.#words, record, raw, parcel * 2);
      this.decoded += 1;
      this.#fuse(before, record);
      if (endsLine) return;
      before = record;
      parcel += bytes / 2;
      record += (bytes / 2) * RECORD_BYTES;
    }
  }

  /** Has a record, if there is one, execute the next one as well, if the core knows that pair. */
  #fuse(record: number, next: number): void {
    if (!this.#fuses || record === 0) return;
    const head = this.#words[record >> 2] as number;
    this.#words[record >> 2] = fused(head, this.#words[next >> 2] as number);
  }
}

/** What `writeRecord` remembers of an encoding, in words; the first is the encoding, 0 if there is none. */
const FORM = { raw: 0, head: 1, registers: 2, immediate: 3, extra: 4, flags: 5, words: 6 } as const;
const FORM_ENDS_LINE = 1;
/** A branch or JAL, whose `extra` depends on where it is. */
const FORM_HOPS = 2;
/** Encodings recur: most of a kernel's are found here. A power of two. */
const FORMS = 32768;
const forms = new Int32Array(FORMS * FORM.words);
const formOf = (raw: number): number =>
  (Math.imul(raw ^ (raw >>> 15), 0x9e3779b1) >>> (32 - Math.log2(FORMS))) * FORM.words;

/**
 * Encodes one instruction as a record; returns whether a straight line cannot go on behind it.
 * @param raw its 16 bits alone if it is compressed
 * @param offset where in its decoded page it lies; without it the record stands alone
 */
export function writeRecord(
  words: Int32Array,
  record: number,
  raw: number,
  offset?: number,
): boolean {
  const at = record >> 2;
  const form = formOf(raw);
  if (forms[form + FORM.raw] !== raw || raw === 0) makeForm(form, raw);
  const flags = forms[form + FORM.flags] as number;
  const immediate = forms[form + FORM.immediate] as number;
  let extra = forms[form + FORM.extra] as number;
  if ((flags & FORM_HOPS) !== 0 && offset !== undefined) {
    const target = offset + immediate;
    if (target >= 0 && target < 4096) extra = (immediate / 2) * RECORD_BYTES;
  }
  words[at + 1] = forms[form + FORM.registers] as number;
  words[at + 2] = immediate;
  words[at + 3] = extra;
  words[at] = forms[form + FORM.head] as number;
  return (flags & FORM_ENDS_LINE) !== 0;
}

/** What is the same for every encoding of an instruction. */
interface Kind {
  readonly operation: number;
  readonly isFloat: boolean;
  readonly writesX: boolean;
  readonly isCsr: boolean;
  readonly flags: number;
}

const kinds: ReadonlyMap<Instruction, Kind> = new Map(
  INSTRUCTIONS.map((instruction) => {
    const { meaning, base, name } = instruction;
    const isFloat = meaning.kind.startsWith('float');
    const endsLine = meaning.kind === 'jump' || meaning.kind === 'exit';
    const hops = meaning.kind === 'branch' || (base ?? name) === 'jal';
    const kind: Kind = {
      operation: operationNumber.get(base ?? name) as number,
      isFloat,
      writesX: !isFloat || (meaning.kind === 'float' && meaning.to === 'x'),
      isCsr: meaning.kind === 'exit' && meaning.reason === EXIT.CSR,
      flags: (endsLine ? FORM_ENDS_LINE : 0) | (hops ? FORM_HOPS : 0),
    };
    return [instruction, kind];
  }),
);

/** Fills a place of `forms` with what an encoding becomes. */
function makeForm(form: number, raw: number): void {
  const bytes = isFourBytes(raw) ? 4 : 2;
  const d = decode(raw);
  forms[form + FORM.raw] = raw;
  if (d === undefined) {
    forms[form + FORM.head] = dispatchNumber(OPERATION.ILLEGAL, bytes);
    forms[form + FORM.registers] = 0;
    forms[form + FORM.immediate] = raw;
    forms[form + FORM.extra] = 0;
    forms[form + FORM.flags] = FORM_ENDS_LINE;
    return;
  }
  const kind = kinds.get(d.instruction) as Kind;
  const rd = (d.rd === 0 && kind.writesX ? X_SINK : d.rd) * 8;
  let { operation } = kind;
  let rs2 = d.rs2 * 8;
  let extra = kind.isFloat ? raw : 0;
  if (kind.isCsr) {
    const plain = plainCsr(raw);
    if (plain !== undefined) {
      operation = plain.isWrite ? OPERATION.CSR_WRITE : OPERATION.CSR_READ;
      rs2 = plain.cell * 8;
      extra = plain.privilege | (plain.kept << 8);
    } else if (isSstatus(raw)) operation = OPERATION.SSTATUS;
  }
  forms[form + FORM.head] = dispatchNumber(operation, bytes) | (rd << 16);
  forms[form + FORM.registers] = (d.rs1 * 8) | (rs2 << 16);
  forms[form + FORM.immediate] = d.imm;
  forms[form + FORM.extra] = extra;
  forms[form + FORM.flags] = kind.flags;
}
