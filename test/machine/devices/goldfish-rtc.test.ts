import { describe, expect, it } from 'vitest';

import {
  ALARM_HIGH,
  ALARM_LOW,
  ALARM_STATUS,
  CLEAR_ALARM,
  CLEAR_INTERRUPT,
  GoldfishRtc,
  IRQ_ENABLED,
  RtcState,
  TIME_HIGH,
  TIME_LOW,
} from '../../../src/machine/devices/goldfish-rtc.ts';
import { ManualClock } from '../../../src/machine/clock.ts';
import { RTC, RTC_SOURCE, TIMEBASE_HZ } from '../../../src/machine/physical-map.ts';
import { createMachine, RecordedSources } from './fixtures.ts';

const EPOCH_MS = Date.UTC(2026, 0, 1);
const EPOCH_NS = BigInt(EPOCH_MS) * 1_000_000n;
const SECOND = 1_000_000_000n;

function rtc(): {
  readonly device: GoldfishRtc;
  readonly clock: ManualClock;
  readonly sources: RecordedSources;
  time(): bigint;
  write(low: number, high: number, value: bigint): void;
} {
  const clock = new ManualClock();
  const sources = new RecordedSources();
  const memory = new SharedArrayBuffer(RtcState.sizeBytes);
  const device = new GoldfishRtc(memory, 0, { clock, epochMs: EPOCH_MS, interrupts: sources });
  device.reset();
  return {
    device,
    clock,
    sources,
    time: () => {
      const low = BigInt(device.load(TIME_LOW));
      return low | (BigInt(device.load(TIME_HIGH)) << 32n);
    },
    // The order in which Linux writes them.
    write: (low, high, value) => {
      device.store(high, 4, Number(value >> 32n));
      device.store(low, 4, Number(value & 0xffff_ffffn));
    },
  };
}

describe('the time', () => {
  it('is nanoseconds since 1970 and goes on with the machine’s clock', () => {
    const { time, clock } = rtc();
    expect(time()).toBe(EPOCH_NS);
    clock.advance(3 * TIMEBASE_HZ + 1);
    expect(time()).toBe(EPOCH_NS + 3n * SECOND + 100n);
  });

  it('is read in halves that belong together', () => {
    const { device, clock } = rtc();
    // Just before the low half wraps around.
    const wrapNs = 2 ** 32 - Number(EPOCH_NS & 0xffff_ffffn);
    clock.advance(Math.floor(wrapNs / 100));
    const high = Number(EPOCH_NS >> 32n);
    expect(device.load(TIME_LOW)).toBeGreaterThan(0xffff_ff00);
    clock.advance(10);
    expect(device.load(TIME_HIGH)).toBe(high);
    expect(device.load(TIME_LOW)).toBeLessThan(1000);
    expect(device.load(TIME_HIGH)).toBe(high + 1);
  });

  it('can be set', () => {
    const { time, write, clock } = rtc();
    write(TIME_LOW, TIME_HIGH, 5n * SECOND);
    clock.advance(TIMEBASE_HZ);
    expect(time()).toBe(6n * SECOND);
  });
});

describe('the alarm', () => {
  it('raises its interrupt when its time comes, until that is cleared', () => {
    const { device, clock, sources, write } = rtc();
    device.store(IRQ_ENABLED, 4, 1);
    write(ALARM_LOW, ALARM_HIGH, EPOCH_NS + SECOND);
    expect(device.load(ALARM_STATUS)).toBe(1);
    clock.advance(TIMEBASE_HZ - 1);
    device.poll();
    expect(sources.high.size).toBe(0);
    clock.advance(1);
    device.poll();
    expect(sources.high).toEqual(new Set([RTC_SOURCE]));
    expect(device.load(ALARM_STATUS)).toBe(0);
    device.store(CLEAR_INTERRUPT, 4, 1);
    expect(sources.high.size).toBe(0);
  });

  it('goes off at once if its time has passed', () => {
    const { device, sources, write } = rtc();
    device.store(IRQ_ENABLED, 4, 1);
    write(ALARM_LOW, ALARM_HIGH, EPOCH_NS - 1n);
    expect(sources.high.size).toBe(1);
  });

  it('waits for its interrupt to be enabled', () => {
    const { device, sources, write } = rtc();
    write(ALARM_LOW, ALARM_HIGH, EPOCH_NS);
    expect(sources.high.size).toBe(0);
    device.store(IRQ_ENABLED, 4, 1);
    expect(sources.high.size).toBe(1);
  });

  it('can be taken back', () => {
    const { device, clock, sources, write } = rtc();
    device.store(IRQ_ENABLED, 4, 1);
    write(ALARM_LOW, ALARM_HIGH, EPOCH_NS + SECOND);
    device.store(CLEAR_ALARM, 4, 1);
    clock.advance(2 * TIMEBASE_HZ);
    device.poll();
    expect(sources.high.size).toBe(0);
  });

  it('says at which tick it goes off', () => {
    const { device, clock, write } = rtc();
    expect(device.nextTick()).toBe(Infinity);
    clock.advance(7);
    write(ALARM_LOW, ALARM_HIGH, EPOCH_NS + SECOND + 1n);
    expect(device.nextTick()).toBe(TIMEBASE_HZ + 1);
    expect(device.load(ALARM_LOW)).toBe(Number((EPOCH_NS + SECOND + 1n) & 0xffff_ffffn));
    expect(device.load(ALARM_HIGH)).toBe(Number((EPOCH_NS + SECOND + 1n) >> 32n));
  });
});

it('is on the board, at the address that the devicetree gives', () => {
  const { board } = createMachine();
  expect(board.bus.load(RTC.base + TIME_LOW, 4, 0)).toBe(
    Number((1_000_000n * 1_000_000n) & 0xffff_ffffn),
  );
});
