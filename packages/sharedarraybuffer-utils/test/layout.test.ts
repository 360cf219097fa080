import { describe, expect, it } from 'vitest';
import {
  bytes,
  doorbell,
  f64,
  i32,
  i32Words,
  i64,
  type Layout,
  layout,
  mutex,
  onCacheLine,
  spscRing,
  ticketLock,
} from '../src/index.ts';

describe('layout', () => {
  it('places fields as a C compiler would', () => {
    const Mixed = layout('Mixed', { flag: bytes(1), word: i32, wide: i64, tail: bytes(3) });
    expect(Mixed.offset).toEqual({ flag: 0, word: 4, wide: 8, tail: 16 });
    expect([Mixed.sizeBytes, Mixed.alignBytes]).toEqual([24, 8]);
  });

  it('nests, and gives each field its accessor', () => {
    const Inner = layout('Inner', { count: i32, ratio: f64 });
    const Outer = layout('Outer', { first: i32, inner: Inner, words: i32Words(2) });
    const memory = new SharedArrayBuffer(Outer.sizeBytes + 8);
    const view = Outer.at(memory, 8);
    view.inner.count.store(5);
    view.inner.ratio[0] = 0.5;
    view.words.store(1, 7);
    const again = Outer.at(memory, 8);
    expect([again.inner.count.load(), again.inner.ratio[0], again.words.load(1)]).toEqual([
      5, 0.5, 7,
    ]);
    expect(new Int32Array(memory, 8)[Outer.offset.inner / 4]).toBe(5);
  });

  it('keeps a field on a cache line of its own away from its neighbours', () => {
    const Spread = layout('Spread', { before: i32, hot: onCacheLine(i32), after: i32 });
    expect(Spread.offset).toEqual({ before: 0, hot: 64, after: 128 });
  });

  it('takes locks and rings as fields', () => {
    const Control = layout('Control', {
      lock: ticketLock,
      guard: mutex,
      bell: doorbell.doc('Rung by devices.'),
      log: spscRing(4, 2),
    });
    const control = Control.at(new SharedArrayBuffer(Control.sizeBytes), 0);
    control.log.push([1, 2]);
    control.bell.ring();
    expect(control.lock.tryLock() && control.guard.tryLock() && control.bell.take()).toBe(true);
    expect(control.log.drain((record) => expect([...record]).toEqual([1, 2]))).toBe(1);
    expect(Control.describe()).toContain('| 12 | `bell` | Doorbell | Rung by devices. |');
  });

  it.each([
    ['misaligned', 2, 'not aligned to 4'],
    ['past the end', 8, 'do not fit in 8'],
    ['before the start', -4, 'do not fit in 8'],
  ])('refuses a place that is %s', (_, offset, message) => {
    const Word: Layout<{ word: typeof i32 }> = layout('Word', { word: i32 });
    expect(() => Word.at(new SharedArrayBuffer(8), offset)).toThrow(message);
  });
});
