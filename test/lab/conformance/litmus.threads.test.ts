import { readdirSync, readFileSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import { normalOutcome, parseLitmus } from '../../../src/lab/conformance/litmus/parse.ts';
import { LitmusRunner } from '../../../src/lab/conformance/litmus/run.ts';

const FOLDER = new URL('litmus/', import.meta.url).pathname;
const TESTS = readdirSync(FOLDER).filter((name) => name.endsWith('.litmus'));
const runners = ([false, true] as const).map((jit) => ({
  jit,
  // What is allowed stands beside the tests: nothing is asked.
  runner: new LitmusRunner({ rounds: 10_000, jit, herd: 'no-herd-is-needed' }),
}));
afterAll(() => Promise.all(runners.map(({ runner }) => runner.close())));

describe.each(runners)('litmus tests on real threads, translated: $jit', ({ runner }) => {
  let races = 0;

  it.each(TESTS)('%s ends as RVWMO allows', async (name) => {
    const { seen, forbidden } = await runner.run(FOLDER + name);
    expect(forbidden).toEqual([]);
    expect(Object.values(seen).reduce((sum, times) => sum + times, 0)).toBe(10_000);
    if (Object.keys(seen).length > 1) races++;
  });

  // A test that ends in one way only has seen nobody race; on a busy host that happens to one or another.
  it('raced in most of them', () => {
    expect(races).toBeGreaterThan(TESTS.length / 2);
  });
});

describe('a litmus test file', () => {
  const source = readFileSync(`${FOLDER}reserved-increment.litmus`, 'utf8');

  it('is taken apart', () => {
    const test = parseLitmus(source, 'file');
    expect(test.name).toBe('reserved-increment');
    expect(test.threads[1]).toEqual(['lr.w x11,(x10)', 'addi x12,x11,1', 'sc.w x13,x12,(x10)']);
    expect(test.registers).toEqual([{ x10: 'x' }, { x10: 'x' }]);
    expect([...test.locations]).toEqual([['x', 5]]);
    expect(test.observed.map(({ name }) => name)).toEqual([
      ...['0:x11', '0:x13', '1:x11', '1:x13', '[x]'],
    ]);
  });

  it.each([
    ['AArch64 MP', /not a test for RISCV/],
    ['RISCV MP P0; exists (0:x1=1)', /no initial state/],
    [source.replace(/exists.*/, ''), /no condition/],
    [source.replace('P1', 'P7'), /not headed P0, P1/],
    [source.replace('x=5', 'x?5'), /'x\?5' is no initial value/],
    [source.replace('1:x11=5', '2:x11=5'), /no thread 2/],
  ])('is refused with a reason', (text, why) => {
    expect(() => parseLitmus(text, 'file')).toThrow(why);
  });

  it('has outcomes of one form, whoever prints them', () => {
    expect(normalOutcome(' y=2; 1:x5=0;')).toBe('1:x5=0; [y]=2;');
  });
});
