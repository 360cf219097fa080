import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { TcpConnection } from '../../../src/lab/network/tcp.ts';
import { TCP_FLAG, type TcpSegment } from '../../../src/machine/net/packets.ts';

type Segment = Omit<TcpSegment, 'sourcePort' | 'destinationPort'>;

/** One end under test: what it sent, and what it told its user. */
class End {
  readonly connection: TcpConnection;
  readonly outbox: Segment[] = [];
  readonly bytes: number[] = [];
  readonly told: string[] = [];
  now = 0;
  roomBytes = 65_535;

  constructor(initialSequence: number) {
    this.connection = new TcpConnection(
      {
        send: (segment) => this.outbox.push({ ...segment, payload: segment.payload.slice() }),
        now: () => this.now,
        received: (bytes) => this.bytes.push(...bytes),
        room: () => this.roomBytes,
        ended: () => this.told.push('ended'),
        closed: (how) => this.told.push(how),
        drained: () => {},
      },
      initialSequence,
    );
  }

  sent(): Segment[] {
    return this.outbox.splice(0);
  }
}

const withPorts = (segment: Segment): TcpSegment => ({
  ...segment,
  sourcePort: 1,
  destinationPort: 2,
});
const flagsOf = (segments: readonly Segment[]): number[] => segments.map(({ flags }) => flags);
const { SYN, ACK, FIN, RST, PSH } = TCP_FLAG;

/** Two ends, and a wire that loses what `isLost` says; time passes until nothing happens any more. */
class Wire {
  readonly a: End;
  readonly b: End;
  #listening = true;
  readonly #isLost: () => boolean;

  constructor(isLost: () => boolean = () => false, first = 1000) {
    this.a = new End(first);
    this.b = new End(0xffff_fff0);
    this.#isLost = isLost;
  }

  settle(): void {
    for (let idle = 0; idle < 40;) {
      const carried = this.#carry(this.a, this.b) + this.#carry(this.b, this.a);
      idle = carried === 0 ? idle + 1 : 0;
      for (const end of [this.a, this.b]) {
        end.now += 100;
        end.connection.tick();
      }
    }
  }

  #carry(from: End, to: End): number {
    const segments = from.sent();
    for (const segment of segments) {
      if (this.#isLost()) continue;
      if (to === this.b && this.#listening && (segment.flags & SYN) !== 0) {
        this.#listening = false;
        to.connection.accept(withPorts(segment));
      } else to.connection.segment(withPorts(segment));
    }
    return segments.length;
  }
}

describe('a connection', () => {
  it('opens with three segments, and offers its largest', () => {
    const { a, b } = new Wire();
    a.connection.connect();
    const [syn] = a.sent();
    expect(syn).toMatchObject({ flags: SYN, sequence: 1000, maxSegmentBytes: 1460 });
    b.connection.accept(withPorts(syn as Segment));
    const [answer] = b.sent();
    expect(answer).toMatchObject({ flags: SYN | ACK, acknowledgment: 1001 });
    a.connection.segment(withPorts(answer as Segment));
    expect(flagsOf(a.sent())).toEqual([ACK]);
  });

  it('carries bytes both ways in order, across the end of the numbers, and closes', () => {
    const wire = new Wire(() => false, 0xffff_ff00);
    const { a, b } = wire;
    a.connection.connect();
    const there = Uint8Array.from({ length: 70_000 }, (_, n) => n & 255);
    a.connection.write(there);
    a.connection.finish();
    wire.settle();
    b.connection.write(Uint8Array.of(1, 2, 3));
    b.connection.finish();
    wire.settle();
    expect(Uint8Array.from(b.bytes)).toEqual(there);
    expect(a.bytes).toEqual([1, 2, 3]);
    expect(a.told).toEqual(['ended', 'done']);
    expect(b.told).toEqual(['ended', 'done']);
  });

  it('loses nothing on a wire that loses much', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.integer({ min: 0, max: 9 })), fc.nat(9000), (dice, size) => {
        const wire = new Wire(() => dice.next().value < 2);
        const bytes = Uint8Array.from({ length: size }, (_, n) => (n * 7) & 255);
        wire.a.connection.connect();
        wire.a.connection.write(bytes);
        wire.a.connection.finish();
        wire.b.connection.finish();
        wire.settle();
        const told = [...wire.a.told, ...wire.b.told];
        const arrived = wire.b.bytes.length;
        // An end that gave up has not invented anything either.
        expect(arrived === size || told.includes('reset')).toBe(true);
        expect(Uint8Array.from(wire.b.bytes)).toEqual(bytes.subarray(0, arrived));
      }),
      { numRuns: 60 },
    );
  });

  it('never sends beyond the window, and probes a closed one', () => {
    const wire = new Wire();
    const { a, b } = wire;
    b.roomBytes = 5;
    a.connection.connect();
    wire.settle();
    b.roomBytes = 0;
    a.connection.write(Uint8Array.from([1, 2, 3, 4, 5, 6, 7]));
    a.connection.segment(withPorts({ ...BARE, acknowledgment: 1001, window: 0, flags: ACK }));
    a.sent();
    a.now += 10_000;
    a.connection.tick();
    expect(a.sent().map(({ payload }) => payload.length)).toEqual([1]);
    b.roomBytes = 100;
    b.connection.roomGrew();
    wire.settle();
    expect(b.bytes).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('is reset by the peer only with a number that it can know', () => {
    const wire = new Wire();
    wire.a.connection.connect();
    wire.settle();
    const reset = { ...BARE, flags: RST, acknowledgment: 0, window: 0 };
    wire.a.connection.segment(withPorts({ ...reset, sequence: 12_345 }));
    expect(wire.a.told).toEqual([]);
    wire.a.connection.segment(withPorts(reset));
    expect(wire.a.told).toEqual(['reset']);
  });

  it('is given up when nobody answers', () => {
    const { a } = new Wire();
    a.connection.connect();
    for (let n = 0; n < 20; n++) {
      a.now += 5000;
      a.connection.tick();
    }
    expect(a.told).toEqual(['reset']);
    expect(flagsOf(a.sent()).filter((flags) => flags === SYN)).toHaveLength(9);
  });

  it('takes each byte once when segments overlap', () => {
    const wire = new Wire();
    wire.b.connection.accept(withPorts({ ...BARE, sequence: 99, flags: SYN, window: 9 }));
    const data = (sequence: number, ...payload: number[]): TcpSegment =>
      withPorts({
        sequence,
        acknowledgment: 0xffff_fff1,
        flags: ACK | PSH,
        window: 9,
        payload: Uint8Array.from(payload),
      });
    wire.b.connection.segment(data(100, 1, 2));
    wire.b.connection.segment(data(104, 5)); // a gap: dropped
    wire.b.connection.segment(data(101, 2, 3, 4));
    wire.b.connection.segment({ ...data(100, 1, 2), flags: ACK | FIN }); // an old one, with a lie
    expect(wire.b.bytes).toEqual([1, 2, 3, 4]);
    expect(wire.b.told).toEqual([]);
  });
});

/** The next segment of the end b of a wire, which has sent nothing but its SYN. */
const BARE: Segment = {
  sequence: 0xffff_fff1,
  acknowledgment: 0,
  flags: 0,
  window: 0,
  payload: new Uint8Array(0),
};
