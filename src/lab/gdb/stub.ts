/**
 * What each packet of a debugger asks for, and the answer ("Packets" and "General Query Packets", GDB
 * manual app. E.2 and E.4). All-stop: while the machine goes on, no packet but Ctrl-C is answered.
 *
 * Breakpoints of both kinds are points of the machine (src/machine/debug): guest memory is never patched.
 */
import { POINT_KIND, type Point } from '../../machine/debug/debug-block.ts';
import type { HartAction, Stop } from '../debug/debugger.ts';
import type { RunExit } from '../run-result.ts';
import type { Session } from '../session.ts';
import { runMonitorCommand } from './commands.ts';
import { HaltedMachine } from './halted-machine.ts';
import {
  fromHex,
  fromLittleEndian,
  hex64,
  highOf,
  joined,
  littleEndian,
  lowOf,
  PACKET_BYTES,
  parseNumber,
  toHex,
} from './packets.ts';
import {
  FP_NUMBER,
  GENERAL_REGISTERS,
  PC_NUMBER,
  REGISTERS,
  SP_NUMBER,
  targetXml,
} from './registers.ts';
import { describeThread, nameOf, parseThread, threadOf, threadsXml } from './threads.ts';

/** Signal numbers of the protocol are Linux's (GDB manual, include/gdb/signals.def). */
const SIGNAL = { INT: '02', TRAP: '05', TERM: '0f' } as const;
const OK = 'OK';
/** Error numbers have no meaning in the protocol; these are those of Linux that come nearest. */
const INVALID = 'E16';
const FAULT = 'E0e';
const NO_ROOM = 'E1c';
const UNKNOWN = '';

/** What gdb calls the kinds of `Z` packets, and what is reported when one is hit. */
const POINT_TYPES: Readonly<Record<string, { kind: number; reason: string }>> = {
  '0': { kind: POINT_KIND.EXECUTE, reason: 'swbreak' },
  '1': { kind: POINT_KIND.EXECUTE, reason: 'hwbreak' },
  '2': { kind: POINT_KIND.STORE, reason: 'watch' },
  '3': { kind: POINT_KIND.LOAD, reason: 'rwatch' },
  '4': { kind: POINT_KIND.LOAD | POINT_KIND.STORE, reason: 'awatch' },
};

const FEATURES = [
  `PacketSize=${PACKET_BYTES.toString(16)}`,
  'QStartNoAckMode+',
  'hwbreak+',
  'qXfer:features:read+',
  'qXfer:threads:read+',
  'swbreak+',
  'vContSupported+',
].join(';');

interface SetPoint extends Point {
  readonly type: string;
}

/** A range that a step goes on in, by hart. */
interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

export interface StubPort {
  send(data: string): void;
  /** The debugger goes, or has to. */
  close(): void;
  /** From here on packets are no longer acknowledged. */
  stopAcknowledging(): void;
}

export class Stub {
  readonly #session: Session;
  readonly #machine: HaltedMachine;
  readonly #port: StubPort;
  #points: readonly SetPoint[] = [];
  /** Of `H` packets: whose registers and memory, and who steps. */
  #selected = 0;
  #stepping: number | 'all' | 'any' = 'any';
  #lastStop = `S${SIGNAL.TRAP}`;
  /** The machine goes on; settles with its next stop. */
  #running: Promise<void> | undefined;
  #isInterrupted = false;
  #isGone = false;

  constructor(session: Session, port: StubPort) {
    this.#session = session;
    this.#machine = new HaltedMachine(session);
    this.#port = port;
  }

  /** Every hart stands still from here on. */
  async attach(): Promise<void> {
    await this.#session.debugger.halt();
    this.#selected = this.#firstStarted();
    this.#lastStop = `T${SIGNAL.TRAP}thread:${threadOf(this.#selected)};`;
  }

  interrupt(): void {
    if (this.#running === undefined) return;
    this.#isInterrupted = true;
    void this.#session.debugger.halt();
  }

  /** The debugger is gone, in order or not: the machine goes on as if it had never been there. */
  async detach(): Promise<void> {
    if (this.#isGone) return;
    this.#isGone = true;
    this.interrupt();
    await this.#running;
    const { debugger: port } = this.#session;
    if (this.#session.hasEnded) return;
    port.setPoints([]);
    void port.resume([]);
  }

  async handle(packet: string): Promise<void> {
    if (this.#running !== undefined || this.#isGone) return;
    const reply = await this.#answer(packet);
    if (reply !== undefined) this.#port.send(reply);
  }

  #firstStarted(): number {
    for (let hart = 0; hart < this.#machine.harts; hart++)
      if (!this.#machine.isStopped(hart)) return hart;
    return 0;
  }

  /** Undefined: nothing is sent now. */
  async #answer(packet: string): Promise<string | undefined> {
    const rest = packet.slice(1);
    switch (packet[0]) {
      case '?':
        return this.#lastStop;
      case '!':
        return UNKNOWN;
      case 'g':
        return REGISTERS.slice(0, GENERAL_REGISTERS)
          .map((_, number) => this.#readRegister(number))
          .join('');
      case 'G':
        return this.#writeGeneral(rest);
      case 'p': {
        const number = parseInt(rest, 16);
        return REGISTERS[number] === undefined ? INVALID : this.#readRegister(number);
      }
      case 'P':
        return this.#writeRegister(rest);
      case 'm':
        return this.#readMemory(rest);
      case 'M':
        return this.#writeMemory(rest, fromHex);
      case 'X':
        return this.#writeMemory(rest, (text) => Uint8Array.from(Buffer.from(text, 'latin1')));
      case 'Z':
      case 'z':
        return this.#changePoint(packet[0] === 'Z', rest);
      case 'H':
        return this.#select(rest);
      case 'T':
        return typeof parseThread(rest, this.#machine.harts) === 'number' ? OK : INVALID;
      case 'c':
      case 's':
      case 'C':
      case 'S':
        return this.#legacyResume(packet);
      case 'D':
        await this.detach();
        this.#port.send(OK);
        this.#port.close();
        return undefined;
      case 'k':
        this.#kill();
        return undefined;
      case 'v':
        return this.#verbose(packet);
      case 'q':
      case 'Q':
        return this.#query(packet);
      default:
        return UNKNOWN;
    }
  }

  // --- registers and memory ---

  #readRegister(number: number): string {
    const value = REGISTERS[number]?.read(this.#machine, this.#selected);
    return value === undefined ? 'x'.repeat(16) : littleEndian(...value);
  }

  #writeRegister(text: string): string {
    const [number = '', value = ''] = text.split('=');
    const register = REGISTERS[parseInt(number, 16)];
    const parsed = fromLittleEndian(value);
    if (register === undefined || parsed === undefined) return INVALID;
    return register.write(this.#machine, this.#selected, parsed) ? OK : INVALID;
  }

  #writeGeneral(text: string): string {
    const values = (text.match(/.{16}/g) ?? []).map(fromLittleEndian);
    if (values.length < GENERAL_REGISTERS || values.includes(undefined)) return INVALID;
    for (let number = 0; number < GENERAL_REGISTERS; number++) {
      const value = values[number];
      if (value !== undefined) REGISTERS[number]?.write(this.#machine, this.#selected, value);
    }
    return OK;
  }

  #readMemory(text: string): string {
    const [address, length] = text.split(',').map(parseNumber);
    if (address === undefined || length === undefined) return INVALID;
    const most = BigInt(PACKET_BYTES / 2);
    const bytes = this.#machine.read(
      this.#selected,
      address,
      Number(length < most ? length : most),
    );
    return bytes.length === 0 && length > 0n ? FAULT : toHex(bytes);
  }

  #writeMemory(text: string, decode: (text: string) => Uint8Array | undefined): string {
    const colon = text.indexOf(':');
    const [address, length] = text.slice(0, Math.max(colon, 0)).split(',').map(parseNumber);
    const bytes = colon < 0 ? undefined : decode(text.slice(colon + 1));
    if (address === undefined || bytes === undefined || BigInt(bytes.length) !== length)
      return INVALID;
    return this.#machine.write(this.#selected, address, bytes) ? OK : FAULT;
  }

  #changePoint(isSet: boolean, text: string): string {
    // Conditions and commands, which come after semicolons, were not offered.
    const [type = '', addressText = '', sizeText = ''] = (text.split(';')[0] ?? '').split(',');
    const known = POINT_TYPES[type];
    if (known === undefined) return UNKNOWN;
    const address = parseNumber(addressText);
    const size = parseNumber(sizeText);
    if (address === undefined || size === undefined || size === 0n || size > 4096n) return INVALID;
    const bytes = known.kind === POINT_KIND.EXECUTE ? 2 : Number(size);
    const point: SetPoint = {
      type,
      kind: known.kind,
      low: lowOf(address),
      high: highOf(address),
      bytes,
    };
    const others = this.#points.filter(
      (other) =>
        other.type !== type ||
        other.low !== point.low ||
        other.high !== point.high ||
        other.bytes !== bytes,
    );
    try {
      const points = isSet ? [...others, point] : others;
      this.#session.debugger.setPoints(points);
      this.#points = points;
      return OK;
    } catch (error) {
      if (error instanceof RangeError) return NO_ROOM;
      throw error;
    }
  }

  #select(text: string): string {
    const thread = parseThread(text.slice(1), this.#machine.harts);
    if (thread === undefined) return INVALID;
    if (text[0] === 'c') this.#stepping = thread;
    else if (text[0] !== 'g') return UNKNOWN;
    else if (thread !== 'all') this.#selected = thread === 'any' ? this.#firstStarted() : thread;
    return OK;
  }

  // --- going on ---

  #legacyResume(packet: string): string | undefined {
    const isStep = packet[0] === 's' || packet[0] === 'S';
    const address = /^[cs]([0-9a-f]+)$/i.exec(packet)?.[1] ?? packet.split(';')[1];
    const hart = typeof this.#stepping === 'number' ? this.#stepping : this.#selected;
    if (address !== undefined) {
      const pc = parseNumber(address);
      if (pc === undefined) return INVALID;
      this.#machine.setCell(hart, 'pc', 0, [lowOf(pc), highOf(pc)]);
    }
    const actions = this.#harts().map((each): HartAction =>
      isStep && each === hart ? 'step' : 'run',
    );
    this.#resume(actions, new Map());
    return undefined;
  }

  #harts(): number[] {
    return Array.from({ length: this.#machine.harts }, (_, hart) => hart);
  }

  /** The leftmost action that names a thread is its; one without a thread names all; who has none stays. */
  #vCont(text: string): string | undefined {
    const actions: HartAction[] = this.#harts().map(() => 'stay');
    const ranges = new Map<number, Range>();
    const isNamed = new Set<number>();
    for (const part of text.split(';').slice(1)) {
      const [what = '', thread = '-1'] = part.split(':');
      const target = parseThread(thread, this.#machine.harts);
      const action = ACTIONS[what[0] ?? ''];
      if (target === undefined || action === undefined) return INVALID;
      const range = what[0] === 'r' ? parseRange(what.slice(1)) : undefined;
      if (what[0] === 'r' && range === undefined) return INVALID;
      for (const hart of this.#harts()) {
        const isMeant = target === 'all' || target === 'any' || target === hart;
        if (!isMeant || isNamed.has(hart)) continue;
        isNamed.add(hart);
        actions[hart] = action;
        if (range !== undefined) ranges.set(hart, range);
      }
    }
    this.#resume(actions, ranges);
    return undefined;
  }

  /** Sends the stop reply once there is one. */
  #resume(actions: readonly HartAction[], ranges: ReadonlyMap<number, Range>): void {
    this.#isInterrupted = false;
    this.#running = (async () => {
      let stop = await this.#session.debugger.resume(actions);
      while (stop.reason === 'step' && this.#stepsOn(stop.hart, ranges))
        stop = await this.#session.debugger.resume(actions);
      this.#lastStop = await this.#stopReply(stop);
      this.#running = undefined;
      if (!this.#isGone || stop.reason === 'ended') this.#port.send(this.#lastStop);
    })();
  }

  #stepsOn(hart: number, ranges: ReadonlyMap<number, Range>): boolean {
    if (this.#isInterrupted) return false;
    const range = ranges.get(hart);
    const pc = this.#machine.pc(hart);
    return range !== undefined && pc >= range.start && pc < range.end;
  }

  async #stopReply(stop: Stop): Promise<string> {
    if (stop.reason === 'ended') return endReply((await this.#session.done).exit);
    this.#selected = stop.hart;
    const point = stop.reason === 'point' ? this.#points[stop.point] : undefined;
    return [
      `T${stop.reason === 'asked' ? SIGNAL.INT : SIGNAL.TRAP}`,
      ...[PC_NUMBER, SP_NUMBER, FP_NUMBER].map(
        (number) => `${number.toString(16).padStart(2, '0')}:${this.#readRegister(number)};`,
      ),
      `thread:${threadOf(stop.hart)};`,
      point === undefined ? '' : describePoint(point),
    ].join('');
  }

  #kill(): void {
    this.#isGone = true;
    this.#session.stop('interrupted');
    this.#port.close();
  }

  // --- words ---

  #verbose(packet: string): string | undefined {
    if (packet === 'vCont?') return 'vCont;c;C;s;S;t;r';
    if (packet.startsWith('vCont;')) return this.#vCont(packet);
    if (packet.startsWith('vKill')) {
      this.#port.send(OK);
      this.#kill();
      return undefined;
    }
    return UNKNOWN;
  }

  #query(packet: string): string {
    const [name = ''] = packet.split(/[:,;]/, 1);
    const rest = packet.slice(name.length + 1);
    switch (name) {
      case 'qSupported':
        return FEATURES;
      case 'QStartNoAckMode':
        this.#port.stopAcknowledging();
        return OK;
      case 'qAttached':
        return '1'; // so that gdb leaves with a detach and not with a kill
      case 'qC':
        return `QC${threadOf(this.#selected)}`;
      case 'qfThreadInfo':
        return `m${this.#harts().map(threadOf).join(',')}`;
      case 'qsThreadInfo':
        return 'l';
      case 'qThreadExtraInfo': {
        const hart = parseThread(rest, this.#machine.harts);
        if (typeof hart !== 'number') return INVALID;
        const text = `${nameOf(this.#machine, hart)}, ${describeThread(this.#machine, hart)}`;
        return toHex(Buffer.from(text));
      }
      case 'qXfer':
        return this.#transfer(rest);
      case 'qRcmd':
        return this.#command(rest);
      case 'qSymbol':
        return OK; // no symbol is asked for
      default:
        return UNKNOWN;
    }
  }

  #transfer(text: string): string {
    const [object, operation, annex, window = ''] = text.split(':');
    const [offset, length] = window.split(',').map(parseNumber);
    if (operation !== 'read' || offset === undefined || length === undefined) return UNKNOWN;
    const isTarget = object === 'features' && annex === 'target.xml';
    if (!isTarget && object !== 'threads') return object === 'features' ? 'E00' : UNKNOWN;
    const whole = isTarget ? targetXml() : threadsXml(this.#machine);
    const from = Number(offset);
    const piece = whole.slice(from, from + Number(length < MOST_PIECE ? length : MOST_PIECE));
    return `${from + piece.length < whole.length ? 'm' : 'l'}${piece}`;
  }

  #command(text: string): string {
    const line = fromHex(text);
    if (line === undefined) return INVALID;
    const output = Buffer.from(
      runMonitorCommand(this.#machine, this.#selected, Buffer.from(line).toString()),
    );
    for (let at = 0; at < output.length; at += MOST_OUTPUT)
      this.#port.send(`O${toHex(output.subarray(at, at + MOST_OUTPUT))}`);
    return OK;
  }
}

/** Room for the letter in front, and for escapes. */
const MOST_PIECE = BigInt(PACKET_BYTES / 2);
const MOST_OUTPUT = PACKET_BYTES / 4;

const ACTIONS: Readonly<Record<string, HartAction>> = {
  c: 'run',
  C: 'run',
  s: 'step',
  S: 'step',
  r: 'step',
  t: 'stay',
};

function parseRange(text: string): Range | undefined {
  const [start, end] = text.split(',').map(parseNumber);
  return start === undefined || end === undefined ? undefined : { start, end };
}

function describePoint({ type, low, high, kind }: SetPoint): string {
  const reason = POINT_TYPES[type]?.reason ?? '';
  if (kind === POINT_KIND.EXECUTE) return `${reason}:;`;
  return `${reason}:${hex64(joined(low, high)).slice(2)};`;
}

/** How the machine ended, as a process would have. */
function endReply({ reason, code }: RunExit): string {
  return reason === 'power-off' || reason === 'reset'
    ? `W${(code & 0xff).toString(16).padStart(2, '0')}`
    : `X${SIGNAL.TERM}`;
}
