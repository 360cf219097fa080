/**
 * The registers of S-mode belong to the core. A sandboxed domain runs in S-mode as well and can write
 * them with ordinary instructions, of which the manual lets M-mode trap only few; so the monitor takes
 * them away when the hart leaves the core and brings them back when it returns. Upholds NK-2.
 *
 * Trapped inside of a domain: `sret` (TSR), `wfi` (TW: it could wait for ever, retiring nothing),
 * `satp` and `sfence.vma` (TVM), `stimecmp` and `time` (mcounteren.TM). `sie` and `sip` read as zero
 * and ignore writes there, because nothing is delegated.
 */
import { csrWordOf, type CsrCell } from '../machine/core/hart-block.ts';
import { IRQ } from '../machine/csr-numbers.ts';
import type { Hart } from '../machine/hart.ts';
import { CAUSE, MSTATUS_BITS } from '../machine/translation.ts';
import { MCOUNTEREN, MEDELEG, MIDELEG, MSTATUS } from './cells.ts';

/** Exceptions that the core takes itself when it or a user program causes them; the rest the monitor sees. */
export const CORE_EXCEPTIONS: number =
  (1 << CAUSE.ECALL_U) |
  (1 << CAUSE.BREAKPOINT) |
  (1 << CAUSE.FETCH_MISALIGNED) |
  (1 << CAUSE.LOAD_MISALIGNED) |
  (1 << CAUSE.STORE_MISALIGNED);
export const CORE_INTERRUPTS: number = (1 << IRQ.SSI) | (1 << IRQ.STI) | (1 << IRQ.SEI);
/** Counters that S-mode may read: cycle, time and instret; time is `stimecmp`, too (Sstc). */
export const CORE_COUNTERS = 7;
const DOMAIN_COUNTERS = 5;

/** What the core alone has; cleared for everybody else. */
const CORE_REGISTERS: readonly CsrCell[] = [
  'stvec',
  'sscratch',
  'sepc',
  'scause',
  'stval',
  'scounteren',
  'senvcfg',
];
const CELLS = CORE_REGISTERS.map(csrWordOf);
const TRAPPED = MSTATUS_BITS.TSR | MSTATUS_BITS.TW;

/** One hart's. */
export class SupervisorState {
  readonly #kept = new Int32Array(2 * CELLS.length);

  leaveCore(hart: Hart): void {
    const { words } = hart;
    const block = hart.base >> 2;
    const kept = this.#kept;
    for (let n = 0; n < CELLS.length; n++) {
      const cell = block + (CELLS[n] as number);
      kept[2 * n] = words[cell] as number;
      kept[2 * n + 1] = words[cell + 1] as number;
      words[cell] = 0;
      words[cell + 1] = 0;
    }
    hart.setWord(MSTATUS, hart.word(MSTATUS) | TRAPPED);
    hart.setPair(MCOUNTEREN, DOMAIN_COUNTERS, 0);
    hart.setPair(MEDELEG, 0, 0);
    hart.setPair(MIDELEG, 0, 0);
  }

  enterCore(hart: Hart): void {
    const { words } = hart;
    const block = hart.base >> 2;
    const kept = this.#kept;
    for (let n = 0; n < CELLS.length; n++) {
      const cell = block + (CELLS[n] as number);
      words[cell] = kept[2 * n] as number;
      words[cell + 1] = kept[2 * n + 1] as number;
    }
    hart.setWord(MSTATUS, hart.word(MSTATUS) & ~TRAPPED);
    hart.setPair(MCOUNTEREN, CORE_COUNTERS, 0);
    hart.setPair(MEDELEG, CORE_EXCEPTIONS, 0);
    hart.setPair(MIDELEG, CORE_INTERRUPTS, 0);
  }
}
