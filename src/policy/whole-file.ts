/**
 * Files that several builds may write and read at once: each is there whole or as it was before, never
 * in part.
 */
import { renameSync, writeFileSync, type WriteFileOptions } from 'node:fs';

/** A name next to a file that no other process uses. */
export const temporaryName = (path: string): string => `${path}.${process.pid}.tmp`;

export function writeWholeFile(
  path: string,
  data: string | Uint8Array,
  options: WriteFileOptions = {},
): void {
  const temporary = temporaryName(path);
  writeFileSync(temporary, data, options);
  renameSync(temporary, path);
}
