/**
 * What a published prototype of the same idea left open, each as a test that its design would fail
 * (docs/nested-kernel.md, "What others left open").
 */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { LAYOUT, STATUS } from '../../src/nested-kernel/abi.ts';
import { poolBytes } from '../../src/nested-kernel/boot.ts';
import { parseAddress } from '../../src/policy/contexts.ts';
import { TOOLCHAIN } from '../policy/snippets.ts';
import {
  ALPHA,
  BETA,
  buildGuest,
  call,
  EIO,
  interruptsOn,
  PROBE,
  raiseSoftware,
  runGuest,
  SEPARATIONS,
  set,
  tryJump,
  tryLoad,
  tryStore,
  waitFor,
  type Guest,
  type Outcome,
  type Step,
} from './guest.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });
const RAM_BYTES = 64 << 20;

describe.skipIf(TOOLCHAIN === null).each(SEPARATIONS)('%s', (mechanism) => {
  let guest: Guest;
  beforeAll(async () => {
    guest = await buildGuest('weaknesses');
  });
  const at = (symbol: string): bigint => guest.address(symbol);
  const alias = (symbol: string): bigint =>
    LAYOUT.DIRECT_BASE + at(symbol) - LAYOUT.IMAGE_OFFSET - LAYOUT.RAM_BASE;
  const run = (...programs: Step[][]): Promise<Outcome> =>
    runGuest(guest, { mechanism }, ...programs);
  const peek = (): Step => tryLoad(at('alpha_secret'));

  it('rights follow the stack of the thread: one that sleeps inside leaves nothing open behind it', async () => {
    const { results } = await run(
      [call('start_thread', 0), peek(), set(9, 1), waitFor(9, 2), peek()],
      [waitFor(9, 1), peek(), call('take_thread'), peek(), set(9, 2)],
    );
    expect([results[0]?.[1], results[0]?.[4]]).toEqual([-1, -1]);
    expect(results[1]?.slice(1, 4)).toEqual([-1, 4201, -1]);
  });

  it('a gate that was called with interrupts off returns with them off', async () => {
    const outcome = await run([
      interruptsOn(false),
      raiseSoftware,
      call('alpha_add', 1, 1),
      call('core_interrupts'),
    ]);
    expect(outcome.results[0]?.slice(2)).toEqual([2, 0]);
    expect(outcome.long('interrupts')).toBe(0);
  });

  it('what is mapped or taken away later is so on every hart: no copied upper level drifts', async () => {
    const window = LAYOUT.WINDOW_BASE + BigInt(ALPHA) * LAYOUT.WINDOW_BYTES;
    const use = (): Step => call('alpha_probe', PROBE.LOAD, window);
    const { results } = await run(
      [
        set(15, (40 << 20) - Number(at('page_for_use') - LAYOUT.IMAGE_OFFSET - LAYOUT.RAM_BASE)),
        // Both harts have entered alpha before its window has a table.
        call('alpha_add', 1, 1),
        set(9, 1),
        waitFor(9, 2),
        call('alpha_nested', 1),
        set(9, 3),
        waitFor(9, 4),
        call('alpha_nested', 11),
        set(9, 5),
        waitFor(9, 6),
      ],
      [
        waitFor(9, 1),
        call('alpha_add', 1, 1),
        set(9, 2),
        waitFor(9, 3),
        use(),
        set(9, 4),
        waitFor(9, 5),
        use(),
        set(9, 6),
      ],
    );
    expect(BigInt.asUintN(64, BigInt(results[0]?.[4] ?? 0))).toBe(window);
    expect([results[1]?.[4], results[1]?.[7]]).toEqual([0, EIO]);
  });

  it('the first hart has no tables that are less strict than those of the others', async () => {
    const probes = (): Step[] => [
      peek(),
      tryLoad(alias('alpha_secret')),
      tryJump(at('alpha_add')),
      tryStore(at('core_main')),
      tryJump(at('try_satp')),
      tryLoad(Number(LAYOUT.RAM_BASE)),
      peek(),
    ];
    const { results } = await run([...probes(), waitFor(9, 1)], [...probes(), set(9, 1)]);
    expect(results[0]?.slice(0, 7)).toEqual(Array(7).fill(-1));
    expect(results[1]?.slice(0, 7)).toEqual(Array(7).fill(-1));
  });

  it('every page table is out of reach of a store', async () => {
    const bytes = poolBytes(RAM_BYTES, 1);
    const pool = LAYOUT.DIRECT_BASE + BigInt(RAM_BYTES - bytes);
    const pages = [0, 1, 2, 3, 40, bytes / 4096 - 1];
    const { results, events } = await run(
      pages.map((page) => tryStore(pool + BigInt(page * 4096))),
    );
    expect(results[0]).toEqual(pages.map(() => -1));
    expect(events).toHaveLength(pages.length);
  });

  it('no alias in the direct map: of data, text, stacks, tables of others', async () => {
    const frames = guest.contexts.domains
      .flatMap(({ text, rodata, data, stacks }) => [text, rodata, data, stacks])
      .filter((region) => region !== null)
      .map(({ startPhys }) => LAYOUT.DIRECT_BASE + parseAddress(startPhys) - LAYOUT.RAM_BASE);
    const { results } = await run(
      frames.flatMap((address) => [tryLoad(address), tryStore(address)]),
    );
    expect(results[0]).toEqual(frames.flatMap(() => [-1, -1]));
  });

  it(`entering a domain ${mechanism === 'vbit' ? 'costs by its pages, as this mechanism does' : 'costs the same whatever its size'}`, async () => {
    const writes = async (count: number, name: 'alpha_deep' | 'beta_deep'): Promise<number> => {
      const outcome = await run(Array.from({ length: count }, () => call(name, 0)));
      return outcome.session.counters(0)('pteWrites');
    };
    const small = ((await writes(9, 'alpha_deep')) - (await writes(1, 'alpha_deep'))) / 8;
    const large = ((await writes(9, 'beta_deep')) - (await writes(1, 'beta_deep'))) / 8;
    // Beta has a heap of 768 pages: valid on the way in, invalid on the way out.
    const least = mechanism === 'vbit' ? 2 * 700 : 0;
    const most = mechanism === 'vbit' ? 2 * 900 : 0;
    expect(large - small).toBeGreaterThanOrEqual(least);
    expect(large - small).toBeLessThanOrEqual(most);
  });

  it('a domain of more than two megabytes is reached to its end, and closed to its end', async () => {
    const { data } = guest.contexts.domains[BETA] ?? {};
    expect(data?.sizeBytes).toBeGreaterThan(2 << 20);
    const last = parseAddress(data?.start ?? '0x0') + BigInt(data?.sizeBytes ?? 0) - 8n;
    const { results } = await run([
      call('beta_probe', PROBE.STORE, last),
      call('beta_probe', PROBE.LOAD, last),
      tryLoad(last),
    ]);
    expect(results[0]).toEqual([0, 0x5ec2e7, -1]);
  });

  it('no way out of a domain leaves it open', async () => {
    const ways: Step[] = [
      call('alpha_probe', PROBE.LOAD, 0),
      call('alpha_probe', PROBE.SPIN, 0),
      call('alpha_probe', PROBE.WFI, 0),
      call('alpha_add', 1, 999),
      call('alpha_sum', 0, 8),
      call('alpha_nested', 7),
      call('alpha_nested', 6),
      call('alpha_probe', PROBE.FORGED_STACK, 0),
    ];
    for (const way of ways) {
      const { results } = await run([
        interruptsOn(true),
        way,
        peek(),
        tryLoad(alias('alpha_secret')),
        call('core_interrupts'),
      ]);
      expect(results[0]?.slice(2)).toEqual([-1, -1, 1]);
      expect([EIO, STATUS.INVALID_PARAM, STATUS.INVALID_ADDRESS, STATUS.DEPTH]).toContain(
        results[0]?.[1],
      );
    }
  });
});
