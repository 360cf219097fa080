/** A driver of a device with one queue, whose chains begin at descriptor 0. */
import {
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
} from '../../../../src/machine/devices/virtio/split-queue.ts';
import { RAM_BASE } from '../../../../src/machine/physical-map.ts';
import type { TestMachine } from '../fixtures.ts';
import { DriverQueue, DriverRegisters, type UsedElement } from './driver-queue.ts';

/** Where the driver keeps its things, as offsets in RAM. */
export const DESCRIPTORS = 0x1000;
export const AVAILABLE = 0x2000;
export const USED = 0x3000;
export const BUFFERS = 0x4000;

export interface Part {
  readonly offset: number;
  readonly length: number;
  readonly writable?: boolean;
}

export class Driver extends DriverQueue {
  readonly #registers: DriverRegisters;

  constructor(machine: TestMachine, size = 8, slot = 0) {
    const registers = new DriverRegisters(machine, slot);
    super(machine, registers, 0, size, {
      descriptors: DESCRIPTORS,
      available: AVAILABLE,
      used: USED,
    });
    this.#registers = registers;
  }

  read(register: number): number {
    return this.#registers.read(register);
  }

  write(register: number, value: number): void {
    this.#registers.write(register, value);
  }

  start(declined = 0): void {
    this.#registers.start(declined, () => this.place());
  }

  /** Chains parts of RAM from descriptor 0 on. */
  chain(...parts: readonly Part[]): void {
    for (const [index, { offset, length, writable = false }] of parts.entries()) {
      const isLast = index === parts.length - 1;
      const flags = (writable ? VIRTQ_DESC_F_WRITE : 0) | (isLast ? 0 : VIRTQ_DESC_F_NEXT);
      this.setDescriptor(index, { pa: RAM_BASE + offset, length, flags, next: index + 1 });
    }
  }

  override submit(head = 0): void {
    super.submit(head);
  }

  /** The latest element of the used ring. */
  lastUsed(): UsedElement {
    return this.usedAt(this.usedIndex - 1);
  }

  header(type: number, sector: number, offset: number = BUFFERS): void {
    this.ram.setUint32(offset, type, true);
    this.ram.setUint32(offset + 4, 0, true);
    this.ram.setBigUint64(offset + 8, BigInt(sector), true);
  }

  /**
   * One request in the usual three parts; returns its status byte. Data lies at BUFFERS + 0x200 and is
   * written by the device if `writable`.
   */
  request(type: number, sector: number, dataBytes: number, writable: boolean): number {
    this.header(type, sector);
    const status = BUFFERS + 0x100;
    this.ram.setUint8(status, 0xff);
    this.chain(
      { offset: BUFFERS, length: 16 },
      { offset: BUFFERS + 0x200, length: dataBytes, writable },
      { offset: status, length: 1, writable: true },
    );
    this.submit();
    return this.ram.getUint8(status);
  }
}
