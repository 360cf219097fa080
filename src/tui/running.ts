/** What all views of a run have in common: how they end. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Signal = (typeof SIGNALS)[number];

/** Why a view ended: the user, the run, the caller, a signal. */
export type EndReason = 'quit' | 'interrupt' | 'finished' | 'closed' | Signal;

export interface Running {
  /** Settles after the terminal is restored and the last line is written. Rejects if the source threw. */
  readonly done: Promise<EndReason>;
  close(): void;
}

/** Calls `action` on the signals that end a program; the result stops that. The exit is the caller's. */
export function onSignals(action: (signal: Signal) => void): () => void {
  const handlers = SIGNALS.map((signal) => [signal, () => action(signal)] as const);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) process.removeListener(signal, handler);
  };
}
