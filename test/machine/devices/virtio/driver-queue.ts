/** The driver's half of a virtio device, for tests: its registers, and queues whose rings lie in guest RAM. */
import {
  REG,
  STATUS_ACKNOWLEDGE,
  STATUS_DRIVER,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
} from '../../../../src/machine/devices/virtio/mmio.ts';
import { DESC_BYTES } from '../../../../src/machine/devices/virtio/split-queue.ts';
import { RAM_BASE, virtioSlot } from '../../../../src/machine/physical-map.ts';
import type { TestMachine } from '../fixtures.ts';

export interface Descriptor {
  readonly pa: number;
  readonly length: number;
  readonly flags: number;
  readonly next: number;
}

/** Where the parts of a queue lie, as offsets in RAM. */
export interface QueueParts {
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
}

/** An element of a used ring. */
export interface UsedElement {
  readonly head: number;
  readonly length: number;
}

/** The registers of the device in a slot. */
export class DriverRegisters {
  readonly #machine: TestMachine;
  readonly #base: number;

  constructor(machine: TestMachine, slot: number) {
    this.#machine = machine;
    this.#base = virtioSlot(slot).base;
  }

  read(register: number): number {
    return this.#machine.board.bus.load(this.#base + register, 4, 0);
  }

  write(register: number, value: number): void {
    this.#machine.board.bus.store(this.#base + register, 4, value, 0);
  }

  /** The initialisation of §3.1.1, with all offered features but `declined`. */
  start(declined: number, placeQueues: () => void): void {
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
    placeQueues();
    this.write(REG.STATUS, ready | STATUS_DRIVER_OK);
  }
}

export class DriverQueue {
  readonly ram: DataView;
  readonly size: number;
  readonly #registers: DriverRegisters;
  readonly #number: number;
  readonly #at: QueueParts;

  constructor(
    machine: TestMachine,
    registers: DriverRegisters,
    number: number,
    size: number,
    at: QueueParts,
  ) {
    this.ram = new DataView(machine.memory, machine.ramAt, machine.ram.length);
    this.size = size;
    this.#registers = registers;
    this.#number = number;
    this.#at = at;
  }

  /** Tells the device where the queue lies, or somewhere else: physical addresses. */
  place(instead: Partial<QueueParts> & { readonly size?: number } = {}): void {
    const registers = this.#registers;
    const at = {
      descriptors: RAM_BASE + this.#at.descriptors,
      available: RAM_BASE + this.#at.available,
      used: RAM_BASE + this.#at.used,
      size: this.size,
      ...instead,
    };
    registers.write(REG.QUEUE_SEL, this.#number);
    registers.write(REG.QUEUE_NUM, at.size);
    for (const [register, pa] of [
      [REG.QUEUE_DESC_LOW, at.descriptors],
      [REG.QUEUE_DRIVER_LOW, at.available],
      [REG.QUEUE_DEVICE_LOW, at.used],
    ] as const) {
      registers.write(register, pa);
      registers.write(register + 4, Math.floor(pa / 2 ** 32));
    }
    registers.write(REG.QUEUE_READY, 1);
  }

  setDescriptor(index: number, { pa, length, flags, next }: Descriptor): void {
    const at = this.#at.descriptors + index * DESC_BYTES;
    this.ram.setBigUint64(at, BigInt(pa), true);
    this.ram.setUint32(at + 8, length, true);
    this.ram.setUint16(at + 12, flags, true);
    this.ram.setUint16(at + 14, next, true);
  }

  /** Makes the chain at `head` available and notifies. */
  submit(head: number): void {
    const index = this.availableIndex;
    this.ram.setUint16(this.#at.available + 4 + 2 * (index % this.size), head, true);
    this.availableIndex = index + 1;
    this.#registers.write(REG.QUEUE_NOTIFY, this.#number);
  }

  get availableIndex(): number {
    return this.ram.getUint16(this.#at.available + 2, true);
  }

  set availableIndex(value: number) {
    this.ram.setUint16(this.#at.available + 2, value & 0xffff, true);
  }

  get usedIndex(): number {
    return this.ram.getUint16(this.#at.used + 2, true);
  }

  /** The element of the used ring at an index, which wraps around. */
  usedAt(index: number): UsedElement {
    const at = this.#at.used + 4 + 8 * (index % this.size);
    return { head: this.ram.getUint32(at, true), length: this.ram.getUint32(at + 4, true) };
  }
}
