/** `--gdb PORT`: a run that a debugger may attach to. */
import { serveGdb, type GdbServer } from '../lab/gdb/server.ts';
import type { Session } from '../lab/session.ts';
import { CommandError, EXIT } from './errors.ts';

export interface GdbOptions {
  /** Left out, nobody may attach. */
  readonly gdb?: number;
  /** The harts wait at their first instruction until the debugger lets them go. */
  readonly wait?: boolean;
}

/** Runs `body`, which starts the session and awaits its end; returns its exit code. @throws CommandError */
export async function debugged(
  session: Session,
  { gdb, wait }: GdbOptions,
  body: () => Promise<number>,
): Promise<number> {
  if (gdb === undefined) {
    if (wait === true)
      throw new CommandError('--wait is for a debugger; add --gdb PORT or leave it out');
    return await body();
  }
  const server = await listen(session, gdb);
  process.stderr.write(`cordon: gdb: target remote 127.0.0.1:${server.port}\n`);
  if (wait === true) void session.debugger.halt();
  try {
    return await body();
  } finally {
    await server.close();
  }
}

async function listen(session: Session, port: number): Promise<GdbServer> {
  try {
    return await serveGdb(session, port);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new CommandError(
      `--gdb: port ${port} cannot be had (${code}); name another, or 0 for any`,
      EXIT.INPUT,
    );
  }
}
