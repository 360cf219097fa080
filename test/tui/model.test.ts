import { describe, expect, it } from 'vitest';
import { EVENTS_KEPT, HISTORY_POINTS, Model } from '../../src/tui/model.ts';
import { plainText } from '../../src/tui/text.ts';
import { FakeSource } from './fake-source.ts';

describe('the model', () => {
  it('has rates that are differences over the time between looks', () => {
    const source = new FakeSource(2);
    const model = new Model();
    source.run(100); // before anybody looked
    model.sample(source, 5000);
    expect(model.harts[1]?.rates.instructions).toBe(0);
    source.run(2);
    model.sample(source, 7000);
    expect(model.harts[1]?.rates).toEqual({
      instructions: 2e6,
      gates: 1200,
      tlbMisses: 34_000,
      shootdownWaitNs: 5.6e6,
    });
    expect(model.harts[1]?.totals.instructions).toBe(204e6);
    expect(model.total('rates', 'instructions')).toBe(3e6);
    expect(model.gates.rates[5]).toBe(50);
    expect(model.gates.totals[5]).toBe(5100);
    expect(model.elapsedMs).toBe(2000);
  });

  it('keeps the rates it has between measurements, but totals and states are fresh', () => {
    const source = new FakeSource(1);
    const model = new Model();
    model.sample(source, 0);
    source.run(1);
    model.sample(source, 1000);
    source.run(1);
    (source.samples[0] as { mode: number }).mode = 3;
    model.sample(source, 1100);
    expect(model.harts[0]?.rates.instructions).toBe(1e6);
    expect(model.harts[0]?.totals.instructions).toBe(2e6);
    expect(model.harts[0]?.mode).toBe(3);
    model.sample(source, 2000);
    expect(model.harts[0]?.rates.instructions).toBe(1e6);
    expect(model.harts[0]?.history).toEqual([1e6, 1e6]);
  });

  it('shows no negative rate after a reset of the machine', () => {
    const source = new FakeSource(1);
    const model = new Model();
    source.run(5);
    model.sample(source, 0);
    (source.samples[0] as { instructions: number }).instructions = 10;
    model.sample(source, 1000);
    expect(model.harts[0]?.rates.instructions).toBe(0);
  });

  it('bounds what it remembers', () => {
    const source = new FakeSource(1);
    const model = new Model();
    for (let i = 0; i < HISTORY_POINTS + 50; i++) {
      for (let j = 0; j < 5; j++) source.happen('denial', `${i}.${j}`);
      model.sample(source, i * 1000);
    }
    expect(model.harts[0]?.history).toHaveLength(HISTORY_POINTS);
    expect(model.events).toHaveLength(EVENTS_KEPT);
    expect(model.eventCounts.denial).toBe((HISTORY_POINTS + 50) * 5);
    expect(model.eventsLost).toBe(0);
  });

  it('counts the events that were overwritten before it read them', () => {
    const source = new FakeSource(1);
    const model = new Model();
    for (let i = 0; i < 10; i++) source.happen('denial', String(i));
    source.eventList.splice(0, 6);
    model.sample(source, 0);
    expect(model.eventsLost).toBe(6);
    expect(model.events).toHaveLength(4);
  });

  it('collects while paused and shows it at the next look', () => {
    const source = new FakeSource(1);
    const model = new Model();
    model.sample(source, 0);
    const reads = source.reads;
    source.print('hello');
    source.happen('restart', 'generation 2');
    model.collect(source);
    expect(source.reads).toBe(reads);
    expect(plainText(model.console.lines[0] ?? [])).toBe('');
    expect(model.events).toHaveLength(0);
    model.sample(source, 1000);
    expect(plainText(model.console.lines[0] ?? [])).toBe('hello');
    expect(model.events).toHaveLength(1);
  });
});
