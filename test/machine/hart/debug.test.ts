import { describe, expect, it } from 'vitest';

import {
  DEBUG_COMMAND,
  DEBUG_REASON,
  POINT_KIND,
  writePoints,
  type Point,
} from '../../../src/machine/debug/debug-block.ts';
import { answerText } from '../../../src/machine/debug/questions.ts';
import { MIP_MSIP } from '../../../src/machine/bus.ts';
import { Bench, CORES, HANDLER, RAM } from './bench.ts';

const point = (address: bigint, kind: number, bytes = 2): Point => ({
  kind,
  low: Number(BigInt.asIntN(32, address)),
  high: Number(BigInt.asIntN(32, address >> 32n)),
  bytes,
});
const { EXECUTE, LOAD, STORE } = POINT_KIND;

describe.each(CORES)('a debugger at a hart of the %s core', (_name, options) => {
  const bench = new Bench(options);
  const { debug } = bench.machine;

  const start = (source: string, points: (at: (label: string) => bigint) => Point[] = () => []) => {
    writePoints(debug, []);
    debug.command.store(0, DEBUG_COMMAND.RUN);
    debug.reason.store(0, DEBUG_REASON.ASKED);
    bench.reset();
    bench.load(source);
    bench.pc = RAM;
    writePoints(
      debug,
      points((label) => bench.at(label)),
    );
  };
  /** Lets a hart go on that stands before a point. */
  const goOn = (): string => {
    debug.command.store(0, DEBUG_COMMAND.RUN);
    return bench.run();
  };

  it('stops before the instruction at a breakpoint, again and again until it is taken away', () => {
    start('li a0, 1\n there: addi a0, a0, 1\n li a1, 7\n wfi', (at) => [
      point(at('there'), EXECUTE),
    ]);
    expect([bench.run(), bench.pc, bench.x('a0')]).toEqual(['halted', bench.at('there'), 1n]);
    expect([debug.reason.load(0), debug.point.load(0)]).toEqual([DEBUG_REASON.POINT, 0]);
    expect(goOn()).toBe('halted');
    writePoints(debug, []);
    expect(goOn()).toBe('waiting');
    expect([bench.x('a0'), bench.x('a1')]).toEqual([2n, 7n]);
  });

  it('stays where it is while its command says so', () => {
    start('li a0, 1\n wfi');
    debug.command.store(0, DEBUG_COMMAND.HALT);
    expect([bench.run(), bench.pc]).toEqual(['halted', RAM]);
  });

  it('stops in a loop that is already running on a page that it knows', () => {
    start('li s0, 1000\n loop: addi s0, s0, -1\n there: bnez s0, loop\n wfi');
    bench.run(500);
    writePoints(debug, [point(bench.at('there'), EXECUTE)]);
    expect(bench.run()).toBe('halted');
    expect(bench.pc).toBe(bench.at('there'));
    expect(bench.x('s0')).toBeGreaterThan(0n);
  });

  it('takes an instruction that lies over the end of the page for what it is', () => {
    start(
      `li a0, 5\n j there\n .zero ${4096 - 4 - 4 - 2 - 8}\n nop\n nop\n there: lui a1, 3\n wfi`,
      () => [],
    );
    const crossing = RAM + 0xffen;
    bench.load('lui a1, 3\n wfi', crossing);
    bench.pc = crossing;
    writePoints(debug, [point(crossing + 4n, EXECUTE)]);
    expect([bench.run(), bench.pc, bench.x('a1')]).toEqual(['halted', crossing + 4n, 0x3000n]);
  });

  it.each([
    ['lb', 'lb a0, 3(s0)', LOAD, 3n],
    ['sd', 'sd a0, 0(s0)', STORE, 7n],
    ['an access over the end of the page', 'ld a0, -4(s1)', LOAD, 4096n],
    ['amoadd, which loads', 'amoadd.w a0, a0, (s0)', LOAD, 1n],
    ['amoadd, which stores', 'amoadd.w a0, a0, (s0)', STORE, 1n],
    ['lr', 'lr.d a0, (s0)', LOAD, 0n],
    ['sc', 'lr.d a1, (s0)\n sc.d a0, a0, (s0)', STORE, 0n],
  ])('stops before %s of a watched byte', (_what, access, kind, offset) => {
    const data = RAM + 0x10_0000n;
    start(`li s0, 0x80100000\n li s1, 0x80101000\n li a0, 9\n ${access}\n after: wfi`, () => [
      point(data + offset, kind, 1),
    ]);
    bench.write(data, 0x55n);
    expect(bench.run()).toBe('halted');
    expect(bench.at('after') - bench.pc).toBe(4n);
    expect([bench.x('a0'), bench.read(data, 8)]).toEqual([9n, 0x55n]);
    writePoints(debug, []);
    expect(goOn()).toBe('waiting');
  });

  it('lets every other access to a watched page have its way', () => {
    const data = RAM + 0x10_0000n;
    start(
      'li s0, 0x80100000\n li s1, 0x80101000\n li a0, 9\n sd a0, 0(s0)\n ld a1, 0(s0)\n amoadd.d a2, a0, (s0)\n' +
        ' lr.d a3, (s0)\n sc.d a4, a0, (s0)\n lw a5, -2(s1)\n sb a0, 64(s0)\n wfi',
      () => [point(data + 128n, LOAD | STORE, 8), point(data + 64n, LOAD, 1)],
    );
    expect(bench.run()).toBe('waiting');
    expect(['a1', 'a2', 'a3', 'a4'].map((name) => bench.x(name))).toEqual([9n, 9n, 18n, 0n]);
    expect(bench.read(data, 8)).toBe(9n);
  });

  it('makes one step, whatever the instruction, and says so', () => {
    start('li a0, 1\n j over\n li a0, 2\n over: ecall');
    const pcs: bigint[] = [];
    for (let n = 0; n < 3; n++) {
      debug.command.store(0, DEBUG_COMMAND.STEP);
      expect(bench.run()).toBe('halted');
      pcs.push(bench.pc);
    }
    expect(debug.reason.load(0)).toBe(DEBUG_REASON.STEPPED);
    expect(pcs).toEqual([bench.at('over') - 8n, bench.at('over'), bench.csr('mtvec')]);
    expect([bench.x('a0'), bench.trap().cause]).toEqual([1n, 11n]);
  });

  it('steps off a breakpoint, but not over a watchpoint', () => {
    start('there: li a0, 1\n li s0, 0x80100000\n sd a0, 0(s0)\n wfi', (at) => [
      point(at('there'), EXECUTE),
      point(RAM + 0x10_0000n, STORE, 8),
    ]);
    const step = (): bigint => {
      debug.command.store(0, DEBUG_COMMAND.STEP);
      bench.run();
      return bench.pc;
    };
    expect(step()).toBe(RAM + 4n);
    while (bench.read(bench.pc, 4) !== 0x00a43023n) step();
    expect(step()).toBe(bench.pc);
    expect(debug.point.load(0)).toBe(1);
    expect(bench.read(RAM + 0x10_0000n, 8)).not.toBe(1n);
  });

  it('takes an interrupt at a step only if it may', () => {
    start('li a0, 1\n li a0, 2\n wfi');
    bench.setCsr('mtvec', HANDLER);
    bench.setCsr('mie', 1n << BigInt(MIP_MSIP));
    bench.setCsr('mstatus', 8n);
    bench.line(MIP_MSIP, true);
    debug.masksSteps.store(1);
    debug.command.store(0, DEBUG_COMMAND.STEP);
    bench.run();
    expect(bench.pc).toBe(RAM + 4n);
    debug.masksSteps.store(0);
    debug.command.store(0, DEBUG_COMMAND.STEP);
    bench.run();
    expect(bench.pc & ~15n).toBe(HANDLER);
    bench.line(MIP_MSIP, false);
  });

  it('sees code that the debugger wrote, without FENCE.I', () => {
    start('loop: li a0, 1\n j loop');
    bench.run(10);
    const at = Number(RAM - RAM) + bench.machine.parts.plan.ram;
    new DataView(bench.machine.memory).setInt32(at, 0x00200513, true); // li a0, 2
    debug.memoryChanges.add(1);
    bench.run(10);
    expect(bench.x('a0')).toBe(2n);
  });

  it('answers for what is in no shared word', () => {
    start('wfi');
    const ask = (kind: string, question: object): unknown =>
      JSON.parse(answerText(bench.hart, JSON.stringify({ kind, ask: question })));
    expect(ask('csr', { number: 0xf14 })).toEqual([0, 0]);
    expect(ask('csr', { number: 0x7ff })).toBeNull();
    expect(ask('setCsr', { number: 0x340, value: [5, 6] })).toBe(true);
    expect(bench.csr('mscratch')).toBe(0x6_0000_0005n);
    expect(ask('setCsr', { number: 0xf14, value: [1, 0] })).toBe(false);
    bench.hart.translation.pmp.open();
    expect(ask('pmp', {})).toMatchObject([{ address: [-1, 0x3fffff] }]);
    expect(ask('tlb', { most: 4 })).toEqual({ entries: [], count: 0 });
  });
});
