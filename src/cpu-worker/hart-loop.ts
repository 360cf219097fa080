/**
 * The life of one hart that has a thread to itself: sleep until somebody starts it, run in slices, park
 * in WFI, return when the machine stops.
 */
import { HART_STATE, HartBlock, PENDING } from '../machine/core/hart-block.ts';
import { answerText } from '../machine/debug/questions.ts';
import type { Hart } from '../machine/hart.ts';
import type { MachineMode } from '../machine/machine-mode.ts';
import type { Turns } from './turns.ts';

/** What a monitor adds to a machine mode for those who drive the hart. */
export interface HartSupervisor extends MachineMode {
  /** First instruction of a hart that was started: takes `startPc` and `startArgument` from its block. */
  start(hart: Hart): void;
  /**
   * After every run: budgets. A hart that asked to be stopped (SBI HSM) is put to rest here, by
   * storing HART_STATE.STOPPED: `Hart.run` leaves PARKED behind, so a trap handler cannot.
   */
  tick(hart: Hart): void;
}

export interface HartLoopOptions {
  /** The hart goes on from a snapshot: if it had been started, it is. */
  readonly isRestored?: boolean;
  /** Instructions between two looks at the timer, hence the worst delay of a timer interrupt. */
  readonly slice: number;
  /** Slices between two looks at what a supervisor bounds. */
  readonly slices: number;
  /** Looks at the pending word before a waiting hart parks; 0 where there are more harts than cores. */
  readonly spins: number;
}

/**
 * Runs the hart until the machine stops. Hart thread only.
 * @param turns if there are more harts than cores: whose turn it is
 * @param isStopped whether the machine has stopped; for a hart that a debugger holds
 */
export function runHart(
  hart: Hart,
  supervisor: HartSupervisor | undefined,
  { slice, slices, spins, isRestored = false }: HartLoopOptions,
  turns?: Turns,
  isStopped: () => boolean = () => false,
): void {
  // Without a supervisor the hart was set up by whoever made the machine.
  let isStarted = supervisor === undefined || isRestored;
  for (;;) {
    if (!isStarted || hart.state === HART_STATE.STOPPED) {
      if (!sleepUntilStarted(hart)) return;
      supervisor?.start(hart);
      isStarted = true;
    }
    turns?.take();
    let end;
    try {
      do {
        end = hart.run(slice * slices, slice);
        if (end === 'stopped') return;
        // A budget that ends a call, or an interrupt, would move a hart off its breakpoint.
        if (end !== 'halted') supervisor?.tick(hart);
      } while (
        end !== 'waiting' &&
        end !== 'reserved' &&
        end !== 'halted' &&
        hart.state !== HART_STATE.STOPPED &&
        turns?.isWanted() !== true
      );
    } finally {
      // Even after a failure: the others must be able to stop.
      turns?.give();
    }
    if (end === 'reserved') hart.waiting.parkOnReservation();
    if (end === 'halted') {
      hart.debug.rest((question) => answerText(hart, question), isStopped);
      if (isStopped()) return;
    }
    // WFI only hints (vol. II §3.3.3), so a pending bit that turns out to be no interrupt may end it.
    while (end === 'waiting' && hart.state === HART_STATE.PARKED && !spinForWork(hart, spins)) {
      hart.waiting.park(Infinity);
    }
  }
}

const PENDING_WORD = HartBlock.offset.pending >> 2;

/** Sleeps while the hart is STOPPED; false if the machine stopped meanwhile. */
function sleepUntilStarted(hart: Hart): boolean {
  const cell = (hart.base >> 2) + PENDING_WORD;
  for (;;) {
    // Requests to a stopped hart are void: it holds no translation, and its first run looks at its
    // lines and fences anyway. Taken before the state is read: a start that comes later rings again.
    const bits = Atomics.and(hart.words, cell, PENDING.STOP);
    if ((bits & PENDING.STOP) !== 0) return false;
    if (hart.state !== HART_STATE.STOPPED) return true;
    Atomics.wait(hart.words, cell, 0);
  }
}

function spinForWork(hart: Hart, spins: number): boolean {
  for (let spin = 0; spin < spins; spin++) {
    if (hart.get('pending') !== 0) return true;
    Atomics.pause();
  }
  return hart.waiting.mayEnd();
}
