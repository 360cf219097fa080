/** What `cordon tour` does: builds, boots, shows, and sums up. */
import { dashboardSource } from '../lab/dashboard-source.ts';
import type { RunResult } from '../lab/run-result.ts';
import { Session } from '../lab/session.ts';
import { memoryDrive } from '../machine/devices/drive.ts';
import { startView } from '../tui/start.ts';
import { EXIT } from './errors.ts';
import { domainsOf, lookout } from './look.ts';
import { recorded } from './record.ts';
import { chooseGuest } from './run-guest.ts';
import { exitCodeOf, onEndSignals, type EndSignal } from './signals.ts';
import type { TourOptions } from './tour-command.ts';

const MIB = 2 ** 20;
const DRIVE_BYTES = 8 * MIB;
/** Far more than it takes; a tour that hangs must end, too. */
const LIMIT_SECONDS = 300;
const TITLE = 'Cordon tour';
const SCRIPT = 'quiet init=/bin/init -- /bin/sh /etc/tour.sh';

/** Returns the exit code. @throws CommandError */
export async function tour(options: TourOptions): Promise<number> {
  const isJson = options.json === true;
  const guest = await chooseGuest({
    ...(options.mechanism === undefined ? {} : { mechanism: options.mechanism }),
    say: (text) => {
      if (!isJson) process.stderr.write(`${text}\n`);
    },
  });
  const look = lookout(options, domainsOf(guest));
  const session = new Session({
    ...guest,
    ...look.spec,
    harts: options.harts,
    ramBytes: (options.harts > 16 ? 256 : 128) * MIB,
    mode: { kind: 'parallel' },
    drive: memoryDrive(new SharedArrayBuffer(DRIVE_BYTES)),
    bootargs: SCRIPT,
    seconds: LIMIT_SECONDS,
  });
  return await look.around(session, TITLE, () =>
    recorded(session, { file: options.record, title: TITLE }, () => guide(session, options)),
  );
}

async function guide(session: Session, options: TourOptions): Promise<number> {
  const isJson = options.json === true;
  let signalled: EndSignal | undefined;
  const release = onEndSignals((signal) => {
    signalled = signal;
    session.stop('interrupted');
  });
  try {
    const result = isJson ? await session.start().done : await watch(session, options);
    if (isJson) process.stdout.write(`${JSON.stringify(result)}\n`);
    else process.stdout.write(`${summary(session, result)}\n`);
    if (signalled !== undefined) return exitCodeOf(signalled);
    return verdict(result);
  } finally {
    release();
  }
}

async function watch(session: Session, { plain, color }: TourOptions): Promise<RunResult> {
  const source = dashboardSource(session, { title: TITLE, interactive: false });
  const view = startView(source, {
    exitWhenDone: true,
    showSummary: false,
    ...(plain === undefined ? {} : { plain }),
    ...(color ? {} : { color: false }),
  });
  session.start();
  const reason = await view.done;
  if (reason !== 'finished' && reason !== 'closed') session.stop('interrupted');
  return await session.done;
}

function verdict({ exit, escapes }: RunResult): number {
  if (exit.reason === 'failure') return EXIT.FAILURE;
  if (exit.reason === 'time-limit') return EXIT.TIME_LIMIT;
  if (exit.reason === 'interrupted') return EXIT.INTERRUPTED;
  return exit.code !== 0 || escapes > 0 ? 1 : 0;
}

/** What the reader should take home, in a few lines. */
function summary(session: Session, result: RunResult): string {
  const domains = session.spec.firmware?.contexts?.domains.map(({ name }) => name) ?? [];
  const restarts = session.events().filter(({ kind }) => kind === 'restart').length;
  const lines = [
    `${result.harts.length} harts, ${domains.length} domains (${domains.join(' ')}), mechanism ${result.mechanism}`,
    ...result.harts.map(
      ({ hart, instructions, gates, shootdowns }) =>
        `hart ${hart}: ${(instructions / 1e6).toFixed(0)} M instructions, ${gates} gate crossings, ${shootdowns} shootdowns`,
    ),
    `${result.denials.length} attempts denied, ${restarts} restarts, ${result.escapes} escapes`,
    ...result.denials.map(
      ({ domain, rule, address, policy }) =>
        `  ${domain} reached for ${address}: ${rule} (${policy ?? 'no policy'})`,
    ),
    `ended: ${result.exit.reason}, code ${result.exit.code}, after ${result.hostSeconds.toFixed(1)} s`,
    ...(result.exit.message === undefined ? [] : [result.exit.message]),
  ];
  return lines.join('\n');
}
