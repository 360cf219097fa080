/** A virtio driver for tests: builds the rings of one queue in guest RAM and talks to a slot over the bus. */
import {
  REG,
  STATUS_ACKNOWLEDGE,
  STATUS_DRIVER,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
} from '../../../../src/machine/devices/virtio/mmio.ts';
import {
  DESC_BYTES,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
} from '../../../../src/machine/devices/virtio/split-queue.ts';
import { RAM_BASE, virtioSlot } from '../../../../src/machine/physical-map.ts';
import type { TestMachine } from '../fixtures.ts';

/** Where the driver keeps its things, as offsets in RAM. */
export const DESCRIPTORS = 0x1000;
export const AVAILABLE = 0x2000;
export const USED = 0x3000;
export const BUFFERS = 0x4000;

export interface Descriptor {
  readonly pa: number;
  readonly length: number;
  readonly flags: number;
  readonly next: number;
}

export interface Part {
  readonly offset: number;
  readonly length: number;
  readonly writable?: boolean;
}

export class Driver {
  readonly ram: DataView;
  readonly size: number;
  readonly #machine: TestMachine;
  readonly #slot: number;

  constructor(machine: TestMachine, size = 8, slot = 0) {
    this.#machine = machine;
    this.size = size;
    this.#slot = slot;
    this.ram = new DataView(machine.memory, machine.ramAt, machine.ram.length);
  }

  read(register: number): number {
    return this.#machine.board.bus.load(virtioSlot(this.#slot).base + register, 4, 0);
  }

  write(register: number, value: number): void {
    this.#machine.board.bus.store(virtioSlot(this.#slot).base + register, 4, value, 0);
  }

  /** The initialisation of §3.1.1, with all offered features but `declined`. */
  start(declined = 0): void {
    this.write(REG.STATUS, 0);
    this.write(REG.STATUS, STATUS_ACKNOWLEDGE);
    this.write(REG.STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    for (const word of [0, 1]) {
      this.write(REG.DEVICE_FEATURES_SEL, word);
      this.write(REG.DRIVER_FEATURES_SEL, word);
      const offered = this.read(REG.DEVICE_FEATURES);
      this.write(REG.DRIVER_FEATURES, word === 0 ? offered & ~declined : offered);
    }
    const ready = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
    this.write(REG.STATUS, ready);
    this.placeQueue();
    this.write(REG.STATUS, ready | STATUS_DRIVER_OK);
  }

  placeQueue(
    place: { descriptors?: number; available?: number; used?: number; size?: number } = {},
  ): void {
    const at = {
      descriptors: RAM_BASE + DESCRIPTORS,
      available: RAM_BASE + AVAILABLE,
      used: RAM_BASE + USED,
      size: this.size,
      ...place,
    };
    this.write(REG.QUEUE_SEL, 0);
    this.write(REG.QUEUE_NUM, at.size);
    for (const [register, pa] of [
      [REG.QUEUE_DESC_LOW, at.descriptors],
      [REG.QUEUE_DRIVER_LOW, at.available],
      [REG.QUEUE_DEVICE_LOW, at.used],
    ] as const) {
      this.write(register, pa);
      this.write(register + 4, Math.floor(pa / 2 ** 32));
    }
    this.write(REG.QUEUE_READY, 1);
  }

  setDescriptor(index: number, { pa, length, flags, next }: Descriptor): void {
    const at = DESCRIPTORS + index * DESC_BYTES;
    this.ram.setBigUint64(at, BigInt(pa), true);
    this.ram.setUint32(at + 8, length, true);
    this.ram.setUint16(at + 12, flags, true);
    this.ram.setUint16(at + 14, next, true);
  }

  /** Chains parts of RAM from descriptor 0 on. */
  chain(...parts: readonly Part[]): void {
    for (const [index, { offset, length, writable = false }] of parts.entries()) {
      const isLast = index === parts.length - 1;
      const flags = (writable ? VIRTQ_DESC_F_WRITE : 0) | (isLast ? 0 : VIRTQ_DESC_F_NEXT);
      this.setDescriptor(index, { pa: RAM_BASE + offset, length, flags, next: index + 1 });
    }
  }

  /** Makes the chain at `head` available and notifies. */
  submit(head = 0): void {
    const index = this.availableIndex;
    this.ram.setUint16(AVAILABLE + 4 + 2 * (index % this.size), head, true);
    this.availableIndex = index + 1;
    this.write(REG.QUEUE_NOTIFY, 0);
  }

  get availableIndex(): number {
    return this.ram.getUint16(AVAILABLE + 2, true);
  }

  set availableIndex(value: number) {
    this.ram.setUint16(AVAILABLE + 2, value & 0xffff, true);
  }

  get usedIndex(): number {
    return this.ram.getUint16(USED + 2, true);
  }

  /** The latest element of the used ring. */
  lastUsed(): { head: number; length: number } {
    const at = USED + 4 + 8 * ((this.usedIndex - 1) % this.size);
    return { head: this.ram.getUint32(at, true), length: this.ram.getUint32(at + 4, true) };
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
