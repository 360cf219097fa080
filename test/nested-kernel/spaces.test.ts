/** User address spaces, granted frames, views: NK-1, NK-3, NK-4, NK-5 and NK-11 under every mechanism. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { LAYOUT, STATUS } from '../../src/nested-kernel/abi.ts';
import { EID } from '../../src/nested-kernel/sbi.ts';
import { TOOLCHAIN } from '../policy/snippets.ts';
import {
  buildGuest,
  call,
  EIO,
  monitor,
  PROBE,
  read,
  runGuest,
  sbi,
  SEPARATIONS,
  set,
  told,
  tryJump,
  tryLoad,
  tryStore,
  waitFor,
  write,
  type Guest,
  type Outcome,
  type Step,
} from './guest.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });
const R = 2;
const W = 4;
const X = 8;
const RAM_BYTES = 64 << 20;
/** A frame that nobody uses, and its address in the direct map. */
const FRAME = 0x8000_0000 + (40 << 20);
const direct = (physical: number | bigint): bigint =>
  LAYOUT.DIRECT_BASE + BigInt(physical) - LAYOUT.RAM_BASE;
const VA = 0x10000;

describe.skipIf(TOOLCHAIN === null).each(SEPARATIONS)('%s', (mechanism) => {
  let guest: Guest;
  beforeAll(async () => {
    guest = await buildGuest('spaces');
  });
  const at = (symbol: string): bigint => guest.address(symbol);
  const physical = (symbol: string): bigint => at(symbol) - LAYOUT.IMAGE_OFFSET;
  const run = (...programs: Step[][]): Promise<Outcome> =>
    runGuest(guest, { mechanism }, ...programs);
  const statuses = async (...steps: Step[]): Promise<readonly number[]> =>
    (await run(steps)).results[0] ?? [];

  describe('translation belongs to the monitor (NK-1)', () => {
    it('a core that writes satp or fences is told no, and nothing has changed', async () => {
      const { results, events } = await run([
        tryJump(at('try_satp')),
        tryJump(at('try_sfence')),
        call('alpha_add', 1, 1),
      ]);
      expect(results[0]).toEqual([-1, -1, 2]);
      expect(told(events)).toEqual(Array(2).fill('denial address-space-is-monitored'));
    });
  });

  describe('what a domain reaches (NK-3)', () => {
    it("neither the core nor a domain reaches another's memory, at its address or in the direct map", async () => {
      const secret = at('alpha_secret');
      const alias = direct(physical('alpha_secret'));
      const { results, events } = await run([
        tryLoad(secret),
        tryStore(secret),
        tryLoad(alias),
        tryStore(alias),
        call('beta_probe', PROBE.LOAD, secret),
        call('alpha_probe', PROBE.LOAD, at('program')),
      ]);
      expect(results[0]).toEqual([-1, -1, -1, -1, EIO, EIO]);
      expect(new Set(events.map(({ rule }) => rule))).toEqual(
        new Set(['access-own-memory', 'live-domain']),
      );
    });

    it("a domain cannot run another's text, nor the core a domain's", async () => {
      expect(
        await statuses(
          call('alpha_probe', PROBE.JUMP, at('beta_deep')),
          call('beta_probe', PROBE.JUMP, at('core_main')),
        ),
      ).toEqual([EIO, EIO]);
    });

    it('a share can be read by whom it was given ro, and not written', async () => {
      expect(
        await statuses(call('alpha_nested', 3), tryLoad(at('beta_board')), call('alpha_nested', 4)),
      ).toEqual([17, -1, EIO]);
    });

    it('text cannot be written by its owner', async () => {
      expect(
        await statuses(
          call('alpha_probe', PROBE.STORE, at('alpha_add')),
          tryStore(at('core_main')),
        ),
      ).toEqual([EIO, -1]);
    });

    it("a secondary hart begins in the core's view, with no user half", async () => {
      const { results } = await run(
        [waitFor(9, 1)],
        [
          tryLoad(at('alpha_secret')),
          tryLoad(VA),
          call('alpha_probe', PROBE.LOAD, at('alpha_secret')),
          set(9, 1),
        ],
      );
      expect(results[1]?.slice(0, 3)).toEqual([-1, -1, 0x5ec2e7]);
    });
  });

  describe('frames (NK-4)', () => {
    const space = monitor('SPACE_CREATE');
    const map = (frame: number | bigint, rights: number, va = VA): Step =>
      monitor('MAP', 1, va, frame, rights);

    it("only the core's own frames are mapped: no table, no image, no device, nothing beyond RAM", async () => {
      const pool = 0x8000_0000 + RAM_BYTES - 4096;
      const { results, events } = await run([
        space,
        map(pool, R | W),
        map(physical('alpha_secret') & ~0xfffn, R),
        map(physical('buffer'), R),
        map(0x1000_0000, R),
        map(0x8000_0000 + RAM_BYTES, R),
        map(FRAME + 8, R),
        map(FRAME, W),
        map(FRAME, R | 16),
        map(FRAME, R | W, 0x4000_0000),
        map(FRAME, R | W),
        map(FRAME, R | W),
      ]);
      const { FRAME_TYPE, INVALID_ADDRESS, INVALID_PARAM, ALREADY_AVAILABLE } = STATUS;
      expect(results[0]).toEqual([
        0,
        FRAME_TYPE,
        FRAME_TYPE,
        FRAME_TYPE,
        INVALID_ADDRESS,
        INVALID_ADDRESS,
        INVALID_ADDRESS,
        INVALID_PARAM,
        INVALID_PARAM,
        INVALID_PARAM,
        0,
        ALREADY_AVAILABLE,
      ]);
      expect(told(events)).toEqual(Array(3).fill('denial frame-type'));
    });

    it("a granted frame is zeroed, the domain's alone while granted, and zeroed again", async () => {
      const frame = 0x8000_0000 + (40 << 20);
      const offset = BigInt(frame) - physical('page_for_use');
      const outcome = await run([
        set(15, Number(offset)),
        write(direct(frame), 0x1234),
        call('alpha_nested', 0),
        read(direct(frame)),
        call('alpha_nested', 1),
        tryLoad(direct(frame)),
        space,
        map(frame, R),
        call('alpha_nested', 1),
      ]);
      expect(outcome.results[0]?.[2]).toBe(12345);
      expect(outcome.results[0]?.[3]).toBe(0);
      expect(outcome.results[0]?.[5]).toBe(-1);
      expect(outcome.results[0]?.slice(7)).toEqual([STATUS.FRAME_TYPE, STATUS.FRAME_TYPE]);
    });

    it('the console prints nothing that the core could not read', async () => {
      const print = (address: bigint): Step => sbi(EID.DBCN, 0, 8, address, 0);
      expect(
        await statuses(
          print(physical('alpha_secret')),
          print(physical('beta_board')),
          print(BigInt(0x8000_0000 + RAM_BYTES - 8)),
          print(-8n),
        ),
      ).toEqual([STATUS.DENIED, STATUS.DENIED, STATUS.DENIED, STATUS.INVALID_PARAM]);
    });

    it('a space that is active is not destroyed; one that is gone is not activated', async () => {
      expect(
        await statuses(
          space,
          monitor('SPACE_ACTIVATE', 1),
          monitor('SPACE_DESTROY', 1),
          monitor('SPACE_ACTIVATE', 0),
          monitor('SPACE_DESTROY', 1),
          monitor('SPACE_ACTIVATE', 1),
          monitor('SPACE_DESTROY', 1),
          monitor('SPACE_ACTIVATE', -1),
        ),
      ).toEqual([0, 0, STATUS.FRAME_BUSY, 0, 0, -3, -3, -3]);
    });
  });

  describe('writable or executable (NK-5)', () => {
    const map = (va: number, rights: number): Step => monitor('MAP', 1, va, FRAME, rights);
    const protect = (va: number, rights: number): Step => monitor('PROTECT', 1, va, 1, rights);
    it('never both, over all mappings of a frame and the direct map', async () => {
      const outcome = await run([
        monitor('SPACE_CREATE'),
        map(0x1000, R | W | X),
        map(0x1000, R | X),
        tryStore(direct(FRAME)),
        map(0x2000, R | W),
        map(0x3000, R),
        protect(0x3000, R | W),
        protect(0x3000, R | X),
        monitor('UNMAP', 1, 0x1000, 1),
        tryStore(direct(FRAME)),
        protect(0x3000, R | W),
        tryStore(direct(FRAME)),
        map(0x4000, R | X),
      ]);
      const { WX } = STATUS;
      expect(outcome.results[0]).toEqual([
        0,
        WX,
        0,
        -1,
        WX,
        0,
        WX,
        0,
        0,
        -1,
        0,
        Number(direct(FRAME) & 0n),
        WX,
      ]);
      expect(told(outcome.events)).toContain('denial write-xor-execute');
    });

    it('a whole range or nothing changes', async () => {
      const { results, values } = await run([
        monitor('SPACE_CREATE'),
        map(0x1000, R),
        monitor('MAP', 1, 0x2000, FRAME + 4096, R),
        monitor('MAP', 1, 0x3000, FRAME + 4096, R | X),
        monitor('PROTECT', 1, 0x1000, 2, R | W),
        monitor('LOOKUP', 1, 0x1000),
      ]);
      expect(results[0]?.[4]).toBe(STATUS.WX);
      expect((values[0]?.[5] ?? 0) & (R | W | X)).toBe(R);
    });
  });

  describe('revoked everywhere (NK-11)', () => {
    it.each(['1', '2', '3'])(
      'an unmapped page is gone on another hart when the call returns (seed %s)',
      async (seed) => {
        const outcome = await runGuest(
          guest,
          { mechanism, seed },
          [
            monitor('SPACE_CREATE'),
            monitor('MAP', 1, VA, FRAME, R | W),
            write(direct(FRAME), 5),
            set(9, 1),
            waitFor(7, 1),
            monitor('UNMAP', 1, VA, 1),
            write(direct(FRAME), -1),
            waitFor(9, 2),
          ],
          [waitFor(9, 1), monitor('SPACE_ACTIVATE', 1), call('poll_user', VA), set(9, 2)],
        );
        expect(outcome.run.exit.reason).toBe('power-off');
        expect(outcome.results[1]?.[2]).toBeGreaterThanOrEqual(0);
      },
    );

    it('an ASID that is used again brings nothing back', async () => {
      const { results } = await run([
        monitor('SPACE_CREATE'),
        monitor('MAP', 1, VA, FRAME, R | W),
        monitor('SPACE_ACTIVATE', 1),
        monitor('UNMAP', 1, VA, 1),
        call('poll_user', VA),
        monitor('MAP', 1, VA, FRAME, R | W),
        monitor('SPACE_ACTIVATE', 0),
        monitor('SPACE_DESTROY', 1),
        monitor('SPACE_CREATE'),
        monitor('SPACE_ACTIVATE', 1),
        call('poll_user', VA),
      ]);
      expect([results[0]?.[4], results[0]?.[10]]).toEqual([0, 0]);
    });
  });
});
