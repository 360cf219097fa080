/**
 * Ctrl-C, SIGTERM and SIGHUP: the first one asks, a second one forces.
 *
 * A terminal sends Ctrl-C to the launcher and to us, and the launcher passes it on. What arrives within a
 * moment of the first is therefore the same keystroke.
 */
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
export type EndSignal = keyof typeof SIGNALS;

const SAME_KEYSTROKE_MS = 300;

/** What a shell reports for a process that the signal ended. */
export const exitCodeOf = (signal: EndSignal): number => 128 + SIGNALS[signal];

/** Calls `ask` at the first signal; returns what takes the handlers away again. */
export function onEndSignals(ask: (signal: EndSignal) => void): () => void {
  let askedAt: number | undefined;
  const handler = (signal: NodeJS.Signals): void => {
    const end = signal as EndSignal;
    if (askedAt === undefined) {
      askedAt = performance.now();
      ask(end);
    } else if (performance.now() - askedAt > SAME_KEYSTROKE_MS) {
      process.exit(exitCodeOf(end));
    }
  };
  for (const signal of Object.keys(SIGNALS)) process.on(signal, handler);
  return () => {
    for (const signal of Object.keys(SIGNALS)) process.off(signal, handler);
  };
}
