/** A machine that stands still, into a file. */
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';

import type { DriveHandle } from '../../machine/devices/drive.ts';
import type { MonitorConfig } from '../../nested-kernel/config.ts';
import { isArchive, kernelFunctions, type FunctionRange } from '../profile/symbols.ts';
import type { Session } from '../session.ts';
import { CHUNK_BYTES, writeSnapshot, type FunctionNames, type SnapshotHeader } from './format.ts';
import { chunksOf, savedParts } from './memory.ts';

/** What of a session only the session itself knows. */
export interface SessionState {
  readonly monitor: MonitorConfig | null;
  readonly deterministic: SnapshotHeader['deterministic'];
  readonly typed: Uint8Array;
}

/**
 * While no hart executes.
 * @returns the size of the file
 * @throws the system's error if it cannot be written
 */
export function saveSession(
  path: string,
  session: Session,
  { monitor, deterministic, typed }: SessionState,
): number {
  const { machine, spec } = session;
  const { plan, epochMs } = machine.parts;
  const { drive, jitAfter: _, ...machineSpec } = machine.parts.spec;
  const functions = kernelFunctions(spec);
  const initrd = spec.initrd !== undefined && isArchive(spec.initrd) ? spec.initrd : undefined;
  const chunks = function* () {
    yield* chunksOf('machine', machine.bytes, savedParts(plan));
    if (initrd !== undefined)
      yield* chunksOf('initrd', initrd, [{ start: 0, sizeBytes: initrd.length }]);
    if (drive?.kind !== 'memory') return;
    // By place in the drive, wherever it lies in its buffer.
    const bytes = new Uint8Array(drive.buffer, drive.byteOffset, drive.sizeBytes);
    yield* chunksOf('drive', bytes, [{ start: 0, sizeBytes: drive.sizeBytes }]);
  };
  const harts = Array.from(
    { length: plan.harts },
    (__, hart) => session.debugger.ask(hart, 'save', {}) ?? null,
  );
  return writeSnapshot(
    path,
    {
      machine: machineSpec,
      plan,
      image: { name: spec.image.name, entry: spec.image.entry },
      functions: functions === undefined ? null : namesOf(functions),
      initrdBytes: initrd?.length ?? null,
      bootargs: spec.bootargs ?? null,
      monitor:
        monitor === null ? null : { ...monitor, sealed: new Uint8Array(monitor.sealed).slice() },
      deterministic,
      ticks: machine.clock.now(),
      epochMs,
      harts,
      console: { typed, typist: spec.typist?.save() ?? null },
      drive: drive === undefined ? null : describeDrive(drive),
    },
    chunks(),
  );
}

const namesOf = (functions: readonly FunctionRange[]): FunctionNames => ({
  starts: BigUint64Array.from(functions, ({ start }) => start),
  ends: BigUint64Array.from(functions, ({ end }) => end),
  names: functions.map(({ name }) => name),
});

function describeDrive(drive: DriveHandle): NonNullable<SnapshotHeader['drive']> {
  const { kind, sizeBytes, isReadOnly } = drive;
  return { kind, sizeBytes, isReadOnly, hash: kind === 'file' ? hashOf(drive) : null };
}

/** Of the contents of a drive in a file. */
export function hashOf(drive: DriveHandle & { kind: 'file' }): string {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(16 * CHUNK_BYTES);
  for (let at = 0; at < drive.sizeBytes;) {
    const bytes = readSync(drive.fd, buffer, 0, buffer.length, at);
    if (bytes === 0) break;
    hash.update(buffer.subarray(0, bytes));
    at += bytes;
  }
  return hash.digest('hex');
}
