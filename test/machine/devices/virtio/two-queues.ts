/** A driver of a device with a receive queue 0 and a transmit queue 1, one descriptor a chain. */
import {
  REG,
  STATUS_ACKNOWLEDGE,
  STATUS_DRIVER,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
} from '../../../../src/machine/devices/virtio/mmio.ts';
import {
  DESC_BYTES,
  VIRTQ_DESC_F_WRITE,
} from '../../../../src/machine/devices/virtio/split-queue.ts';
import { RAM_BASE, virtioSlot } from '../../../../src/machine/physical-map.ts';
import type { TestMachine } from '../fixtures.ts';

const QUEUE_BYTES = 0x1000;
const AVAILABLE = 0x400;
const USED = 0x800;
const BUFFERS = 0x4000;
export const BUFFER_BYTES = 2048;
const SIZE = 8;

export class TwoQueues {
  readonly #machine: TestMachine;
  readonly #slot: number;
  readonly #ram: DataView;
  readonly #seen = [0, 0];

  constructor(machine: TestMachine, slot: number) {
    this.#machine = machine;
    this.#slot = slot;
    this.#ram = new DataView(machine.memory, machine.ramAt, machine.ram.length);
  }

  read(register: number): number {
    return this.#machine.board.bus.load(virtioSlot(this.#slot).base + register, 4, 0);
  }

  write(register: number, value: number): void {
    this.#machine.board.bus.store(virtioSlot(this.#slot).base + register, 4, value, 0);
  }

  start(): this {
    const up = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
    this.write(REG.STATUS, up);
    for (const queue of [0, 1]) {
      this.write(REG.QUEUE_SEL, queue);
      this.write(REG.QUEUE_NUM, SIZE);
      const base = RAM_BASE + queue * QUEUE_BYTES;
      this.write(REG.QUEUE_DESC_LOW, base);
      this.write(REG.QUEUE_DRIVER_LOW, base + AVAILABLE);
      this.write(REG.QUEUE_DEVICE_LOW, base + USED);
      this.write(REG.QUEUE_READY, 1);
    }
    this.write(REG.STATUS, up | STATUS_DRIVER_OK);
    return this;
  }

  #submit(queue: number, length: number, flags: number): number {
    const base = queue * QUEUE_BYTES;
    const index = this.#ram.getUint16(base + AVAILABLE + 2, true);
    const slot = index % SIZE;
    const buffer = BUFFERS + (queue * SIZE + slot) * BUFFER_BYTES;
    const descriptor = base + slot * DESC_BYTES;
    this.#ram.setBigUint64(descriptor, BigInt(RAM_BASE + buffer), true);
    this.#ram.setUint32(descriptor + 8, length, true);
    this.#ram.setUint16(descriptor + 12, flags, true);
    this.#ram.setUint16(base + AVAILABLE + 4 + 2 * slot, slot, true);
    this.#ram.setUint16(base + AVAILABLE + 2, (index + 1) & 0xffff, true);
    return buffer;
  }

  /** Gives the device a buffer to fill. */
  offer(length: number = BUFFER_BYTES): void {
    this.#submit(0, length, VIRTQ_DESC_F_WRITE);
    this.write(REG.QUEUE_NOTIFY, 0);
  }

  /** Sends bytes. */
  send(bytes: Uint8Array): void {
    const buffer = this.#submit(1, bytes.length, 0);
    this.#machine.ram.set(bytes, buffer);
    this.write(REG.QUEUE_NOTIFY, 1);
  }

  /** What the device has filled since the last call, a buffer each. */
  received(): Uint8Array[] {
    return this.#returned(0).map(({ slot, length }) => {
      const at = BUFFERS + slot * BUFFER_BYTES;
      return this.#machine.ram.slice(at, at + length);
    });
  }

  /** How many of the buffers sent the device has returned in all. */
  get sentCount(): number {
    return this.#ram.getUint16(QUEUE_BYTES + USED + 2, true);
  }

  #returned(queue: number): { slot: number; length: number }[] {
    const base = queue * QUEUE_BYTES + USED;
    const until = this.#ram.getUint16(base + 2, true);
    const elements: { slot: number; length: number }[] = [];
    for (; this.#seen[queue] !== until; this.#seen[queue]! = (this.#seen[queue]! + 1) & 0xffff) {
      const at = base + 4 + 8 * (this.#seen[queue]! % SIZE);
      elements.push({
        slot: this.#ram.getUint32(at, true),
        length: this.#ram.getUint32(at + 4, true),
      });
    }
    return elements;
  }
}
