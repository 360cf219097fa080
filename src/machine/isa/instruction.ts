/**
 * What the ISA table is made of: the reasons to leave the core, the meanings, the operands.
 *
 * Meanings are expression trees over the operand leaves `rs1`, `rs2`, `imm`, `pc` and `next` (the
 * address of the following instruction), all 64 bits wide.
 */
import type { AtomicRmw, Expr } from '../wasm/ir.ts';

/** Why the core returns to its caller; everything else it does by itself. */
export const EXIT = {
  /** The pending word is not zero. */
  PENDING: 1,
  /** The instruction limit is reached. */
  LIMIT: 2,
  /** No translation for a fetch at pc. */
  FETCH_MISS: 3,
  /** The record at `ip` is not decoded. */
  DECODE: 4,
  /** No translation, no RAM, or not within one page: load at `faultAddress`. */
  LOAD_MISS: 5,
  /** The same for a store, an AMO or an SC. */
  STORE_MISS: 6,
  /** A 4-byte instruction whose second half lies on the next page. */
  CROSS: 7,
  /** A CSR instruction, raw bits in the record's immediate. */
  CSR: 8,
  /** The core takes the traps of these four itself, and returns from them. */
  ECALL: 9,
  EBREAK: 10,
  MRET: 11,
  SRET: 12,
  WFI: 13,
  SFENCE_VMA: 14,
  FENCE_I: 15,
  /** The guest spins, and others would do better with the time. */
  PAUSE: 17,
  /** Control has come to pc so often that the code from there on should be translated. */
  HOT: 18,
  /** The translated region at pc has to be validated for the present regime. */
  UNPROVEN: 19,
  /** The fences of Svinval. */
  SFENCE_INVAL: 20,
  /** A trap to M was taken, and M-mode is the host's. */
  MONITOR: 21,
  /** There is no soft TLB table yet for the regime that is in force now. */
  REGIME: 22,
  /** Trap after trap was taken and next to nothing retired: the limit may never be reached. */
  STUCK: 23,
  /** An operation on a cache block that changes nothing here, but may not be allowed. */
  CACHE_BLOCK: 24,
  /** Wait until the reservation set may have been written. */
  WRS: 25,
} as const;
export type Exit = (typeof EXIT)[keyof typeof EXIT];

export type Meaning =
  | { readonly kind: 'compute'; readonly rd: Expr }
  | { readonly kind: 'load'; readonly bytes: 1 | 2 | 4 | 8; readonly signed: boolean }
  | { readonly kind: 'store'; readonly bytes: 1 | 2 | 4 | 8 }
  /** Goes to pc + imm if the condition (an i32) is not zero. */
  | { readonly kind: 'branch'; readonly taken: Expr }
  /** Goes to the target and links `next`. */
  | { readonly kind: 'jump'; readonly target: Expr }
  | { readonly kind: 'lr' | 'sc'; readonly bytes: 4 | 8 }
  | { readonly kind: 'amo'; readonly bytes: 4 | 8; readonly op: AtomicRmw }
  /** An AMO that the host has no instruction for: the new value from `old` and `value` (type of width). */
  | { readonly kind: 'amoLoop'; readonly bytes: 4 | 8; readonly result: Expr }
  /** Orders earlier stores before later loads if the operands ask for it; nothing otherwise. */
  | { readonly kind: 'fence' }
  /**
   * Writes to x[rd] or f[rd] what the tree says, which has more leaves: `frs1`, `frs2` and `frs3` (whole f
   * registers, NaN boxes and all), `hart` (i32, the address of the hart block, whose flags the library's
   * functions add to) and `rm` (i32, the rounding mode, dynamic or not).
   *
   * Like the two kinds below it is illegal while mstatus.FS is Off, and a write of f[rd] makes that Dirty.
   * `rounds`: it has an rm field, and is illegal if that says "dynamic" and frm holds no mode.
   */
  | {
      readonly kind: 'float';
      readonly to: 'x' | 'f';
      readonly result: Expr;
      readonly rounds: boolean;
    }
  /** f[rd] from memory; 4 bytes are boxed. */
  | { readonly kind: 'floatLoad'; readonly bytes: 4 | 8 }
  /** The low bytes of f[rs2] to memory. */
  | { readonly kind: 'floatStore'; readonly bytes: 4 | 8 }
  /**
   * Zeroes the aligned block of `bytes` that x[rs1] points into. Illegal below M if menvcfg.CBZE is clear, and
   * in U if senvcfg.CBZE is. The exit kinds with reason CACHE_BLOCK or WRS have checks of their own.
   */
  | { readonly kind: 'zeroBlock'; readonly bytes: 64 }
  | { readonly kind: 'exit'; readonly reason: Exit };

/** Where an operand's bits lie: pieces [instruction bit, width, value bit]. */
export interface Field {
  readonly pieces: readonly (readonly [from: number, width: number, to: number])[];
  readonly signed: boolean;
  /** Added after extraction: 8 for the three-bit register fields of C. */
  readonly add: number;
  /** Set for an operand that the encoding implies. */
  readonly fixed?: number;
}

export interface Operands {
  readonly rd?: Field;
  readonly rs1?: Field;
  readonly rs2?: Field;
  readonly imm?: Field;
  /** Of floating-point instructions: the addend of a fused multiply-add, and the rounding mode. */
  readonly rs3?: Field;
  readonly rm?: Field;
}

/** How the disassembler prints the operands. */
export type Syntax =
  | 'none'
  | 'rd,rs1,rs2'
  | 'rd,rs1'
  | 'rd,rs1,imm'
  | 'rd,imm(rs1)'
  | 'imm(rs1)'
  | '(rs1)'
  | 'rs2,imm(rs1)'
  | 'rs1,rs2,target'
  | 'rd,target'
  | 'rd,upper'
  | 'rd,(rs1)'
  | 'rd,rs2,(rs1)'
  | 'rd,csr,rs1'
  | 'rd,csr,uimm'
  | 'rs1,rs2'
  | 'fence'
  // Of f registers; `rm` is not printed if dynamic, `exact` (an rm that does not matter) if 0.
  | 'fd,fs1,fs2,fs3,rm'
  | 'fd,fs1,fs2,rm'
  | 'fd,fs1,rm'
  | 'fd,fs1,exact'
  | 'fd,rs1,rm'
  | 'fd,rs1,exact'
  | 'rd,fs1,rm'
  | 'fd,fs1,fs2'
  | 'rd,fs1,fs2'
  | 'rd,fs1'
  | 'fd,rs1'
  | 'fd,imm(rs1)'
  | 'fs2,imm(rs1)'
  // What compressed instructions leave unsaid is not printed.
  | 'rd,rs2'
  | 'rd,imm'
  | 'rd'
  | 'rs1'
  | 'rs1,target'
  | 'target';

export interface Instruction {
  readonly name: string;
  readonly match: number;
  readonly mask: number;
  readonly bytes: 2 | 4;
  readonly operands: Operands;
  readonly syntax: Syntax;
  readonly meaning: Meaning;
  /** Encodings that match but belong to another instruction or are reserved. */
  readonly except: readonly { readonly match: number; readonly mask: number }[];
  /** For an instruction that stands for another with some operands implied: that one's name. */
  readonly base?: string;
  /** Keeps the raw bits as the immediate: for whoever finishes the instruction outside of the core. */
  readonly rawImmediate: boolean;
}

/** A row that takes its meaning from the instruction it stands for: a compressed one, or a hint. */
export type StandIn = Omit<Instruction, 'meaning' | 'rawImmediate'> & { readonly base: string };
