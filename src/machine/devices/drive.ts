/**
 * Drives: a fixed number of sectors, in shared memory or in a file.
 *
 * The thread that owns the machine opens a drive and hands its `DriveHandle` to the workers, which
 * attach to it. A file is opened once: its descriptor belongs to the process, so every worker reads
 * and writes at explicit positions through the same one. Calls of different harts may overlap; the
 * virtio queue's lock keeps them apart.
 */
import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';

export const SECTOR_BYTES = 512;

export interface Drive {
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** Fills `target` from `byteOffset`. The caller has checked the range. False: the host failed. */
  read(byteOffset: number, target: Uint8Array): boolean;
  write(byteOffset: number, source: Uint8Array): boolean;
  /** What was written is on stable storage when it returns. */
  flush(): boolean;
}

/** A drive on its way to a worker: plain data that `postMessage` can carry. */
export type DriveHandle =
  | {
      readonly kind: 'memory';
      readonly buffer: SharedArrayBuffer;
      readonly byteOffset: number;
      readonly sizeBytes: number;
      readonly isReadOnly: boolean;
    }
  | {
      readonly kind: 'file';
      readonly fd: number;
      readonly sizeBytes: number;
      readonly isReadOnly: boolean;
    };

/** A mistake in what the user asked for; the message names the file and the fix. */
export class DriveError extends Error {}

/**
 * Opens a disk image. Throws a DriveError that says what to do if it is missing, not to be opened
 * this way, or not made of whole sectors.
 */
export function openDrive(path: string, options: { readOnly: boolean }): DriveHandle {
  const fd = openImage(path, options.readOnly);
  const stats = fstatSync(fd);
  const problem = stats.isFile()
    ? sizeProblem(path, stats.size)
    : `drive '${path}' is not a regular file; give a disk image`;
  if (problem !== undefined) {
    closeSync(fd);
    throw new DriveError(problem);
  }
  return { kind: 'file', fd, sizeBytes: stats.size, isReadOnly: options.readOnly };
}

/** Closes the file behind a handle, after the last worker has stopped. */
export function closeDrive(handle: DriveHandle): void {
  if (handle.kind === 'file') closeSync(handle.fd);
}

/** Makes a new image of zeros, without using space for them. Never overwrites a file. */
export function createBlankDrive(path: string, sizeBytes: number): void {
  const problem = sizeProblem(path, sizeBytes);
  if (problem !== undefined) throw new DriveError(problem);
  let fd: number;
  try {
    fd = openSync(path, 'wx');
  } catch (cause) {
    const exists = codeOf(cause) === 'EEXIST';
    const fix = exists ? 'already exists; remove it or choose another name' : String(cause);
    throw new DriveError(`drive '${path}' ${fix}`, { cause });
  }
  ftruncateSync(fd, sizeBytes);
  closeSync(fd);
}

/** A drive in shared memory: [byteOffset, byteOffset + sizeBytes) of `buffer`. */
export function memoryDrive(
  buffer: SharedArrayBuffer,
  options: { byteOffset?: number; sizeBytes?: number; readOnly?: boolean } = {},
): DriveHandle {
  const { byteOffset = 0, sizeBytes = buffer.byteLength - byteOffset, readOnly = false } = options;
  const problem = sizeProblem('in memory', sizeBytes);
  if (problem !== undefined) throw new DriveError(problem);
  if (byteOffset < 0 || byteOffset + sizeBytes > buffer.byteLength) {
    throw new RangeError(`a drive of ${sizeBytes} bytes at ${byteOffset} leaves its buffer`);
  }
  return { kind: 'memory', buffer, byteOffset, sizeBytes, isReadOnly: readOnly };
}

/** The drive behind a handle, in this thread. */
export function attachDrive(handle: DriveHandle): Drive {
  return handle.kind === 'memory' ? attachMemory(handle) : attachFile(handle);
}

function attachMemory(handle: DriveHandle & { kind: 'memory' }): Drive {
  const bytes = new Uint8Array(handle.buffer, handle.byteOffset, handle.sizeBytes);
  return {
    sizeBytes: handle.sizeBytes,
    isReadOnly: handle.isReadOnly,
    read: (byteOffset, target) => {
      target.set(bytes.subarray(byteOffset, byteOffset + target.length));
      return true;
    },
    write: (byteOffset, source) => {
      bytes.set(source, byteOffset);
      return true;
    },
    flush: () => true,
  };
}

function attachFile(handle: DriveHandle & { kind: 'file' }): Drive {
  const { fd } = handle;
  return {
    sizeBytes: handle.sizeBytes,
    isReadOnly: handle.isReadOnly,
    read: (byteOffset, target) =>
      transferAll(target.length, (done) =>
        readSync(fd, target, done, target.length - done, byteOffset + done),
      ),
    write: (byteOffset, source) =>
      transferAll(source.length, (done) =>
        writeSync(fd, source, done, source.length - done, byteOffset + done),
      ),
    flush: () => succeeds(() => fdatasyncSync(fd)),
  };
}

/** Repeats a transfer that may move less than asked; false on a host error or at the file's end. */
function transferAll(sizeBytes: number, transfer: (done: number) => number): boolean {
  return succeeds(() => {
    let done = 0;
    while (done < sizeBytes) {
      const moved = transfer(done);
      if (moved === 0) throw new Error('the image has shrunk');
      done += moved;
    }
  });
}

/** The guest hears of a host error as an I/O error, never as an exception of ours. */
function succeeds(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

function openImage(path: string, readOnly: boolean): number {
  try {
    return openSync(path, readOnly ? 'r' : 'r+');
  } catch (cause) {
    throw new DriveError(openProblem(path, codeOf(cause) ?? String(cause)), { cause });
  }
}

function openProblem(path: string, code: string): string {
  switch (code) {
    case 'ENOENT':
      return `drive '${path}' does not exist; make one with: truncate -s 64M '${path}'`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `drive '${path}' may not be opened; open it read-only or change its permissions`;
    case 'EISDIR':
      return `drive '${path}' is a directory; give a disk image`;
    default:
      return `drive '${path}' cannot be opened: ${code}`;
  }
}

function sizeProblem(path: string, sizeBytes: number): string | undefined {
  if (sizeBytes > 0 && sizeBytes % SECTOR_BYTES === 0) return undefined;
  const rounded = Math.max(1, Math.ceil(sizeBytes / SECTOR_BYTES)) * SECTOR_BYTES;
  const problem = `drive '${path}' has ${sizeBytes} bytes, not whole sectors of ${SECTOR_BYTES}`;
  return `${problem}; pad it with: truncate -s ${rounded} '${path}'`;
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined;
