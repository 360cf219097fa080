/**
 * What a run leaves behind. Plain data: `cordon run --json` prints it as it is.
 */
import { counterIndex, type Counter } from '../machine/core/hart-block.ts';
import type { abaReports } from '../machine/reservations.ts';
import type { LedgerEvent } from '../nested-kernel/ledger.ts';
import type { Contexts } from '../policy/contexts.ts';

export type ExitReason =
  /** The guest switched the machine off; `code` is the guest's. */
  | 'power-off'
  | 'reset'
  /** A test program said in `tohost` how it went: `code` is 0, or the number of what failed. */
  | 'tohost'
  /** The time given to the run was over. */
  | 'time-limit'
  /** Somebody at the host stopped it. */
  | 'interrupted'
  /** Every hart waits, and nothing is left that could wake one. */
  | 'idle'
  /** Ours: a hart's worker died, threw or hung. */
  | 'failure';

export interface RunExit {
  readonly reason: ExitReason;
  readonly code: number;
  /** The hart that failed. */
  readonly hart?: number;
  readonly message?: string;
}

export interface HartResult {
  readonly hart: number;
  readonly instructions: number;
  /** By the cost model of the run; without one, an instruction a cycle. */
  readonly cycles: number;
  readonly traps: number;
  readonly gates: number;
  /** Of the TLB named by `RunResult.tlb`. */
  readonly tlbMisses: number;
  /** Remote fences that this hart asked others for. */
  readonly shootdowns: number;
}

/** A refused attempt: the monitor's record, with names for its numbers. */
export interface DenialRecord extends Omit<LedgerEvent, 'domain' | 'gate'> {
  readonly domain: string;
  /** The function behind the gate that was tried, if it was one. */
  readonly gate: string | null;
  /** `file:line` of the policy that decides. */
  readonly policy: string | null;
}

/** Gives a ledger record the names that the image's contexts have for its numbers. */
export function denialOf(event: LedgerEvent, contexts: Contexts | undefined): DenialRecord {
  const domain = contexts?.domains[event.domain];
  const gate = contexts?.gates[event.gate];
  const place = gate?.place ?? domain?.place;
  return {
    ...event,
    domain: domain?.name ?? String(event.domain),
    gate: gate?.function ?? null,
    policy: place === undefined ? null : `${place.file}:${place.line}`,
  };
}

/** What was translated, all harts together. */
export interface JitResult {
  readonly regions: number;
  /** Of WebAssembly. */
  readonly codeBytes: number;
  /** Instructions that translated code retired, of all. */
  readonly share: number;
}

/** What `--detect-aba` found: SCs that succeeded although their word had been stored to. */
export interface AbaResult {
  readonly count: number;
  /** The first of them, with addresses in hexadecimal. */
  readonly first: readonly {
    readonly hart: number;
    readonly pc: string;
    readonly address: string;
    /** The hart that stored in between. */
    readonly writer: number;
  }[];
}

export const abaResult = ({ count, first }: ReturnType<typeof abaReports>): AbaResult => ({
  count,
  first: first.map(({ hart, pc, address, writer }) => ({
    hart,
    pc: `0x${pc.toString(16)}`,
    address: `0x${address.toString(16)}`,
    writer,
  })),
});

/** Lines for a reader; none if nobody looked. */
export function abaLines(aba: AbaResult | null): string[] {
  if (aba === null) return [];
  return [
    `A-B-A: ${aba.count} ${aba.count === 1 ? 'SC' : 'SCs'} succeeded after a store of another hart`,
    ...aba.first.map(
      ({ hart, pc, address, writer }) =>
        `  hart ${hart} at ${pc} stored to ${address}, which hart ${writer} had stored to since LR`,
    ),
  ];
}

export interface RunResult {
  readonly harts: readonly HartResult[];
  readonly mechanism: string;
  readonly mode: 'parallel' | 'deterministic';
  /** Null in a parallel run, which has none. */
  readonly seed: string | null;
  readonly exit: RunExit;
  readonly denials: readonly DenialRecord[];
  readonly escapes: number;
  /** Null if all code was interpreted. */
  readonly jit: JitResult | null;
  /** Null if nobody looked for them. */
  readonly aba: AbaResult | null;
  /** Null in a parallel run. */
  readonly stateHash: string | null;
  /**
   * Which TLB `tlbMisses` counts: the modelled hardware TLB of a deterministic run, or the
   * emulator's own, which says how fast the emulator is and nothing about hardware.
   */
  readonly tlb: 'model' | 'emulator';
  /** Time on the machine when it ended. */
  readonly machineSeconds: number;
  readonly hostSeconds: number;
  /** Console bytes that a guest which ignored the transmitter's state has lost. */
  readonly consoleDropped: number;
}

/** Reads one counter of one hart. */
export type ReadCounter = (name: Counter) => number;

/** A counter block's reader. */
export const readerOf =
  (counters: Float64Array): ReadCounter =>
  (name) =>
    counters[counterIndex[name]] as number;

export function jitResult(harts: readonly ReadCounter[]): JitResult {
  const sum = (name: Counter): number => harts.reduce((total, read) => total + read(name), 0);
  return {
    regions: sum('regions'),
    codeBytes: sum('regionBytes'),
    share: sum('regionInstructions') / Math.max(1, sum('instructions')),
  };
}

export function hartResult(
  hart: number,
  read: ReadCounter,
  tlb: RunResult['tlb'],
  cycles: (read: ReadCounter) => number,
): HartResult {
  return {
    hart,
    instructions: read('instructions'),
    cycles: cycles(read),
    traps: read('traps') + read('interrupts'),
    gates: read('gates'),
    tlbMisses: read(tlb === 'model' ? 'tlbMisses' : 'softTlbMisses'),
    shootdowns: read('shootdownsSent'),
  };
}

/** How a run ended, in a few words. */
export function describeExit({ exit, machineSeconds }: RunResult): string {
  switch (exit.reason) {
    case 'power-off':
      return exit.code === 0 ? 'powered off' : `powered off with code ${exit.code}`;
    case 'reset':
      return 'the guest asked for a reset';
    case 'tohost':
      return exit.code === 0 ? 'the test passed' : `test ${exit.code} failed (tohost)`;
    case 'time-limit':
      return `stopped at the time limit, after ${machineSeconds.toFixed(3)} s on the machine`;
    case 'idle':
      return 'every hart waits, and nothing is left that could wake one';
    case 'interrupted':
      return 'interrupted';
    case 'failure':
      return exit.message ?? 'failed';
  }
}
