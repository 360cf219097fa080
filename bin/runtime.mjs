// How the engine is to run; for whoever imports this before anything else, on a Node.js that is new enough.
import * as nodeModule from 'node:module';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

// Every worker thread that starts later finds the compiled sources by the variable, and loads them instead of the
// text; for this thread the variable comes too late.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL('../build/compile-cache', import.meta.url),
);
nodeModule.enableCompileCache(process.env.NODE_COMPILE_CACHE);

// The engine has four threads that compile and collect, all of them busy while a kernel boots. On two cores they
// take as much of a hart's as it gets. How many there are is settled when the engine starts: it has to start again.
const POOL = '--v8-pool-size';
const isGiven = process.execArgv.some((flag) => flag.startsWith(POOL));
if (availableParallelism() <= 2 && isMainThread && !isGiven && process.channel === undefined) {
  const flags = [`${POOL}=1`, ...process.execArgv];
  // There is none on Windows.
  process.execve?.(process.execPath, [process.execPath, ...flags, ...process.argv.slice(1)]);
}
