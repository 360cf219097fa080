/**
 * The virtio entropy device: random bytes on request.
 *
 * "Entropy Device", VIRTIO 1.2 §5.4. In a deterministic run the bytes are SHA-256 of the run's seed and a
 * running number, so that the same seed gives the same bytes; else they are the host's.
 */
import { createHash, randomFillSync } from 'node:crypto';
import { i32, layout, type Field, type Layout, type Word32 } from 'sharedarraybuffer-utils';

import type { VirtioBackend } from './mmio.ts';

export const VIRTIO_ID_ENTROPY = 4;

/** Bytes given for one request; a driver that wants more asks again. */
const REQUEST_MAX_BYTES = 4096;

/** Where random bytes come from. Plain data. */
export type EntropySource =
  | { readonly kind: 'host' }
  | { readonly kind: 'seeded'; readonly seed: string };

type EntropyFields = { blocks: Field<Word32> };

export const EntropyState: Layout<EntropyFields> = layout('EntropyState', {
  blocks: i32.doc('Blocks made from the seed so far. Used under the queue lock.'),
});

export function createEntropyBackend(
  memory: SharedArrayBuffer,
  byteOffset: number,
  source: EntropySource,
): VirtioBackend {
  const { blocks } = EntropyState.at(memory, byteOffset);
  return {
    deviceId: VIRTIO_ID_ENTROPY,
    features: 0,
    queues: 1,
    config: new DataView(new ArrayBuffer(0)),
    serve: (_queue, { writable }) => {
      const bytes = new Uint8Array(Math.min(writable.length, REQUEST_MAX_BYTES));
      if (source.kind === 'host') randomFillSync(bytes);
      else fillFromSeed(bytes, source.seed, blocks);
      writable.fill(0, bytes);
      return bytes.length;
    },
  };
}

function fillFromSeed(bytes: Uint8Array, seed: string, blocks: Word32): void {
  for (let at = 0; at < bytes.length;) {
    const block = createHash('sha256').update(`entropy ${blocks.load()} ${seed}`).digest();
    blocks.store(blocks.load() + 1);
    bytes.set(block.subarray(0, bytes.length - at), at);
    at += block.length;
  }
}
