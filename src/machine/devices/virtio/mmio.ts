/**
 * The virtio transport over memory-mapped registers, version 2.
 *
 * "Virtio Over MMIO", VIRTIO 1.2 (OASIS, 1 July 2022) §4.2; device status §2.1, feature
 * negotiation §2.2. What kind of device it is, a `VirtioBackend` says. A slot without one is there
 * with device ID 0, which drivers skip (§4.2.3.1.1).
 *
 * A notification is served on the thread of the hart that wrote it: when its store retires, the
 * request is done. Two locks, so that a hart that acknowledges an interrupt never waits for
 * another's disk access: the queue lock is held while requests are served, the register lock for
 * single registers only.
 */
import {
  i32,
  i32Array,
  layout,
  type Field,
  type Layout,
  type View,
  type Word32,
} from 'sharedarraybuffer-utils';

import type { Device, Width } from '../../bus.ts';
import { virtioSlot, virtioSource } from '../../physical-map.ts';
import type { Dma } from '../dma.ts';
import { acquire, release } from '../lock.ts';
import type { InterruptSink } from '../plic.ts';
import { QUEUE_MAX, SplitQueue, type Chain } from './split-queue.ts';

/** Register offsets (§4.2.2, table 4.1). */
export const REG = {
  MAGIC: 0x00,
  VERSION: 0x04,
  DEVICE_ID: 0x08,
  VENDOR_ID: 0x0c,
  DEVICE_FEATURES: 0x10,
  DEVICE_FEATURES_SEL: 0x14,
  DRIVER_FEATURES: 0x20,
  DRIVER_FEATURES_SEL: 0x24,
  QUEUE_SEL: 0x30,
  QUEUE_NUM_MAX: 0x34,
  QUEUE_NUM: 0x38,
  QUEUE_READY: 0x44,
  QUEUE_NOTIFY: 0x50,
  INTERRUPT_STATUS: 0x60,
  INTERRUPT_ACK: 0x64,
  STATUS: 0x70,
  QUEUE_DESC_LOW: 0x80,
  QUEUE_DESC_HIGH: 0x84,
  QUEUE_DRIVER_LOW: 0x90,
  QUEUE_DRIVER_HIGH: 0x94,
  QUEUE_DEVICE_LOW: 0xa0,
  QUEUE_DEVICE_HIGH: 0xa4,
  CONFIG_GENERATION: 0xfc,
  CONFIG: 0x100,
} as const;

export const VIRTIO_MAGIC = 0x7472_6976;
/** "QEMU", because xv6 refuses a disk of another vendor. */
export const VIRTIO_VENDOR = 0x554d_4551;

export const STATUS_ACKNOWLEDGE = 1;
export const STATUS_DRIVER = 2;
export const STATUS_DRIVER_OK = 4;
export const STATUS_FEATURES_OK = 8;
export const STATUS_NEEDS_RESET = 0x40;

export const INTERRUPT_USED = 1;
export const INTERRUPT_CONFIG = 2;

/** VIRTIO_F_VERSION_1 is feature bit 32: bit 0 of the second word. */
const VERSION_1_HIGH = 1;

/** What a slot is. Its methods are called on any thread, `serve` on one at a time. */
export interface VirtioBackend {
  readonly deviceId: number;
  /** Feature bits 0 to 31. */
  readonly features: number;
  readonly queues: number;
  /** The device-specific configuration; it never changes. */
  readonly config: DataView;
  /** Serves one chain of a queue; returns the bytes written to it, BROKEN, or WAIT. */
  serve(queue: number, chain: Chain): number;
  /** The queue whose chains wait for input. It is served after every other one, and by `feed`. */
  readonly inputQueue?: number;
  /** Whether there is input; a queue that waits in vain is not walked. */
  hasInput?(): boolean;
}

/** The most queues a device may have. */
const MAX_QUEUES = 2;

type VirtioFields = {
  queueLock: Field<Word32>;
  lock: Field<Word32>;
  status: Field<Word32>;
  deviceFeaturesSel: Field<Word32>;
  driverFeaturesSel: Field<Word32>;
  driverFeatures: Field<Int32Array>;
  queueSel: Field<Word32>;
  interruptStatus: Field<Word32>;
  size: Field<Int32Array>;
  ready: Field<Int32Array>;
  position: Field<Int32Array>;
  descriptorsLow: Field<Int32Array>;
  descriptorsHigh: Field<Int32Array>;
  availableLow: Field<Int32Array>;
  availableHigh: Field<Int32Array>;
  usedLow: Field<Int32Array>;
  usedHigh: Field<Int32Array>;
};

export const VirtioState: Layout<VirtioFields> = layout('VirtioState', {
  queueLock: i32.doc('Held while chains are served and during a reset. Taken before `lock`.'),
  lock: i32.doc('Guards every other field, and the order in which the interrupt line changes.'),
  status: i32,
  deviceFeaturesSel: i32,
  driverFeaturesSel: i32,
  driverFeatures: i32Array(2),
  queueSel: i32,
  interruptStatus: i32,
  size: i32Array(MAX_QUEUES),
  ready: i32Array(MAX_QUEUES),
  position: i32Array(MAX_QUEUES).doc(
    'The next entry of the available ring, and the used index. Written under queueLock.',
  ),
  descriptorsLow: i32Array(MAX_QUEUES),
  descriptorsHigh: i32Array(MAX_QUEUES),
  availableLow: i32Array(MAX_QUEUES),
  availableHigh: i32Array(MAX_QUEUES),
  usedLow: i32Array(MAX_QUEUES),
  usedHigh: i32Array(MAX_QUEUES),
});

export interface VirtioDeps {
  readonly slot: number;
  /** Undefined: nothing is plugged in. */
  readonly backend: VirtioBackend | undefined;
  readonly dma: Dma;
  readonly interrupts: InterruptSink;
}

export class VirtioMmio implements Device {
  readonly name: string;
  readonly base: number;
  readonly sizeBytes: number;
  readonly widths: number = 1 | 2 | 4;
  readonly #state: View<VirtioFields>;
  readonly #deps: VirtioDeps;
  readonly #source: number;
  /** The queue registers that hold an address, by offset. */
  readonly #addresses: ReadonlyMap<number, Int32Array>;

  constructor(memory: SharedArrayBuffer, byteOffset: number, deps: VirtioDeps) {
    this.name = `virtio${deps.slot}`;
    ({ base: this.base, sizeBytes: this.sizeBytes } = virtioSlot(deps.slot));
    this.#source = virtioSource(deps.slot);
    this.#deps = deps;
    if ((deps.backend?.queues ?? 0) > MAX_QUEUES) {
      throw new RangeError(`${this.name}: at most ${MAX_QUEUES} queues`);
    }
    const state = VirtioState.at(memory, byteOffset);
    this.#state = state;
    this.#addresses = new Map<number, Int32Array>([
      [REG.QUEUE_DESC_LOW, state.descriptorsLow],
      [REG.QUEUE_DESC_HIGH, state.descriptorsHigh],
      [REG.QUEUE_DRIVER_LOW, state.availableLow],
      [REG.QUEUE_DRIVER_HIGH, state.availableHigh],
      [REG.QUEUE_DEVICE_LOW, state.usedLow],
      [REG.QUEUE_DEVICE_HIGH, state.usedHigh],
    ]);
  }

  /** Before any hart runs. */
  reset(): void {
    this.#state.queueLock.store(0);
    this.#state.lock.store(0);
    this.#clear();
  }

  load(offset: number, sizeBytes: Width): number {
    const backend = this.#deps.backend;
    if (offset >= REG.CONFIG) return loadConfig(backend, offset - REG.CONFIG, sizeBytes);
    // Registers are accessed as words only (§4.2.2.2).
    if (sizeBytes !== 4) return 0;
    switch (offset) {
      case REG.MAGIC:
        return VIRTIO_MAGIC;
      case REG.VERSION:
        return 2;
      case REG.DEVICE_ID:
        return backend?.deviceId ?? 0;
      case REG.VENDOR_ID:
        return VIRTIO_VENDOR;
      default:
        return backend === undefined ? 0 : this.#read(backend, offset) >>> 0;
    }
  }

  store(offset: number, sizeBytes: Width, value: number): void {
    const backend = this.#deps.backend;
    if (backend === undefined || sizeBytes !== 4) return;
    if (offset === REG.QUEUE_NOTIFY) {
      if (value < backend.queues) this.#notify(backend, value);
      return;
    }
    if (offset === REG.STATUS && value === 0) {
      locked(this.#state.queueLock, () => locked(this.#state.lock, () => this.#clear()));
      return;
    }
    locked(this.#state.lock, () => this.#write(backend, offset, value));
  }

  #read(backend: VirtioBackend, offset: number): number {
    const state = this.#state;
    const queue = state.queueSel.load();
    const exists = queue < backend.queues;
    switch (offset) {
      case REG.DEVICE_FEATURES:
        return featureWord(backend, state.deviceFeaturesSel.load());
      case REG.QUEUE_NUM_MAX:
        return exists ? QUEUE_MAX : 0;
      case REG.QUEUE_READY:
        return exists ? Atomics.load(state.ready, queue) : 0;
      case REG.INTERRUPT_STATUS:
        return state.interruptStatus.load();
      case REG.STATUS:
        return state.status.load();
      default: // ConfigGeneration is 0 for ever; the other registers are write-only.
        return 0;
    }
  }

  #write(backend: VirtioBackend, offset: number, value: number): void {
    const state = this.#state;
    switch (offset) {
      case REG.DEVICE_FEATURES_SEL:
        state.deviceFeaturesSel.store(value);
        return;
      case REG.DRIVER_FEATURES_SEL:
        state.driverFeaturesSel.store(value);
        return;
      case REG.DRIVER_FEATURES:
        this.#setDriverFeatures(value);
        return;
      case REG.QUEUE_SEL:
        // Any number too large means the same: no such queue.
        state.queueSel.store(Math.min(value, MAX_QUEUES));
        return;
      case REG.INTERRUPT_ACK:
        state.interruptStatus.and(~value);
        this.#driveLine();
        return;
      case REG.STATUS:
        this.#setStatus(backend, value);
        return;
      default:
        if (state.queueSel.load() < backend.queues) this.#writeQueue(offset, value);
    }
  }

  /** Fixed once FEATURES_OK is set (§2.2.1). */
  #setDriverFeatures(value: number): void {
    const word = this.#state.driverFeaturesSel.load() >>> 0;
    if (word > 1 || (this.#state.status.load() & STATUS_FEATURES_OK) !== 0) return;
    this.#state.driverFeatures[word] = value;
  }

  /**
   * FEATURES_OK sticks only if the driver asked for nothing that was not offered (§2.2.2). One that
   * did not take VIRTIO_F_VERSION_1 is served all the same, as xv6 never selects the second word.
   */
  #setStatus(backend: VirtioBackend, value: number): void {
    const { status, driverFeatures } = this.#state;
    const isBeyond = [0, 1].some(
      (word) => ((driverFeatures[word] as number) & ~featureWord(backend, word)) !== 0,
    );
    const accepted = isBeyond ? value & ~STATUS_FEATURES_OK : value;
    const needsReset = status.load() & STATUS_NEEDS_RESET;
    status.store((accepted & 0xff & ~STATUS_NEEDS_RESET) | needsReset);
  }

  /** A queue's registers are fixed while it is ready (§4.2.2.2). */
  #writeQueue(offset: number, value: number): void {
    const { queueSel, ready, size } = this.#state;
    const queue = queueSel.load();
    if (offset === REG.QUEUE_READY) {
      this.#setReady(queue, value & 1);
    } else if (ready[queue] === 0) {
      if (offset === REG.QUEUE_NUM) size[queue] = value;
      const address = this.#addresses.get(offset);
      if (address !== undefined) address[queue] = value;
    }
  }

  #setReady(queue: number, value: number): void {
    Atomics.store(this.#state.ready, queue, value);
    if (value === 1 && this.#openQueue(queue) === undefined) this.#needReset();
  }

  /** The queue where its registers say; under `lock`. */
  #openQueue(queue: number): SplitQueue | undefined {
    const state = this.#state;
    return SplitQueue.open(this.#deps.dma, {
      size: state.size[queue] as number,
      descriptors: address(state.descriptorsLow, state.descriptorsHigh, queue),
      available: address(state.availableLow, state.availableHigh, queue),
      used: address(state.usedLow, state.usedHigh, queue),
    });
  }

  #notify(backend: VirtioBackend, queue: number): void {
    locked(this.#state.queueLock, () => {
      if (queue !== backend.inputQueue) this.#serveQueue(backend, queue);
      this.#serveInput(backend);
    });
  }

  /**
   * Any thread: `add` gives the backend its input, alone, and the driver gets as much of it as it has
   * buffers for. Returns what `add` returns.
   */
  feed<Result>(add: () => Result): Result {
    return locked(this.#state.queueLock, () => {
      const result = add();
      if (this.#deps.backend !== undefined) this.#serveInput(this.#deps.backend);
      return result;
    });
  }

  /** Any thread: looks at a queue again that was left waiting. */
  resume(queue: number): void {
    if (this.#deps.backend !== undefined) this.#notify(this.#deps.backend, queue);
  }

  #serveInput(backend: VirtioBackend): void {
    const { inputQueue } = backend;
    if (inputQueue !== undefined && backend.hasInput?.() === true)
      this.#serveQueue(backend, inputQueue);
  }

  /** Under `queueLock`. */
  #serveQueue(backend: VirtioBackend, queue: number): void {
    const { lock, position } = this.#state;
    const open = locked(lock, () => (this.#isLive(queue) ? this.#openQueue(queue) : undefined));
    if (open === undefined) return;
    const served = open.serve(position[queue] as number, (chain) => backend.serve(queue, chain));
    position[queue] = served.position;
    locked(lock, () => {
      if (served.isBroken) this.#needReset();
      else if (served.interrupts) this.#interrupt(INTERRUPT_USED);
    });
  }

  /** Before DRIVER_OK, and once a reset is needed, the device touches no buffer (§2.1.2). */
  #isLive(queue: number): boolean {
    const status = this.#state.status.load();
    const isRunning = (status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) === STATUS_DRIVER_OK;
    return isRunning && this.#state.ready[queue] === 1;
  }

  /** Tells a driver that is up of it by a configuration interrupt (§2.1.2). */
  #needReset(): void {
    const before = this.#state.status.or(STATUS_NEEDS_RESET);
    if ((before & STATUS_DRIVER_OK) !== 0) this.#interrupt(INTERRUPT_CONFIG);
  }

  #interrupt(reason: number): void {
    this.#state.interruptStatus.or(reason);
    this.#driveLine();
  }

  #driveLine(): void {
    const { interrupts } = this.#deps;
    if (this.#state.interruptStatus.load() !== 0) interrupts.raise(this.#source);
    else interrupts.lower(this.#source);
  }

  /** Everything but the locks. */
  #clear(): void {
    const { queueLock: _q, lock: _l, ...registers } = this.#state;
    for (const register of Object.values(registers)) {
      if (register instanceof Int32Array) register.fill(0);
      else register.store(0);
    }
    this.#driveLine();
  }
}

const featureWord = (backend: VirtioBackend, word: number): number => {
  if (word === 0) return backend.features;
  return word === 1 ? VERSION_1_HIGH : 0;
};

function loadConfig(backend: VirtioBackend | undefined, offset: number, sizeBytes: Width): number {
  if (backend === undefined || offset + sizeBytes > backend.config.byteLength) return 0;
  if (sizeBytes === 1) return backend.config.getUint8(offset);
  return sizeBytes === 2
    ? backend.config.getUint16(offset, true)
    : backend.config.getUint32(offset, true);
}

const address = (low: Int32Array, high: Int32Array, queue: number): number =>
  ((high[queue] as number) >>> 0) * 2 ** 32 + ((low[queue] as number) >>> 0);

function locked<Result>(lock: Word32, section: () => Result): Result {
  acquire(lock);
  try {
    return section();
  } finally {
    release(lock);
  }
}
