/**
 * All devices of the machine over one region of shared memory.
 *
 * Every worker builds its own board over the same bytes, and so gets the same devices. One thread
 * calls `reset` once, before any hart runs.
 */
import { layout, type Field, type Layout, type View } from 'sharedarraybuffer-utils';

import { Bus, type InterruptLines } from '../bus.ts';
import type { Clock } from '../clock.ts';
import { MAX_HARTS, VIRTIO_SLOTS } from '../physical-map.ts';
import { Aclint, AclintState } from './aclint.ts';
import { Dma, type DmaHooks, type GuestRam } from './dma.ts';
import { attachDrive, type DriveHandle } from './drive.ts';
import { Finisher, FinisherState } from './finisher.ts';
import { Plic, PlicState } from './plic.ts';
import { Uart, UartState } from './uart.ts';
import { createBlockBackend } from './virtio/block.ts';
import { VirtioMmio, VirtioState } from './virtio/mmio.ts';

type StateOf<L> = L extends Layout<infer F> ? Field<View<F>> : never;

type SlotFields = Record<string, StateOf<typeof VirtioState>>;

const VirtioSlots: Layout<SlotFields> = layout(
  'VirtioSlots',
  Object.fromEntries(Array.from({ length: VIRTIO_SLOTS }, (_, slot) => [slot, VirtioState])),
);

type BoardFields = {
  finisher: StateOf<typeof FinisherState>;
  aclint: StateOf<typeof AclintState>;
  plic: StateOf<typeof PlicState>;
  uart: StateOf<typeof UartState>;
  virtio: Field<View<SlotFields>>;
};

export const BoardState: Layout<BoardFields> = layout('BoardState', {
  finisher: FinisherState,
  aclint: AclintState,
  plic: PlicState,
  uart: UartState,
  virtio: VirtioSlots,
});

export interface BoardDeps {
  readonly harts: number;
  readonly clock: Clock;
  readonly lines: InterruptLines;
  readonly ram: GuestRam;
  /** The drive in virtio slot 0, if any. */
  readonly drive?: DriveHandle;
  /** What the machine wants to know, or to decide, of the devices' accesses to RAM. */
  readonly dma?: DmaHooks;
  /** Another hart has changed this hart's timer: wake it. */
  deadlineMoved(hart: number): void;
  /** The guest asked to stop; called on the thread of the hart that did. */
  onExit(): void;
}

export interface Board {
  readonly bus: Bus;
  readonly finisher: Finisher;
  readonly aclint: Aclint;
  readonly plic: Plic;
  readonly uart: Uart;
  readonly virtio: readonly VirtioMmio[];
  /** Puts every device into its initial state; before any hart runs. */
  reset(): void;
}

export function createBoard(memory: SharedArrayBuffer, byteOffset: number, deps: BoardDeps): Board {
  if (deps.harts < 1 || deps.harts > MAX_HARTS) {
    throw new RangeError(`a machine has 1 to ${MAX_HARTS} harts, not ${deps.harts}`);
  }
  const at = (field: keyof BoardFields): number => byteOffset + BoardState.offset[field];
  const plic = new Plic(memory, at('plic'), deps);
  const aclint = new Aclint(memory, at('aclint'), deps);
  const finisher = new Finisher(memory, at('finisher'), deps);
  const uart = new Uart(memory, at('uart'), { interrupts: plic });
  const dma = new Dma(deps.ram, deps.dma);
  const block = deps.drive === undefined ? undefined : createBlockBackend(attachDrive(deps.drive));
  /** By slot; a slot without a backend is empty. */
  const backends = [block];
  const virtio = Object.values(VirtioSlots.offset).map((offset, slot) => {
    const slotDeps = { slot, backend: backends[slot], dma, interrupts: plic };
    return new VirtioMmio(memory, at('virtio') + offset, slotDeps);
  });
  return {
    bus: new Bus([plic, aclint, finisher, uart, ...virtio]),
    finisher,
    aclint,
    plic,
    uart,
    virtio,
    reset: () => {
      // The PLIC first: the others lower their lines at it.
      for (const device of [plic, aclint, finisher, uart, ...virtio]) device.reset();
    },
  };
}
