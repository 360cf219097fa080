/**
 * One stress run: the bundled kernel with nothing to do but stress itself, watched from outside.
 *
 * The guest checks what a program can check, by checksums. The host checks what no program can see:
 * the nested kernel's tables, while the machine runs and once more when it has stopped.
 */
import type { Counter } from '../../machine/core/hart-block.ts';
import { memoryDrive } from '../../machine/devices/drive.ts';
import { BY_VALUE, type ReservationSpec } from '../../machine/reservation-spec.ts';
import type { MechanismName } from '../../policy/contexts.ts';
import type { Bundled } from '../bundled.ts';
import type { AbaResult, RunResult } from '../run-result.ts';
import { Session, type SessionMode, type SessionSpec } from '../session.ts';
import { readGuestReport, type StressorReport } from './guest-report.ts';
import { audit, auditRunning, type Finding } from './invariants.ts';

export interface StressSpec {
  readonly harts: number;
  readonly mechanism: MechanismName;
  /** Of the guest's choices, and of the schedule of a deterministic run. */
  readonly seed: number;
  /** For how long the stressors work, on the machine's clock; whole seconds. */
  readonly seconds: number;
  readonly deterministic: boolean;
  /** False: a parallel run interprets all code. */
  readonly jit?: boolean;
  /** How LR/SC is done; by value if it is not said. */
  readonly reservations?: ReservationSpec;
  /** Only these stressors; all if empty. */
  readonly only?: readonly string[];
}

/** What `cordon stress --json` prints for a run. */
export interface StressRun extends Required<StressSpec> {
  readonly ok: boolean;
  readonly gates: number;
  readonly shootdowns: number;
  readonly migrations: number;
  readonly restarts: number;
  readonly grants: number;
  readonly revokes: number;
  readonly contained: number;
  readonly instructions: number;
  /** Rights that somebody had against the policy. */
  readonly escapes: number;
  /** Times that the tables were looked at while harts ran. */
  readonly audits: number;
  /** Null if nobody looked for them. */
  readonly aba: AbaResult | null;
  readonly stressors: readonly StressorReport[];
  /** On the machine's clock, boot included. */
  readonly machineSeconds: number;
  readonly hostSeconds: number;
  /** Per second on the machine's clock. */
  readonly rates: Readonly<
    Record<'gates' | 'shootdowns' | 'migrations' | 'grants' | 'revokes', number>
  >;
  readonly failures: readonly string[];
  /** Repeats the run. */
  readonly command: string;
}

const MIB = 2 ** 20;
const DISK_BYTES = 8 * MIB;
/** Stacks and page tables of every hart, and room for the stressors. */
const ramBytes = (harts: number): number => (harts <= 16 ? 128 : 256) * MIB;

const AUDIT_MS = 400;
/** The rounds that have begun at the deadline may be long ones where many harts share few cores. */
const graceSeconds = ({ harts, seconds }: StressSpec): number => 60 + 4 * seconds + 4 * harts;
/** Findings of one run that are worth reading. */
const MOST_FINDINGS = 20;
const LAST_LINES = 12;

/** Who looks on at a run, and puts down what was seen when it has ended. */
export interface StressLook {
  readonly spec: Pick<SessionSpec, 'look'>;
  around<Result>(session: Session, title: string, body: () => Promise<Result>): Promise<Result>;
}

export async function runStress(
  bundled: Bundled,
  spec: StressSpec,
  look?: StressLook,
): Promise<StressRun> {
  const session = new Session({
    ...look?.spec,
    harts: spec.harts,
    ramBytes: ramBytes(spec.harts),
    image: bundled.image,
    mode: modeOf(spec),
    ...(spec.reservations === undefined ? {} : { reservations: spec.reservations }),
    firmware: { mechanism: spec.mechanism, contexts: bundled.contexts },
    initrd: bundled.initrd,
    drive: memoryDrive(new SharedArrayBuffer(DISK_BYTES)),
    bootargs: bootargs(spec),
    seconds: spec.seconds + graceSeconds(spec),
  });
  let output = '';
  const decoder = new TextDecoder();
  session.onOutput((bytes) => {
    output += decoder.decode(bytes.slice(), { stream: true });
  });
  const findings: Finding[] = [];
  let audits = 0;
  const config = session.monitorConfig;
  const watch = setInterval(() => {
    if (config === null || spec.mechanism === 'none' || findings.length > 0) return;
    audits++;
    findings.push(...auditRunning(session.machine, config));
  }, AUDIT_MS);
  const body = (): Promise<RunResult> => session.start().done;
  const result = await (look?.around(session, commandOf(spec), body) ?? body());
  clearInterval(watch);
  if (config !== null && result.exit.reason !== 'failure')
    findings.push(...audit(session.machine, config, true));
  return summarize(spec, session, result, output, findings, audits);
}

const modeOf = ({ deterministic, seed, jit = true }: StressSpec): SessionMode =>
  deterministic
    ? // Nobody asks what a TLB of hardware would have done.
      { kind: 'deterministic', seed: String(seed), tlb: { l1Entries: 0, l2Entries: 0 } }
    : { kind: 'parallel', jit };

function bootargs({ seed, seconds, mechanism, only = [] }: StressSpec): string {
  // In a monolith the first flaw of the driver destroys the kernel, as it should.
  const excluded = mechanism === 'none' ? ' -x domainkill' : '';
  const names = only.length === 0 ? '' : ` ${only.join(' ')}`;
  return `quiet init=/bin/init -- /bin/stress -s ${seed} -t ${seconds}${excluded}${names}`;
}

/** The command line that does the same again. */
export function commandOf({
  harts,
  mechanism,
  seed,
  seconds,
  deterministic,
  jit = true,
  reservations = BY_VALUE,
  only = [],
}: StressSpec): string {
  return [
    `cordon stress --harts ${harts} --mechanism ${mechanism} --seconds ${seconds} --seed ${seed}`,
    ...(deterministic ? ['--deterministic'] : []),
    ...(jit ? [] : ['--jit off']),
    ...(reservations.mode === 'value' ? [] : [`--reservations ${reservations.mode}`]),
    ...(reservations.detectsAba ? ['--detect-aba'] : []),
    ...(only.length === 0 ? [] : [`--only ${only.join(',')}`]),
  ].join(' ');
}

function summarize(
  spec: StressSpec,
  session: Session,
  result: RunResult,
  output: string,
  findings: readonly Finding[],
  audits: number,
): StressRun {
  const report = readGuestReport(output);
  const escapes = result.escapes + findings.filter(({ isEscape }) => isEscape).length;
  const failures = [
    ...exitFailures(result, session, output),
    ...report.stressors.filter(({ ok }) => !ok).map(({ name, why }) => `${name}: ${why}`),
    ...report.panics,
    ...oracleFindings(result, session),
    ...findings.slice(0, MOST_FINDINGS).map(({ invariant, what }) => `${invariant}: ${what}`),
  ];
  // The exit code is the number of stressors that failed. Their lines may have the kernel's in their
  // middle, down to single characters; but that none is left would be strange.
  if (failures.length === 0 && report.stressors.length === 0)
    failures.push(`no stressor reported: ${lastLines(output)}`);
  const sum = (name: Counter): number =>
    result.harts.reduce((total, { hart }) => total + session.counters(hart)(name), 0);
  const { machineSeconds, hostSeconds } = result;
  const counts = {
    gates: sum('gates'),
    shootdowns: sum('shootdownsSent'),
    migrations: sum('migrations'),
    grants: sum('grants'),
    revokes: sum('revokes'),
  };
  return {
    ...spec,
    jit: spec.jit ?? true,
    reservations: spec.reservations ?? BY_VALUE,
    aba: result.aba,
    only: spec.only ?? [],
    ok: failures.length === 0 && escapes === 0,
    ...counts,
    restarts: sum('restarts'),
    contained: sum('contained'),
    instructions: sum('instructions'),
    escapes,
    audits,
    stressors: report.stressors,
    machineSeconds,
    hostSeconds,
    rates: {
      gates: perSecond(counts.gates, machineSeconds),
      shootdowns: perSecond(counts.shootdowns, machineSeconds),
      migrations: perSecond(counts.migrations, machineSeconds),
      grants: perSecond(counts.grants, machineSeconds),
      revokes: perSecond(counts.revokes, machineSeconds),
    },
    failures,
    command: commandOf(spec),
  };
}

/** What the oracle saw; in a parallel run it only counts. */
function oracleFindings({ escapes }: RunResult, session: Session): string[] {
  if (escapes === 0) return [];
  const seen = session.escapes().map((escape) => JSON.stringify(escape));
  return [
    `the oracle counted ${escapes} escapes ${seen.slice(0, MOST_FINDINGS).join(' ')}`.trimEnd(),
  ];
}

const perSecond = (count: number, seconds: number): number =>
  seconds > 0 ? Math.round(count / seconds) : 0;

const lastLines = (output: string): string =>
  output.trimEnd().split('\n').slice(-LAST_LINES).join(' | ');

/** A run that did not end by itself, and where everybody was. */
function exitFailures({ exit }: RunResult, session: Session, output: string): string[] {
  if (exit.reason === 'power-off' && exit.code === 0) return [];
  // Stressors that failed say so themselves.
  if (exit.reason === 'power-off' && /: FAILED/.test(output)) return [];
  const where =
    session.machine.parts.plan.harts <= 16 ? ` [${hartPlaces(session).join('; ')}]` : '';
  return [
    `the run ended with ${exit.reason}, code ${exit.code}${exit.message === undefined ? '' : ` (${exit.message})`} after: ${lastLines(output)}${where}`,
  ];
}

function hartPlaces(session: Session): string[] {
  return Array.from({ length: session.harts }, (_, id) => {
    const hart = session.machine.hart(id);
    const pc = `0x${(hart.pcHigh >>> 0).toString(16).padStart(8, '0')}${(hart.pcLow >>> 0).toString(16).padStart(8, '0')}`;
    return `hart ${id}: pc ${pc}, domain ${hart.get('domain')}, thread ${hart.get('thread')}`;
  });
}
