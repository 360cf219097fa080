/**
 * The machine: one shared memory, a board of devices, and harts.
 *
 * `createMachine` makes the parts that can be posted to other threads; `attachMachine` builds, in
 * whatever thread calls it, everything that cannot: the core's instance, the devices' accessors, the
 * harts.
 */
import { ControlBlock, EXIT_REASON, planMemory, type MemoryPlan } from './memory-plan.ts';
import { createHostClock, hostTicks, type Clock } from './clock.ts';
import { generateCore, type CoreExports } from './core/generate.ts';
import { PENDING } from './core/hart-block.ts';
import { DEBUG_COMMAND, DebugBlock, type DebugView } from './debug/debug-block.ts';
import {
  BoardState,
  createBoard,
  peripheralsOf,
  type Board,
  type Peripherals,
} from './devices/board.ts';
import { Htif, type HtifCells } from './devices/htif.ts';
import { Hart } from './hart.ts';
import type { MachineMode } from './machine-mode.ts';
import { setInterruptLine, signalHart } from './hart-lines.ts';
import { RAM_BASE } from './physical-map.ts';
import { tracksReservations, type ReservationSpec } from './reservation-spec.ts';
import { reservationBytes } from './reservations.ts';

const EXTENSIONS = [
  'zicbom',
  'zicbop',
  'zicboz',
  'zicntr',
  'zicond',
  'zicsr',
  'zifencei',
  'zihintpause',
  'zawrs',
  'zca',
  'zcb',
  'zcd',
  'zba',
  'zbb',
  'zbc',
  'zbs',
  'sdtrig',
  'smepmp',
  'sstc',
  'svade',
  'svadu',
  'svinval',
  'svnapot',
  'svpbmt',
];
/** What the machine implements, for the device tree. */
export const ISA_STRING: string = ['rv64imafdc', ...EXTENSIONS].join('_');
/** What is left of it without floating point. */
export const INTEGER_ISA_STRING: string = [
  'rv64imac',
  ...EXTENSIONS.filter((name) => name !== 'zcd'),
].join('_');

export interface MachineSpec extends Peripherals {
  readonly harts: number;
  readonly ramBytes: number;
  /** Harts run on one thread under a scheduler and time is counted in instructions. */
  readonly deterministic: boolean;
  /**
   * Translates code to which control came this often; without it all is interpreted. A deterministic
   * machine must not have it: its runs are the same to the bit.
   */
  readonly jitAfter?: number;
  /** Every trap and every return from one is told to the hart's observer; costs a call for each. */
  readonly isObserved?: boolean;
  /** PTE bits 58-54 are protection keys (not part of the RISC-V ISA). */
  readonly hasKeys: boolean;
  /** How LR/SC is done; by value, undetected, if it is not said. */
  readonly reservations?: ReservationSpec;
  /** Bytes of shared tables that the monitor wants. */
  readonly monitorBytes: number;
  /** Where the guest talks to the host through its own RAM, if it does. */
  readonly htif?: HtifCells;
}

/** The parts of a machine that threads share; can be posted. */
export interface MachineParts {
  readonly spec: MachineSpec;
  readonly plan: MemoryPlan;
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  readonly clockOrigin: number;
  /** Milliseconds since 1970 at which the machine started. */
  readonly epochMs: number;
}

/** A machine as one thread has it. */
export interface Machine {
  readonly parts: MachineParts;
  readonly memory: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly control: ReturnType<typeof ControlBlock.at>;
  /** What a debugger and the harts share. */
  readonly debug: DebugView;
  readonly board: Board;
  readonly clock: Clock;
  readonly core: CoreExports;
  /** Builds the hart in this thread. Only one thread may run it. */
  hart(id: number, machineMode?: MachineMode): Hart;
  /** Ends the run on every hart; the first reason stays. Any thread. */
  stop(reason: number, code: number, hart: number): void;
  /** Copies bytes into RAM. @throws RangeError if they do not fit */
  load(physical: number, bytes: Uint8Array): void;
}

/** Allocates memory and compiles the core. @throws RangeError for a machine that cannot be */
export function createMachine(spec: MachineSpec): MachineParts {
  if (spec.deterministic && spec.jitAfter !== undefined)
    throw new RangeError('a deterministic machine translates no code');
  const plan = planMemory({
    harts: spec.harts,
    ramBytes: spec.ramBytes,
    deviceBytes: BoardState.sizeBytes,
    monitorBytes: spec.monitorBytes,
    ...(isTracked(spec) ? { reservationBytes: reservationBytes(spec.ramBytes) } : {}),
  });
  const memory = new WebAssembly.Memory({
    initial: plan.totalPages,
    maximum: plan.totalPages,
    shared: true,
  });
  const module = new WebAssembly.Module(
    generateCore({
      memoryPages: plan.totalPages,
      exact: spec.deterministic,
      tracksReservations: isTracked(spec),
      ...(spec.jitAfter === undefined
        ? {}
        : { regions: { hotAfter: spec.jitAfter, jumpsOffset: plan.jumpsOffset } }),
      isObserved: spec.isObserved === true,
    }),
  );
  const parts = {
    spec,
    plan,
    memory,
    module,
    clockOrigin: hostTicks(),
    epochMs: spec.deterministic ? DETERMINISTIC_EPOCH_MS : Date.now(),
  };
  attachMachine(parts).board.reset();
  return parts;
}

const isTracked = ({ reservations }: MachineSpec): boolean =>
  reservations !== undefined && tracksReservations(reservations);

/** A run that can be repeated begins at the same moment every time: 2026-01-01, 00:00 UTC. */
const DETERMINISTIC_EPOCH_MS = Date.UTC(2026, 0, 1);

/** The deterministic clock: advanced by the scheduler, seen by every device. */
function virtualClock(control: ReturnType<typeof ControlBlock.at>): Clock {
  return {
    now: () => control.virtualTimeHigh.load() * 2 ** 32 + (control.virtualTimeLow.load() >>> 0),
  };
}

/** What an observed core calls (OBSERVER_IMPORTS), for the harts of this thread. */
function observerImports(plan: MemoryPlan, harts: readonly Hart[]): WebAssembly.ModuleImports {
  const hartAt = (base: number): Hart | undefined =>
    harts[(base - plan.hartAreas) / plan.hartAreaBytes];
  return {
    trapped: (
      base: number,
      to: number,
      cause: number,
      causeHigh: number,
      valueLow: number,
      valueHigh: number,
    ) => {
      const hart = hartAt(base);
      hart?.observer?.trapped(hart, {
        cause,
        isInterrupt: causeHigh !== 0,
        from: hart.mode,
        to,
        pcLow: hart.pcLow,
        pcHigh: hart.pcHigh,
        valueLow,
        valueHigh,
      });
    },
    returned: (base: number) => {
      const hart = hartAt(base);
      hart?.observer?.returned(hart);
    },
  };
}

export function attachMachine(parts: MachineParts): Machine {
  const { spec, plan, memory: wasmMemory, module } = parts;
  const memory = wasmMemory.buffer as unknown as SharedArrayBuffer;
  const words = new Int32Array(memory);
  const bytes = new Uint8Array(memory);
  const control = ControlBlock.at(memory, plan.control);
  const debug = DebugBlock.at(memory, plan.debug);
  const paused = (): number =>
    control.pausedHigh.load() * 2 ** 32 + (control.pausedLow.load() >>> 0);
  const clock = spec.deterministic
    ? virtualClock(control)
    : createHostClock(parts.clockOrigin, paused);
  const harts: Hart[] = [];
  const observing = spec.isObserved === true ? observerImports(plan, harts) : {};
  const core = new WebAssembly.Instance(module, { env: { memory: wasmMemory, ...observing } })
    .exports as unknown as CoreExports;

  const stop = (reason: number, code: number, hart: number): void => {
    if (control.exitReason.compareExchange(EXIT_REASON.NONE, reason) === EXIT_REASON.NONE) {
      control.exitCode.store(code);
      control.exitHart.store(hart);
    }
    control.stop.store(1);
    for (let id = 0; id < plan.harts; id++) {
      signalHart(words, plan, id, PENDING.STOP);
      // One that a debugger holds waits for its command to change; if it is held anew it sees `stop`.
      debug.command.store(id, DEBUG_COMMAND.RUN);
      debug.command.notify(id);
    }
  };

  const ram = { memory, byteOffset: plan.ram, sizeBytes: plan.ramBytes };
  const board: Board = createBoard(memory, plan.devices, {
    ...peripheralsOf(spec),
    harts: plan.harts,
    clock,
    epochMs: parts.epochMs,
    lines: { set: (hart, bit, level) => setInterruptLine(words, plan, hart, bit, level) },
    ram,
    deadlineMoved: (hart) => signalHart(words, plan, hart, PENDING.TIMER),
    onExit: () => {
      const request = board.finisher.exitRequest();
      if (request === undefined) return;
      stop(request.kind === 'reset' ? EXIT_REASON.RESET : EXIT_REASON.POWER_OFF, request.code, -1);
    },
  });

  const htif =
    spec.htif === undefined
      ? undefined
      : new Htif({
          cells: spec.htif,
          ram,
          ramBase: RAM_BASE,
          put: (byte) => board.uart.put(byte),
          onExit: (code, hart) => stop(EXIT_REASON.TOHOST, code, hart),
        });

  return {
    parts,
    memory,
    words,
    bytes,
    control,
    debug,
    board,
    clock,
    core,
    hart: (id, machineMode) => {
      const hart = new Hart({
        id,
        plan,
        memory: wasmMemory,
        core,
        bus: board.bus,
        clock,
        machineTimer: board.aclint,
        debug,
        hasKeys: spec.hasKeys,
        jit: spec.jitAfter !== undefined,
        fuses: !spec.deterministic,
        ...(isTracked(spec) && spec.reservations !== undefined
          ? { reservations: spec.reservations }
          : {}),
        ...(htif === undefined ? {} : { htif }),
        ...(machineMode === undefined ? {} : { machineMode }),
      });
      harts[id] = hart;
      return hart;
    },
    stop,
    load: (physical, source) => {
      const offset = physical - RAM_BASE;
      if (offset < 0 || offset + source.length > plan.ramBytes) {
        throw new RangeError(
          `0x${physical.toString(16)} to 0x${(physical + source.length).toString(16)} is not in RAM ` +
            `(0x${RAM_BASE.toString(16)}, ${plan.ramBytes >> 20} MiB)`,
        );
      }
      bytes.set(source, plan.ram + offset);
    },
  };
}
