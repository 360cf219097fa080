/**
 * All devices of the machine over one region of shared memory.
 *
 * Every worker builds its own board over the same bytes, and so gets the same devices. One thread
 * calls `reset` once, before any hart runs.
 */
import { layout, type Field, type Layout, type View } from 'sharedarraybuffer-utils';

import { Bus, type InterruptLines } from '../bus.ts';
import type { Clock } from '../clock.ts';
import { MAX_HARTS, VIRTIO_SLOT, VIRTIO_SLOTS } from '../physical-map.ts';
import { Aclint, AclintState } from './aclint.ts';
import { Dma, type DmaHooks, type GuestRam } from './dma.ts';
import { attachDrive, type DriveHandle } from './drive.ts';
import { Finisher, FinisherState } from './finisher.ts';
import { GoldfishRtc, RtcState } from './goldfish-rtc.ts';
import { Plic, PlicState } from './plic.ts';
import { Uart, UartState, type ConsoleEnd } from './uart.ts';
import { createBlockBackend } from './virtio/block.ts';
import { VirtioConsole, VirtioConsoleState } from './virtio/console.ts';
import { createEntropyBackend, EntropyState, type EntropySource } from './virtio/entropy.ts';
import { VirtioMmio, VirtioState, type VirtioBackend } from './virtio/mmio.ts';
import { Network, NetworkState, type WireEnd } from './virtio/network.ts';

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
  rtc: StateOf<typeof RtcState>;
  virtio: Field<View<SlotFields>>;
  network: StateOf<typeof NetworkState>;
  entropy: StateOf<typeof EntropyState>;
  virtioConsole: StateOf<typeof VirtioConsoleState>;
};

export const BoardState: Layout<BoardFields> = layout('BoardState', {
  finisher: FinisherState,
  aclint: AclintState,
  plic: PlicState,
  uart: UartState,
  rtc: RtcState,
  virtio: VirtioSlots,
  network: NetworkState,
  entropy: EntropyState,
  virtioConsole: VirtioConsoleState,
});

/** What is plugged into the virtio slots; plain data. */
export interface Peripherals {
  readonly drive?: DriveHandle;
  readonly hasNetwork?: boolean;
  readonly entropy?: EntropySource;
  /** A second console; the serial port stays. */
  readonly hasVirtioConsole?: boolean;
}

/** The peripherals among other things. */
export const peripheralsOf = ({
  drive,
  hasNetwork,
  entropy,
  hasVirtioConsole,
}: Peripherals): Peripherals => ({
  ...(drive === undefined ? {} : { drive }),
  ...(hasNetwork === undefined ? {} : { hasNetwork }),
  ...(entropy === undefined ? {} : { entropy }),
  ...(hasVirtioConsole === undefined ? {} : { hasVirtioConsole }),
});

/** The virtio slots in which there is a device. */
export const slotsOf = (peripherals: Peripherals): number[] => [
  ...(peripherals.drive === undefined ? [] : [VIRTIO_SLOT.BLOCK]),
  ...(peripherals.hasNetwork === true ? [VIRTIO_SLOT.NETWORK] : []),
  ...(peripherals.entropy === undefined ? [] : [VIRTIO_SLOT.ENTROPY]),
  ...(peripherals.hasVirtioConsole === true ? [VIRTIO_SLOT.CONSOLE] : []),
];

export interface BoardDeps extends Peripherals {
  readonly harts: number;
  readonly clock: Clock;
  /** Milliseconds since 1970 at which the machine started. */
  readonly epochMs: number;
  readonly lines: InterruptLines;
  readonly ram: GuestRam;
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
  readonly rtc: GoldfishRtc;
  readonly virtio: readonly VirtioMmio[];
  /** The host's end of the network's wire; undefined without a network. */
  readonly wire: WireEnd | undefined;
  /** The end of the virtio console's line; undefined without one. */
  readonly virtioConsole: ConsoleEnd | undefined;
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
  const rtc = new GoldfishRtc(memory, at('rtc'), { ...deps, interrupts: plic });
  const dma = new Dma(deps.ram, deps.dma);
  const network = new Network(memory, at('network'));
  const virtioConsole = new VirtioConsole(memory, at('virtioConsole'));
  /** By slot; a slot without a backend is empty. */
  const backends = new Map<number, VirtioBackend>();
  if (deps.drive !== undefined)
    backends.set(VIRTIO_SLOT.BLOCK, createBlockBackend(attachDrive(deps.drive)));
  if (deps.hasNetwork === true) backends.set(VIRTIO_SLOT.NETWORK, network.backend);
  if (deps.entropy !== undefined)
    backends.set(VIRTIO_SLOT.ENTROPY, createEntropyBackend(memory, at('entropy'), deps.entropy));
  if (deps.hasVirtioConsole === true) backends.set(VIRTIO_SLOT.CONSOLE, virtioConsole.backend);
  const virtio = Object.values(VirtioSlots.offset).map((offset, slot) => {
    const slotDeps = { slot, backend: backends.get(slot), dma, interrupts: plic };
    return new VirtioMmio(memory, at('virtio') + offset, slotDeps);
  });
  const slot = (index: number): VirtioMmio => virtio[index] as VirtioMmio;
  return {
    bus: new Bus([plic, aclint, finisher, uart, rtc, ...virtio]),
    finisher,
    aclint,
    plic,
    uart,
    rtc,
    virtio,
    wire: deps.hasNetwork === true ? network.wireEnd(slot(VIRTIO_SLOT.NETWORK)) : undefined,
    virtioConsole:
      deps.hasVirtioConsole === true
        ? virtioConsole.consoleEnd(slot(VIRTIO_SLOT.CONSOLE))
        : undefined,
    reset: () => {
      // The PLIC first: the others lower their lines at it.
      for (const device of [plic, aclint, finisher, uart, rtc, ...virtio, network, virtioConsole])
        device.reset();
      EntropyState.at(memory, at('entropy')).blocks.store(0);
    },
  };
}
