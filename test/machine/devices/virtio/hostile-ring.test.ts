/**
 * Whatever a guest puts into its ring, the device returns, throws nothing, writes nothing outside
 * RAM and never through a buffer that was not given to be written.
 *
 * The rings are working ones, damaged in a few places: pure noise would be refused at its first
 * descriptor and test nothing behind it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { memoryDrive } from '../../../../src/machine/devices/drive.ts';
import { REG, STATUS_NEEDS_RESET } from '../../../../src/machine/devices/virtio/mmio.ts';
import {
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
} from '../../../../src/machine/devices/virtio/split-queue.ts';
import { RAM_BASE } from '../../../../src/machine/physical-map.ts';
import { createMachine, RAM_BYTES, type TestMachine } from '../fixtures.ts';
import type { Descriptor } from './driver-queue.ts';
import { AVAILABLE, BUFFERS, Driver, USED } from './driver.ts';

const SIZE = 16;
const REQUESTS = 5;
const PARTS = 3;

interface Request {
  readonly type: number;
  readonly sector: number;
  readonly dataBytes: number;
  readonly isWritable: boolean;
}

type Damage = { readonly at: number } & (
  | { readonly field: keyof Descriptor; readonly value: number }
  | { readonly field: 'head'; readonly value: number }
);

interface Ring {
  readonly requests: readonly Request[];
  readonly damages: readonly Damage[];
  /** What the available index claims. */
  readonly made: number;
}

const request: fc.Arbitrary<Request> = fc.record({
  type: fc.constantFrom(0, 0, 1, 1, 4, 8, 77),
  sector: fc.constantFrom(0, 1, 7, 8, 2 ** 40),
  dataBytes: fc.constantFrom(0, 20, 512, 513, 1024),
  isWritable: fc.boolean(),
});

const address = fc.oneof(
  fc.integer({ min: RAM_BASE, max: RAM_BASE + RAM_BYTES }),
  fc.constantFrom(0, RAM_BASE - 1, RAM_BASE + RAM_BYTES - 8, 2 ** 32, 2 ** 53),
);
const short = fc.oneof(fc.nat(SIZE), fc.nat(0xffff));
const at = fc.nat(SIZE - 1);
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ at, field: fc.constant('pa' as const), value: address }),
  fc.record({
    at,
    field: fc.constant('length' as const),
    value: fc.oneof(fc.nat(2000), fc.nat(0xffff_ffff)),
  }),
  fc.record({
    at,
    field: fc.constant('flags' as const),
    value: fc.oneof(fc.nat(7), fc.nat(0xffff)),
  }),
  fc.record({ at, field: fc.constant('next' as const), value: short }),
  fc.record({ at: fc.nat(REQUESTS - 1), field: fc.constant('head' as const), value: short }),
);
const ring: fc.Arbitrary<Ring> = fc.record({
  requests: fc.array(request, { minLength: REQUESTS, maxLength: REQUESTS }),
  damages: fc.array(damage, { maxLength: 3 }),
  made: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 1, max: SIZE }) },
    { weight: 1, arbitrary: fc.nat(0xffff) },
  ),
});

/** Three descriptors a request, each request in its own 4 KiB, at head 3n. */
function descriptorsOf({ requests, damages }: Ring): Descriptor[] {
  const table = requests.flatMap(({ dataBytes, isWritable }, n): Descriptor[] => {
    const pa = RAM_BASE + BUFFERS + 0x1000 * n;
    const first = PARTS * n;
    const dataFlags = VIRTQ_DESC_F_NEXT | (isWritable ? VIRTQ_DESC_F_WRITE : 0);
    return [
      { pa, length: 16, flags: VIRTQ_DESC_F_NEXT, next: first + 1 },
      { pa: pa + 0x200, length: dataBytes, flags: dataFlags, next: first + 2 },
      { pa: pa + 0x100, length: 1, flags: VIRTQ_DESC_F_WRITE, next: 0 },
    ];
  });
  table.push({ pa: 0, length: 0, flags: 0, next: 0 });
  for (const { at: index, field, value } of damages) {
    if (field !== 'head') table[index] = { ...(table[index] as Descriptor), [field]: value };
  }
  return table;
}

interface Aftermath {
  readonly machine: TestMachine;
  readonly driver: Driver;
  readonly ramBefore: Uint8Array;
  readonly isStopped: boolean;
}

function attack(given: Ring): Aftermath {
  const machine = createMachine({ drive: memoryDrive(new SharedArrayBuffer(8 * 512)) });
  const driver = new Driver(machine, SIZE);
  driver.start();
  machine.ram.fill(0x22, BUFFERS);
  given.requests.forEach(({ type, sector }, n) =>
    driver.header(type, sector, BUFFERS + 0x1000 * n),
  );
  descriptorsOf(given).forEach((descriptor, index) => driver.setDescriptor(index, descriptor));
  for (let slot = 0; slot < SIZE; slot++) {
    const damaged = given.damages.find((one) => one.field === 'head' && one.at === slot);
    const head = damaged?.value ?? PARTS * (slot % REQUESTS);
    driver.ram.setUint16(AVAILABLE + 4 + 2 * slot, head, true);
  }
  driver.availableIndex = given.made;
  const ramBefore = machine.ram.slice();
  driver.write(REG.QUEUE_NOTIFY, 0);
  const isStopped = (driver.read(REG.STATUS) & STATUS_NEEDS_RESET) !== 0;
  return { machine, driver, ramBefore, isStopped };
}

/** A writable buffer lies over the rings: what the device then reads is no longer what was given. */
const aimsAtRings = (given: Ring): boolean =>
  descriptorsOf(given).some(
    ({ pa, length, flags }) =>
      (flags & VIRTQ_DESC_F_WRITE) !== 0 && pa < RAM_BASE + BUFFERS && pa + length > RAM_BASE,
  );

describe('a hostile ring', () => {
  it('makes the device write only to its used ring and to buffers given to be written', () => {
    fc.assert(
      fc.property(ring, (given) => {
        fc.pre(!aimsAtRings(given));
        const { machine, ramBefore } = attack(given);
        expect(machine.isGuardIntact()).toBe(true);
        const allowed = new Uint8Array(RAM_BYTES);
        allowed.fill(1, USED, USED + 4 + 8 * SIZE);
        for (const { pa, length, flags } of descriptorsOf(given)) {
          const offset = pa - RAM_BASE;
          const isInRam = offset >= 0 && offset + length <= RAM_BYTES;
          const isWritable = (flags & VIRTQ_DESC_F_WRITE) !== 0;
          if (isInRam && isWritable) allowed.fill(1, offset, offset + length);
        }
        const wrong = ramBefore.findIndex((byte, i) => allowed[i] === 0 && byte !== machine.ram[i]);
        expect(wrong).toBe(-1);
      }),
      { numRuns: 500 },
    );
  });

  it('that aims at itself harms nothing outside RAM', () => {
    const aimed = fc.record({ at, field: fc.constant('pa' as const), value: fc.nat(BUFFERS) });
    fc.assert(
      fc.property(ring, fc.array(aimed, { minLength: 1, maxLength: 4 }), (given, aims) => {
        const inRam = aims.map((aim) => ({ ...aim, value: RAM_BASE + aim.value }));
        const { machine } = attack({ ...given, damages: [...given.damages, ...inRam] });
        expect(machine.isGuardIntact()).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('either has every chain returned or the device ask for a reset', () => {
    fc.assert(
      fc.property(ring, (given) => {
        fc.pre(!aimsAtRings(given));
        const { driver, isStopped } = attack(given);
        expect(isStopped || driver.usedIndex === given.made).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is forgotten by a reset', () => {
    fc.assert(
      fc.property(ring, (given) => {
        const { driver } = attack(given);
        driver.availableIndex = 0;
        driver.start();
        expect(driver.request(0, 0, 512, true)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('is reached behind its first chain: most of these rings get that far', () => {
    const reached = fc.sample(ring, 300).filter((given) => attack(given).driver.usedIndex > 0);
    expect(reached.length).toBeGreaterThan(150);
  });
});

describe('a chain', () => {
  const working: Ring = {
    requests: Array.from({ length: REQUESTS }, () => ({
      type: 0,
      sector: 0,
      dataBytes: 512,
      isWritable: true,
    })),
    damages: [],
    made: 1,
  };

  it('that is well-formed is served', () => {
    const { driver, isStopped } = attack(working);
    expect(isStopped).toBe(false);
    expect(driver.lastUsed()).toEqual({ head: 0, length: 513 });
  });

  it.each<[string, Damage]>([
    ['bites its own tail', { at: 0, field: 'next', value: 0 }],
    ['leaves the table', { at: 0, field: 'next', value: SIZE }],
    ['starts outside the table', { at: 0, field: 'head', value: SIZE }],
    ['reads after it writes', { at: 2, field: 'flags', value: 0 }],
    ['is indirect, which was not offered', { at: 0, field: 'flags', value: 4 }],
    ['ends one byte behind RAM', { at: 1, field: 'pa', value: RAM_BASE + RAM_BYTES - 511 }],
    ['starts one byte before RAM', { at: 1, field: 'pa', value: RAM_BASE - 1 }],
  ])('that %s stops the device', (_what, wrong) => {
    const { driver, isStopped, machine } = attack({ ...working, damages: [wrong] });
    expect(isStopped).toBe(true);
    expect(driver.usedIndex).toBe(0);
    expect(machine.isGuardIntact()).toBe(true);
  });

  it('count beyond the ring’s size stops the device', () => {
    expect(attack({ ...working, made: SIZE + 1 }).isStopped).toBe(true);
  });
});
