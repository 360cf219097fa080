/** Time as the views take it: passed in, so that tests move it by hand. */

export interface Timer {
  /** Milliseconds from any origin; never goes back. */
  now(): number;
  /** Calls `action` again and again; the result ends it. */
  every(intervalMs: number, action: () => void): () => void;
}

export const HOST_TIMER: Timer = {
  now: () => performance.now(),
  every: (intervalMs, action) => {
    const handle = setInterval(action, intervalMs);
    return () => clearInterval(handle);
  },
};
