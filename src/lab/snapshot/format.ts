/**
 * The file of a snapshot: a sequence of frames, each a msgpack value that can be read without the others.
 * The header comes first and says everything but the contents of memory; then come chunks of memory,
 * compressed, those that are all zero left out; the end frame holds the SHA-256 of all bytes before it.
 * A file without it, or with another hash, is torn or damaged and refused.
 *
 * Memory is saved by place. So a snapshot is of one layout of the shared structures, and `LAYOUT` is
 * their fingerprint: a version of Cordon that places a field elsewhere refuses the file.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { Packr, Unpackr } from 'msgpackr';
import type { Layout } from 'sharedarraybuffer-utils';
import * as v from 'valibot';

import type { SchedulerState } from '../../cpu-worker/deterministic.ts';
import { HartBlock } from '../../machine/core/hart-block.ts';
import { ModelTlb } from '../../machine/core/tlb-model.ts';
import { BoardState } from '../../machine/devices/board.ts';
import type { HartState } from '../../machine/hart.ts';
import type { MachineSpec } from '../../machine/machine.ts';
import type { MemoryPlan } from '../../machine/memory-plan.ts';
import type { MonitorConfig } from '../../nested-kernel/config.ts';
import { MonitorBlock } from '../../nested-kernel/tables.ts';
import type { TypistState } from '../session-console.ts';

/** A file that is no snapshot, or none that can be restored here; the message says why and what to do. */
export class SnapshotError extends Error {}

const MAGIC = 'cordon snapshot';
/** Grows with every change of the frames; changes of what lies in memory change LAYOUT. */
const VERSION = 3;
/** The unit in which memory is compared with zero, compressed and written. */
export const CHUNK_BYTES = 1 << 16;

export interface SnapshotHeader {
  readonly frame: 'header';
  readonly magic: typeof MAGIC;
  readonly version: typeof VERSION;
  readonly layout: string;
  readonly machine: Omit<MachineSpec, 'drive' | 'jitAfter'>;
  readonly plan: MemoryPlan;
  readonly image: { readonly name: string; readonly entry: number };
  /** Of the kernel, for profiles; null if nobody knew them. */
  readonly functions: FunctionNames | null;
  /** Of an initrd whose programs a profile can name; its contents are chunks. */
  readonly initrdBytes: number | null;
  readonly bootargs: string | null;
  /** Null without firmware of ours. Its one shared buffer travels as plain bytes. */
  readonly monitor: (Omit<MonitorConfig, 'sealed'> & { readonly sealed: Uint8Array }) | null;
  /** The seed of a deterministic run and where its scheduler stands; null in a parallel run. */
  readonly deterministic: {
    readonly seed: string;
    readonly sliceMax: number | null;
    readonly tlb: { readonly l1Entries: number; readonly l2Entries: number };
    readonly scheduler: SchedulerState;
  } | null;
  /** Ticks on the machine's clock, and when it started (milliseconds since 1970). */
  readonly ticks: number;
  readonly epochMs: number;
  /** By hart; null for one that is not started. */
  readonly harts: readonly (HartState | null)[];
  readonly console: { readonly typed: Uint8Array; readonly typist: TypistState | null };
  /** A drive in memory is saved with the rest; of one in a file only what tells whether it is the same. */
  readonly drive: {
    readonly kind: 'memory' | 'file';
    readonly sizeBytes: number;
    readonly isReadOnly: boolean;
    /** SHA-256 of a file. */
    readonly hash: string | null;
  } | null;
}

/** Functions by address, in columns: for many of them that is several times smaller and faster. */
export interface FunctionNames {
  readonly starts: BigUint64Array;
  readonly ends: BigUint64Array;
  readonly names: readonly string[];
}

/** A piece of memory. `space` says which memory: the machine's own, its drive's, or that of its initrd's file. */
export interface ChunkFrame {
  readonly frame: 'chunk';
  readonly space: 'machine' | 'drive' | 'initrd';
  readonly at: number;
  readonly compressed: Uint8Array;
}

interface EndFrame {
  readonly frame: 'end';
  readonly sha256: string;
}

export interface Snapshot {
  readonly header: SnapshotHeader;
  readonly chunks: readonly ChunkFrame[];
}

// --- the layout ---

type AnyLayout = Layout<Record<string, never>>;

function describe(layout: AnyLayout): unknown {
  return Object.entries(layout.fields).map(([name, field]: [string, AnyLayout]) => [
    name,
    layout.offset[name],
    field.sizeBytes,
    'fields' in field ? describe(field) : (field as AnyLayout).kind,
  ]);
}

/** Where every field of the saved structures lies. */
export const LAYOUT: string = createHash('sha256')
  .update(
    JSON.stringify(
      [HartBlock, ModelTlb, BoardState, MonitorBlock].map((each) =>
        describe(each as unknown as AnyLayout),
      ),
    ),
  )
  .digest('hex')
  .slice(0, 16);

// --- writing ---

export type HeaderFields = Omit<SnapshotHeader, 'frame' | 'magic' | 'version' | 'layout'>;

/**
 * Writes a snapshot beside its name and moves it there when it is whole: a file of that name is never torn.
 * @returns its size
 * @throws the system's error if it cannot be written
 */
export function writeSnapshot(
  path: string,
  fields: HeaderFields,
  chunks: Iterable<ChunkFrame>,
): number {
  // Moved onto a device, it would take the device's place.
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false)
    throw new Error(`'${path}' is there and no file; name another`);
  const partial = `${path}.partial`;
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const fd = openSync(partial, 'w');
  const write = (frame: SnapshotHeader | ChunkFrame | EndFrame): void => {
    const bytes = new Packr({ moreTypes: true }).pack(frame);
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    hash.update(bytes);
    sizeBytes += bytes.length;
  };
  try {
    write({ frame: 'header', magic: MAGIC, version: VERSION, layout: LAYOUT, ...fields });
    for (const chunk of chunks) write(chunk);
    write({ frame: 'end', sha256: hash.copy().digest('hex') });
  } catch (error) {
    closeSync(fd);
    rmSync(partial, { force: true });
    throw error;
  }
  closeSync(fd);
  renameSync(partial, path);
  return sizeBytes;
}

// --- reading ---

const startSchema = v.object({
  frame: v.literal('header'),
  magic: v.literal(MAGIC),
  version: v.unknown(),
  layout: v.unknown(),
});
const endSchema = v.object({ frame: v.literal('end'), sha256: v.string() });

/** @throws SnapshotError, or the system's error if the file cannot be read */
export function readSnapshot(path: string): Snapshot {
  const file = readFileSync(path);
  const frames: unknown[] = [];
  /** Where the last frame begins. */
  let lastAt = 0;
  let isWhole = true;
  try {
    new Unpackr({ moreTypes: true }).unpackMultiple(file, (value, start) => {
      frames.push(value);
      lastAt = start ?? 0;
    });
  } catch {
    isWhole = false;
  }
  const start = v.safeParse(startSchema, frames[0]);
  if (!start.success) throw new SnapshotError(`'${path}' is not a snapshot`);
  const { version, layout } = start.output;
  if (version !== VERSION || layout !== LAYOUT) {
    throw new SnapshotError(
      `'${path}' was saved by another version of Cordon (format ${String(version)}, layout ` +
        `${String(layout)}; this one has ${VERSION}, ${LAYOUT}); restore it with the version that saved it`,
    );
  }
  const end = v.safeParse(endSchema, frames.at(-1));
  const found = createHash('sha256').update(file.subarray(0, lastAt)).digest('hex');
  if (!isWhole || !end.success || end.output.sha256 !== found) {
    throw new SnapshotError(
      `'${path}' is torn or damaged: its end is missing or its checksum is wrong; save it again`,
    );
  }
  // The checksum is right, so this is what `writeSnapshot` wrote.
  return { header: frames[0] as SnapshotHeader, chunks: frames.slice(1, -1) as ChunkFrame[] };
}
