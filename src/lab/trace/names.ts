/** What the numbers of a trace are called. */
import { IRQ, CAUSE } from '../../machine/csr-numbers.ts';
import type { LedgerEvent } from '../../nested-kernel/ledger.ts';

export const LEDGER_KINDS = [
  'denial',
  'fault',
  'stop',
  'restart',
  'quarantine',
  'panic',
] as const satisfies readonly LedgerEvent['kind'][];

/** As the manual's table of `mcause` says it (vol. II §3.1.15). */
const EXCEPTIONS: ReadonlyMap<number, string> = new Map([
  [CAUSE.FETCH_MISALIGNED, 'instruction address misaligned'],
  [CAUSE.FETCH_ACCESS, 'instruction access fault'],
  [CAUSE.ILLEGAL, 'illegal instruction'],
  [CAUSE.BREAKPOINT, 'breakpoint'],
  [CAUSE.LOAD_MISALIGNED, 'load address misaligned'],
  [CAUSE.LOAD_ACCESS, 'load access fault'],
  [CAUSE.STORE_MISALIGNED, 'store/AMO address misaligned'],
  [CAUSE.STORE_ACCESS, 'store/AMO access fault'],
  [CAUSE.ECALL_U, 'ecall from U'],
  [CAUSE.ECALL_S, 'ecall from S'],
  [CAUSE.ECALL_M, 'ecall from M'],
  [CAUSE.FETCH_PAGE, 'instruction page fault'],
  [CAUSE.LOAD_PAGE, 'load page fault'],
  [CAUSE.STORE_PAGE, 'store/AMO page fault'],
]);
const INTERRUPTS: ReadonlyMap<number, string> = new Map([
  [IRQ.SSI, 'supervisor software interrupt'],
  [IRQ.MSI, 'machine software interrupt'],
  [IRQ.STI, 'supervisor timer interrupt'],
  [IRQ.MTI, 'machine timer interrupt'],
  [IRQ.SEI, 'supervisor external interrupt'],
  [IRQ.MEI, 'machine external interrupt'],
]);

export const causeName = (cause: number, isInterrupt: boolean): string =>
  (isInterrupt ? INTERRUPTS : EXCEPTIONS).get(cause) ??
  `${isInterrupt ? 'interrupt' : 'exception'} ${cause}`;

export const MODE_NAMES: readonly string[] = ['U', 'S', '2', 'M', 'waiting'];

export const hex64 = (low: number, high: number): string =>
  `0x${(high >>> 0).toString(16).padStart(8, '0')}${(low >>> 0).toString(16).padStart(8, '0')}`;
