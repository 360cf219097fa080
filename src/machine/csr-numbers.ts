/**
 * CSR numbers (vol. II §2.2, tables 3 to 8) and which of them are plain cells.
 */
import { csrIndex, type CsrCell } from './core/hart-block.ts';

export const CSR = {
  fflags: 0x001,
  frm: 0x002,
  fcsr: 0x003,
  cycle: 0xc00,
  time: 0xc01,
  instret: 0xc02,
  sstatus: 0x100,
  sie: 0x104,
  stvec: 0x105,
  scounteren: 0x106,
  senvcfg: 0x10a,
  sscratch: 0x140,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  sip: 0x144,
  stimecmp: 0x14d,
  satp: 0x180,
  mstatus: 0x300,
  misa: 0x301,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mcountinhibit: 0x320,
  mscratch: 0x340,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
  mseccfg: 0x747,
  /** Custom, not part of the RISC-V ISA: rights of the running view over the 32 protection keys. */
  mkeys: 0x7c0,
  tselect: 0x7a0,
  tdata1: 0x7a1,
  tdata2: 0x7a2,
  tinfo: 0x7a4,
  mcycle: 0xb00,
  minstret: 0xb02,
  mvendorid: 0xf11,
  marchid: 0xf12,
  mimpid: 0xf13,
  mhartid: 0xf14,
  mconfigptr: 0xf15,
} as const;

/** Interrupt codes, which are also the bits of mip and mie (vol. II §3.1.9). */
export const IRQ = { SSI: 1, MSI: 3, STI: 5, MTI: 7, SEI: 9, MEI: 11 } as const;
/** Highest first (vol. II §3.1.9). */
export const INTERRUPT_PRIORITY: readonly number[] = [
  IRQ.MEI,
  IRQ.MSI,
  IRQ.MTI,
  IRQ.SEI,
  IRQ.SSI,
  IRQ.STI,
];

/** Fields of mstatus (vol. II §3.1.6). */
export const MSTATUS_BITS = {
  SIE: 1 << 1,
  MIE: 1 << 3,
  SPIE: 1 << 5,
  MPIE: 1 << 7,
  SPP: 1 << 8,
  MPP_SHIFT: 11,
  MPP: 3 << 11,
  /** 0 is Off, all ones Dirty, which bit 63 (SD) repeats (vol. II §3.1.6.6). */
  FS: 3 << 13,
  MPRV: 1 << 17,
  SUM: 1 << 18,
  MXR: 1 << 19,
  TVM: 1 << 20,
  TW: 1 << 21,
  TSR: 1 << 22,
} as const;

/** menvcfg's bits 61 to 63, in the high half (vol. II, figure "menvcfg"). */
export const MENVCFG_HIGH = { ADUE: 1 << 29, PBMTE: 1 << 30, STCE: 1 << 31 } as const;
/**
 * Low bits of menvcfg and senvcfg (vol. II §3.1.18, §12.1.10). CBIE: 0 forbids CBO.INVAL to the modes below,
 * 1 makes it flush, 3 lets it invalidate, 2 is reserved.
 */
export const ENVCFG = {
  FIOM: 1,
  CBIE: 3 << 4,
  CBIE_RESERVED: 2 << 4,
  CBCFE: 1 << 6,
  CBZE: 1 << 7,
} as const;

/** Exception codes (vol. II, table "mcause values after trap"). */
export const CAUSE = {
  FETCH_MISALIGNED: 0,
  FETCH_ACCESS: 1,
  ILLEGAL: 2,
  BREAKPOINT: 3,
  LOAD_MISALIGNED: 4,
  LOAD_ACCESS: 5,
  STORE_MISALIGNED: 6,
  STORE_ACCESS: 7,
  ECALL_U: 8,
  ECALL_S: 9,
  ECALL_M: 11,
  FETCH_PAGE: 12,
  LOAD_PAGE: 13,
  STORE_PAGE: 15,
} as const;

/** Bits 9:8 of a CSR number are the lowest privilege that may access it (vol. II §2.1). */
export const csrPrivilege = (number: number): number => (number >> 8) & 3;
/** Bits 11:10 both set: read-only. */
export const isReadOnlyCsr = (number: number): boolean => number >> 10 === 3;

/** Cells that read as what was last written, with nothing computed on the way. */
const PLAIN_READS: readonly CsrCell[] = [
  'sscratch',
  'sepc',
  'scause',
  'stval',
  'stvec',
  'mscratch',
  'mepc',
  'mcause',
  'mtval',
  'mtvec',
];
/** Cells that keep what is written, and which bits of it: instruction addresses are even. */
const PLAIN_WRITES: ReadonlyMap<CsrCell, number> = new Map<CsrCell, number>([
  ['sscratch', -1],
  ['stval', -1],
  ['scause', -1],
  ['sepc', -2],
  ['mscratch', -1],
  ['mtval', -1],
  ['mcause', -1],
  ['mepc', -2],
]);

/** What S sees of mstatus: SIE, SPIE, SPP, FS, SUM and MXR; UXL is constant (vol. II §12.1.1). */
export const SSTATUS_MASK = 0x000c_6122;

/** Whether a CSR instruction is about sstatus. */
export const isSstatus = (raw: number): boolean => raw >>> 20 === CSR.sstatus;

const CELL_OF_NUMBER: ReadonlyMap<number, CsrCell> = new Map(
  PLAIN_READS.map((name) => [CSR[name as keyof typeof CSR], name]),
);

/** If a CSR instruction only reads, or only swaps, a plain cell: which, and who may. */
export function plainCsr(
  raw: number,
): { cell: number; privilege: number; isWrite: boolean; kept: number } | undefined {
  const number = raw >>> 20;
  const name = CELL_OF_NUMBER.get(number);
  if (name === undefined) return undefined;
  const funct3 = (raw >>> 12) & 7;
  const rs1 = (raw >>> 15) & 31;
  const cell = csrIndex[name];
  const privilege = csrPrivilege(number);
  const readsOnly = (funct3 & 3) !== 1 && rs1 === 0;
  if (readsOnly) return { cell, privilege, isWrite: false, kept: 0 };
  const kept = funct3 === 1 ? PLAIN_WRITES.get(name) : undefined;
  return kept === undefined ? undefined : { cell, privilege, isWrite: true, kept };
}
