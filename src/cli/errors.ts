/**
 * How a command ends. Exit codes follow what shells and `timeout` use, so that scripts can tell a guest's
 * verdict from ours.
 */
export const EXIT = {
  OK: 0,
  /** A file that is missing or not what it should be. */
  INPUT: 1,
  /** A command line that cannot be meant. */
  USAGE: 2,
  /** The guest asked for a reset, as Linux does after a panic: nothing has gone as it should. */
  RESET: 3,
  /** A bug of ours (EX_SOFTWARE of sysexits.h). */
  FAILURE: 70,
  /** As timeout(1). */
  TIME_LIMIT: 124,
  /** 128 + SIGINT. */
  INTERRUPTED: 130,
} as const;

/** A mistake that one sentence explains: it names the flag and the fix, and needs no stack. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.USAGE) {
    super(message);
    this.exitCode = exitCode;
  }
}
