/**
 * A memory image that runs many small programs one after the other, bare-metal, and leaves behind what
 * each of them did: registers, a log of every trap, its data, its page tables.
 *
 * The image begins at the start of RAM in M-mode and ends at the test finisher, so that it runs unchanged
 * on any machine with the `virt` board's memory map. Nothing is printed: whoever ran it reads the slots.
 *
 * One slot a program:
 *
 *   code | data | page tables (root, middle, last) | start state | what M saw | what S saw
 */
import { assemble, instructionNamed, AssemblyError } from '../../../machine/isa/assembler.ts';
import { REGISTER_NAMES } from '../../../machine/isa/disassembler.ts';
import { FINISHER, RAM_BASE } from '../../../machine/physical-map.ts';
import { FINISHER_PASS } from '../../../machine/devices/finisher.ts';

const PAGE = 4096;
export const SLOT = {
  code: 0,
  codeBytes: 2 * PAGE,
  data: 2 * PAGE,
  dataPages: 4,
  tables: 6 * PAGE,
  start: 9 * PAGE,
  machine: 10 * PAGE,
  supervisor: 11 * PAGE,
  bytes: 16 * PAGE,
} as const;
const SLOTS_AT = 0x1_0000;

/** Doublewords of the start state; registers first. */
const START = {
  x: 0,
  f: 0x100,
  fcsr: 0x200,
  mstatus: 0x208,
  satp: 0x210,
  medeleg: 0x218,
  entry: 0x220,
  /** Address of the program's last instruction, an `ecall`. */
  end: 0x228,
  /** Added to an address of the program's code gives where it lies. */
  codeOffset: 0x230,
} as const;

/** Of the two frames: what the handler of a privilege saved and logged. */
export const FRAME = {
  x: 0,
  f: 0x100,
  traps: 0x200,
  fcsr: 0x208,
  sepc: 0x210,
  scause: 0x218,
  stval: 0x220,
  log: 0x280,
} as const;
export const LOG_ENTRY = { cause: 0, epc: 8, tval: 16, status: 24, bytes: 32 } as const;
/** A program that traps more often ends there. */
export const MOST_TRAPS = 48;

/** One program and everything that it starts from. */
export interface SlotContents {
  /** Lines for the assembler. */
  readonly code: string;
  /** Virtual address of the slot's first byte; its physical one if `satp` is bare. */
  readonly base: bigint;
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  readonly fcsr: number;
  readonly mstatus: bigint;
  readonly medeleg: number;
  readonly data: Uint8Array;
  /** Flags of the leaf PTEs of code and data pages; none if the program runs without translation. */
  readonly leaves?: readonly bigint[];
}

export interface Image {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly slots: number;
}

export const slotOffset = (slot: number): number => SLOTS_AT + slot * SLOT.bytes;

/** Whether programs may have to do with floating-point registers. */
export const hasFloat = ((): boolean => {
  try {
    return instructionNamed('fld').bytes === 4;
  } catch (error) {
    if (error instanceof AssemblyError) return false;
    throw error;
  }
})();

const each = (registers: readonly string[], line: (name: string, n: number) => string): string =>
  registers.map(line).join('\n');
const X = REGISTER_NAMES.slice(1, 31);
const F = Array.from({ length: 32 }, (_, n) => `f${n}`);
const FS_DIRTY = 3 << 13;

/** Saves every register to the frame that the scratch CSR names, and appends to the frame's log. */
const saveAndLog = (p: 'm' | 's'): string => `
  csrrw t6, ${p}scratch, t6
  ${each(X, (name, n) => `sd ${name}, ${8 * (n + 1)}(t6)`)}
  csrr  t0, ${p}scratch
  sd    t0, ${8 * 31}(t6)
  csrw  ${p}scratch, t6
  ld    t0, ${FRAME.traps}(t6)
  slli  t1, t0, 5
  add   t1, t1, t6
  csrr  s0, ${p}cause
  sd    s0, ${FRAME.log + LOG_ENTRY.cause}(t1)
  csrr  s1, ${p}epc
  sd    s1, ${FRAME.log + LOG_ENTRY.epc}(t1)
  csrr  t2, ${p}tval
  sd    t2, ${FRAME.log + LOG_ENTRY.tval}(t1)
  csrr  t2, ${p}status
  sd    t2, ${FRAME.log + LOG_ENTRY.status}(t1)
  li    t2, 0                     # what may differ stays in the log alone
  addi  t0, t0, 1
  sd    t0, ${FRAME.traps}(t6)
`;

/** After the log: leaves for `done` at the program's end, else returns behind the instruction that trapped. */
const resume = (p: 'm' | 's', start: string, done: string): string => `
  ${start}
  li    a0, ${MOST_TRAPS}
  beq   t0, a0, ${done}
  ld    a0, ${START.end}(s2)
  beq   s1, a0, ${done}
  li    a0, 1                     # instruction access fault
  beq   s0, a0, ${done}
  li    a0, 12                    # instruction page fault
  beq   s0, a0, ${done}
  ld    a0, ${START.codeOffset}(s2)
  add   a0, a0, s1
  lhu   a0, 0(a0)
  andi  a0, a0, 3
  addi  a0, a0, -3
  addi  s1, s1, 2
  bnez  a0, short_${p}
  addi  s1, s1, 2
short_${p}:
  csrw  ${p}epc, s1
  ${each(X, (name, n) => `ld ${name}, ${8 * (n + 1)}(t6)`)}
  ld    t6, ${8 * 31}(t6)
  ${p}ret
`;

/** ADUE, because older QEMUs update A and D whatever it says, and PBMTE (vol. II §3.1.18). */
const MENVCFG = (1n << 61n) | (1n << 62n);

const driver = (slots: number): string => `
  csrr  t0, mhartid
  bnez  t0, park
  j     begin
park:
  wfi
  j     park
begin:
  la    t0, machine_trap
  csrw  mtvec, t0
  la    t0, supervisor_trap
  csrw  stvec, t0
  li    t0, -1
  csrw  pmpaddr0, t0
  csrwi pmpcfg0, 0x1f             # all of memory, for everybody
  li    t0, ${MENVCFG}
  csrw  menvcfg, t0
  csrwi mcounteren, 7
  csrwi scounteren, 7
next:
  la    t0, cursor
  ld    s0, 0(t0)
  li    t1, ${RAM_BASE + slotOffset(slots)}
  beq   s0, t1, finish
  li    t1, ${SLOT.bytes}
  add   t1, t1, s0
  sd    t1, 0(t0)
  li    t1, ${SLOT.machine}
  add   t1, t1, s0
  csrw  mscratch, t1
  li    t1, ${SLOT.supervisor}
  add   t1, t1, s0
  csrw  sscratch, t1
  li    t1, ${SLOT.start}
  add   t6, t1, s0
  ld    t0, ${START.satp}(t6)
  csrw  satp, t0
  sfence.vma
  fence.i
  ld    t0, ${START.medeleg}(t6)
  csrw  medeleg, t0
  ld    t0, ${START.entry}(t6)
  csrw  mepc, t0
  csrw  sepc, zero
  csrw  scause, zero
  csrw  stval, zero
  ${
    hasFloat
      ? `li t0, ${FS_DIRTY}
  csrs  mstatus, t0
  ${each(F, (name, n) => `fld ${name}, ${START.f + 8 * n}(t6)`)}
  ld    t0, ${START.fcsr}(t6)
  csrw  fcsr, t0`
      : ''
  }
  ld    t0, ${START.mstatus}(t6)
  csrw  mstatus, t0
  ${each(X, (name, n) => `ld ${name}, ${8 * (n + 1)}(t6)`)}
  ld    t6, ${8 * 31}(t6)
  mret

finish:
  li    t0, ${FINISHER.base}
  li    t1, ${FINISHER_PASS}
  sw    t1, 0(t0)
stop:
  j     stop

.align 8
machine_trap:
  ${saveAndLog('m')}
  la    a0, supervisor_done
  beq   s1, a0, done
  ${resume('m', `li s2, ${SLOT.start - SLOT.machine}\n add s2, s2, t6`, 'done')}
done:
  ${
    hasFloat
      ? `li t0, ${FS_DIRTY}
  csrs  mstatus, t0
  ${each(F, (name, n) => `fsd ${name}, ${FRAME.f + 8 * n}(t6)`)}
  csrr  t0, fcsr
  sd    t0, ${FRAME.fcsr}(t6)`
      : ''
  }
  csrr  t0, sepc
  sd    t0, ${FRAME.sepc}(t6)
  csrr  t0, scause
  sd    t0, ${FRAME.scause}(t6)
  csrr  t0, stval
  sd    t0, ${FRAME.stval}(t6)
  csrw  satp, zero
  csrw  mstatus, zero
  csrw  mie, zero
  csrw  mideleg, zero
  la    t0, supervisor_trap
  csrw  stvec, t0
  j     next

.align 8
supervisor_trap:
  ${saveAndLog('s')}
  ${resume('s', `li s2, ${SLOT.start - SLOT.supervisor}\n add s2, s2, t6`, 'supervisor_done')}
supervisor_done:
  ecall

.align 8
cursor:
  .dword ${RAM_BASE + slotOffset(0)}
`;

const PTE_V = 1n;
/** Valid, readable, writable, executable, accessed, dirty, and not of user mode. */
const SUPERVISOR_GIGAPAGE = 0xcfn;
const PPN_OF = (physical: number): bigint => BigInt(physical >>> 12) << 10n;
const SATP_SV39 = 8n << 60n;

/** Lays out programs into one image. @throws AssemblyError */
export function buildImage(programs: readonly SlotContents[]): Image {
  const bytes = new Uint8Array(slotOffset(programs.length));
  const code = assemble(driver(programs.length), RAM_BASE).bytes;
  if (code.length > SLOTS_AT) throw new RangeError('the driver has grown into the first slot');
  bytes.set(code);
  programs.forEach((program, slot) => {
    const offset = slotOffset(slot);
    fillSlot(bytes.subarray(offset, offset + SLOT.bytes), program, RAM_BASE + offset);
  });
  return { bytes, slots: programs.length };
}

/** Where a program's code lies in a slot: its first instruction. */
export const slotAddress = (slot: number): number => RAM_BASE + slotOffset(slot);

function fillSlot(bytes: Uint8Array, program: SlotContents, physical: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const put = (at: number, value: bigint): void =>
    view.setBigUint64(at, BigInt.asUintN(64, value), true);
  // Programs are position-independent: addresses within them are relative to pc.
  const code = assemble(`${program.code}\n ecall`, 0).bytes;
  if (code.length > SLOT.codeBytes)
    throw new RangeError(`${code.length} bytes of code in a slot for ${SLOT.codeBytes}`);
  bytes.set(code, SLOT.code);
  bytes.set(program.data, SLOT.data);
  const base = program.leaves === undefined ? BigInt(physical) : program.base;
  program.x.forEach((value, n) => put(SLOT.start + START.x + 8 * n, value));
  program.f.forEach((value, n) => put(SLOT.start + START.f + 8 * n, value));
  put(SLOT.start + START.fcsr, BigInt(program.fcsr));
  put(SLOT.start + START.mstatus, program.mstatus);
  put(SLOT.start + START.medeleg, BigInt(program.medeleg));
  put(SLOT.start + START.entry, base);
  put(SLOT.start + START.end, base + BigInt(code.length - 4));
  put(SLOT.start + START.codeOffset, BigInt(physical) - base);
  if (program.leaves === undefined) return;
  const [root, middle, last] = [0, 1, 2].map((n) => SLOT.tables + n * PAGE) as [
    number,
    number,
    number,
  ];
  const index = (level: bigint): number => Number((base >> (12n + 9n * level)) & 511n);
  put(root + 8 * index(2n), PPN_OF(physical + middle) | PTE_V);
  put(root + 8 * (RAM_BASE >>> 30), PPN_OF(RAM_BASE) | SUPERVISOR_GIGAPAGE);
  put(middle + 8 * index(1n), PPN_OF(physical + last) | PTE_V);
  program.leaves.forEach((flags, page) => {
    put(last + 8 * (index(0n) + page), PPN_OF(physical + page * PAGE) | flags);
  });
  put(SLOT.start + START.satp, SATP_SV39 | BigInt((physical + root) >>> 12));
}
