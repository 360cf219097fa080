/**
 * Runs the kernel in miniature below `guest/`: the core does the steps that a test gives it, one list
 * for each hart, and the test looks at what every step gave.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kernelFromElf, type KernelImage } from '../../src/lab/session-image.ts';
import type { RunResult } from '../../src/lab/run-result.ts';
import { Session } from '../../src/lab/session.ts';
import { readElf } from '../../src/machine/elf.ts';
import { CALL, CORDON_EID, LAYOUT, type STATUS } from '../../src/nested-kernel/abi.ts';
import type { Ablation } from '../../src/nested-kernel/config.ts';
import type { LedgerEvent } from '../../src/nested-kernel/ledger.ts';
import { buildKernel } from '../../src/policy/build.ts';
import type { Contexts, MechanismName } from '../../src/policy/contexts.ts';
import { readContexts } from '../../src/policy/verify.ts';

const ROOT = join(import.meta.dirname, '../..');
const SOURCES = 'test/nested-kernel/guest';
const STEP_BYTES = 64;
const STEPS = 48;

/** Mechanisms that tell views apart; every behaviour is the same under all of them. */
export const SEPARATIONS = ['vbit', 'asid', 'pkey'] as const satisfies readonly MechanismName[];

const OP = [
  'END',
  'GATE',
  'ECALL',
  'TRY_LOAD',
  'TRY_STORE',
  'TRY_JUMP',
  'SIE',
  'SIP',
  'SET',
  'WAIT',
  'TIMER',
  'OWN',
  'WRITE',
  'READ',
] as const;
/** `functions` of core.c. */
const FUNCTIONS = [
  'alpha_init',
  'alpha_add',
  'alpha_sum',
  'alpha_fill',
  'alpha_flip',
  'alpha_name',
  'alpha_many',
  'alpha_probe',
  'alpha_wait',
  'alpha_deep',
  'alpha_regs',
  'alpha_count',
  'alpha_nested',
  'beta_deep',
  'beta_probe',
  'start_thread',
  'take_thread',
  'poll_user',
  'many',
  'regs',
  'gates_while',
  'call_until',
  'core_interrupts',
] as const;
/** `enum probe` of guest.h. */
export const PROBE = {
  LOAD: 0,
  STORE: 1,
  JUMP: 2,
  STVEC: 3,
  SRET: 4,
  WFI: 5,
  SATP: 6,
  SFENCE: 7,
  ECALL_SBI: 8,
  SPIN: 9,
  RESUME_GATE: 10,
  SIE_THEN_CORE: 11,
  STIMECMP: 12,
  FORGED_STACK: 13,
  USER_MODE: 14,
  RETURN_ELSEWHERE: 15,
  LOG_SECRET: 16,
  FLOAT: 17,
} as const;
/** errno of `on fault fail EIO`, as the caller sees it. */
export const EIO = -5;
export const ALPHA = 1;
export const BETA = 2;

type Word = number | bigint;
export interface Step {
  readonly op: (typeof OP)[number];
  readonly args: readonly Word[];
}
const step = (op: Step['op'], ...args: Word[]): Step => ({ op, args });
export const call = (name: (typeof FUNCTIONS)[number], ...args: Word[]): Step =>
  step('GATE', FUNCTIONS.indexOf(name), ...args);
export const sbi = (extension: number, func: number, ...args: Word[]): Step =>
  step('ECALL', extension, func, ...args);
export const monitor = (name: keyof typeof CALL, ...args: Word[]): Step =>
  sbi(CORDON_EID, CALL[name], ...args);
export const tryLoad = (address: Word): Step => step('TRY_LOAD', address);
export const tryStore = (address: Word): Step => step('TRY_STORE', address);
export const tryJump = (address: Word): Step => step('TRY_JUMP', address);
export const interruptsOn = (on: boolean): Step => step('SIE', on ? 1 : 0);
export const raiseSoftware: Step = step('SIP');
export const set = (flag: number, value: number): Step => step('SET', flag, value);
export const waitFor = (flag: number, value: number): Step => step('WAIT', flag, value);
export const timer = (ticks: number): Step => step('TIMER', ticks);
export const write = (address: Word, value: Word): Step => step('WRITE', address, value);
export const read = (address: Word): Step => step('READ', address);

export interface Guest {
  readonly image: KernelImage;
  readonly contexts: Contexts;
  /** Virtual address of a symbol. */
  address(symbol: string): bigint;
}

/** Builds the guest. @param name of the test file: files run at the same time and must not share outputs */
export async function buildGuest(name: string): Promise<Guest> {
  const outDir = `build/test/nested-kernel/${name}`;
  const { kernelPath } = await buildKernel({ root: ROOT, sourceDir: SOURCES, outDir });
  const bytes = readFileSync(kernelPath);
  const { symbols } = readElf(bytes, 'guest', 'executable');
  const byName = new Map(symbols.map((symbol) => [symbol.name, symbol.value]));
  return {
    image: kernelFromElf(bytes, 'guest'),
    contexts: readContexts(bytes, 'guest'),
    address: (symbol) => {
      const value = byName.get(symbol);
      if (value === undefined) throw new Error(`the guest has no symbol ${symbol}`);
      return BigInt.asUintN(64, value);
    },
  };
}

export interface Outcome {
  /** What the steps gave, by hart and step, as signed numbers; and the second result of calls. */
  readonly results: readonly (readonly number[])[];
  readonly values: readonly (readonly number[])[];
  readonly events: readonly LedgerEvent[];
  readonly run: RunResult;
  readonly session: Session;
  /** A long of the core's. */
  long(symbol: string, index?: number): number;
  bytes(symbol: string, offset: number, length: number): Uint8Array;
}

export interface RunOptions {
  readonly mechanism: MechanismName;
  readonly seed?: string;
  readonly ablate?: readonly Ablation[];
  readonly sliceMax?: number;
}

/** Runs programs, one a hart, to their end. */
export async function runGuest(
  guest: Guest,
  { mechanism, seed = '1', ablate = [], sliceMax }: RunOptions,
  ...programs: readonly Step[][]
): Promise<Outcome> {
  const session = new Session({
    harts: Math.max(programs.length, 1),
    ramBytes: 64 << 20,
    image: guest.image,
    mode: { kind: 'deterministic', seed, ...(sliceMax === undefined ? {} : { sliceMax }) },
    firmware: { mechanism, contexts: guest.contexts, ablate },
    seconds: 2,
  });
  const { machine } = session;
  const data = new DataView(machine.memory);
  const host = (symbol: string): number =>
    machine.parts.plan.ram + Number(guest.address(symbol) - LAYOUT.IMAGE_BASE) + 0x200000;
  const stepAt = (hart: number, n: number): number =>
    host('program') + (hart * STEPS + n) * STEP_BYTES;
  programs.forEach((steps, hart) => {
    [...steps, step('END')].forEach(({ op, args }, n) => {
      const at = stepAt(hart, n);
      data.setBigInt64(at, BigInt(OP.indexOf(op)), true);
      args.forEach((value, i) =>
        data.setBigInt64(at + 8 + 8 * i, BigInt.asIntN(64, BigInt(value)), true),
      );
    });
  });
  const run = await session.start().done;
  if (run.exit.reason === 'failure') throw new Error(run.exit.message);
  const column = (offset: number): number[][] =>
    programs.map((steps, hart) =>
      steps.map((_, n) => Number(data.getBigInt64(stepAt(hart, n) + offset, true))),
    );
  return {
    results: column(56),
    values: column(48),
    events: session.events(),
    run,
    session,
    long: (symbol, index = 0) => Number(data.getBigInt64(host(symbol) + 8 * index, true)),
    bytes: (symbol, offset, length) =>
      new Uint8Array(machine.memory, host(symbol) + offset, length).slice(),
  };
}

/** `kind rule` of each event, for comparing. */
export const told = (events: readonly LedgerEvent[]): string[] =>
  events.map(({ kind, rule }) => `${kind} ${rule}`);
export type Status = (typeof STATUS)[keyof typeof STATUS];
