import { describe, expect, it } from 'vitest';

import type { EntropySource } from '../../../../src/machine/devices/virtio/entropy.ts';
import { REG } from '../../../../src/machine/devices/virtio/mmio.ts';
import { VIRTIO_SLOT } from '../../../../src/machine/physical-map.ts';
import { createMachine } from '../fixtures.ts';
import { BUFFERS, Driver } from './driver.ts';

/** Asks for `count` buffers of 40 bytes. */
function drawn(entropy: EntropySource, count: number): string[] {
  const machine = createMachine({ entropy });
  const driver = new Driver(machine, 8, VIRTIO_SLOT.ENTROPY);
  driver.start();
  expect(driver.read(REG.DEVICE_ID)).toBe(4);
  return Array.from({ length: count }, () => {
    driver.chain({ offset: BUFFERS, length: 40, writable: true });
    driver.submit();
    expect(driver.lastUsed().length).toBe(40);
    return Buffer.from(machine.ram.slice(BUFFERS, BUFFERS + 40)).toString('hex');
  });
}

describe('the entropy device', () => {
  it('gives the same bytes to the same seed, others to another, and never the same twice', () => {
    const first = drawn({ kind: 'seeded', seed: '7' }, 3);
    expect(drawn({ kind: 'seeded', seed: '7' }, 3)).toEqual(first);
    expect(new Set([...first, ...drawn({ kind: 'seeded', seed: '8' }, 3)]).size).toBe(6);
  });

  it('gives the host’s random bytes otherwise', () => {
    const host: EntropySource = { kind: 'host' };
    expect(new Set([...drawn(host, 2), ...drawn(host, 2)]).size).toBe(4);
  });
});
