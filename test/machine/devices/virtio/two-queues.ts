/** A driver of a device with a receive queue 0 and a transmit queue 1, one descriptor a chain. */
import { VIRTQ_DESC_F_WRITE } from '../../../../src/machine/devices/virtio/split-queue.ts';
import { RAM_BASE } from '../../../../src/machine/physical-map.ts';
import type { TestMachine } from '../fixtures.ts';
import { DriverQueue, DriverRegisters, type UsedElement } from './driver-queue.ts';

const QUEUE_BYTES = 0x1000;
const AVAILABLE = 0x400;
const USED = 0x800;
const BUFFERS = 0x4000;
export const BUFFER_BYTES = 2048;
const SIZE = 8;

export class TwoQueues {
  readonly #machine: TestMachine;
  readonly #registers: DriverRegisters;
  readonly #receive: DriverQueue;
  readonly #transmit: DriverQueue;
  #seen = 0;

  constructor(machine: TestMachine, slot: number) {
    this.#machine = machine;
    this.#registers = new DriverRegisters(machine, slot);
    this.#receive = this.#queue(0);
    this.#transmit = this.#queue(1);
  }

  #queue(number: number): DriverQueue {
    const base = number * QUEUE_BYTES;
    return new DriverQueue(this.#machine, this.#registers, number, SIZE, {
      descriptors: base,
      available: base + AVAILABLE,
      used: base + USED,
    });
  }

  read(register: number): number {
    return this.#registers.read(register);
  }

  write(register: number, value: number): void {
    this.#registers.write(register, value);
  }

  start(): this {
    this.#registers.start(0, () => {
      this.#receive.place();
      this.#transmit.place();
    });
    return this;
  }

  /** Gives the device a buffer to fill. */
  offer(length: number = BUFFER_BYTES): void {
    const slot = this.#receive.availableIndex % SIZE;
    const pa = RAM_BASE + BUFFERS + slot * BUFFER_BYTES;
    this.#receive.setDescriptor(slot, { pa, length, flags: VIRTQ_DESC_F_WRITE, next: 0 });
    this.#receive.submit(slot);
  }

  /** Sends bytes. */
  send(bytes: Uint8Array): void {
    const slot = this.#transmit.availableIndex % SIZE;
    const buffer = BUFFERS + (SIZE + slot) * BUFFER_BYTES;
    this.#machine.ram.set(bytes, buffer);
    const pa = RAM_BASE + buffer;
    this.#transmit.setDescriptor(slot, { pa, length: bytes.length, flags: 0, next: 0 });
    this.#transmit.submit(slot);
  }

  /** What the device has filled since the last call, a buffer each. */
  received(): Uint8Array[] {
    return this.#returned().map(({ head, length }) => {
      const at = BUFFERS + head * BUFFER_BYTES;
      return this.#machine.ram.slice(at, at + length);
    });
  }

  /** How many of the buffers sent the device has returned in all. */
  get sentCount(): number {
    return this.#transmit.usedIndex;
  }

  #returned(): UsedElement[] {
    const elements: UsedElement[] = [];
    for (; this.#seen !== this.#receive.usedIndex; this.#seen = (this.#seen + 1) & 0xffff)
      elements.push(this.#receive.usedAt(this.#seen));
    return elements;
  }
}
