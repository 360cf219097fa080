/** The monitor's tables by themselves: frames, threads, page tables, ledger. */
import { describe, expect, it } from 'vitest';
import { HartBlock } from '../../src/machine/core/hart-block.ts';
import { attachMachine, createMachine } from '../../src/machine/machine.ts';
import { RAM_BASE } from '../../src/machine/physical-map.ts';
import { PTE } from '../../src/machine/page-table.ts';
import { monitorTableBytes } from '../../src/nested-kernel/boot.ts';
import { Frames, MAX_MAPS } from '../../src/nested-kernel/frames.ts';
import { append, readLedger, RULES } from '../../src/nested-kernel/ledger.ts';
import { leafHigh, leafLow, Paging, RAM_FRAME, vpn0 } from '../../src/nested-kernel/paging.ts';
import { FRAME, LEDGER_RECORDS, MAX_DEPTH, MonitorBlock } from '../../src/nested-kernel/tables.ts';
import { AT, Threads } from '../../src/nested-kernel/threads.ts';

const RAM_BYTES = 16 << 20;
const make = () => {
  const machine = attachMachine(
    createMachine({
      harts: 1,
      ramBytes: RAM_BYTES,
      deterministic: true,
      hasKeys: false,
      monitorBytes: monitorTableBytes(RAM_BYTES),
    }),
  );
  const tables = MonitorBlock.at(machine.memory, machine.parts.plan.monitor);
  return { machine, tables };
};

describe('frames', () => {
  const frames = () => new Frames(new SharedArrayBuffer(8 * 64), 0, 64);

  it('count all, writable and executable mappings apart, up to their bound', () => {
    const table = frames();
    table.setType(RAM_FRAME, FRAME.USER, 0);
    for (let n = 0; n < MAX_MAPS; n++) table.countMap(RAM_FRAME, true, n % 2 === 0, 1);
    expect([
      table.maps(RAM_FRAME),
      table.writableMaps(RAM_FRAME),
      table.executableMaps(RAM_FRAME),
    ]).toEqual([MAX_MAPS, MAX_MAPS, MAX_MAPS / 2]);
    for (let n = 0; n < MAX_MAPS; n++) table.countMap(RAM_FRAME, true, n % 2 === 0, -1);
    expect([
      table.maps(RAM_FRAME),
      table.writableMaps(RAM_FRAME),
      table.executableMaps(RAM_FRAME),
    ]).toEqual([0, 0, 0]);
  });

  it("a user frame is the core's again when its last mapping goes", () => {
    const table = frames();
    table.setType(RAM_FRAME + 3, FRAME.USER, 0);
    table.countMap(RAM_FRAME + 3, true, false, 1);
    table.countMap(RAM_FRAME + 3, false, false, 1);
    table.countMap(RAM_FRAME + 3, true, false, -1);
    expect(table.type(RAM_FRAME + 3)).toBe(FRAME.USER);
    table.countMap(RAM_FRAME + 3, false, false, -1);
    expect(table.type(RAM_FRAME + 3)).toBe(FRAME.CORE);
  });

  it('only whole frames of RAM are frames', () => {
    const table = frames();
    expect(
      [RAM_FRAME - 1, RAM_FRAME, RAM_FRAME + 63, RAM_FRAME + 64, RAM_FRAME + 0.5, NaN, -1].map(
        (frame) => table.has(frame),
      ),
    ).toEqual([false, true, true, false, false, false, false]);
  });
});

describe('threads', () => {
  const threads = () => new Threads(make().tables, 8);

  it('a slot is made once, taken by one hart, and not removed while one runs it', () => {
    const table = threads();
    expect([table.create(3), table.create(3)]).toEqual([true, false]);
    expect([table.take(3, 0), table.take(3, 1)]).toEqual([true, false]);
    expect(table.remove(3)).toBe('busy');
    table.release(3);
    expect(table.remove(3)).toBe('removed');
    expect([table.take(3, 0), table.create(3), table.take(3, 1)]).toEqual([false, true, true]);
  });

  it('one that was left outstanding calls cannot be removed, and is not lost by trying', () => {
    const table = threads();
    table.create(0);
    table.setDepth(0, 1);
    expect(table.remove(0)).toBe('inside');
    expect(table.take(0, 0)).toBe(true);
  });

  it('calls leave the last frame for an interrupt', () => {
    const table = threads();
    table.create(0);
    table.setDepth(0, MAX_DEPTH - 2);
    expect(table.hasRoomForCall(0)).toBe(true);
    table.setDepth(0, MAX_DEPTH - 1);
    expect(table.hasRoomForCall(0)).toBe(false);
    expect(table.frame(0, MAX_DEPTH - 1) + AT.used).toBeLessThan(table.words.length);
  });

  it('slots without a stack are none', () => {
    expect([-1, 0, 7, 8, 1.5].map((slot) => threads().isSlot(slot))).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
  });

  it('a domain goes on below where it left last', () => {
    const table = threads();
    table.create(0);
    const chain = [
      [0, 1],
      [1, 2],
      [2, 1],
      [1, 0],
    ];
    chain.forEach(([caller, callee], depth) => {
      const frame = table.frame(0, depth);
      table.words[frame + AT.caller] = caller as number;
      table.words[frame + AT.callee] = callee as number;
    });
    table.setDepth(0, 4);
    expect([0, 1, 2, 3].map((domain) => table.lastExit(0, domain))).toEqual([
      table.frame(0, 0),
      table.frame(0, 3),
      table.frame(0, 2),
      -1,
    ]);
    expect([1, 2, 3].map((domain) => table.isInside(0, domain))).toEqual([true, true, false]);
  });
});

describe('page tables', () => {
  const pool = RAM_FRAME + 1024;
  const paging = () => {
    const { machine, tables } = make();
    tables.poolNext.store(pool);
    const hart = machine.hart(0);
    return new Paging({
      core: machine.core,
      words: machine.words,
      ram: machine.parts.plan.ram,
      scratch: hart.base,
      highCell: (hart.base + HartBlock.offset.high) >> 2,
      tables,
      poolEnd: pool + 4,
      costs: { count: () => undefined },
    });
  };

  it('come zeroed from the pool, return to it, and run out', () => {
    const tables = paging();
    const made = [1, 2, 3, 4].map(() => tables.allocateTable());
    expect(made).toEqual([pool, pool + 1, pool + 2, pool + 3]);
    expect(tables.allocateTable()).toBe(0);
    tables.write(pool + 2, 9, -1, -1);
    tables.freeTable(pool + 2);
    expect(tables.allocateTable()).toBe(pool + 2);
    expect([tables.read(pool + 2, 9), tables.read(pool + 2, 0)]).toEqual([0, 0]);
  });

  it('reach what the rights, the U bit and canonical addresses allow', () => {
    const tables = paging();
    const root = tables.allocateTable();
    const leaf = tables.leafTable(root, 0x5000, 0);
    tables.write(leaf, vpn0(0x5000), leafLow(RAM_FRAME + 7, PTE.R), leafHigh(RAM_FRAME + 7, 0));
    tables.write(leaf, vpn0(0x6000), leafLow(RAM_FRAME + 8, PTE.R | PTE.W | PTE.U), 0);
    const reach = (low: number, high: number, write: boolean): number =>
      tables.reach(root, low, high, write, undefined);
    expect(reach(0x5123, 0, false)).toBe(RAM_BASE + 7 * 4096 + 0x123);
    expect(reach(0x5123, 0, true)).toBe(-1);
    expect(reach(0x6000, 0, false)).toBe(-1);
    expect(reach(0x7000, 0, false)).toBe(-1);
    expect(reach(0x5123, 0x40, false)).toBe(-1);
    expect(reach(0x5123, 0x80, false)).toBe(-1);
  });
});

describe('ledger', () => {
  it('keeps the newest records, in order, with their rule and invariant', () => {
    const { tables } = make();
    for (let n = 0; n < LEDGER_RECORDS + 10; n++) {
      append(tables, {
        kind: 'DENIAL',
        rule: 'frame-type',
        hart: 1,
        thread: 2,
        domain: 3,
        addressLow: n,
        addressHigh: -1,
        pcLow: 4,
        pcHigh: 0,
        cause: -1,
        gate: -1,
        value: n,
      });
    }
    const events = readLedger(tables, 0);
    expect(events.map(({ value }) => value)).toEqual(
      Array.from({ length: LEDGER_RECORDS }, (_, n) => n + 10),
    );
    expect(events[0]).toMatchObject({
      kind: 'denial',
      rule: 'frame-type',
      invariant: 'NK-4',
      address: '0xffffffff0000000a',
    });
    expect(readLedger(tables, LEDGER_RECORDS + 9)).toHaveLength(1);
  });

  it('every invariant has a rule', () => {
    const named = new Set(RULES.map(({ invariant }) => invariant));
    expect([...named].toSorted()).toEqual([
      'NK-1',
      'NK-10',
      'NK-2',
      'NK-3',
      'NK-4',
      'NK-5',
      'NK-6',
      'NK-7',
      'NK-8',
      'NK-9',
    ]);
  });
});
