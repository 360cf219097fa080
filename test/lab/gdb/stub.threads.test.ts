/** The protocol, over a socket, at small programs: what every packet does, and what cannot be broken. */
import { afterAll, afterEach, describe, expect, it } from 'vitest';

import { HartPool } from '../../../src/cpu-worker/pool.ts';
import { serveGdb, type GdbServer } from '../../../src/lab/gdb/server.ts';
import { Session, type SessionMode } from '../../../src/lab/session.ts';
import { BY_VALUE, type ReservationSpec } from '../../../src/machine/reservation-spec.ts';
import { program } from '../../cpu-worker/assembler.ts';
import { countTogether, POWER_OFF } from '../../cpu-worker/programs.ts';
import { RspClient } from './client.ts';

const RAM = 0x8000_0000n;
const PC = 32;
const A0 = 10;
const S0 = 8;

const MODES: readonly SessionMode[] = [
  { kind: 'parallel' },
  { kind: 'deterministic', seed: 'gdb' },
];

/** Harts count in s0; the first of them also stores. Nothing ends it. */
const COUNT = `
  li   s0, 0
  la   s1, cell
loop:
  addi s0, s0, 1
  sd   s0, 0(s1)
  j    loop
  .align 8
cell:
  .dword 0
`;
/** li is one instruction each; la two; so are the addresses. */
const LOOP = RAM + 12n;
const CELL = RAM + 24n;

/** On the first hart; the others have nothing to do. */
const LOAD_RESERVED = `
  la   s0, cell
  lr.d t0, (s0)
  addi t0, t0, 1
  sc.d t1, t0, (s0)
  nop
rest:
  j    rest
  .align 8
cell:
  .dword 5
`;
const PAGE: ReservationSpec = { mode: 'page', detectsAba: false };

/** Threads of a run are kept for the next. */
const pools = new Map<number, HartPool>();
const poolOf = (harts: number): HartPool => {
  const pool = pools.get(harts) ?? new HartPool(harts);
  pools.set(harts, pool);
  return pool;
};
afterAll(async () => {
  for (const pool of pools.values()) await pool.close();
});

let session: Session;
let server: GdbServer;
const clients: RspClient[] = [];

async function begin(
  mode: SessionMode,
  text: string,
  { harts = 2, isHeld = false, seconds = 20, reservations = BY_VALUE } = {},
): Promise<RspClient> {
  session = new Session({
    harts,
    ramBytes: 16 << 20,
    image: program(text),
    mode,
    seconds,
    reservations,
    ...(mode.kind === 'parallel' ? { pool: poolOf(harts) } : {}),
  });
  server = await serveGdb(session, 0);
  if (isHeld) void session.debugger.halt();
  session.start();
  return await attach();
}

async function attach(): Promise<RspClient> {
  const client = await RspClient.connect(server.port);
  clients.push(client);
  return client;
}

afterEach(async () => {
  session.stop();
  for (const client of clients.splice(0)) client.close();
  await session.done;
  await server.close();
});

/** Lets all harts go on for some milliseconds. */
async function goOn(gdb: RspClient): Promise<void> {
  gdb.send('c');
  await new Promise((resolve) => setTimeout(resolve, 20));
  gdb.raw('\x03');
  expect(await gdb.packet()).toMatch(/^T02/);
}

/** Goes on until a hart is there; under load, some milliseconds may be none. */
async function goOnUntil(gdb: RspClient, isThere: () => Promise<boolean>): Promise<void> {
  for (let n = 0; n < 100 && !(await isThere()); n++) await goOn(gdb);
  expect(await isThere()).toBe(true);
}

const hex = (value: bigint): string => value.toString(16);

describe.each(MODES)('gdb at a $kind run', (mode) => {
  it('finds every hart standing still, and as a thread', async () => {
    const gdb = await begin(mode, COUNT, { harts: 3 });
    expect(await gdb.ask('qSupported:swbreak+')).toMatch(/PacketSize=4000;.*qXfer:threads:read\+/);
    expect(await gdb.ask('?')).toMatch(/^T05thread:1;/);
    expect(await gdb.ask('qfThreadInfo')).toBe('m1,2,3');
    expect(await gdb.object('threads:read:')).toContain('name="hart 2 (M)"');
    const before = await gdb.register(S0);
    expect(await gdb.register(S0)).toBe(before);
    expect((await gdb.ask('g')).length).toBe(33 * 16);
  });

  it('stands at the first instruction if it was held before the start', async () => {
    const gdb = await begin(mode, COUNT, { isHeld: true });
    for (const thread of [1, 2]) {
      await gdb.ask(`Hg${thread}`);
      expect(await gdb.register(PC)).toBe(RAM);
    }
  });

  it.each(['Z0', 'Z1'])('stops at a breakpoint (%s) and goes on from it', async (type) => {
    const gdb = await begin(mode, COUNT, { isHeld: true });
    expect(await gdb.ask(`${type},${hex(LOOP)},4`)).toBe('OK');
    const stop = await gdb.ask('vCont;c');
    expect(stop).toMatch(type === 'Z0' ? /swbreak:;/ : /hwbreak:;/);
    expect(await gdb.register(PC)).toBe(LOOP);
    // The breakpoint is nowhere in memory.
    expect(await gdb.ask(`m${hex(LOOP)},4`)).toBe('13041400');
    const thread = /thread:(\d)/.exec(stop)?.[1];
    expect(await gdb.ask(`z${type[1]},${hex(LOOP)},4`)).toBe('OK');
    expect(await gdb.ask(`vCont;s:${thread}`)).toMatch(new RegExp(`^T05.*thread:${thread};`));
    expect(await gdb.register(PC)).toBe(LOOP + 4n);
    expect(await gdb.register(S0)).toBe(1n);
  });

  it('steps one hart while the others stay', async () => {
    const gdb = await begin(mode, COUNT, { isHeld: true });
    for (let n = 1n; n <= 4n; n++) {
      await gdb.ask('vCont;s:2');
      expect(await gdb.register(PC)).toBe(RAM + 4n * n);
    }
    await gdb.ask('Hg1');
    expect(await gdb.register(PC)).toBe(RAM);
  });

  it('steps an LR at once, whoever else has to hear of it first', async () => {
    const gdb = await begin(mode, LOAD_RESERVED, { isHeld: true, reservations: PAGE });
    for (let n = 1n; n <= 6n; n++) {
      await gdb.ask('vCont;s:1');
      expect(await gdb.register(PC)).toBe(RAM + 4n * n);
    }
    expect(await gdb.ask(`m${hex(RAM + 32n)},8`)).toBe('0600000000000000');
  });

  it('steps over a range of its own', async () => {
    const gdb = await begin(mode, COUNT, { isHeld: true });
    await gdb.ask(`vCont;r${hex(RAM)},${hex(LOOP)}:1`);
    expect(await gdb.register(PC)).toBe(LOOP);
  });

  it('stops before a watched store and names the address', async () => {
    const gdb = await begin(mode, COUNT, { isHeld: true });
    await gdb.ask(`Z2,${hex(CELL)},8`);
    expect(await gdb.ask('vCont;c')).toContain(`watch:${hex(CELL).padStart(16, '0')};`);
    expect(await gdb.register(PC)).toBe(LOOP + 4n);
    expect(await gdb.ask(`m${hex(CELL)},8`)).toBe('0'.repeat(16));
  });

  it('stops at Ctrl-C and goes on', async () => {
    const gdb = await begin(mode, COUNT);
    gdb.send('vCont;c');
    gdb.raw('\x03');
    expect(await gdb.packet()).toMatch(/^T02/);
    const before = await gdb.register(S0);
    await goOnUntil(gdb, async () => (await gdb.register(S0)) > before);
  });

  it('writes registers, memory and CSRs', async () => {
    const gdb = await begin(mode, COUNT, { isHeld: true });
    expect(await gdb.ask('Pa=0102030405060708')).toBe('OK');
    expect(await gdb.register(A0)).toBe(0x0807060504030201n);
    expect(await gdb.ask('P0=0102030405060708')).toBe('OK');
    expect(await gdb.register(0)).toBe(0n);
    expect(await gdb.ask(`M${hex(CELL)},2:beef`)).toBe('OK');
    expect(await gdb.ask(`m${hex(CELL)},2`)).toBe('beef');
    const xml = await gdb.object('features:read:target.xml');
    const scratch = /name="mscratch"[^>]* regnum="(\d+)"/.exec(xml)?.[1];
    expect(await gdb.ask(`P${Number(scratch).toString(16)}=1100000000000000`)).toBe('OK');
    expect(await gdb.register(Number(scratch))).toBe(0x11n);
  });

  it('executes code that it wrote, on every hart', async () => {
    const gdb = await begin(mode, COUNT);
    // j . in place of the loop's store: s0 stands still.
    expect(await gdb.ask(`M${hex(LOOP + 4n)},4:6f000000`)).toBe('OK');
    for (const thread of [1, 2]) {
      await goOnUntil(gdb, async () => {
        await gdb.ask(`Hg${thread}`);
        return (await gdb.register(PC)) === LOOP + 4n;
      });
    }
  });

  it('hears how the machine ended', async () => {
    const gdb = await begin(mode, POWER_OFF, { isHeld: true, harts: 1 });
    expect(await gdb.ask('c')).toBe('W00');
    await gdb.closed;
  });

  it('leaves the machine running without breakpoints, in order or not; another may come', async () => {
    const gdb = await begin(mode, countTogether(2), { isHeld: true });
    await gdb.ask(`Z0,${hex(RAM)},4`);
    expect(await gdb.ask('vCont;c')).toContain('swbreak');
    gdb.close();
    await gdb.closed;
    const { exit } = await session.done;
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
  });

  it('detaches while it runs, and attaches again', async () => {
    const gdb = await begin(mode, COUNT);
    expect(await gdb.ask('D')).toBe('OK');
    await gdb.closed;
    const next = await attach();
    const before = await next.register(S0);
    await goOnUntil(next, async () => (await next.register(S0)) > before);
    next.send('c');
    next.close();
    await next.closed;
    // Nobody can know when the server has noticed.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const last = await attach();
    expect(await last.ask('?')).toMatch(/^T05/);
  });

  it('ends the machine when it is told to', async () => {
    const gdb = await begin(mode, COUNT);
    gdb.send('k');
    expect((await session.done).exit.reason).toBe('interrupted');
  });

  it('has the machine to itself', async () => {
    const gdb = await begin(mode, COUNT);
    await gdb.ask('?');
    const second = await attach();
    await second.closed;
    expect(await gdb.ask('?')).toMatch(/^T05/);
  });

  it('cannot be broken by what it is sent', async () => {
    const gdb = await begin(mode, COUNT);
    await gdb.ask('?');
    gdb.raw('garbage$g#00');
    await expect.poll(() => gdb.acknowledgements).toContain('-');
    for (const packet of [
      ...['p', 'pzz', 'pffff', 'P', 'P1', 'P1=00', 'G00', 'm', 'm0', 'mzz,4', 'M0,4:00', 'M0'],
      ...[
        'Z0',
        'Z9,0,4',
        'Z2,0,ffffffff',
        'Z0,0,0',
        'H',
        'Hg9',
        'Hx1',
        'T9',
        'Tz',
        'vCont;q',
        'vCont;c:9',
      ],
      ...[
        'qXfer:features:read:none:0,10',
        'qXfer:x',
        'qRcmd,zz',
        'qThreadExtraInfo,99',
        'vRun',
        'j',
      ],
      ...['vCont;r1', 'sxyz;', 'qXfer:threads:write::0,1'],
    ]) {
      expect([packet, await gdb.ask(packet)]).toEqual([packet, expect.stringMatching(/^(E..|)$/)]);
    }
    expect(await gdb.ask('m0,4')).toBe('E0e');
    for (let n = 0; n < 256; n++) expect(await gdb.ask(`Z0,${hex(BigInt(n * 2))},2`)).toBe('OK');
    expect(await gdb.ask('Z0,10000,2')).toBe('E1c');
    for (const command of [
      'nonsense',
      'walk zz',
      'phys',
      'phys 0',
      'domain',
      'view 99',
      'tlb x',
      'step-interrupts x',
    ])
      expect(await gdb.monitor(command)).toMatch(/monitor|no command/);
    expect(await gdb.monitor('harts')).toMatch(/hart +state +mode/);
    expect(await gdb.monitor('help')).toMatch(/monitor walk/);
    expect(await gdb.monitor('pmp')).toMatch(/every entry is off/);
    expect(await gdb.monitor('tlb')).toMatch(/TLB/);
    expect(await gdb.monitor(`phys 0x${hex(RAM)} 16`)).toMatch(/^0x80000000: /);
  });
});

describe('time while gdb looks', () => {
  it('stands still for a parallel machine', async () => {
    const gdb = await begin({ kind: 'parallel' }, COUNT);
    const xml = await gdb.object('features:read:target.xml');
    const time = Number(/name="time"[^>]* regnum="(\d+)"/.exec(xml)?.[1]);
    const before = await gdb.register(time);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await gdb.ask('vCont;s:1');
    const ticks = Number((await gdb.register(time)) - before);
    expect(ticks).toBeLessThan(2_000_000);
  });

  it('does not change what a deterministic run does', async () => {
    const mode: SessionMode = { kind: 'deterministic', seed: 'same' };
    const run = (): Session =>
      new Session({ harts: 3, ramBytes: 16 << 20, image: program(countTogether(3)), mode });
    const alone = await run().start().done;
    session = run();
    server = await serveGdb(session, 0);
    void session.debugger.halt();
    session.start();
    const gdb = await attach();
    await gdb.ask(`Z0,${hex(RAM + 24n)},4`);
    for (let n = 0; n < 50; n++) {
      const thread = /thread:(\d)/.exec(await gdb.ask('vCont;c'))?.[1];
      await gdb.ask(`z0,${hex(RAM + 24n)},4`);
      // Others wait here, as gdb has it over a breakpoint; the hart is in its own slice.
      await gdb.ask(`vCont;s:${thread}`);
      await gdb.ask('vCont;s:2;c');
      await gdb.ask(`Z0,${hex(RAM + 24n)},4`);
    }
    await gdb.ask('D');
    const result = await session.done;
    expect(result.stateHash).toBe(alone.stateHash);
    expect(result.machineSeconds).toBe(alone.machineSeconds);
  });
});
