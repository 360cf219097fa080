import { closeSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import type { DmaAccess } from '../../../../src/machine/devices/dma.ts';
import { closeDrive, memoryDrive, openDrive } from '../../../../src/machine/devices/drive.ts';
import * as block from '../../../../src/machine/devices/virtio/block.ts';
import {
  INTERRUPT_USED,
  REG,
  STATUS_FEATURES_OK,
  STATUS_NEEDS_RESET,
  VIRTIO_MAGIC,
} from '../../../../src/machine/devices/virtio/mmio.ts';
import { PLIC, RAM_BASE, virtioSlot } from '../../../../src/machine/physical-map.ts';
import { createMachine, type TestMachine } from '../fixtures.ts';
import { AVAILABLE, BUFFERS, Driver } from './driver.ts';

const { VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID } = block;
const { VIRTIO_BLK_S_OK, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_UNSUPP } = block;

const SECTORS = 8;
const DATA = BUFFERS + 0x200;

interface Rig {
  readonly machine: TestMachine;
  readonly driver: Driver;
  readonly disk: Uint8Array;
}

/** A started driver over a drive whose sector n is filled with n + 1. */
function rig(options: { readOnly?: boolean; start?: boolean } = {}): Rig {
  const buffer = new SharedArrayBuffer(SECTORS * 512);
  const disk = new Uint8Array(buffer);
  disk.forEach((_, index) => (disk[index] = Math.floor(index / 512) + 1));
  const drive = memoryDrive(buffer, { readOnly: options.readOnly ?? false });
  const machine = createMachine({ drive });
  const driver = new Driver(machine);
  if (options.start !== false) driver.start();
  return { machine, driver, disk };
}

const isPending = ({ machine }: Rig): boolean =>
  (machine.board.bus.load(PLIC.base + 0x1000, 4, 0) & 2) !== 0;

describe('the transport', () => {
  it('presents a version 2 block device with its capacity', () => {
    const { driver, machine } = rig({ start: false });
    expect(driver.read(REG.MAGIC)).toBe(VIRTIO_MAGIC);
    expect(driver.read(REG.VERSION)).toBe(2);
    expect(driver.read(REG.DEVICE_ID)).toBe(2);
    expect(driver.read(REG.CONFIG)).toBe(SECTORS);
    expect(machine.board.bus.load(virtioSlot(0).base + REG.CONFIG, 1, 0)).toBe(SECTORS);
  });

  it('has a placeholder in a slot without a drive', () => {
    const driver = new Driver(createMachine());
    expect(driver.read(REG.MAGIC)).toBe(VIRTIO_MAGIC);
    expect(driver.read(REG.DEVICE_ID)).toBe(0);
    driver.start();
    expect(driver.read(REG.STATUS)).toBe(0);
  });

  it('refuses FEATURES_OK to a driver that takes what was not offered', () => {
    const { driver } = rig({ start: false });
    driver.write(REG.DRIVER_FEATURES, 1 << 28);
    driver.write(REG.STATUS, STATUS_FEATURES_OK);
    expect(driver.read(REG.STATUS) & STATUS_FEATURES_OK).toBe(0);
  });

  it('accepts a driver that, as xv6, selects the first feature word only', () => {
    const { driver } = rig({ start: false });
    driver.write(REG.DRIVER_FEATURES, driver.read(REG.DEVICE_FEATURES));
    driver.write(REG.STATUS, STATUS_FEATURES_OK);
    expect(driver.read(REG.STATUS) & STATUS_FEATURES_OK).toBe(STATUS_FEATURES_OK);
  });

  it('holds the interrupt until it is acknowledged', () => {
    const it_ = rig();
    it_.driver.request(VIRTIO_BLK_T_IN, 0, 512, true);
    expect(it_.driver.read(REG.INTERRUPT_STATUS)).toBe(INTERRUPT_USED);
    expect(isPending(it_)).toBe(true);
    it_.driver.write(REG.INTERRUPT_ACK, INTERRUPT_USED);
    expect(it_.driver.read(REG.INTERRUPT_STATUS)).toBe(0);
  });

  it('stays silent while the driver asks for no interrupts', () => {
    const it_ = rig();
    it_.driver.ram.setUint16(AVAILABLE, 1, true);
    expect(it_.driver.request(VIRTIO_BLK_T_IN, 0, 512, true)).toBe(VIRTIO_BLK_S_OK);
    expect(it_.driver.read(REG.INTERRUPT_STATUS)).toBe(0);
  });

  it('forgets its queue at reset', () => {
    const { driver } = rig();
    driver.write(REG.STATUS, 0);
    expect(driver.read(REG.QUEUE_READY)).toBe(0);
    expect(driver.request(VIRTIO_BLK_T_IN, 0, 512, true)).toBe(0xff);
    driver.availableIndex = 0;
    driver.start();
    expect(driver.request(VIRTIO_BLK_T_IN, 0, 512, true)).toBe(VIRTIO_BLK_S_OK);
  });

  it.each([
    ['no power of two', { size: 6 }],
    ['too large', { size: 256 }],
    ['misaligned', { descriptors: RAM_BASE + 8 }],
    ['below RAM', { used: 0x1000_0000 }],
    ['beyond RAM', { available: RAM_BASE + 0xfffe }],
    ['beyond any RAM', { used: 2 ** 60 }],
  ])('asks for a reset if the queue is %s', (_what, place) => {
    const { driver, machine } = rig({ start: false });
    driver.place(place);
    expect(driver.read(REG.STATUS) & STATUS_NEEDS_RESET).not.toBe(0);
    expect(machine.isGuardIntact()).toBe(true);
  });
});

describe('a block request', () => {
  it('reads sectors into guest memory', () => {
    const { driver, machine } = rig();
    expect(driver.request(VIRTIO_BLK_T_IN, 3, 1024, true)).toBe(VIRTIO_BLK_S_OK);
    expect(machine.ram.subarray(DATA, DATA + 512).every((byte) => byte === 4)).toBe(true);
    expect(machine.ram.subarray(DATA + 512, DATA + 1024).every((byte) => byte === 5)).toBe(true);
    expect(driver.lastUsed()).toEqual({ head: 0, length: 1025 });
    expect(driver.usedIndex).toBe(1);
  });

  it('writes sectors to the drive, and only those', () => {
    const { driver, machine, disk } = rig();
    machine.ram.fill(0x77, DATA, DATA + 512);
    expect(driver.request(VIRTIO_BLK_T_OUT, 2, 512, false)).toBe(VIRTIO_BLK_S_OK);
    expect(disk.subarray(1024, 1536).every((byte) => byte === 0x77)).toBe(true);
    expect(disk[1023]).toBe(2);
    expect(disk[1536]).toBe(4);
    expect(driver.lastUsed().length).toBe(1);
  });

  it('may be cut into buffers anywhere', () => {
    const { driver, machine } = rig();
    driver.header(VIRTIO_BLK_T_IN, 1);
    driver.chain(
      { offset: BUFFERS, length: 5 },
      { offset: BUFFERS + 5, length: 11 },
      { offset: DATA, length: 100, writable: true },
      { offset: DATA + 100, length: 0, writable: true },
      { offset: DATA + 100, length: 413, writable: true },
    );
    driver.submit();
    expect(machine.ram.subarray(DATA, DATA + 512).every((byte) => byte === 2)).toBe(true);
    expect(machine.ram[DATA + 512]).toBe(VIRTIO_BLK_S_OK);
  });

  it('beyond the end, or of part of a sector, is an I/O error and moves nothing', () => {
    const { driver, machine } = rig();
    expect(driver.request(VIRTIO_BLK_T_IN, SECTORS - 1, 1024, true)).toBe(VIRTIO_BLK_S_IOERR);
    expect(driver.request(VIRTIO_BLK_T_IN, 2 ** 52, 512, true)).toBe(VIRTIO_BLK_S_IOERR);
    expect(driver.request(VIRTIO_BLK_T_IN, 0, 511, true)).toBe(VIRTIO_BLK_S_IOERR);
    expect(driver.request(VIRTIO_BLK_T_OUT, SECTORS, 512, false)).toBe(VIRTIO_BLK_S_IOERR);
    expect(machine.ram.subarray(DATA, DATA + 1024).every((byte) => byte === 0)).toBe(true);
    expect(driver.read(REG.STATUS) & STATUS_NEEDS_RESET).toBe(0);
  });

  it('to write to a read-only drive is an I/O error, and the feature says so', () => {
    const { driver, machine, disk } = rig({ readOnly: true });
    driver.write(REG.DEVICE_FEATURES_SEL, 0);
    expect(driver.read(REG.DEVICE_FEATURES) & block.VIRTIO_BLK_F_RO).not.toBe(0);
    machine.ram.fill(0x77, DATA, DATA + 512);
    expect(driver.request(VIRTIO_BLK_T_OUT, 0, 512, false)).toBe(VIRTIO_BLK_S_IOERR);
    expect(disk[0]).toBe(1);
  });

  it('may flush, ask for the name, or be of a type unknown to us', () => {
    const { driver, machine } = rig();
    expect(driver.request(VIRTIO_BLK_T_FLUSH, 0, 0, false)).toBe(VIRTIO_BLK_S_OK);
    expect(driver.request(VIRTIO_BLK_T_GET_ID, 0, 20, true)).toBe(VIRTIO_BLK_S_OK);
    expect(new TextDecoder().decode(machine.ram.slice(DATA, DATA + 12))).toBe('cordon-drive');
    expect(driver.request(99, 0, 0, false)).toBe(VIRTIO_BLK_S_UNSUPP);
  });

  it('without room for a status stops the device until it is reset', () => {
    const { driver } = rig();
    driver.chain({ offset: BUFFERS, length: 16 });
    driver.submit();
    expect(driver.read(REG.STATUS) & STATUS_NEEDS_RESET).not.toBe(0);
    expect(driver.request(VIRTIO_BLK_T_IN, 0, 512, true)).toBe(0xff);
  });

  it('keeps working when the ring’s indices wrap', () => {
    const { driver } = rig();
    const before = driver.read(REG.STATUS);
    for (let round = 0; round < 0x1_0010; round++) driver.request(VIRTIO_BLK_T_FLUSH, 0, 0, false);
    expect(driver.usedIndex).toBe(0x10);
    expect(driver.read(REG.STATUS)).toBe(before);
  });

  it('is served from any worker’s board, as one device', () => {
    const { driver, machine } = rig();
    driver.request(VIRTIO_BLK_T_IN, 0, 512, true);
    const other = new Driver({ ...machine, board: machine.attach() });
    expect(other.request(VIRTIO_BLK_T_IN, 1, 512, true)).toBe(VIRTIO_BLK_S_OK);
    expect(other.usedIndex).toBe(2);
  });

  it('is told to the machine where it wrote, and refused where the machine says no', () => {
    const written: number[] = [];
    const dma = {
      mayAccess: (pa: number, _sizeBytes: number, access: DmaAccess): boolean =>
        pa !== RAM_BASE + DATA || access === 'read',
      wrote: (pa: number): number => written.push(pa - RAM_BASE),
    };
    const machine = createMachine({ drive: memoryDrive(new SharedArrayBuffer(4096)), dma });
    const driver = new Driver(machine);
    driver.start();
    driver.header(VIRTIO_BLK_T_IN, 0);
    driver.chain(
      { offset: BUFFERS, length: 16 },
      { offset: DATA + 8, length: 513, writable: true },
    );
    driver.submit();
    expect(written).toContain(DATA + 8);
    expect(driver.read(REG.STATUS) & STATUS_NEEDS_RESET).toBe(0);
    expect(driver.request(VIRTIO_BLK_T_OUT, 0, 512, false)).toBe(VIRTIO_BLK_S_OK);
    driver.request(VIRTIO_BLK_T_IN, 0, 512, true);
    expect(driver.read(REG.STATUS) & STATUS_NEEDS_RESET).not.toBe(0);
  });
});

describe('a drive in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cordon-drive-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is read and written in place', () => {
    const path = join(folder, 'disk.img');
    writeFileSync(path, Buffer.alloc(2048, 9));
    const drive = openDrive(path, { readOnly: false });
    const machine = createMachine({ drive });
    const driver = new Driver(machine);
    driver.start();
    expect(driver.request(VIRTIO_BLK_T_IN, 1, 512, true)).toBe(VIRTIO_BLK_S_OK);
    expect(machine.ram[DATA + 511]).toBe(9);
    machine.ram.fill(0x42, DATA, DATA + 512);
    expect(driver.request(VIRTIO_BLK_T_OUT, 2, 512, false)).toBe(VIRTIO_BLK_S_OK);
    expect(driver.request(VIRTIO_BLK_T_FLUSH, 0, 0, false)).toBe(VIRTIO_BLK_S_OK);
    expect([...readFileSync(path)].map((byte) => byte === 0x42).indexOf(true)).toBe(1024);
    closeDrive(drive);
  });

  it('that fails on the host is an I/O error to the guest', () => {
    const path = join(folder, 'gone.img');
    writeFileSync(path, Buffer.alloc(512));
    const drive = openDrive(path, { readOnly: false });
    const machine = createMachine({ drive });
    const driver = new Driver(machine);
    driver.start();
    if (drive.kind === 'file') closeSync(drive.fd);
    expect(driver.request(VIRTIO_BLK_T_IN, 0, 512, true)).toBe(VIRTIO_BLK_S_IOERR);
    expect(driver.request(VIRTIO_BLK_T_FLUSH, 0, 0, false)).toBe(VIRTIO_BLK_S_IOERR);
  });
});
