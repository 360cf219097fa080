import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { answer } from '../../../src/machine/net/gateway.ts';
import {
  buildArp,
  buildEthernet,
  buildIpv4,
  buildTcp,
  buildUdp,
  checksum,
  ETHERTYPE,
  GATEWAY_IP,
  GATEWAY_MAC,
  GUEST_IP,
  GUEST_MAC,
  ipv4,
  parseArp,
  parseEthernet,
  parseIpv4,
  parseTcp,
  parseUdp,
  PROTOCOL,
  type Ipv4Packet,
  type Mac,
} from '../../../src/machine/net/packets.ts';

const BROADCAST: Mac = [255, 255, 255, 255, 255, 255];

const fromGuest = (packet: Partial<Ipv4Packet> & { payload: Uint8Array }): Uint8Array =>
  buildEthernet({
    destination: GATEWAY_MAC,
    source: GUEST_MAC,
    type: ETHERTYPE.IPV4,
    payload: buildIpv4({
      source: GUEST_IP,
      destination: GATEWAY_IP,
      protocol: PROTOCOL.ICMP,
      ...packet,
    }),
  });

const arpFor = (targetIp: number): Uint8Array =>
  buildEthernet({
    destination: BROADCAST,
    source: GUEST_MAC,
    type: ETHERTYPE.ARP,
    payload: buildArp({
      operation: 1,
      senderMac: GUEST_MAC,
      senderIp: GUEST_IP,
      targetMac: [0, 0, 0, 0, 0, 0],
      targetIp,
    }),
  });

const reply = (frame: Uint8Array): Uint8Array => {
  const answered = answer(frame);
  if (!(answered instanceof Uint8Array)) throw new Error(`no reply but ${answered}`);
  return answered;
};
const replyPacket = (frame: Uint8Array): Ipv4Packet =>
  parseIpv4(parseEthernet(reply(frame))!.payload)!;

describe('ARP', () => {
  it('is answered for the gateway and for nobody else', () => {
    const ethernet = parseEthernet(reply(arpFor(GATEWAY_IP)))!;
    expect(ethernet.destination).toEqual([...GUEST_MAC]);
    expect(parseArp(ethernet.payload)).toMatchObject({
      operation: 2,
      senderIp: GATEWAY_IP,
      targetIp: GUEST_IP,
    });
    expect(answer(arpFor(ipv4(10, 0, 2, 9)))).toBeUndefined();
  });
});

describe('a ping', () => {
  const echo = (payload: readonly number[]): Uint8Array => {
    const bytes = Uint8Array.from([8, 0, 0, 0, 0x12, 0x34, 0, 1, ...payload]);
    const sum = checksum(bytes);
    bytes[2] = sum >> 8;
    bytes[3] = sum & 255;
    return bytes;
  };

  it('comes back with what it carried', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 64 }), (payload) => {
        const packet = replyPacket(fromGuest({ payload: echo(payload) }));
        expect(packet.source).toBe(GATEWAY_IP);
        expect(packet.payload[0]).toBe(0);
        expect(checksum(packet.payload)).toBe(0);
        expect([...packet.payload.subarray(4)]).toEqual([0x12, 0x34, 0, 1, ...payload]);
      }),
    );
  });

  it('with a wrong checksum, or to another address, does not', () => {
    const wrong = echo([1, 2]);
    wrong[8] = 9;
    expect(answer(fromGuest({ payload: wrong }))).toBeUndefined();
    expect(answer(fromGuest({ payload: echo([]), destination: ipv4(8, 8, 8, 8) }))).toBeUndefined();
  });
});

describe('DHCP', () => {
  function message(options: readonly number[]): Uint8Array {
    const bytes = new Uint8Array(240 + options.length);
    bytes.set([1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef], 0);
    bytes.set(GUEST_MAC, 28);
    bytes.set([0x63, 0x82, 0x53, 0x63], 236);
    bytes.set(options, 240);
    return fromGuest({
      source: 0,
      destination: 0xffff_ffff,
      protocol: PROTOCOL.UDP,
      payload: buildUdp(0, 0xffff_ffff, { sourcePort: 68, destinationPort: 67, payload: bytes }),
    });
  }
  const dhcp = (frame: Uint8Array): Uint8Array => parseUdp(replyPacket(frame))!.payload;
  const optionOf = (bytes: Uint8Array, code: number): number[] => {
    for (let at = 240; bytes[at] !== 255; at += 2 + bytes[at + 1]!)
      if (bytes[at] === code) return [...bytes.subarray(at + 2, at + 2 + bytes[at + 1]!)];
    return [];
  };

  it('offers the guest’s address, a router and a lease', () => {
    const offer = dhcp(message([53, 1, 1, 255]));
    expect([...offer.subarray(4, 8)]).toEqual([0xde, 0xad, 0xbe, 0xef]);
    expect([...offer.subarray(16, 20)]).toEqual([10, 0, 2, 15]);
    expect(optionOf(offer, 53)).toEqual([2]);
    expect(optionOf(offer, 1)).toEqual([255, 255, 255, 0]);
    expect(optionOf(offer, 3)).toEqual([10, 0, 2, 2]);
    expect(optionOf(offer, 54)).toEqual([10, 0, 2, 2]);
  });

  it('acknowledges that address, refuses another, and ignores another server’s client', () => {
    const ask = (last: number): Uint8Array => message([53, 1, 3, 50, 4, 10, 0, 2, last, 255]);
    expect(optionOf(dhcp(ask(15)), 53)).toEqual([5]);
    expect(optionOf(dhcp(ask(99)), 53)).toEqual([6]);
    expect(answer(message([53, 1, 3, 54, 4, 10, 0, 2, 77, 255]))).toBeUndefined();
  });
});

describe('other frames', () => {
  it('are passed on if they are TCP or UDP for the gateway', () => {
    const udp = { sourcePort: 1, destinationPort: 2, payload: new Uint8Array(3) };
    const payload = buildUdp(GUEST_IP, GATEWAY_IP, udp);
    expect(answer(fromGuest({ protocol: PROTOCOL.UDP, payload }))).toBe('pass on');
    const elsewhere = { protocol: PROTOCOL.UDP, payload, destination: ipv4(1, 1, 1, 1) };
    expect(answer(fromGuest(elsewhere))).toBeUndefined();
  });

  it('never throw, however they are cut and changed', () => {
    const whole = fromGuest({ protocol: PROTOCOL.UDP, payload: new Uint8Array(300) });
    fc.assert(
      fc.property(
        fc.nat(whole.length),
        fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 6 }),
        (length, changes) => {
          const frame = whole.slice(0, length);
          for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
          expect(() => answer(frame)).not.toThrow();
        },
      ),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (frame) => {
        expect(() => answer(frame)).not.toThrow();
      }),
    );
  });
});

describe('segments and datagrams', () => {
  it('are read as they were built, and not at all if a bit is wrong', () => {
    const ports = { sourcePort: fc.nat(65_535), destinationPort: fc.nat(65_535) };
    const u32 = fc.nat(2 ** 32 - 1);
    const segment = fc.record({
      ...ports,
      sequence: u32,
      acknowledgment: u32,
      flags: fc.nat(31),
      window: fc.nat(65_535),
      maxSegmentBytes: fc.nat(65_535),
      payload: fc.uint8Array({ maxLength: 9 }),
    });
    fc.assert(
      fc.property(segment, fc.nat(), (built, bit) => {
        const payload = buildTcp(GUEST_IP, GATEWAY_IP, built);
        const packet = { source: GUEST_IP, destination: GATEWAY_IP, protocol: PROTOCOL.TCP };
        expect(parseTcp({ ...packet, payload })).toEqual(built);
        const at = bit % (payload.length * 8);
        payload[at >> 3]! ^= 1 << (at & 7);
        expect(parseTcp({ ...packet, payload })).toBeUndefined();
      }),
    );
  });
});
