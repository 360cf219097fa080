/**
 * The device's side of a split virtqueue.
 *
 * "Split Virtqueues", VIRTIO 1.2 (OASIS, 1 July 2022) §2.7. Everything in the ring is the guest's
 * and may be wrong, or be changed by another hart while we look at it. So each field is read once
 * into private memory, checked there, and never read again. What breaks the ring's own rules is
 * `BROKEN`; the transport then asks the driver for a reset (§2.1.2), and nothing is thrown.
 *
 * Neither VIRTIO_F_INDIRECT_DESC nor VIRTIO_F_EVENT_IDX is offered.
 */
import type { Dma } from '../dma.ts';

/** The largest queue: a power of two (§2.7). */
export const QUEUE_MAX = 128;

export const DESC_BYTES = 16;
export const VIRTQ_DESC_F_NEXT = 1;
export const VIRTQ_DESC_F_WRITE = 2;
export const VIRTQ_DESC_F_INDIRECT = 4;
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;

export const BROKEN = -1;
/** Leaves a chain where it is, and those behind it: the device has nothing to put in yet. */
export const WAIT = -2;

/** Where the driver put a queue, by physical address. */
export interface QueuePlace {
  readonly size: number;
  readonly descriptors: number;
  /** The driver's area. */
  readonly available: number;
  /** The device's area. */
  readonly used: number;
}

interface Segment {
  readonly pa: number;
  readonly bytes: Uint8Array;
}

/**
 * The buffers of one direction in a chain, as one run of bytes. How it is cut means nothing
 * (§2.7.4).
 */
export class Buffers {
  readonly #segments: Segment[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(segment: Segment): void {
    this.#segments.push(segment);
    this.#length += segment.bytes.length;
  }

  /** The parts of guest memory that hold bytes [start, start + length), in order. */
  *slice(start: number, length: number): Generator<Uint8Array> {
    let position = 0;
    for (const { bytes } of this.#segments) {
      const from = Math.max(start - position, 0);
      const to = Math.min(start + length - position, bytes.length);
      if (from < to) yield bytes.subarray(from, to);
      position += bytes.length;
    }
  }

  /** A private copy of bytes [start, start + length), which exist. */
  copy(start: number, length: number): Uint8Array {
    const copied = new Uint8Array(length);
    let filled = 0;
    for (const part of this.slice(start, length)) {
      copied.set(part, filled);
      filled += part.length;
    }
    return copied;
  }

  /** Writes `source` at `start`, as much of it as fits. */
  fill(start: number, source: Uint8Array): void {
    let taken = 0;
    for (const part of this.slice(start, source.length)) {
      part.set(source.subarray(taken, taken + part.length));
      taken += part.length;
    }
  }

  reportWritten(dma: Dma): void {
    for (const { pa, bytes } of this.#segments) dma.wrote(pa, bytes.length);
  }
}

/** One request: what the driver gave to read, then what it gave to write. */
export interface Chain {
  readonly readable: Buffers;
  readonly writable: Buffers;
}

/** Serves one chain; returns the bytes written to it from its start, BROKEN, or WAIT. */
export type ServeChain = (chain: Chain) => number;

export interface Served {
  /** The position in the available ring up to which chains were returned, modulo 2^16. */
  readonly position: number;
  readonly isBroken: boolean;
  /** Something was returned and the driver wants to hear of it. */
  readonly interrupts: boolean;
}

export class SplitQueue {
  readonly #dma: Dma;
  readonly #place: QueuePlace;
  readonly #view: DataView;
  readonly #descriptors: number;
  readonly #available: Uint16Array;
  /** The used ring's flags and index. */
  readonly #usedHeader: Uint16Array;

  /** The queue, or undefined if it breaks a rule of §2.7 or is not in RAM. */
  static open(dma: Dma, place: QueuePlace): SplitQueue | undefined {
    const { size, descriptors, available, used } = place;
    const isPowerOfTwo = size > 0 && (size & (size - 1)) === 0;
    if (!isPowerOfTwo || size > QUEUE_MAX) return undefined;
    if (descriptors % 16 !== 0 || available % 2 !== 0 || used % 4 !== 0) return undefined;
    const descriptorsAt = dma.locate(descriptors, size * DESC_BYTES, 'read');
    const availableAt = dma.locate(available, 4 + 2 * size, 'read');
    const usedAt = dma.locate(used, 4 + 8 * size, 'write');
    if (descriptorsAt < 0 || availableAt < 0 || usedAt < 0) return undefined;
    return new SplitQueue(dma, place, descriptorsAt, availableAt, usedAt);
  }

  private constructor(
    dma: Dma,
    place: QueuePlace,
    descriptorsAt: number,
    availableAt: number,
    usedAt: number,
  ) {
    this.#dma = dma;
    this.#place = place;
    this.#view = new DataView(dma.memory);
    this.#descriptors = descriptorsAt;
    this.#available = new Uint16Array(dma.memory, availableAt, 2 + place.size);
    this.#usedHeader = new Uint16Array(dma.memory, usedAt, 2);
  }

  /**
   * Serves what the driver has made available up to now, from `position` on. Chains that are added
   * meanwhile have their own notification, so one call is bounded by the queue's size. Chains are
   * returned in order: the used index runs with the position.
   */
  serve(position: number, serveChain: ServeChain): Served {
    const { size } = this.#place;
    const until = Atomics.load(this.#available, 1);
    const broken = { isBroken: true, interrupts: false };
    if (((until - position) & 0xffff) > size) return { position, ...broken };
    let at = position;
    while (at !== until) {
      const head = Atomics.load(this.#available, 2 + (at % size));
      const chain = this.#chain(head);
      const written = chain === undefined ? BROKEN : serveChain(chain);
      if (written === WAIT) break;
      if (chain === undefined || written === BROKEN) return { position: at, ...broken };
      chain.writable.reportWritten(this.#dma);
      this.#returnChain(at, head, written);
      at = (at + 1) & 0xffff;
    }
    const flags = Atomics.load(this.#available, 0);
    const interrupts = at !== position && (flags & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
    return { position: at, isBroken: false, interrupts };
  }

  /**
   * Follows a chain; undefined if it loops, leaves the table or RAM, or has something to read after
   * something to write (§2.7.4.2).
   */
  #chain(head: number): Chain | undefined {
    const { size } = this.#place;
    const chain: Chain = { readable: new Buffers(), writable: new Buffers() };
    let index = head;
    for (let count = 0; count < size; count++) {
      if (index >= size) return undefined;
      const at = this.#descriptors + index * DESC_BYTES;
      const pa = this.#view.getUint32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
      const length = this.#view.getUint32(at + 8, true);
      const flags = this.#view.getUint16(at + 12, true);
      const next = this.#view.getUint16(at + 14, true);

      if ((flags & VIRTQ_DESC_F_INDIRECT) !== 0) return undefined;
      const isWritable = (flags & VIRTQ_DESC_F_WRITE) !== 0;
      if (!isWritable && chain.writable.length > 0) return undefined;
      if (length > 0) {
        const offset = this.#dma.locate(pa, length, isWritable ? 'write' : 'read');
        if (offset < 0) return undefined;
        const bytes = new Uint8Array(this.#dma.memory, offset, length);
        (isWritable ? chain.writable : chain.readable).append({ pa, bytes });
      }
      if ((flags & VIRTQ_DESC_F_NEXT) === 0) return chain;
      index = next;
    }
    return undefined;
  }

  #returnChain(position: number, head: number, written: number): void {
    const { size, used } = this.#place;
    const slot = 4 + 8 * (position % size);
    const element = this.#usedHeader.byteOffset + slot;
    this.#view.setUint32(element, head, true);
    this.#view.setUint32(element + 4, written, true);
    // The index publishes the element, hence the atomic store.
    Atomics.store(this.#usedHeader, 1, (position + 1) & 0xffff);
    this.#dma.wrote(used + slot, 8);
    this.#dma.wrote(used, 4);
  }
}
