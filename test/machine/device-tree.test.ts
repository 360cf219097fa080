import { spawnSync } from 'node:child_process';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createDeviceTree, type DeviceTreeConfig } from '../../src/machine/device-tree.ts';
import {
  cells64,
  readCells,
  readText,
  readTree,
  text,
  writeTree,
  type TreeNode,
} from '../../src/machine/devices/flattened-tree.ts';

const config: DeviceTreeConfig = {
  harts: 3,
  ramBytes: 128 << 20,
  isa: 'rv64imac_zicsr_zifencei_sstc',
  virtioSlots: [0],
  bootargs: 'console=ttyS0 root=/dev/vda',
  initrd: { base: 0x8400_0000, sizeBytes: 0x12345 },
  reserved: [{ name: 'monitor', base: 0x8000_0000, sizeBytes: 0x20_0000 }],
  seed: 'one',
};

const rootOf = (options: Partial<DeviceTreeConfig> = {}): TreeNode =>
  readTree(createDeviceTree({ ...config, ...options })).root;

/** The node at a path as `/soc/plic@c000000`. */
function at(root: TreeNode, path: string): TreeNode {
  const names = path.split('/').filter(Boolean);
  const found = names.reduce<TreeNode | undefined>(
    (node, name) => node?.children.find((child) => child.name === name),
    root,
  );
  if (found === undefined) throw new Error(`no node ${path}`);
  return found;
}

const numbers = (root: TreeNode, path: string, property: string): number[] =>
  readCells(at(root, path).properties[property] ?? new Uint8Array(0));

const strings = (root: TreeNode, path: string, property: string): string[] =>
  readText(at(root, path).properties[property] ?? new Uint8Array(0));

/** Every node of a tree. */
function* nodes(root: TreeNode): Generator<TreeNode> {
  yield root;
  for (const child of root.children) yield* nodes(child);
}

describe('the machine’s devicetree', () => {
  it('has a cpu with its own interrupt controller for every hart', () => {
    const root = rootOf();
    expect(at(root, '/cpus').children.map(({ name }) => name)).toEqual(['cpu@0', 'cpu@1', 'cpu@2']);
    expect(numbers(root, '/cpus', 'timebase-frequency')).toEqual([10_000_000]);
    expect(strings(root, '/cpus/cpu@2', 'mmu-type')).toEqual(['riscv,sv48']);
    const phandles = [0, 1, 2].map((hart) =>
      numbers(root, `/cpus/cpu@${hart}/interrupt-controller`, 'phandle'),
    );
    expect(new Set(phandles.flat()).size).toBe(3);
  });

  it('names hart 63 in hexadecimal, as unit addresses are', () => {
    const root = rootOf({ harts: 64 });
    expect(numbers(root, '/cpus/cpu@3f', 'reg')).toEqual([63]);
  });

  it('gives the ISA whole and in parts', () => {
    const root = rootOf();
    expect(strings(root, '/cpus/cpu@0', 'riscv,isa')).toEqual(['rv64imac_zicsr_zifencei_sstc']);
    expect(strings(root, '/cpus/cpu@0', 'riscv,isa-base')).toEqual(['rv64i']);
    expect(strings(root, '/cpus/cpu@0', 'riscv,isa-extensions')).toEqual([
      'i',
      'm',
      'a',
      'c',
      'zicsr',
      'zifencei',
      'sstc',
    ]);
  });

  it('spells out g, and gives block sizes for cache-block operations', () => {
    const root = rootOf({ isa: 'rv64gc_zicboz' });
    expect(strings(root, '/cpus/cpu@0', 'riscv,isa-extensions')).toEqual([
      'i',
      'm',
      'a',
      'f',
      'd',
      'c',
      'zicsr',
      'zifencei',
      'zicboz',
    ]);
    expect(numbers(root, '/cpus/cpu@0', 'riscv,cboz-block-size')).toEqual([64]);
    expect(at(root, '/cpus/cpu@0').properties['riscv,cbom-block-size']).toBeUndefined();
  });

  it('refuses what is no ISA string', () => {
    for (const isa of ['RV64IMAC', 'rv32imac', 'rv64', 'rv64mac', 'rv64i_', 'rv64i__a']) {
      expect(() => rootOf({ isa })).toThrow(/rv64imac_zicsr_zifencei/);
    }
  });

  it('wires PLIC contexts in the order M, S of hart 0, 1, …', () => {
    const root = rootOf({ harts: 2 });
    const [intc0, intc1] = [0, 1].map(
      (hart) => numbers(root, `/cpus/cpu@${hart}/interrupt-controller`, 'phandle')[0],
    );
    expect(numbers(root, '/soc/plic@c000000', 'interrupts-extended')).toEqual([
      intc0,
      11,
      intc0,
      9,
      intc1,
      11,
      intc1,
      9,
    ]);
    expect(numbers(root, '/soc/clint@2000000', 'interrupts-extended')).toEqual([
      intc0,
      3,
      intc0,
      7,
      intc1,
      3,
      intc1,
      7,
    ]);
  });

  it('points every interrupt and every regmap at a node that exists', () => {
    const root = rootOf();
    const all = [...nodes(root)];
    const phandles = new Set(
      all.flatMap(({ properties }) => readCells(properties['phandle'] ?? new Uint8Array(0))),
    );
    const used = all.flatMap(({ properties }) =>
      ['interrupt-parent', 'regmap'].flatMap((name) =>
        readCells(properties[name] ?? new Uint8Array(0)),
      ),
    );
    expect(used).toHaveLength(5);
    expect(used.filter((phandle) => !phandles.has(phandle))).toEqual([]);
  });

  it('tells the console, the command line, the RAM disk and RAM', () => {
    const root = rootOf();
    const [stdout] = strings(root, '/chosen', 'stdout-path');
    expect(strings(root, stdout as string, 'compatible')).toEqual(['ns16550a']);
    expect(strings(root, '/chosen', 'bootargs')).toEqual(['console=ttyS0 root=/dev/vda']);
    expect(numbers(root, '/chosen', 'linux,initrd-start')).toEqual([0, 0x8400_0000]);
    expect(numbers(root, '/chosen', 'linux,initrd-end')).toEqual([0, 0x8401_2345]);
    expect(numbers(root, '/memory@80000000', 'reg')).toEqual([0, 0x8000_0000, 0, 128 << 20]);
    expect(numbers(root, '/memory@80000000', 'reg')).toHaveLength(4);
  });

  it('keeps the kernel out of reserved memory', () => {
    const root = rootOf();
    const monitor = at(root, '/reserved-memory/monitor@80000000');
    expect(readCells(monitor.properties['reg'] as Uint8Array)).toEqual([
      0, 0x8000_0000, 0, 0x20_0000,
    ]);
    expect(monitor.properties['no-map']).toHaveLength(0);
  });

  it('leaves out what is not there', () => {
    const root = readTree(
      createDeviceTree({ harts: 1, ramBytes: 1 << 20, isa: 'rv64i', virtioSlots: [], seed: '' }),
    ).root;
    expect(root.children.map(({ name }) => name)).not.toContain('reserved-memory');
    expect(at(root, '/soc').children.some(({ name }) => name.startsWith('virtio'))).toBe(false);
    expect(Object.keys(at(root, '/chosen').properties)).toEqual(['stdout-path', 'rng-seed']);
  });

  it('is the same for the same seed and has other random numbers for another', () => {
    expect(createDeviceTree(config)).toEqual(createDeviceTree({ ...config }));
    const seedOf = (seed: string): number[] => numbers(rootOf({ seed }), '/chosen', 'rng-seed');
    expect(seedOf('one')).toHaveLength(8);
    expect(seedOf('one')).not.toEqual(seedOf('two'));
  });
});

const hasDtc = spawnSync('dtc', ['--version']).error === undefined;
const dtc = (blob: Uint8Array): { source: string; complaints: string } => {
  const { stdout, stderr, status } = spawnSync('dtc', ['-I', 'dtb', '-O', 'dts'], { input: blob });
  if (status !== 0) throw new Error(`dtc: ${String(stderr)}`);
  return { source: String(stdout), complaints: String(stderr) };
};

describe.skipIf(!hasDtc)(
  `dtc${hasDtc ? '' : ' (not installed: install device-tree-compiler)'}`,
  () => {
    it('reads the blob without a warning', () => {
      const { source, complaints } = dtc(createDeviceTree(config));
      expect(complaints).toBe('');
      expect(source).toContain('stdout-path = "/soc/serial@10000000"');
      expect(source).toContain('timebase-frequency = <0x989680>');
    });

    it('writes the same tree back that we wrote', () => {
      const blob = createDeviceTree(config);
      const source = dtc(blob).source;
      const { stdout } = spawnSync('dtc', ['-I', 'dts', '-O', 'dtb'], { input: source });
      expect(readTree(new Uint8Array(stdout)).root).toEqual(readTree(blob).root);
    });
  },
);

describe('a flattened tree', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9,-]{0,8}$/);
  const value = fc.uint8Array({ maxLength: 9 });
  const tree = fc.letrec<{ node: TreeNode }>((tie) => ({
    node: fc.record({
      name,
      properties: fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true }),
      children: fc.oneof({ maxDepth: 3 }, fc.constant([]), fc.array(tie('node'), { maxLength: 3 })),
    }),
  })).node;
  const reservation = fc.record({
    base: fc.integer({ min: 1, max: 2 ** 50 }),
    sizeBytes: fc.integer({ min: 1, max: 2 ** 40 }),
  });

  it('reads back as it was written', () => {
    fc.assert(
      fc.property(
        tree,
        fc.array(reservation, { maxLength: 3 }),
        fc.nat(63),
        (root, reservations, bootHart) => {
          const blob = { root, reservations, bootHart };
          expect(readTree(writeTree(blob))).toEqual(blob);
        },
      ),
    );
  });

  it('holds 64-bit numbers beyond 32 bits, high cell first', () => {
    expect(readCells(cells64(0x12_3456_789a))).toEqual([0x12, 0x3456_789a]);
  });

  it('refuses a string that would end early', () => {
    expect(() => text('a\0b')).toThrow(/NUL/);
  });

  it('is refused if it is something else, cut short or of another version', () => {
    const blob = createDeviceTree(config);
    expect(() => readTree(new Uint8Array(64))).toThrow(/magic/);
    expect(() => readTree(blob.subarray(0, 100))).toThrow(/of which 100/);
    const other = blob.slice();
    other[23] = 16;
    expect(() => readTree(other)).toThrow(/version 16/);
  });
});
