/**
 * Where in a hart block the monitor's crossings find what they read and write: word indices for
 * `Hart.word` and its like, and indices of counters. Constants, because a crossing touches dozens of
 * them and a name looked up costs more than the word behind it.
 */
import { counterIndex, csrWordOf, wordOf } from '../machine/core/hart-block.ts';

export const X: number = wordOf('x');
export const DOMAIN: number = wordOf('domain');
export const THREAD: number = wordOf('thread');
export const INSTRET: number = wordOf('instret');
export const VIEW: number = wordOf('view');

export const MCAUSE: number = csrWordOf('mcause');
export const MCOUNTEREN: number = csrWordOf('mcounteren');
export const MEDELEG: number = csrWordOf('medeleg');
export const MEPC: number = csrWordOf('mepc');
export const MIDELEG: number = csrWordOf('mideleg');
export const MIE: number = csrWordOf('mie');
export const MSTATUS: number = csrWordOf('mstatus');
export const MTVAL: number = csrWordOf('mtval');
export const SATP: number = csrWordOf('satp');
export const SCAUSE: number = csrWordOf('scause');
export const SEPC: number = csrWordOf('sepc');
export const STVAL: number = csrWordOf('stval');
export const STVEC: number = csrWordOf('stvec');

export const COUNT_CALLS: number = counterIndex.monitorCalls;
export const COUNT_GATES: number = counterIndex.gates;
export const COUNT_OPS: number = counterIndex.monitorOps;
export const COUNT_PTE_READS: number = counterIndex.pteReads;
export const COUNT_PTE_WRITES: number = counterIndex.pteWrites;
export const COUNT_RETURNS: number = counterIndex.gateReturns;
