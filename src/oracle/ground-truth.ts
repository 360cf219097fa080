/**
 * What the policy says about every frame, worked out from the contexts alone: which domain may do what to
 * it. Nothing here asks the nested kernel; it gets only where the memory that the monitor kept for itself
 * lies.
 */
import { RAM_BASE, type PhysRange } from '../machine/physical-map.ts';
import { PTE } from '../machine/page-table.ts';
import { parseAddress, type Contexts, type Region } from '../policy/contexts.ts';

/** Rights by domain id, as PTE bits. */
interface Piece {
  readonly name: string;
  readonly rights: readonly number[];
}

interface Device {
  readonly owner: number;
  readonly start: number;
  readonly end: number;
}

export interface WindowRange {
  /** High half of all its addresses. */
  readonly high: number;
  readonly low: number;
  readonly bytes: number;
}

const R = PTE.R;
const RW = PTE.R | PTE.W;
const RX = PTE.R | PTE.X;

export class GroundTruth {
  readonly frames: number;
  readonly names: readonly string[];
  readonly windows: readonly (WindowRange | undefined)[];
  readonly #pieces: Piece[] = [];
  /** Piece by frame, plus one; 0: nobody's in particular. */
  readonly #pieceOf: Uint16Array;
  readonly #devices: Device[] = [];
  readonly #mayCall: readonly (readonly boolean[])[];

  constructor(contexts: Contexts, ramBytes: number, monitorOwn: PhysRange) {
    this.frames = ramBytes / 4096;
    this.names = contexts.domains.map(({ name }) => name);
    this.#pieceOf = new Uint16Array(this.frames);
    const own = (owner: number, rights: number): number[] =>
      contexts.domains.map(({ id }) => (id === owner ? rights : 0));
    for (const { id, name, text, rodata, data, stacks, mmio } of contexts.domains) {
      this.#add(`text of ${name}`, text, own(id, RX));
      this.#add(`constants of ${name}`, rodata, own(id, R));
      this.#add(`data of ${name}`, data, own(id, RW));
      this.#add(`stacks of ${name}`, stacks, own(id, RW));
      for (const { region } of mmio) {
        const start = Number(parseAddress(region.startPhys));
        this.#devices.push({ owner: id, start, end: start + region.sizeBytes });
      }
    }
    this.#add(
      'gates',
      contexts.gateRegion,
      contexts.domains.map(() => PTE.X),
    );
    for (const { name, region, grants } of contexts.shares) {
      const rights = contexts.domains.map(({ id }) => {
        const grant = grants.find(({ domain }) => domain === id);
        return grant === undefined ? 0 : grant.access === 'r' ? R : RW;
      });
      this.#add(`share ${name}`, region, rights);
    }
    // The core may look at page tables; nobody may write them.
    this.#addFrames('page tables', monitorOwn.base, monitorOwn.sizeBytes, own(0, R));
    this.windows = contexts.domains.map(({ window }) => {
      if (window === null) return undefined;
      const start = parseAddress(window.start);
      return {
        low: Number(start & 0xffffffffn) | 0,
        high: Number(start >> 32n) | 0,
        bytes: window.sizeBytes,
      };
    });
    this.#mayCall = contexts.domains.map(({ id: from }) =>
      contexts.domains.map(({ id: to }) =>
        contexts.gates.some(({ caller, callee }) => caller === from && callee === to),
      ),
    );
  }

  #add(name: string, region: Region | null, rights: readonly number[]): void {
    if (region === null) return;
    this.#addFrames(name, Number(parseAddress(region.startPhys)), region.sizeBytes, rights);
  }

  #addFrames(name: string, start: number, bytes: number, rights: readonly number[]): void {
    this.#pieces.push({ name, rights });
    const first = (start - RAM_BASE) / 4096;
    this.#pieceOf.fill(this.#pieces.length, first, first + Math.ceil(bytes / 4096));
  }

  /** Whose a frame is by the policy; undefined if it says nothing about it. */
  piece(frame: number): Piece | undefined {
    return this.#pieces[(this.#pieceOf[frame] as number) - 1];
  }

  ownsDevice(domain: number, physical: number): boolean {
    return this.#devices.some(
      ({ owner, start, end }) => owner === domain && physical >= start && physical < end,
    );
  }

  isInWindow(domain: number, low: number, high: number): boolean {
    const window = this.windows[domain];
    return window !== undefined && high === window.high && (low - window.low) >>> 0 < window.bytes;
  }

  /** Whether a gate leads from one to the other. */
  mayCall(from: number, to: number): boolean {
    return this.#mayCall[from]?.[to] ?? false;
  }
}
