import { describe, expect, it } from 'vitest';

import { Bus, NO_DEVICE, type Device } from '../../../src/machine/bus.ts';

/** A device that answers with its offset and writes down what it is asked. */
function fake(name: string, base: number, widths: number, log: string[]): Device {
  return {
    name,
    base,
    sizeBytes: 0x10,
    widths,
    load: (offset, sizeBytes, hart) => {
      log.push(`${name} load ${offset}/${sizeBytes} by ${hart}`);
      return offset;
    },
    store: (offset, sizeBytes, value, hart) => {
      log.push(`${name} store ${offset}/${sizeBytes} = ${value} by ${hart}`);
    },
  };
}

describe('the bus', () => {
  it('hands an access to the device that holds the address, as an offset', () => {
    const log: string[] = [];
    const bus = new Bus([fake('b', 0x2000, 4, log), fake('a', 0x1000, 1, log)]);
    expect(bus.load(0x1003, 1, 7)).toBe(3);
    expect(bus.store(0x200c, 4, 5, 1)).toBe(true);
    expect(log).toEqual(['a load 3/1 by 7', 'b store 12/4 = 5 by 1']);
  });

  it('gives a device only the stored bytes, unsigned', () => {
    const log: string[] = [];
    const bus = new Bus([fake('a', 0x1000, 7, log)]);
    bus.store(0x1000, 1, -1, 0);
    bus.store(0x1000, 2, -1, 0);
    bus.store(0x1000, 4, -1, 0);
    expect(log.map((line) => line.split(' ')[4])).toEqual(['255', '65535', '4294967295']);
  });

  it('has no device in a hole, across an end, misaligned, or for a width it does not take', () => {
    const bus = new Bus([fake('a', 0x1000, 4, [])]);
    const out = new Int32Array(2);
    expect(bus.load(0xffc, 4, 0)).toBe(NO_DEVICE);
    expect(bus.load(0x1010, 4, 0)).toBe(NO_DEVICE);
    expect(bus.load(0x1002, 4, 0)).toBe(NO_DEVICE);
    expect(bus.load(0x1000, 1, 0)).toBe(NO_DEVICE);
    expect(bus.store(0x1000, 2, 0, 0)).toBe(false);
    expect(bus.load64(0x100c, out, 0)).toBe(false);
    expect(bus.load64(0x1004, out, 0)).toBe(false);
    expect(bus.store64(0x1010, 0, 0, 0)).toBe(false);
  });

  it('splits eight bytes into two words, the low one first', () => {
    const log: string[] = [];
    const bus = new Bus([fake('a', 0x1000, 4, log)]);
    const out = new Int32Array(2);
    expect(bus.load64(0x1008, out, 0)).toBe(true);
    expect([...out]).toEqual([8, 12]);
    expect(bus.store64(0x1000, -1, 2, 0)).toBe(true);
    expect(log.slice(2)).toEqual(['a store 0/4 = 4294967295 by 0', 'a store 4/4 = 2 by 0']);
  });

  it('refuses devices that overlap', () => {
    expect(() => new Bus([fake('a', 0x1000, 4, []), fake('b', 0x1008, 4, [])])).toThrow(/overlap/);
  });
});
