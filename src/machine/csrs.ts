/**
 * The CSRs of one hart: which there are, who may read them, what a write keeps.
 *
 * "Control and Status Registers", vol. II (20250508) §2, and the chapters that define each. CSRs that a
 * trap or a return changes are cells of the hart block; the hart reads those directly.
 * 64-bit values are pairs of signed 32-bit halves.
 */
import type { Clock } from './clock.ts';
import { CBO } from './isa/cache.ts';
import { csrWordOf, PRIVILEGE, wordOf, type CsrCell } from './core/hart-block.ts';
import {
  CSR,
  csrPrivilege,
  ENVCFG,
  IRQ,
  isReadOnlyCsr,
  SSTATUS_MASK,
  MENVCFG_HIGH,
  MSTATUS_BITS,
} from './csr-numbers.ts';
import { PMP_ENTRIES } from './pmp.ts';
import type { Timers } from './timers.ts';
import { levelsOf, SATP_MODE } from './page-table.ts';
import type { Translation } from './translation.ts';
import type { Triggers } from './triggers.ts';

const S_INTERRUPTS = (1 << IRQ.SSI) | (1 << IRQ.STI) | (1 << IRQ.SEI);
const ALL_INTERRUPTS = S_INTERRUPTS | (1 << IRQ.MSI) | (1 << IRQ.MTI) | (1 << IRQ.MEI);
const DELEGABLE_EXCEPTIONS = 0xb3ff;

/** High half of mstatus: SXL and UXL are 64 bits. */
export const MSTATUS_HIGH = 0xa;
const MSTATUS_WRITABLE = 0x007e79aa;
/** Bit 63, SD: something is Dirty; FS is all there is (vol. II §3.1.6.6). */
const MSTATUS_HIGH_SD = 1 << 31;
const MENVCFG_WRITABLE_HIGH = MENVCFG_HIGH.STCE | MENVCFG_HIGH.PBMTE | MENVCFG_HIGH.ADUE;
const ENVCFG_WRITABLE = ENVCFG.FIOM | ENVCFG.CBIE | ENVCFG.CBCFE | ENVCFG.CBZE;
/** A bit a letter (vol. II §3.1.1). */
const MISA_LOW = [...'abcdfimsu'].reduce(
  (all, letter) => all | (1 << (letter.charCodeAt(0) - 97)),
  0,
);
const MISA_HIGH = 2 << 30;
/** Those that may be switched off. */
const MISA_FD = (1 << 3) | (1 << 5);

/** What became of a CSR instruction. */
export const CSR_ILLEGAL = 0;
export const CSR_READ = 1;
/** Written: an interrupt may be due now. */
export const CSR_WRITTEN = 2;

/** What the CSRs need of their hart. */
export interface CsrOwner {
  readonly id: number;
  readonly words: Int32Array;
  readonly base: number;
  readonly mode: number;
  readonly translation: Translation;
  readonly triggers: Triggers;
  readonly clock: Clock;
  readonly timers: Timers;
  xLow(register: number): number;
  xHigh(register: number): number;
  setSatp(low: number, high: number): void;
  setKeys(low: number, high: number): void;
}

// Word indices within the block: constants here, so that no hot path looks a name up.
const FFLAGS = wordOf('fflags');
const FRM = wordOf('frm');
const INSTRET = wordOf('instret');
const FLOAT_STATUS = wordOf('floatStatus');
const MIP = wordOf('mip');
const SOFTWARE_SEI = wordOf('softwareSei');
const CYCLE_OFFSET = csrWordOf('cycleOffset');
const INSTRET_OFFSET = csrWordOf('instretOffset');
const MCOUNTEREN = csrWordOf('mcounteren');
const MCOUNTINHIBIT = csrWordOf('mcountinhibit');
const MEDELEG = csrWordOf('medeleg');
const MENVCFG = csrWordOf('menvcfg');
const MEPC = csrWordOf('mepc');
const MIDELEG = csrWordOf('mideleg');
const MIE = csrWordOf('mie');
const MKEYS = csrWordOf('mkeys');
const MSTATUS = csrWordOf('mstatus');
const MTVEC = csrWordOf('mtvec');
const SATP = csrWordOf('satp');
const SCOUNTEREN = csrWordOf('scounteren');
const SENVCFG = csrWordOf('senvcfg');
const SEPC = csrWordOf('sepc');
const STIMECMP = csrWordOf('stimecmp');
const STVEC = csrWordOf('stvec');

/** The bit of mcountinhibit that stops a counter: CY or IR. */
const inhibitBit = (offset: number): number => (offset === CYCLE_OFFSET ? 1 : 4);

export class CsrFile {
  readonly #hart: CsrOwner;
  readonly #words: Int32Array;
  readonly #block: number;
  /** What was read last: two halves. */
  low = 0;
  high = 0;

  constructor(hart: CsrOwner) {
    this.#hart = hart;
    this.#words = hart.words;
    this.#block = hart.base >> 2;
  }

  #low(cell: number): number {
    return this.#words[this.#block + cell] as number;
  }

  #high(cell: number): number {
    return this.#words[this.#block + cell + 1] as number;
  }

  #put(cell: number, low: number, high: number): void {
    this.#words[this.#block + cell] = low;
    this.#words[this.#block + cell + 1] = high;
  }

  /** Whether S has a timer of its own (Sstc). */
  get hasSstc(): boolean {
    return (this.#high(MENVCFG) & MENVCFG_HIGH.STCE) !== 0;
  }

  /**
   * Does what a CSR instruction (vol. I, "Zicsr") does to the CSR.
   * @returns CSR_ILLEGAL and nothing is changed, or with the old value in `low` and `high` CSR_READ or CSR_WRITTEN
   */
  execute(raw: number): number {
    const number = raw >>> 20;
    const funct3 = (raw >>> 12) & 7;
    const rs1 = (raw >>> 15) & 31;
    const isImmediate = funct3 >= 4;
    const sourceLow = isImmediate ? rs1 : this.#hart.xLow(rs1);
    const sourceHigh = isImmediate ? 0 : this.#hart.xHigh(rs1);
    const operation = funct3 & 3;
    const writes = operation === 1 || rs1 !== 0;
    if (
      this.#hart.mode < csrPrivilege(number) ||
      (writes && isReadOnlyCsr(number)) ||
      !this.read(number)
    )
      return CSR_ILLEGAL;
    if (!writes) return CSR_READ;
    const oldLow = this.low;
    const oldHigh = this.high;
    if (operation !== 1 && (number === CSR.mip || number === CSR.sip)) {
      // Only the named bits: others may have been raised by other threads since they were read.
      if (operation === 2) this.#changeMip(number, sourceLow, 0);
      else this.#changeMip(number, 0, sourceLow);
    } else if (operation === 1) this.write(number, sourceLow, sourceHigh);
    else if (operation === 2) this.write(number, oldLow | sourceLow, oldHigh | sourceHigh);
    else this.write(number, oldLow & ~sourceLow, oldHigh & ~sourceHigh);
    this.low = oldLow;
    this.high = oldHigh;
    return CSR_WRITTEN;
  }

  #give(low: number, high: number): true {
    this.low = low;
    this.high = high;
    return true;
  }

  #giveNumber(value: number): true {
    return this.#give(value | 0, Math.floor(value / 2 ** 32) | 0);
  }

  #mayReadCounter(bit: number): boolean {
    if (this.#hart.mode < PRIVILEGE.M && ((this.#low(MCOUNTEREN) >>> bit) & 1) === 0) return false;
    return this.#hart.mode !== PRIVILEGE.U || ((this.#low(SCOUNTEREN) >>> bit) & 1) === 1;
  }

  /** Reads a CSR into `low` and `high`; false if there is none, or the mode may not read it now. */
  read(number: number): boolean {
    switch (number) {
      case CSR.sstatus:
        return this.#give(this.#low(MSTATUS) & SSTATUS_MASK, 2 | this.#dirtySummary());
      case CSR.mstatus:
        return this.#give(this.#low(MSTATUS), MSTATUS_HIGH | this.#dirtySummary());
      case CSR.fflags:
        return this.#hasFloat() && this.#give(this.#low(FFLAGS), 0);
      case CSR.frm:
        return this.#hasFloat() && this.#give(this.#low(FRM), 0);
      case CSR.fcsr:
        return this.#hasFloat() && this.#give(this.#low(FFLAGS) | (this.#low(FRM) << 5), 0);
      case CSR.sie:
        return this.#give(this.#low(MIE) & this.#low(MIDELEG), 0);
      case CSR.sip:
        return this.#give(this.mip & this.#low(MIDELEG), 0);
      case CSR.mip:
        return this.#give(this.mip, 0);
      case CSR.satp:
        if (this.#hart.mode === PRIVILEGE.S && (this.#low(MSTATUS) & MSTATUS_BITS.TVM) !== 0)
          return false;
        return this.#give(this.#low(SATP), this.#high(SATP));
      case CSR.stimecmp:
        if (
          this.#hart.mode === PRIVILEGE.S &&
          (!this.hasSstc || ((this.#low(MCOUNTEREN) >>> 1) & 1) === 0)
        )
          return false;
        return this.#give(this.#low(STIMECMP), this.#high(STIMECMP));
      case CSR.cycle:
        return this.#mayReadCounter(0) && this.#giveCount(CYCLE_OFFSET);
      case CSR.time:
        return this.#mayReadCounter(1) && this.#giveNumber(this.#hart.clock.now());
      case CSR.instret:
        return this.#mayReadCounter(2) && this.#giveCount(INSTRET_OFFSET);
      case CSR.mcycle:
        return this.#giveCount(CYCLE_OFFSET);
      case CSR.minstret:
        return this.#giveCount(INSTRET_OFFSET);
      case CSR.misa:
        return this.#give(MISA_LOW & ~(this.#low(FLOAT_STATUS) === 0 ? MISA_FD : 0), MISA_HIGH);
      case CSR.mhartid:
        return this.#give(this.#hart.id, 0);
      case CSR.mvendorid:
      case CSR.marchid:
      case CSR.mimpid:
      case CSR.mconfigptr:
        return this.#give(0, 0);
      case CSR.mseccfg:
        return this.#give(this.#hart.translation.pmp.mseccfg, 0);
      case CSR.mkeys:
        return this.#hart.translation.hasKeys && this.#give(this.#low(MKEYS), this.#high(MKEYS));
      case CSR.tselect:
        return this.#give(this.#hart.triggers.selected, 0);
      case CSR.tdata1:
        return this.#give(this.#hart.triggers.data1Low, this.#hart.triggers.data1High);
      case CSR.tdata2:
        return this.#give(this.#hart.triggers.data2Low, this.#hart.triggers.data2High);
      case CSR.tinfo:
        return this.#give(this.#hart.triggers.info, 0);
    }
    if (number >= CSR.pmpaddr0 && number < CSR.pmpaddr0 + PMP_ENTRIES) {
      const entry = number - CSR.pmpaddr0;
      const { pmp } = this.#hart.translation;
      return this.#give(pmp.addressLow(entry), pmp.addressHigh(entry));
    }
    if (isPmpConfig(number)) {
      const first = (number - CSR.pmpcfg0) * 4;
      return this.#give(this.#pmpConfigs(first), this.#pmpConfigs(first + 4));
    }
    // Hardware performance counters 3 to 31 read as zero (vol. II §3.1.10).
    if ((number >= 0xb03 && number <= 0xb1f) || (number >= 0x323 && number <= 0x33f))
      return this.#give(0, 0);
    if (number >= 0xc03 && number <= 0xc1f)
      return this.#mayReadCounter(number - 0xc00) && this.#give(0, 0);
    const cell = CELL_NUMBERS.get(number);
    return (
      cell !== undefined && this.#give(this.#low(csrWordOf(cell)), this.#high(csrWordOf(cell)))
    );
  }

  /** Whether the running mode may use an operation of Zicbom (vol. I, "Control of CMO instructions"). */
  allowsCacheBlock(funct12: number): boolean {
    const bits = funct12 === CBO.INVAL ? ENVCFG.CBIE : ENVCFG.CBCFE;
    const { mode } = this.#hart;
    if (mode === PRIVILEGE.M) return true;
    if ((this.#low(MENVCFG) & bits) === 0) return false;
    return mode === PRIVILEGE.S || (this.#low(SENVCFG) & bits) !== 0;
  }

  /** A reserved CBIE leaves the field as it was. */
  #legalEnvcfg(cell: number, low: number): number {
    const kept = (low & ENVCFG.CBIE) === ENVCFG.CBIE_RESERVED ? ENVCFG.CBIE : 0;
    return (low & ENVCFG_WRITABLE & ~kept) | (this.#low(cell) & kept);
  }

  #dirtySummary(): number {
    return (this.#low(MSTATUS) & MSTATUS_BITS.FS) === MSTATUS_BITS.FS ? MSTATUS_HIGH_SD : 0;
  }

  #hasFloat(): boolean {
    return (this.#low(MSTATUS) & MSTATUS_BITS.FS) !== 0;
  }

  /** Four PMP configurations in a word. */
  #pmpConfigs(first: number): number {
    const { pmp } = this.#hart.translation;
    return (
      pmp.config(first) |
      (pmp.config(first + 1) << 8) |
      (pmp.config(first + 2) << 16) |
      (pmp.config(first + 3) << 24)
    );
  }

  /** Writes a CSR that `read` accepted, keeping only legal values (WARL). */
  write(number: number, low: number, high: number): void {
    switch (number) {
      case CSR.mstatus:
      case CSR.sstatus: {
        const all = number === CSR.mstatus ? MSTATUS_WRITABLE : SSTATUS_MASK;
        const mask = all & (~MSTATUS_BITS.FS | this.#low(FLOAT_STATUS));
        let next = (this.#low(MSTATUS) & ~mask) | (low & mask);
        // MPP = 2 is reserved: keep what was there.
        if (((next >> MSTATUS_BITS.MPP_SHIFT) & 3) === 2)
          next = (next & ~MSTATUS_BITS.MPP) | (this.#low(MSTATUS) & MSTATUS_BITS.MPP);
        this.#put(MSTATUS, next, MSTATUS_HIGH);
        this.#hart.translation.tlb.select();
        return;
      }
      case CSR.fflags:
      case CSR.frm:
      case CSR.fcsr:
        if (number !== CSR.frm) this.#words[this.#block + FFLAGS] = low & 0x1f;
        if (number !== CSR.fflags)
          this.#words[this.#block + FRM] = (number === CSR.frm ? low : low >> 5) & 7;
        this.#words[this.#block + MSTATUS] = this.#low(MSTATUS) | MSTATUS_BITS.FS;
        return;
      case CSR.mie:
        this.#put(MIE, low & ALL_INTERRUPTS, 0);
        return;
      case CSR.sie: {
        const mask = this.#low(MIDELEG);
        this.#put(MIE, (this.#low(MIE) & ~mask) | (low & mask), 0);
        return;
      }
      case CSR.mip:
      case CSR.sip:
        this.#changeMip(number, low, ~low);
        return;
      case CSR.medeleg:
        this.#put(MEDELEG, low & DELEGABLE_EXCEPTIONS, 0);
        return;
      case CSR.mideleg:
        this.#put(MIDELEG, low & S_INTERRUPTS, 0);
        return;
      case CSR.satp: {
        const mode = high >>> 28;
        if (mode !== SATP_MODE.BARE && levelsOf(mode) === 0) return; // the whole write has no effect (vol. II §12.1.11)
        this.#hart.setSatp(low, high);
        return;
      }
      case CSR.stimecmp:
        this.#put(STIMECMP, low, high);
        this.#hart.timers.poll();
        return;
      case CSR.mtvec:
      case CSR.stvec:
        this.#put(number === CSR.mtvec ? MTVEC : STVEC, (low & 3) > 1 ? low & ~3 : low, high);
        return;
      case CSR.mepc:
      case CSR.sepc:
        this.#put(number === CSR.mepc ? MEPC : SEPC, low & ~1, high);
        return;
      case CSR.menvcfg:
        this.#put(MENVCFG, this.#legalEnvcfg(MENVCFG, low), high & MENVCFG_WRITABLE_HIGH);
        this.#hart.translation.tlb.flushAll();
        this.#hart.timers.poll();
        return;
      case CSR.mcounteren:
      case CSR.scounteren: // 32 bits wide
        this.#put(number === CSR.mcounteren ? MCOUNTEREN : SCOUNTEREN, low, 0);
        return;
      case CSR.mcycle:
        this.#setCount(CYCLE_OFFSET, low, high);
        return;
      case CSR.minstret:
        this.#setCount(INSTRET_OFFSET, low, high);
        return;
      case CSR.senvcfg:
        this.#put(SENVCFG, this.#legalEnvcfg(SENVCFG, low), 0);
        return;
      case CSR.mseccfg:
        this.#hart.translation.pmp.setMseccfg(low);
        this.#hart.translation.tlb.flushAll();
        return;
      case CSR.mkeys:
        this.#hart.setKeys(low, high);
        return;
      case CSR.mcountinhibit:
        this.#inhibit(low);
        return;
      case CSR.misa: {
        // F and D come and go together; without them FS is read-only zero (vol. II §3.1.6.6).
        const hasFloat = (low & MISA_FD) === MISA_FD;
        this.#words[this.#block + FLOAT_STATUS] = hasFloat ? MSTATUS_BITS.FS : 0;
        if (!hasFloat) this.#words[this.#block + MSTATUS] = this.#low(MSTATUS) & ~MSTATUS_BITS.FS;
        return;
      }
      case CSR.tselect:
        this.#hart.triggers.select(low);
        return;
      case CSR.tdata1:
        this.#hart.triggers.setData1(low, high);
        return;
      case CSR.tdata2:
        this.#hart.triggers.setData2(low, high);
        return;
    }
    if (number >= CSR.pmpaddr0 && number < CSR.pmpaddr0 + PMP_ENTRIES) {
      this.#hart.translation.pmp.setAddress(number - CSR.pmpaddr0, low, high);
      this.#hart.translation.tlb.flushAll();
      return;
    }
    if (isPmpConfig(number)) {
      const first = (number - CSR.pmpcfg0) * 4;
      for (let n = 0; n < 8; n++) {
        this.#hart.translation.pmp.setConfig(
          first + n,
          ((n < 4 ? low : high) >>> (8 * (n & 3))) & 0xff,
        );
      }
      this.#hart.translation.tlb.flushAll();
      return;
    }
    const cell = CELL_NUMBERS.get(number);
    if (cell !== undefined) this.#put(csrWordOf(cell), low, high);
  }

  /**
   * Sets and clears bits of mip or sip that software may. SEIP is the or of the controller's line and a
   * bit that M writes (vol. II §3.1.9), so that bit is kept apart.
   */
  #changeMip(number: number, set: number, clear: number): void {
    const index = this.#block + MIP;
    let writable = 1 << IRQ.SSI;
    if (number === CSR.sip) writable &= this.#low(MIDELEG);
    else {
      if (!this.hasSstc) writable |= 1 << IRQ.STI;
      const mine = this.#block + SOFTWARE_SEI;
      this.#words[mine] = (((this.#words[mine] as number) & ~clear) | set) & (1 << IRQ.SEI);
    }
    if ((set & writable) !== 0) Atomics.or(this.#words, index, set & writable);
    if ((clear & writable) !== 0) Atomics.and(this.#words, index, ~(clear & writable));
  }

  /** mip as software reads it: the lines, and the bit of SEIP that M writes. */
  get mip(): number {
    return (
      Atomics.load(this.#words, this.#block + MIP) |
      (this.#words[this.#block + SOFTWARE_SEI] as number)
    );
  }

  /** Whether a counter stands still: its cell holds the count, and not what to add to instret. */
  #isInhibited(offset: number): boolean {
    return (this.#low(MCOUNTINHIBIT) & inhibitBit(offset)) !== 0;
  }

  /** A counter: instructions retired before this one, and what software added by writing it. */
  #giveCount(offset: number): true {
    if (this.#isInhibited(offset)) return this.#give(this.#low(offset), this.#high(offset));
    const low = (this.#words[this.#block + INSTRET] as number) >>> 0;
    const high = this.#words[this.#block + INSTRET + 1] as number;
    const sum = low + (this.#low(offset) >>> 0);
    return this.#give(sum | 0, (high + this.#high(offset) + (sum >= 2 ** 32 ? 1 : 0)) | 0);
  }

  /** The next instruction reads what was written: this one adds no count (vol. II §3.1.10). */
  #setCount(offset: number, low: number, high: number): void {
    if (this.#isInhibited(offset)) {
      this.#put(offset, low, high);
      return;
    }
    this.#put(offset, 0, 0);
    this.#giveCount(offset);
    const from = (low >>> 0) - (this.low >>> 0) - 1;
    this.#put(offset, from | 0, (high - this.high - (from < 0 ? 1 : 0)) | 0);
  }

  /**
   * Stops and starts cycle and instret (vol. II §3.1.12); the others read as zero, and so do their bits.
   * The instruction that stops a counter is the last one that it counts.
   */
  #inhibit(bits: number): void {
    for (const offset of [CYCLE_OFFSET, INSTRET_OFFSET]) {
      const bit = inhibitBit(offset);
      const was = this.#low(MCOUNTINHIBIT) & bit;
      if (was === (bits & bit)) continue;
      this.#giveCount(offset);
      const { low, high } = this;
      this.#put(MCOUNTINHIBIT, this.#low(MCOUNTINHIBIT) ^ bit, 0);
      const isStopping = was === 0;
      const next = isStopping ? (low + 1) | 0 : low;
      this.#setCount(offset, next, isStopping && next === 0 ? (high + 1) | 0 : high);
    }
  }
}

/** pmpcfg0 to pmpcfg14; the odd ones are RV32's. */
const isPmpConfig = (number: number): boolean =>
  number >= CSR.pmpcfg0 && number < CSR.pmpcfg0 + PMP_ENTRIES / 4 && number % 2 === 0;

const CELL_NUMBERS: ReadonlyMap<number, CsrCell> = new Map<number, CsrCell>([
  [CSR.medeleg, 'medeleg'],
  [CSR.mideleg, 'mideleg'],
  [CSR.mie, 'mie'],
  [CSR.mtvec, 'mtvec'],
  [CSR.mscratch, 'mscratch'],
  [CSR.mepc, 'mepc'],
  [CSR.mcause, 'mcause'],
  [CSR.mtval, 'mtval'],
  [CSR.mcounteren, 'mcounteren'],
  [CSR.menvcfg, 'menvcfg'],
  [CSR.mcountinhibit, 'mcountinhibit'],
  [CSR.stvec, 'stvec'],
  [CSR.sscratch, 'sscratch'],
  [CSR.sepc, 'sepc'],
  [CSR.scause, 'scause'],
  [CSR.stval, 'stval'],
  [CSR.scounteren, 'scounteren'],
  [CSR.senvcfg, 'senvcfg'],
]);
