/**
 * Writes a cpio archive in the "newc" format (Linux, Documentation/driver-api/early-userspace/
 * buffer-format.rst): what the kernel unpacks as its first file system.
 */
import { compareText } from './diagnostics.ts';

export interface CpioFile {
  /** Without a leading '/'. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly isExecutable: boolean;
}

const DIRECTORY_MODE = 0o040755;
const PROGRAM_MODE = 0o100755;
const FILE_MODE = 0o100644;

/** Directories come before what they contain; numbers and dates are fixed, so equal input gives equal bytes. */
export function writeCpio(files: readonly CpioFile[]): Uint8Array {
  const directories = new Set<string>();
  for (const { path } of files) {
    const parts = path.split('/').slice(0, -1);
    for (let i = 1; i <= parts.length; i++) directories.add(parts.slice(0, i).join('/'));
  }
  const entries = [
    ...[...directories].map((path) => ({ path, mode: DIRECTORY_MODE, bytes: new Uint8Array(0) })),
    ...files.map(({ path, bytes, isExecutable }) => ({
      path,
      mode: isExecutable ? PROGRAM_MODE : FILE_MODE,
      bytes,
    })),
  ].toSorted((a, b) => compareText(a.path, b.path));
  const chunks: Uint8Array[] = [];
  for (const [i, { path, mode, bytes }] of entries.entries()) {
    chunks.push(header(path, i + 1, mode, bytes.length), pad4(bytes));
  }
  chunks.push(header('TRAILER!!!', 0, 0, 0));
  return Buffer.concat(chunks);
}

function header(name: string, inode: number, mode: number, sizeBytes: number): Uint8Array {
  const encoded = Buffer.from(`${name}\0`, 'utf8');
  const linkCount = (mode & 0o170000) === 0o040000 ? 2 : 1;
  // c_ino, c_mode, c_uid, c_gid, c_nlink, c_mtime, c_filesize, devices (4), c_namesize, c_check
  const fields = [inode, mode, 0, 0, linkCount, 0, sizeBytes, 0, 0, 0, 0, encoded.length, 0];
  const hex = fields.map((value) => value.toString(16).padStart(8, '0').toUpperCase());
  return pad4(Buffer.concat([Buffer.from(`070701${hex.join('')}`), encoded]));
}

const pad4 = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat([bytes, new Uint8Array((4 - (bytes.length % 4)) % 4)]);

/**
 * An archive with one more file. The kernel stops at the first trailer, so the file goes in front, in an
 * archive that ends where its own trailer begins.
 */
export function withFile(archive: Uint8Array, path: string, text: string): Uint8Array {
  const own = writeCpio([{ path, bytes: new TextEncoder().encode(text), isExecutable: false }]);
  const end = own.length - writeCpio([]).length;
  const both = new Uint8Array(end + archive.length);
  both.set(own.subarray(0, end));
  both.set(archive, end);
  return both;
}
