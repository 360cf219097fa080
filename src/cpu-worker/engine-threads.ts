/**
 * The threads on which the engine compiles and collects give way to harts.
 *
 * There are four of them, and while a kernel boots they have work all the time. Where there are no more cores than
 * harts and they, each would take as much of a hart's core as the hart gets.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** Enough to be last, and still to get on when every core has something else to do. */
const NICENESS = 5;
const THREADS = '/proc/self/task';
/** As Node.js names them. */
const NAME = 'node-V8Worker';

let isDone = false;

/** Does so, once for the process, where threads have priorities of their own: on Linux. */
export function makeEngineGiveWay(): void {
  if (isDone || process.platform !== 'linux') return;
  isDone = true;
  try {
    for (const thread of readdirSync(THREADS)) {
      const name = readFileSync(`${THREADS}/${thread}/comm`, 'latin1').trim();
      if (name === NAME) setPriority(Number(thread), NICENESS);
    }
  } catch {
    // A thread that is gone, or a system that does not let us: it is a matter of speed only.
  }
}
