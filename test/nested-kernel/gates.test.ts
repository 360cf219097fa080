/** Gates, arguments, domain stacks: NK-2, NK-6, NK-7 and NK-8 under every mechanism. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { STATUS } from '../../src/nested-kernel/abi.ts';
import { EID } from '../../src/nested-kernel/sbi.ts';
import { MAX_DEPTH } from '../../src/nested-kernel/tables.ts';
import { TOOLCHAIN } from '../policy/snippets.ts';
import {
  ALPHA,
  buildGuest,
  call,
  EIO,
  interruptsOn,
  monitor,
  PROBE,
  raiseSoftware,
  runGuest,
  sbi,
  SEPARATIONS,
  set,
  timer,
  told,
  tryJump,
  tryLoad,
  waitFor,
  write,
  type Guest,
  type Outcome,
  type Step,
} from './guest.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

describe.skipIf(TOOLCHAIN === null).each(SEPARATIONS)('%s', (mechanism) => {
  let guest: Guest;
  beforeAll(async () => {
    guest = await buildGuest('gates');
  });
  const at = (symbol: string, offset = 0): bigint => guest.address(symbol) + BigInt(offset);
  const run = (...programs: Step[][]): Promise<Outcome> =>
    runGuest(guest, { mechanism }, ...programs);
  const one = async (step: Step): Promise<{ result: number; told: string[] }> => {
    const outcome = await run([step]);
    return { result: outcome.results[0]?.[0] ?? NaN, told: told(outcome.events) };
  };

  describe('arguments (NK-6)', () => {
    it('a word beyond its bound is refused, though nothing is copied', async () => {
      const { results, events } = await run([
        call('alpha_add', 7, 100),
        call('alpha_add', 7, 101),
        call('alpha_add', 7, -1),
        call('alpha_add', 7, 2n ** 63n),
      ]);
      expect(results[0]).toEqual([
        107,
        STATUS.INVALID_PARAM,
        STATUS.INVALID_PARAM,
        STATUS.INVALID_PARAM,
      ]);
      expect(told(events)).toEqual(Array(3).fill('denial argument-bounds'));
    });

    it.each([2049, -1, 2n ** 40n, 2n ** 63n])('a length of %s is refused', async (length) => {
      expect(await one(call('alpha_sum', at('buffer'), length))).toEqual({
        result: STATUS.INVALID_PARAM,
        told: ['denial argument-bounds'],
      });
    });

    it('a buffer that crosses pages arrives whole', async () => {
      const { results } = await run([
        write(at('buffer', 4088), 0x0101010101010101n),
        write(at('buffer', 4096), 0x0202020202020202n),
        call('alpha_sum', at('buffer', 4088), 16),
        call('alpha_sum', at('buffer', 4088), 0),
      ]);
      expect(results[0]?.slice(2)).toEqual([24, 0]);
    });

    it('what an out buffer is not given is zero, and not what lay on the stack before', async () => {
      const outcome = await run([
        write(at('buffer'), -1),
        write(at('buffer', 8), -1),
        call('alpha_sum', at('buffer'), 16),
        call('alpha_fill', at('buffer'), 16),
      ]);
      expect([...outcome.bytes('buffer', 0, 16)]).toEqual([
        ...Array(8).fill(7),
        ...Array(8).fill(0),
      ]);
    });

    it('an inout buffer comes back where it was', async () => {
      const outcome = await run([write(at('buffer', 8), 0xff), call('alpha_flip', at('buffer'))]);
      expect([...outcome.bytes('buffer', 7, 3)]).toEqual([255, 0, 255]);
    });

    it('eight out buffers all come back', async () => {
      const outcome = await run([call('many')]);
      expect([...outcome.bytes('buffer', 0, 64)].filter((_, n) => n % 8 === 7)).toEqual([
        1, 2, 3, 4, 5, 6, 7, 8,
      ]);
    });

    it('a string is taken with its NUL up to its bound, across pages, and not a byte longer', async () => {
      const { results, events } = await run([
        write(at('buffer', 4089), 0x4141414141414141n),
        write(at('buffer', 4097), 0x41414141414141n),
        call('alpha_name', at('buffer', 4089)),
        write(at('buffer', 4097), 0x4141414141414141n),
        call('alpha_name', at('buffer', 4089)),
      ]);
      expect([results[0]?.[2], results[0]?.[4]]).toEqual([15, STATUS.INVALID_PARAM]);
      expect(told(events)).toEqual(['denial argument-bounds']);
    });

    it("a buffer that its caller may not use is refused: another's data, a text to write, nothing at all", async () => {
      const { results, events } = await run([
        call('alpha_sum', at('beta_board'), 8),
        call('alpha_fill', at('core_main'), 8),
        call('alpha_sum', 0, 8),
        call('alpha_sum', 0x0123_4567_89ab_cdefn, 8),
      ]);
      expect(results[0]).toEqual(Array(4).fill(STATUS.INVALID_ADDRESS));
      expect(told(events)).toEqual(Array(4).fill('denial argument-rights'));
    });

    it('a secret is no argument, not even of its owner', async () => {
      const { results, events } = await run([call('alpha_probe', PROBE.LOG_SECRET, 0)]);
      expect(results[0]).toEqual([STATUS.INVALID_ADDRESS]);
      expect(told(events)).toEqual(['denial argument-rights']);
    });

    it('the core takes buffers on the stack of its own thread', async () => {
      expect((await one(call('alpha_nested', 2))).result).toBe(17 * 1000 + 97);
    });

    it.each([0n, -16n, 0x8000_0000n, 'beta_board', 'program'])(
      'a callee that forged its stack pointer (%s) gets no buffer there',
      async (where) => {
        const forged = typeof where === 'string' ? at(where, 2048) : where;
        const outcome = await run([call('alpha_probe', PROBE.FORGED_STACK, forged)]);
        expect(outcome.results[0]).toEqual([STATUS.DEPTH]);
        expect(told(outcome.events)).toEqual(['denial stack-depth']);
      },
    );
  });

  describe('registers and status (NK-2)', () => {
    it('the callee sees its arguments and nothing else of its caller; the caller its result and its own', async () => {
      const outcome = await run([interruptsOn(true), call('regs')]);
      expect(outcome.results[0]?.[1]).toBe(0);
      const longs = (offset: number): bigint[] => [
        ...new BigInt64Array(outcome.bytes('buffer', offset, 512).buffer),
      ];
      const inside = longs(0);
      const others = [3, 4, 5, 6, 7, 8, 9, ...Array.from({ length: 20 }, (_, n) => n + 12)];
      expect(others.map((register) => inside[register])).toEqual(others.map(() => 0n));
      expect(BigInt.asUintN(64, inside[1] as bigint)).toBe(BigInt(guest.contexts.returnGate));
      // SIE, SPIE, SPP, SUM, MXR; then stvec, sepc, sie.
      expect((inside[32] as bigint) & 0xc0122n).toBe(0n);
      expect(inside.slice(33, 36)).toEqual([0n, 0n, 0n]);
      const after = longs(1024);
      expect([5, 7, 31, 11, 12].map((register) => after[register])).toEqual(Array(5).fill(0n));
      expect([8, 9, 18, 27].map((register) => after[register])).toEqual(Array(4).fill(0x222n));
      expect([after[3], after[4]]).toEqual([0x111n, 0n]);
    });

    it('registers of S-mode are the same after a domain has written them', async () => {
      const outcome = await run([
        interruptsOn(true),
        call('alpha_probe', PROBE.STVEC, 0),
        raiseSoftware,
        tryLoad(0),
        call('alpha_add', 1, 1),
      ]);
      expect(outcome.results[0]).toEqual([0, 0, 0, -1, 2]);
      expect(outcome.long('interrupts')).toBe(1);
    });

    it.each([
      ['sret', PROBE.SRET],
      ['sret to U-mode', PROBE.USER_MODE],
      ['wfi', PROBE.WFI],
      ['a write of satp', PROBE.SATP],
      ['sfence.vma', PROBE.SFENCE],
      ['a write of stimecmp', PROBE.STIMECMP],
      // Registers of floating point would carry values past gates.
      ['a floating-point register, though FS is set first,', PROBE.FLOAT],
    ])('%s inside of a domain stops it', async (_, probe) => {
      const outcome = await run([
        interruptsOn(false),
        call('alpha_probe', probe, at('alpha_add')),
        call('alpha_add', 1, 1),
      ]);
      expect(outcome.results[0]?.slice(1)).toEqual([EIO, EIO]);
      expect(told(outcome.events)).toEqual(['fault privileged-instruction', 'stop live-domain']);
    });

    it('interrupts that the core had off stay off in the core, whatever a domain between does', async () => {
      const outcome = await run([
        interruptsOn(false),
        raiseSoftware,
        call('alpha_probe', PROBE.SIE_THEN_CORE, 0),
        call('core_interrupts'),
        interruptsOn(true),
        call('alpha_probe', PROBE.SIE_THEN_CORE, 0),
      ]);
      expect(outcome.results[0]).toEqual([0, 0, 0, 0, 0, 1]);
      expect(outcome.long('interrupts')).toBe(1);
    });
  });

  describe('identity (NK-2, NK-7)', () => {
    it("only a gate's own ecall is a gate, and only for its caller", async () => {
      const gates = guest.contexts.gates;
      const coreGate = gates.find((gate) => gate.caller === 0);
      const alphaGate = gates.find((gate) => gate.caller === ALPHA);
      const jump = (address: bigint): Step => call('alpha_probe', PROBE.JUMP, address);
      const { results, events } = await run([
        jump(BigInt(coreGate?.start ?? 0)),
        jump(BigInt(guest.contexts.resumeGate)),
        tryJump(BigInt(alphaGate?.start ?? 0)),
        jump(BigInt(coreGate?.start ?? 0) + 4n),
      ]);
      expect(results[0]).toEqual([STATUS.POLICY, STATUS.POLICY, STATUS.POLICY, EIO]);
      expect(told(events)).toEqual([
        'denial enter-by-gate',
        'denial return-by-frame',
        'denial enter-by-gate',
        'fault privileged-instruction',
        'stop live-domain',
      ]);
    });

    it('a return goes where the call came from, whatever the stack of the callee says', async () => {
      expect((await one(call('alpha_probe', PROBE.RETURN_ELSEWHERE, 0))).told).toEqual([]);
    });

    it('the core does not return from what it was not called for', async () => {
      const { results, events } = await run([
        tryJump(BigInt(guest.contexts.returnGate)),
        tryJump(BigInt(guest.contexts.resumeGate)),
      ]);
      expect(results[0]).toEqual([STATUS.POLICY, STATUS.POLICY]);
      expect(told(events)).toEqual(['denial return-by-frame', 'denial return-by-frame']);
    });

    it('a domain makes no call of firmware or monitor', async () => {
      for (const extension of [EID.SRST, EID.DBCN, 0x08434f52]) {
        expect(await one(call('alpha_probe', PROBE.ECALL_SBI, extension))).toEqual({
          result: STATUS.DENIED,
          told: ['denial monitor-call-from-core'],
        });
      }
    });

    it('gate pages can be executed but not read', async () => {
      const { results } = await run([
        tryLoad(BigInt(guest.contexts.gateRegion.start)),
        call('alpha_probe', PROBE.LOAD, BigInt(guest.contexts.gateRegion.start)),
      ]);
      expect(results[0]).toEqual([-1, EIO]);
    });
  });

  describe('domain stacks (NK-8)', () => {
    it('calls nest to their bound and no further', async () => {
      const most = MAX_DEPTH - 2;
      const { results, events } = await run([
        call('alpha_deep', most),
        call('alpha_deep', most + 1),
        call('alpha_add', 1, 1),
      ]);
      expect(results[0]).toEqual([most % 2 === 0 ? 1000 : 2000, STATUS.DEPTH, 2]);
      expect(told(events)).toEqual(['denial stack-depth']);
    });

    it('an interrupt shows the core nothing of the domain that it hit, and is no call from it', async () => {
      const outcome = await run([
        interruptsOn(true),
        timer(50),
        call('alpha_probe', PROBE.SPIN, 0x5ec2e7),
      ]);
      expect(outcome.results[0]?.[2]).toBe(EIO);
      expect(outcome.long('interrupts')).toBe(1);
      expect(outcome.long('flags', 4)).toBe(1);
      expect(outcome.long('interrupt_leak')).toBe(0);
      expect(outcome.long('flags', 5)).toBe(0);
      expect(told(outcome.events)).toEqual(['fault budget', 'stop live-domain']);
    });

    it('the handler of an interrupt may enter the domain that it hit', async () => {
      const outcome = await run([
        write(at('interrupt_calls'), 1),
        interruptsOn(true),
        timer(50),
        call('alpha_probe', PROBE.SPIN, 0),
      ]);
      expect(outcome.long('flags', 6)).toBe(42);
    });

    it('a call back enters the domain below where it left it', async () => {
      const { results } = await run([
        write(at('buffer'), 5),
        call('alpha_nested', 1),
        call('alpha_nested', 3),
      ]);
      expect(results[0]?.slice(2)).toEqual([17]);
    });

    it.each(['1', '2', '3'])(
      'a thread that sleeps inside goes on inside on another hart (seed %s)',
      async (seed) => {
        const outcome = await runGuest(
          guest,
          { mechanism, seed },
          [call('start_thread', 0), call('alpha_add', 1, 1), waitFor(9, 1)],
          [call('take_thread'), set(9, 1)],
        );
        expect(outcome.results[0]?.slice(0, 2)).toEqual([0, 2]);
        expect(outcome.results[1]?.[0]).toBe(42 * 100 + 1);
        expect(outcome.events).toEqual([]);
      },
    );

    it('a thread that is preempted inside goes on inside on another hart, and its budget with it', async () => {
      const outcome = await run(
        [
          write(at('interrupt_preempts'), 1),
          interruptsOn(true),
          timer(50),
          call('start_thread', 1),
          waitFor(9, 1),
        ],
        [call('take_thread'), set(9, 1)],
      );
      expect(outcome.results[1]?.[0]).toBe(EIO);
      expect(told(outcome.events)).toEqual(['fault budget', 'stop live-domain']);
      expect(outcome.events[0]?.hart).toBe(1);
    });

    it('thread slots: none twice, none that runs is taken or ended, none beyond the last', async () => {
      const { results } = await run(
        [
          monitor('THREAD_CREATE', 9),
          monitor('THREAD_CREATE', 9),
          monitor('THREAD_CREATE', guest.contexts.threads),
          monitor('THREAD_EXIT', 0),
          monitor('THREAD_EXIT', 9),
          monitor('THREAD_SWITCH', 9),
          waitFor(9, 1),
          monitor('THREAD_SWITCH', 1),
          monitor('THREAD_EXIT', 1),
          set(9, 2),
        ],
        [set(9, 1), waitFor(9, 2)],
      );
      const no = STATUS.INVALID_PARAM;
      expect(results[0]).toEqual([0, no, no, no, 0, no, 0, no, no, 0]);
    });

    it('a thread ends in the core only with nothing outstanding, and never while it runs', async () => {
      expect((await one(call('alpha_nested', 9))).result).toBe(STATUS.INVALID_PARAM);
    });

    it('a hart starts once, at the entry, and stops', async () => {
      const { results } = await run(
        [
          sbi(EID.HSM, 0, 1, Number(guest.contexts.entryPhys), 0),
          sbi(EID.HSM, 0, 9, 0, 0),
          waitFor(9, 1),
        ],
        [set(9, 1), sbi(EID.HSM, 1)],
      );
      expect(results[0]).toEqual([STATUS.ALREADY_AVAILABLE, STATUS.INVALID_PARAM, 0]);
    });
  });
});
