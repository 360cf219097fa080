import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import {
  attachDrive,
  closeDrive,
  createBlankDrive,
  memoryDrive,
  openDrive,
} from '../../../src/machine/devices/drive.ts';

const folder = mkdtempSync(join(tmpdir(), 'cordon-drive-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string): string => join(folder, name);

describe('opening a drive', () => {
  it('names a file that is missing, and how to make it', () => {
    expect(() => openDrive(file('none.img'), { readOnly: false })).toThrow(
      /none\.img' does not exist; make one with: truncate/,
    );
  });

  it('refuses a file that is not whole sectors, and says how to pad it', () => {
    writeFileSync(file('short.img'), 'x');
    writeFileSync(file('odd.img'), Buffer.alloc(1000));
    writeFileSync(file('empty.img'), '');
    const open = (name: string) => () => openDrive(file(name), { readOnly: true });
    expect(open('short.img')).toThrow(/has 1 bytes.*truncate -s 512 /);
    expect(open('odd.img')).toThrow(/has 1000 bytes.*truncate -s 1024 /);
    expect(open('empty.img')).toThrow(/has 0 bytes.*truncate -s 512 /);
  });

  it('refuses a directory either way', () => {
    expect(() => openDrive(folder, { readOnly: false })).toThrow(/directory; give a disk image/);
    expect(() => openDrive(folder, { readOnly: true })).toThrow(/not a regular file/);
  });
});

describe('a blank drive', () => {
  it('is zeros of the size asked for', () => {
    createBlankDrive(file('blank.img'), 1 << 20);
    const handle = openDrive(file('blank.img'), { readOnly: true });
    const sector = new Uint8Array(512).fill(1);
    expect(attachDrive(handle).read((1 << 20) - 512, sector)).toBe(true);
    expect(sector.every((byte) => byte === 0)).toBe(true);
    closeDrive(handle);
  });

  it('never replaces a file', () => {
    writeFileSync(file('precious.img'), Buffer.alloc(512, 1));
    expect(() => createBlankDrive(file('precious.img'), 1024)).toThrow(/already exists/);
    expect(statSync(file('precious.img')).size).toBe(512);
  });

  it('is not made at all if its size is no number of sectors', () => {
    expect(() => createBlankDrive(file('bad.img'), 100)).toThrow(/whole sectors/);
    expect(existsSync(file('bad.img'))).toBe(false);
  });
});

describe('a drive', () => {
  it('in memory is the part of the buffer it was given', () => {
    const buffer = new SharedArrayBuffer(2048);
    const drive = attachDrive(memoryDrive(buffer, { byteOffset: 512, sizeBytes: 1024 }));
    drive.write(512, new Uint8Array(512).fill(3));
    expect(new Uint8Array(buffer).indexOf(3)).toBe(1024);
    expect(() => memoryDrive(buffer, { byteOffset: 1536, sizeBytes: 1024 })).toThrow(RangeError);
  });

  it('in a file that has shrunk fails to read instead of inventing bytes', () => {
    writeFileSync(file('shrinks.img'), Buffer.alloc(1024, 7));
    const handle = openDrive(file('shrinks.img'), { readOnly: true });
    writeFileSync(file('shrinks.img'), Buffer.alloc(512, 7));
    expect(attachDrive(handle).read(512, new Uint8Array(512))).toBe(false);
    closeDrive(handle);
  });
});
