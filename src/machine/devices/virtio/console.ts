/**
 * The virtio console: one port, a byte ring each way.
 *
 * "Console Device", VIRTIO 1.2 §5.3, without VIRTIO_CONSOLE_F_MULTIPORT. Unlike the serial port it
 * moves whole buffers, and one that does not fit waits in its queue until the console has read: nothing
 * is lost and no hart is held up.
 */
import { layout, type Field, type Layout, type View } from 'sharedarraybuffer-utils';

import { ByteRing, byteRing, type ByteRingFields } from '../byte-ring.ts';
import type { ConsoleEnd } from '../uart.ts';
import type { VirtioBackend, VirtioMmio } from './mmio.ts';
import { WAIT, type Chain } from './split-queue.ts';

export const VIRTIO_ID_CONSOLE = 3;

export const RECEIVE_QUEUE = 0;
export const TRANSMIT_QUEUE = 1;

const INPUT_BYTES = 1 << 12;
const OUTPUT_BYTES = 1 << 16;

const inputRing: Layout<ByteRingFields> = byteRing(INPUT_BYTES);
const outputRing: Layout<ByteRingFields> = byteRing(OUTPUT_BYTES);

type VirtioConsoleFields = {
  input: Field<View<ByteRingFields>>;
  output: Field<View<ByteRingFields>>;
};

export const VirtioConsoleState: Layout<VirtioConsoleFields> = layout('VirtioConsoleState', {
  input: inputRing.doc(
    'Produced by the console, consumed by the device; both under the queue lock.',
  ),
  output: outputRing.doc('Produced by the device under the queue lock, consumed by the console.'),
});

export class VirtioConsole {
  readonly backend: VirtioBackend;
  readonly #input: ByteRing;
  readonly #output: ByteRing;

  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    const state = VirtioConsoleState.at(memory, byteOffset);
    this.#input = new ByteRing(state.input);
    this.#output = new ByteRing(state.output);
    this.backend = {
      deviceId: VIRTIO_ID_CONSOLE,
      features: 0,
      queues: 2,
      config: new DataView(new ArrayBuffer(0)),
      inputQueue: RECEIVE_QUEUE,
      hasInput: () => this.#input.length > 0,
      serve: (queue, chain) => (queue === RECEIVE_QUEUE ? this.#receive(chain) : this.#send(chain)),
    };
  }

  /** Before any hart runs. */
  reset(): void {
    this.#input.reset();
    this.#output.reset();
  }

  /** The end that the owner of the terminal uses. `slot` is the device's transport. */
  consoleEnd(slot: VirtioMmio): ConsoleEnd {
    return {
      readOutput: () => {
        const taken = this.#output.takeAll();
        if (taken.length > 0) slot.resume(TRANSMIT_QUEUE);
        return taken;
      },
      writeInput: (source) => slot.feed(() => this.#input.push(source)),
      dropped: () => 0,
    };
  }

  #receive({ writable }: Chain): number {
    if (this.#input.length === 0) return WAIT;
    const bytes = this.#input.takeUpTo(writable.length);
    writable.fill(0, bytes);
    return bytes.length;
  }

  /** A buffer larger than the ring could never go in one piece: as much as fits goes, the rest is cut. */
  #send({ readable }: Chain): number {
    const length = Math.min(readable.length, OUTPUT_BYTES);
    if (this.#output.free < length) return WAIT;
    this.#output.push(readable.copy(0, length));
    return 0;
  }
}
