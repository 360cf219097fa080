import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { afterAll, describe, expect, it } from 'vitest';

import { attachMachine, createMachine } from '../../src/machine/machine.ts';
import { RAM_BASE } from '../../src/machine/physical-map.ts';
import type { ReservationSpec } from '../../src/machine/reservation-spec.ts';
import { abaReports } from '../../src/machine/reservations.ts';
import { assemble } from './isa/assembler.ts';

const HARTS = 3;
const codeOf = (hart: number): number => RAM_BASE + hart * 0x1000;
const SHARED = RAM_BASE + 0x10_0000;
/** On a page of their own, which nobody reserves. */
const FLAGS = RAM_BASE + 0x20_0000;
const workers: Worker[] = [];
afterAll(() => Promise.all(workers.map((worker) => worker.terminate())));

describe.each<[string, ReservationSpec, number | undefined]>([
  ['value', { mode: 'value', detectsAba: false }, undefined],
  ['value, detecting, with translated code', { mode: 'value', detectsAba: true }, 2],
  ['page', { mode: 'page', detectsAba: false }, undefined],
  ['page, with translated code', { mode: 'page', detectsAba: false }, 2],
  ['global', { mode: 'global', detectsAba: false }, undefined],
])('real harts on real threads: %s', (_, reservations, jitAfter) => {
  const parts = createMachine({
    harts: HARTS,
    ramBytes: 16 << 20,
    deterministic: false,
    hasKeys: false,
    monitorBytes: 4096,
    reservations,
    ...(jitAfter === undefined ? {} : { jitAfter }),
  });
  const machine = attachMachine(parts);
  const own: Worker[] = [];

  const run = async (programs: readonly string[]): Promise<void> => {
    if (own.length === 0) {
      for (let id = 0; id < HARTS; id++)
        own.push(
          new Worker(new URL('litmus-worker.ts', import.meta.url), { workerData: { parts, id } }),
        );
      workers.push(...own);
      await Promise.all(own.map((worker) => once(worker, 'message')));
    }
    programs.forEach((source, hart) =>
      machine.load(codeOf(hart), assemble(source, BigInt(codeOf(hart))).bytes),
    );
    const done = programs.map((_program, hart) => once(own[hart] as Worker, 'message'));
    programs.forEach((_program, hart) => (own[hart] as Worker).postMessage(codeOf(hart)));
    expect(await Promise.all(done)).toEqual(programs.map(() => ['waiting']));
  };
  const word = (address: number): number =>
    machine.words[(parts.plan.ram + address - RAM_BASE) >> 2] as number;

  it('a lock and a counter on one page: every hart gets on, and no sum is lost', async () => {
    const ROUNDS = 1000;
    machine.load(SHARED, new Uint8Array(64));
    await run(
      Array.from(
        { length: HARTS },
        () => `
          li a1, ${SHARED}
          addi a4, a1, 8
          addi a5, a1, 16
          li s0, ${ROUNDS}
          round: lr.d a0, (a1)
          addi a0, a0, 1
          sc.d a2, a0, (a1)
          bnez a2, round
          lock: lr.w.aq a0, (a4)
          bnez a0, lock
          li a0, 1
          sc.w a2, a0, (a4)
          bnez a2, lock
          ld a0, 0(a5)
          addi a0, a0, 1
          sd a0, 0(a5)
          fence rw, w
          sw zero, 0(a4)
          addi s0, s0, -1
          bnez s0, round
          wfi`,
      ),
    );
    expect([word(SHARED), word(SHARED + 16)]).toEqual([HARTS * ROUNDS, HARTS * ROUNDS]);
  });

  it('A-B-A between LR and SC: only `value` succeeds, and can tell', async () => {
    const ROUNDS = 100;
    machine.load(SHARED, new Uint8Array(64));
    machine.load(FLAGS, new Uint8Array(4096));
    const before = abaReports(machine.memory, parts.plan).count;
    await run([
      `
        li a1, ${SHARED}
        li a5, ${FLAGS}
        li s0, 0
        li s1, ${ROUNDS}
        li s2, 0
        round: addi s0, s0, 1
        lr.d a0, (a1)
        sd s0, 0(a5)
        wait: ld a2, 64(a5)
        bne a2, s0, wait
        sc.d a2, a0, (a1)
        xori a2, a2, 1
        add s2, s2, a2
        bne s0, s1, round
        sd s2, 128(a5)
        wfi`,
      `
        li a1, ${SHARED}
        li a5, ${FLAGS}
        li s0, 0
        li s1, ${ROUNDS}
        li a3, 77
        round: addi s0, s0, 1
        wait: ld a2, 0(a5)
        bne a2, s0, wait
        sd a3, 0(a1)
        sd zero, 0(a1)
        fence rw, rw
        sd s0, 64(a5)
        bne s0, s1, round
        wfi`,
    ]);
    expect(word(FLAGS + 128)).toBe(reservations.mode === 'value' ? ROUNDS : 0);
    const after = abaReports(machine.memory, parts.plan);
    expect(after.count - before).toBe(reservations.detectsAba ? ROUNDS : 0);
    const { hart, writer, address } = after.first.at(-1) ?? {};
    expect([hart, writer, address]).toEqual(
      reservations.detectsAba ? [0, 1, BigInt(SHARED)] : [undefined, undefined, undefined],
    );
  });
});
