/**
 * The frame table: for each frame of RAM what it is used for, whose it is and how often it is mapped.
 * Guarded by the monitor's lock.
 */
import { FRAME, type FrameType } from './tables.ts';
import { RAM_FRAME } from './paging.ts';

const TYPE_MASK = 0xf;
const OWNER_SHIFT = 8;

export class Frames {
  readonly count: number;
  /** Type in the low bits, owner above. */
  readonly #info: Int32Array;
  /** User mappings: writable ones in the low half, executable ones in the high half; all in #maps. */
  readonly #maps: Int32Array;

  /** Two words a frame at a byte offset of the shared memory. */
  constructor(memory: SharedArrayBuffer, byteOffset: number, count: number) {
    this.count = count;
    this.#info = new Int32Array(memory, byteOffset, count);
    this.#maps = new Int32Array(memory, byteOffset + 4 * count, count);
  }

  /** Whether it is a frame of RAM at all. */
  has(frame: number): boolean {
    return Number.isInteger(frame) && frame >= RAM_FRAME && frame < RAM_FRAME + this.count;
  }

  type(frame: number): FrameType {
    return ((this.#info[frame - RAM_FRAME] as number) & TYPE_MASK) as FrameType;
  }

  owner(frame: number): number {
    return (this.#info[frame - RAM_FRAME] as number) >> OWNER_SHIFT;
  }

  setType(frame: number, type: FrameType, owner: number): void {
    this.#info[frame - RAM_FRAME] = type | (owner << OWNER_SHIFT);
  }

  /** All user mappings. */
  maps(frame: number): number {
    return (this.#maps[frame - RAM_FRAME] as number) & 0x3ff;
  }

  writableMaps(frame: number): number {
    return ((this.#maps[frame - RAM_FRAME] as number) >> 10) & 0x3ff;
  }

  executableMaps(frame: number): number {
    return ((this.#maps[frame - RAM_FRAME] as number) >> 20) & 0x3ff;
  }

  /** Counts a mapping in (by = 1) or out (by = -1). */
  countMap(frame: number, writable: boolean, executable: boolean, by: 1 | -1): void {
    const delta = 1 + (writable ? 1 << 10 : 0) + (executable ? 1 << 20 : 0);
    this.#maps[frame - RAM_FRAME] = (this.#maps[frame - RAM_FRAME] as number) + by * delta;
    if (this.maps(frame) === 0 && this.type(frame) === FRAME.USER)
      this.setType(frame, FRAME.CORE, 0);
  }
}

/** Mappings of one frame that the table can count. */
export const MAX_MAPS = 1000;
