/**
 * Fences, environment calls, CSR accesses and what only privileged software uses. The core leaves for
 * most of them: they are finished outside of it.
 *
 * RV64I's FENCE, ECALL and EBREAK, Zifencei, Zihintpause and Zicsr: vol. I (20250508) §2.7, §2.8, §5,
 * §6 and §9; the privileged instructions: vol. II §3.3 and §12.2.1.
 */
import { EXIT, type Exit, type Instruction, type Syntax } from './instruction.ts';
import { full, MASK_I } from './formats.ts';

/** FENCE with predecessors W, no successors, and x0 for both registers. */
const PAUSE = { match: 0x0100000f, mask: 0xffffffff };
const csr = (name: string, funct3: number, syntax: Syntax): Instruction =>
  full(
    name,
    'CSR',
    syntax,
    (funct3 << 12) | 0x73,
    MASK_I,
    { kind: 'exit', reason: EXIT.CSR },
    { raw: true },
  );
const system = (name: string, match: number, reason: Exit, mask = 0xffffffff): Instruction =>
  full(
    name,
    mask === 0xffffffff ? 'NONE' : 'RS',
    mask === 0xffffffff ? 'none' : 'rs1,rs2',
    match,
    mask,
    { kind: 'exit', reason },
    { raw: true },
  );

export const SYSTEM: readonly Instruction[] = [
  full('fence', 'FENCE', 'fence', 0x0f, MASK_I, { kind: 'fence' }, { except: [PAUSE] }),
  // Zihintpause, vol. I §9: a FENCE that orders nothing.
  full('pause', 'NONE', 'none', PAUSE.match, PAUSE.mask, { kind: 'exit', reason: EXIT.PAUSE }),
  full('fence.i', 'NONE', 'none', 0x100f, MASK_I, { kind: 'exit', reason: EXIT.FENCE_I }),
  system('ecall', 0x00000073, EXIT.ECALL),
  system('ebreak', 0x00100073, EXIT.EBREAK),

  // Zicsr, vol. I §6
  csr('csrrw', 1, 'rd,csr,rs1'),
  csr('csrrs', 2, 'rd,csr,rs1'),
  csr('csrrc', 3, 'rd,csr,rs1'),
  csr('csrrwi', 5, 'rd,csr,uimm'),
  csr('csrrsi', 6, 'rd,csr,uimm'),
  csr('csrrci', 7, 'rd,csr,uimm'),

  // Privileged instructions, vol. II §3.3 and §12.2.1
  system('mret', 0x30200073, EXIT.MRET),
  system('sret', 0x10200073, EXIT.SRET),
  system('wfi', 0x10500073, EXIT.WFI),
  system('sfence.vma', 0x12000073, EXIT.SFENCE_VMA, 0xfe007fff),
  // "Svinval", vol. II. Each sinval.vma acts at once, so the fences around it have nothing left to do.
  system('sinval.vma', 0x16000073, EXIT.SFENCE_VMA, 0xfe007fff),
  system('sfence.w.inval', 0x18000073, EXIT.SFENCE_INVAL),
  system('sfence.inval.ir', 0x18100073, EXIT.SFENCE_INVAL),
];
