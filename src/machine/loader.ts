/**
 * What lies in RAM before the first instruction: a kernel where its file says, and at the end of RAM the
 * initial RAM disk and below it the devicetree.
 */
import type { Machine } from './machine.ts';
import { RAM_BASE, type PhysRange } from './physical-map.ts';

/** A file that cannot run on this machine; the message says what to change. */
export class ImageError extends Error {}

export interface Segment {
  readonly physical: number;
  readonly data: Uint8Array;
  /** The bytes beyond `data` are zero. */
  readonly sizeBytes: number;
}

/** An executable as it lies in RAM. */
export interface LoadImage {
  readonly name: string;
  readonly segments: readonly Segment[];
  /** Physical address of the first instruction. */
  readonly entry: number;
}

const hex = (address: number): string => `0x${address.toString(16)}`;

/** Copies an image into RAM, which ends at `end` for it. @throws ImageError */
export function loadSegments(machine: Machine, image: LoadImage, end: number): void {
  for (const { physical, data, sizeBytes } of image.segments) {
    if (physical < RAM_BASE || physical + sizeBytes > end) {
      throw new ImageError(
        `'${image.name}' needs ${hex(physical)} to ${hex(physical + sizeBytes)}, but RAM is free from ` +
          `${hex(RAM_BASE)} to ${hex(end)}; link it for this board or give it more with --memory`,
      );
    }
    machine.load(physical, data);
  }
}

/** Where the last of some images ends. */
export const endOf = (images: readonly LoadImage[]): number =>
  Math.max(
    RAM_BASE,
    ...images.flatMap(({ segments }) =>
      segments.map(({ physical, sizeBytes }) => physical + sizeBytes),
    ),
  );

/** What goes to the end of RAM. */
export interface Enclosures {
  readonly initrd?: Uint8Array;
  tree(initrd: PhysRange | undefined): Uint8Array;
}

const pageBelow = (end: number, bytes: number): number => Math.floor((end - bytes) / 4096) * 4096;

/** Loads both below `end`, above everything in `images`; returns the devicetree's address. @throws ImageError */
export function loadEnclosures(
  machine: Machine,
  images: readonly LoadImage[],
  end: number,
  { initrd, tree: makeTree }: Enclosures,
): number {
  const initrdAt = initrd === undefined ? end : pageBelow(end, initrd.length);
  const tree = makeTree(
    initrd === undefined ? undefined : { base: initrdAt, sizeBytes: initrd.length },
  );
  const treeAt = pageBelow(initrdAt, tree.length);
  const imageEnd = endOf(images);
  if (treeAt < imageEnd) {
    const names = images.map(({ name }) => `'${name}'`).join(' and ');
    throw new ImageError(
      `beside ${names}, which ends at ${hex(imageEnd)}, there is no room for ` +
        `${initrd === undefined ? '' : `an initial RAM disk of ${initrd.length} bytes and `}the devicetree; ` +
        'give the machine more with --memory',
    );
  }
  if (initrd !== undefined) machine.load(initrdAt, initrd);
  machine.load(treeAt, tree);
  return treeAt;
}
