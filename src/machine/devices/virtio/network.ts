/**
 * The virtio network device. Its wire ends at a gateway that answers ARP, DHCP and pings at once, on the
 * thread of the hart that sent the frame; frames for anybody else go to the host's end of the wire.
 *
 * "Network Device", VIRTIO 1.2 §5.1, with one pair of queues, no offloads and no control queue.
 */
import { layout, type Field, type Layout, type View } from 'sharedarraybuffer-utils';

import { answer } from '../../net/gateway.ts';
import { FRAME_MAX_BYTES, GUEST_MAC } from '../../net/packets.ts';
import { ByteRing, byteRing, type ByteRingFields } from '../byte-ring.ts';
import type { VirtioBackend, VirtioMmio } from './mmio.ts';
import { BROKEN, WAIT, type Chain } from './split-queue.ts';

export const VIRTIO_ID_NETWORK = 1;
export const VIRTIO_NET_F_MAC: number = 1 << 5;

export const RECEIVE_QUEUE = 0;
export const TRANSMIT_QUEUE = 1;

/** `struct virtio_net_hdr` (§5.1.6), all zero but the number of buffers. */
const HEADER_BYTES = 12;
const NUM_BUFFERS_AT = 10;

const RING_BYTES = 1 << 18;
const LENGTH_BYTES = 2;
const ring: Layout<ByteRingFields> = byteRing(RING_BYTES);

type NetworkFields = { toGuest: Field<View<ByteRingFields>>; toHost: Field<View<ByteRingFields>> };

export const NetworkState: Layout<NetworkFields> = layout('NetworkState', {
  toGuest: ring.doc('Frames, each behind its length. Both ends are used under the queue lock.'),
  toHost: ring.doc('Produced under the queue lock, consumed by the host.'),
});

/** Whole frames over a byte ring. */
class FrameRing {
  readonly #ring: ByteRing;

  constructor(state: View<ByteRingFields>) {
    this.#ring = new ByteRing(state);
  }

  reset(): void {
    this.#ring.reset();
  }

  get isEmpty(): boolean {
    return this.#ring.length === 0;
  }

  /** False if there is no room: the frame is lost, as on a wire. */
  push(frame: Uint8Array): boolean {
    if (this.#ring.free < LENGTH_BYTES + frame.length) return false;
    const framed = new Uint8Array(LENGTH_BYTES + frame.length);
    framed[0] = frame.length & 0xff;
    framed[1] = frame.length >> 8;
    framed.set(frame, LENGTH_BYTES);
    this.#ring.push(framed);
    return true;
  }

  /** The oldest frame, in private memory. */
  take(): Uint8Array | undefined {
    if (this.isEmpty) return undefined;
    const low = this.#ring.take();
    return this.#ring.takeUpTo(low | (this.#ring.take() << 8));
  }
}

/** The host's end of the wire; one thread uses it. */
export interface WireEnd {
  /** The oldest frame that the guest sent to somebody beyond the gateway. */
  receive(): Uint8Array | undefined;
  /** False if the wire is full: the frame is lost. */
  send(frame: Uint8Array): boolean;
}

export class Network {
  readonly backend: VirtioBackend;
  readonly #toGuest: FrameRing;
  readonly #toHost: FrameRing;

  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    const state = NetworkState.at(memory, byteOffset);
    this.#toGuest = new FrameRing(state.toGuest);
    this.#toHost = new FrameRing(state.toHost);
    this.backend = {
      deviceId: VIRTIO_ID_NETWORK,
      features: VIRTIO_NET_F_MAC,
      queues: 2,
      config: new DataView(Uint8Array.from(GUEST_MAC).buffer),
      inputQueue: RECEIVE_QUEUE,
      hasInput: () => !this.#toGuest.isEmpty,
      serve: (queue, chain) => (queue === RECEIVE_QUEUE ? this.#receive(chain) : this.#send(chain)),
    };
  }

  /** Before any hart runs. */
  reset(): void {
    this.#toGuest.reset();
    this.#toHost.reset();
  }

  /** `slot` is the device's transport. */
  wireEnd(slot: VirtioMmio): WireEnd {
    return {
      receive: () => this.#toHost.take(),
      send: (frame) => slot.feed(() => this.#toGuest.push(frame)),
    };
  }

  /** A buffer too short for its frame loses it: without VIRTIO_NET_F_MRG_RXBUF one must do (§5.1.6.3.1). */
  #receive({ writable }: Chain): number {
    const frame = this.#toGuest.take();
    if (frame === undefined) return WAIT;
    if (writable.length < HEADER_BYTES + frame.length) return 0;
    const header = new Uint8Array(HEADER_BYTES);
    header[NUM_BUFFERS_AT] = 1;
    writable.fill(0, header);
    writable.fill(HEADER_BYTES, frame);
    return HEADER_BYTES + frame.length;
  }

  #send({ readable }: Chain): number {
    if (readable.length < HEADER_BYTES) return BROKEN;
    const length = readable.length - HEADER_BYTES;
    if (length > FRAME_MAX_BYTES) return 0;
    const frame = readable.copy(HEADER_BYTES, length);
    const reply = answer(frame);
    if (reply === 'pass on') this.#toHost.push(frame);
    else if (reply !== undefined) this.#toGuest.push(reply);
    return 0;
  }
}
