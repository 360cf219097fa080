/** A snapshot becomes what a session is made of. */
import { isDeepStrictEqual } from 'node:util';

import { hostTicks } from '../../machine/clock.ts';
import { memoryDrive, type DriveHandle } from '../../machine/devices/drive.ts';
import type { Machine, MachineParts } from '../../machine/machine.ts';
import type { MonitorConfig } from '../../nested-kernel/config.ts';
import { restoredTypist } from '../session-console.ts';
import type { SessionSpec } from '../session.ts';
import { SnapshotError, type Snapshot, type SnapshotHeader } from './format.ts';
import { modelParts, putChunks, savedParts } from './memory.ts';
import { hashOf } from './save.ts';

export interface RestoreOptions extends Pick<
  SessionSpec,
  'seconds' | 'typist' | 'pool' | 'cycles' | 'onMark'
> {
  /** The file of the drive, opened, if the machine had one in a file. */
  readonly drive?: DriveHandle;
  /** Whether a parallel machine translates code. */
  readonly jit?: boolean;
}

/** The session that goes on from a snapshot. @throws SnapshotError if the drive is not what it was */
export function restoredSpec(snapshot: Snapshot, options: RestoreOptions = {}): SessionSpec {
  const { header } = snapshot;
  const { drive: given, jit = false, ...others } = options;
  const { harts, ramBytes, hasNetwork, entropy, hasVirtioConsole, htif } = header.machine;
  const drive = driveOf(snapshot, given);
  const typist = header.console.typist;
  return {
    harts,
    ramBytes,
    ...(hasNetwork === undefined ? {} : { hasNetwork }),
    ...(entropy === undefined ? {} : { entropy }),
    ...(hasVirtioConsole === undefined ? {} : { hasVirtioConsole }),
    ...namesOf(snapshot),
    image: { ...header.image, segments: [], ...(htif === undefined ? {} : { htif }) },
    mode: modeOf(header, jit),
    ...(header.monitor === null
      ? {}
      : {
          firmware: {
            mechanism: header.monitor.mechanism,
            ...(header.monitor.contexts === undefined ? {} : { contexts: header.monitor.contexts }),
            ablate: header.monitor.ablate,
          },
        }),
    ...(drive === undefined ? {} : { drive }),
    ...(header.bootargs === null ? {} : { bootargs: header.bootargs }),
    ...(typist === null ? {} : { typist: restoredTypist(typist) }),
    ...others,
    // It follows every call of every thread from the start, and was not there.
    isWatched: false,
    restored: snapshot,
  };
}

/** What tells a profile the names of functions; the machine has its kernel and its initrd in RAM. */
function namesOf({ header, chunks }: Snapshot): Pick<SessionSpec, 'functions' | 'initrd'> {
  const { functions, initrdBytes } = header;
  const initrd = initrdBytes === null ? undefined : new Uint8Array(initrdBytes);
  if (initrd !== undefined)
    putChunks('initrd', initrd, [{ start: 0, sizeBytes: initrd.length }], chunks);
  return {
    ...(initrd === undefined ? {} : { initrd }),
    ...(functions === null
      ? {}
      : {
          functions: functions.names.map((name, index) => ({
            name,
            start: functions.starts[index] as bigint,
            end: functions.ends[index] as bigint,
          })),
        }),
  };
}

function modeOf({ deterministic }: SnapshotHeader, jit: boolean): SessionSpec['mode'] {
  if (deterministic === null) return { kind: 'parallel', jit };
  const { seed, sliceMax, tlb } = deterministic;
  return {
    kind: 'deterministic',
    seed,
    tlb,
    ...(sliceMax === null ? {} : { sliceMax }),
  };
}

function driveOf(
  { header, chunks }: Snapshot,
  given: DriveHandle | undefined,
): DriveHandle | undefined {
  const saved = header.drive;
  if (saved === null) {
    if (given === undefined) return undefined;
    throw new SnapshotError('the machine had no drive; leave --drive out');
  }
  if (saved.kind === 'memory') {
    if (given !== undefined)
      throw new SnapshotError('the drive is in the snapshot; leave --drive out');
    const buffer = new SharedArrayBuffer(saved.sizeBytes);
    const part = { start: 0, sizeBytes: saved.sizeBytes };
    putChunks('drive', new Uint8Array(buffer), [part], chunks);
    return memoryDrive(buffer, { readOnly: saved.isReadOnly });
  }
  if (given?.kind !== 'file')
    throw new SnapshotError('the machine had a drive in a file; name it, or a copy, with --drive');
  if (given.sizeBytes !== saved.sizeBytes || hashOf(given) !== saved.hash) {
    throw new SnapshotError(
      'the drive has changed since the snapshot was saved; name a copy from then with --drive',
    );
  }
  return given;
}

/** The parts of a machine that was made anew, with the time that it had. @throws SnapshotError */
export function restoredParts(parts: MachineParts, { header }: Snapshot): MachineParts {
  if (!isDeepStrictEqual(parts.plan, header.plan))
    throw new SnapshotError('the snapshot is of a machine that this version lays out differently');
  return { ...parts, clockOrigin: hostTicks() - header.ticks, epochMs: header.epochMs };
}

/** Fills a machine's memory; no hart has run yet. */
export function restoreMemory(machine: Machine, { header, chunks }: Snapshot): void {
  const { plan } = machine.parts;
  putChunks('machine', machine.bytes, savedParts(plan), chunks);
  machine.control.virtualTimeLow.store(header.ticks | 0);
  machine.control.virtualTimeHigh.store(Math.floor(header.ticks / 2 ** 32));
}

/** The modelled TLBs as they were; after harts were given theirs anew. */
export function restoreModels(machine: Machine, { chunks }: Snapshot): void {
  putChunks('machine', machine.bytes, modelParts(machine.parts.plan), chunks);
}

/** What the monitor decided at boot. */
export function restoredConfig({ header }: Snapshot): MonitorConfig | null {
  if (header.monitor === null) return null;
  const { sealed: bytes, ...config } = header.monitor;
  const sealed = new SharedArrayBuffer(bytes.length);
  new Uint8Array(sealed).set(bytes);
  return { ...config, sealed };
}
