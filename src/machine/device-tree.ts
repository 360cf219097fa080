/**
 * The devicetree of the machine, as Linux and xv6 expect it of a board with these devices.
 *
 * Node and property names: Devicetree Specification v0.4 §3, and the Linux kernel's bindings
 * (Documentation/devicetree/bindings) riscv/cpus.yaml, riscv/extensions.yaml,
 * timer/sifive,clint.yaml, interrupt-controller/sifive,plic-1.0.0.yaml, serial/8250.yaml, rtc/google,goldfish-rtc.yaml,
 * virtio/mmio.yaml, power/reset/syscon-poweroff.yaml. The same configuration gives the same bytes.
 */
import { createHash } from 'node:crypto';

import { MIP_MEIP, MIP_MSIP, MIP_MTIP, MIP_SEIP } from './bus.ts';
import {
  cells,
  cells64,
  flag,
  text,
  writeTree,
  type Reservation,
  type TreeNode,
} from './devices/flattened-tree.ts';
import { FINISHER_PASS, FINISHER_RESET } from './devices/finisher.ts';
import { CACHE_BLOCK_BYTES } from './isa/cache.ts';
import {
  ACLINT,
  FINISHER,
  PLIC,
  PLIC_MAX_SOURCE,
  RAM_BASE,
  RTC,
  RTC_SOURCE,
  TIMEBASE_HZ,
  UART,
  UART_CLOCK_HZ,
  UART_SOURCE,
  virtioSlot,
  virtioSource,
  type PhysRange,
} from './physical-map.ts';

export interface DeviceTreeConfig {
  readonly harts: number;
  readonly ramBytes: number;
  /** The hart that boots. Default 0. */
  readonly bootHart?: number;
  /** An ISA string in lower case, as `rv64imac_zicsr_zifencei`; `g` may stand for imafd. */
  readonly isa: string;
  /** The virtio slots in which there is a device. */
  readonly virtioSlots: readonly number[];
  /** Parts of RAM that the kernel must neither use nor map: the monitor's. */
  readonly reserved?: readonly (Reservation & { readonly name: string })[];
  readonly bootargs?: string;
  /** Where the loader put the initial RAM disk. */
  readonly initrd?: PhysRange;
  /** What the kernel's random numbers start from; the same seed, the same run. */
  readonly seed: string;
}

/** An interrupt is one number; no address takes part in routing it. */
const INTERRUPT_PROVIDER = {
  '#address-cells': cells(0),
  '#interrupt-cells': cells(1),
  'interrupt-controller': flag(),
};

/** Phandles (§2.3.3): the numbers by which nodes refer to each other. */
const PLIC_PHANDLE = 1;
const FINISHER_PHANDLE = 2;
const FIRST_INTC_PHANDLE = 3;
const intcPhandle = (hart: number): number => FIRST_INTC_PHANDLE + hart;

export function createDeviceTree(config: DeviceTreeConfig): Uint8Array {
  const root = node(
    '',
    {
      '#address-cells': cells(2),
      '#size-cells': cells(2),
      compatible: text('cordon,machine', 'riscv-virtio'),
      model: text('cordon,machine'),
    },
    [
      chosen(config),
      node(`memory@${hex(RAM_BASE)}`, {
        device_type: text('memory'),
        reg: cells64(RAM_BASE, config.ramBytes),
      }),
      ...reservedMemory(config),
      cpus(config),
      soc(config),
      powerNode('poweroff', FINISHER_PASS),
      powerNode('reboot', FINISHER_RESET),
    ],
  );
  return writeTree({ root, reservations: [], bootHart: config.bootHart ?? 0 });
}

function chosen({ bootargs, initrd, seed }: DeviceTreeConfig): TreeNode {
  return node('chosen', {
    'stdout-path': text(`/soc/serial@${hex(UART.base)}`),
    ...(bootargs === undefined ? {} : { bootargs: text(bootargs) }),
    ...(initrd === undefined
      ? {}
      : {
          'linux,initrd-start': cells64(initrd.base),
          'linux,initrd-end': cells64(initrd.base + initrd.sizeBytes),
        }),
    'rng-seed': new Uint8Array(createHash('sha256').update(seed).digest()),
  });
}

function reservedMemory({ reserved = [] }: DeviceTreeConfig): TreeNode[] {
  if (reserved.length === 0) return [];
  const regions = reserved.map(({ name, base, sizeBytes }) =>
    node(`${name}@${hex(base)}`, { reg: cells64(base, sizeBytes), 'no-map': flag() }),
  );
  const properties = { '#address-cells': cells(2), '#size-cells': cells(2), ranges: flag() };
  return [node('reserved-memory', properties, regions)];
}

function cpus({ harts, isa }: DeviceTreeConfig): TreeNode {
  const { base, extensions } = parseIsa(isa);
  const isaProperties = {
    'riscv,isa': text(isa),
    'riscv,isa-base': text(base),
    'riscv,isa-extensions': text(...extensions),
    ...cacheBlockSizes(extensions),
  };
  return node(
    'cpus',
    {
      '#address-cells': cells(1),
      '#size-cells': cells(0),
      'timebase-frequency': cells(TIMEBASE_HZ),
    },
    range(harts).map((hart) => cpu(hart, isaProperties)),
  );
}

function cpu(hart: number, isaProperties: TreeNode['properties']): TreeNode {
  const intc = node('interrupt-controller', {
    compatible: text('riscv,cpu-intc'),
    ...INTERRUPT_PROVIDER,
    phandle: cells(intcPhandle(hart)),
  });
  const properties = {
    device_type: text('cpu'),
    reg: cells(hart),
    status: text('okay'),
    compatible: text('riscv'),
    ...isaProperties,
    'mmu-type': text('riscv,sv48'),
  };
  return node(`cpu@${hex(hart)}`, properties, [intc]);
}

function cacheBlockSizes(extensions: readonly string[]): TreeNode['properties'] {
  const sizes = ['cbom', 'cbop', 'cboz']
    .filter((operation) => extensions.includes(`zi${operation}`))
    .map((operation) => [`riscv,${operation}-block-size`, cells(CACHE_BLOCK_BYTES)] as const);
  return Object.fromEntries(sizes);
}

/** What `g` stands for ("RV32/64G Instruction Set Listings", Unpriv. spec 20250508). */
const G_LETTERS = 'imafd';
const G_EXTENSIONS = ['zicsr', 'zifencei'];

/** Takes an ISA string apart ("ISA Extension Naming Conventions", Unpriv. spec 20250508). */
function parseIsa(isa: string): { base: string; extensions: string[] } {
  const parsed = /^rv64([a-y]+)((?:_[a-z0-9]+)*)$/.exec(isa);
  if (parsed === null || !/^[ig]/.test(parsed[1] as string)) {
    throw new RangeError(`'${isa}' is no ISA string; write it as rv64imac_zicsr_zifencei`);
  }
  const [, letters, long] = parsed as unknown as [string, string, string];
  const isG = letters.startsWith('g');
  const single = isG ? G_LETTERS + letters.slice(1) : letters;
  const implied = isG ? G_EXTENSIONS : [];
  const extensions = new Set([...single, ...implied, ...long.split('_').filter(Boolean)]);
  return { base: 'rv64i', extensions: [...extensions] };
}

function soc(config: DeviceTreeConfig): TreeNode {
  const properties = {
    '#address-cells': cells(2),
    '#size-cells': cells(2),
    compatible: text('simple-bus'),
    ranges: flag(),
  };
  return node('soc', properties, [
    device('test', FINISHER, {
      compatible: text('sifive,test1', 'sifive,test0', 'syscon'),
      phandle: cells(FINISHER_PHANDLE),
    }),
    device('clint', ACLINT, {
      compatible: text('sifive,clint0', 'riscv,clint0'),
      'interrupts-extended': toHarts(config.harts, MIP_MSIP, MIP_MTIP),
    }),
    device('plic', PLIC, {
      compatible: text('sifive,plic-1.0.0', 'riscv,plic0'),
      ...INTERRUPT_PROVIDER,
      'interrupts-extended': toHarts(config.harts, MIP_MEIP, MIP_SEIP),
      'riscv,ndev': cells(PLIC_MAX_SOURCE),
      phandle: cells(PLIC_PHANDLE),
    }),
    device('serial', UART, {
      compatible: text('ns16550a'),
      'clock-frequency': cells(UART_CLOCK_HZ),
      ...interrupt(UART_SOURCE),
    }),
    device('rtc', RTC, {
      compatible: text('google,goldfish-rtc'),
      ...interrupt(RTC_SOURCE),
    }),
    ...config.virtioSlots.map((slot) =>
      device('virtio_mmio', virtioSlot(slot), {
        compatible: text('virtio,mmio'),
        ...interrupt(virtioSource(slot)),
      }),
    ),
  ]);
}

/** A write of `value` to the finisher does what the node is named after. */
function powerNode(name: 'poweroff' | 'reboot', value: number): TreeNode {
  return node(name, {
    compatible: text(`syscon-${name}`),
    regmap: cells(FINISHER_PHANDLE),
    offset: cells(0),
    value: cells(value),
  });
}

const device = (name: string, range: PhysRange, properties: TreeNode['properties']): TreeNode =>
  node(`${name}@${hex(range.base)}`, { reg: cells64(range.base, range.sizeBytes), ...properties });

const interrupt = (source: number): TreeNode['properties'] => ({
  'interrupt-parent': cells(PLIC_PHANDLE),
  interrupts: cells(source),
});

/** Interrupt lines into every hart, hart by hart: the order is that of the device's contexts. */
const toHarts = (harts: number, ...lines: readonly number[]): Uint8Array =>
  cells(...range(harts).flatMap((hart) => lines.flatMap((line) => [intcPhandle(hart), line])));

const node = (
  name: string,
  properties: TreeNode['properties'],
  children: readonly TreeNode[] = [],
): TreeNode => ({ name, properties, children });

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const hex = (value: number): string => value.toString(16);
