/**
 * Which parts of the shared memory are a machine's state, and their way into a snapshot and back. The
 * rest is what harts remember (soft TLBs, decoded pages, translated code), the debugger's words, and words
 * that are set anew (the reasons of an end).
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';

import { HartBlock } from '../../machine/core/hart-block.ts';
import { MODEL_OFFSET, ModelTlb } from '../../machine/core/tlb-model.ts';
import { BoardState } from '../../machine/devices/board.ts';
import { hartBase, type MemoryPlan } from '../../machine/memory-plan.ts';
import { CHUNK_BYTES, type ChunkFrame } from './format.ts';

interface Part {
  readonly start: number;
  readonly sizeBytes: number;
}

/** The modelled TLBs, which a machine that is made anew clears once more (`ModelledTlb.configure`). */
export const modelParts = (plan: MemoryPlan): Part[] =>
  Array.from({ length: plan.harts }, (_, hart) => ({
    start: hartBase(plan, hart) + MODEL_OFFSET,
    sizeBytes: ModelTlb.sizeBytes,
  }));

export function savedParts(plan: MemoryPlan): Part[] {
  const harts = Array.from({ length: plan.harts }, (_, hart) => hartBase(plan, hart));
  return [
    { start: plan.devices, sizeBytes: BoardState.sizeBytes },
    { start: plan.monitor, sizeBytes: plan.monitorBytes },
    { start: plan.reservations, sizeBytes: plan.hartAreas - plan.reservations },
    ...harts.map((start) => ({ start, sizeBytes: HartBlock.sizeBytes })),
    ...modelParts(plan),
    { start: plan.ram, sizeBytes: plan.ramBytes },
  ];
}

/** Chunks of a memory that are not all zero. */
export function* chunksOf(
  space: ChunkFrame['space'],
  memory: Uint8Array,
  parts: readonly Part[],
): Generator<ChunkFrame> {
  for (const { start, sizeBytes } of parts) {
    for (let at = start; at < start + sizeBytes; at += CHUNK_BYTES) {
      // A private copy: the compressor may read its input outside of this thread.
      const bytes = memory.slice(at, Math.min(at + CHUNK_BYTES, start + sizeBytes));
      if (isZero(bytes)) continue;
      yield { frame: 'chunk', space, at, compressed: zstdCompressSync(bytes) };
    }
  }
}

const ZEROS: Uint8Array = new Uint8Array(CHUNK_BYTES);

const isZero = (bytes: Uint8Array): boolean =>
  Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;

/** Makes parts of a memory what they were; chunks of other parts are left alone. */
export function putChunks(
  space: ChunkFrame['space'],
  memory: Uint8Array,
  parts: readonly Part[],
  chunks: readonly ChunkFrame[],
): void {
  for (const { start, sizeBytes } of parts) memory.fill(0, start, start + sizeBytes);
  for (const chunk of chunks) {
    if (chunk.space !== space) continue;
    const part = parts.find(
      ({ start, sizeBytes }) => chunk.at >= start && chunk.at < start + sizeBytes,
    );
    if (part === undefined) continue;
    const bytes = zstdDecompressSync(chunk.compressed, { maxOutputLength: CHUNK_BYTES });
    if (chunk.at + bytes.length > part.start + part.sizeBytes)
      throw new RangeError(`a chunk at ${chunk.at} is larger than its place`);
    memory.set(bytes, chunk.at);
  }
}
