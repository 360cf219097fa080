import { describe, expect, it } from 'vitest';

import { REG } from '../../../../src/machine/devices/virtio/mmio.ts';
import type { WireEnd } from '../../../../src/machine/devices/virtio/network.ts';
import {
  ARP_REQUEST,
  buildArp,
  buildEthernet,
  buildIpv4,
  buildUdp,
  ETHERTYPE,
  GATEWAY_IP,
  GATEWAY_MAC,
  GUEST_IP,
  GUEST_MAC,
  parseArp,
  parseEthernet,
  PROTOCOL,
} from '../../../../src/machine/net/packets.ts';
import { VIRTIO_SLOT } from '../../../../src/machine/physical-map.ts';
import { createMachine } from '../fixtures.ts';
import { TwoQueues } from './two-queues.ts';

const HEADER_BYTES = 12;
const framed = (frame: Uint8Array): Uint8Array =>
  Uint8Array.from([...Array.from<number>({ length: HEADER_BYTES }).fill(0), ...frame]);

const ARP = buildEthernet({
  destination: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  source: GUEST_MAC,
  type: ETHERTYPE.ARP,
  payload: buildArp({
    operation: ARP_REQUEST,
    senderMac: GUEST_MAC,
    senderIp: GUEST_IP,
    targetMac: [0, 0, 0, 0, 0, 0],
    targetIp: GATEWAY_IP,
  }),
});
const datagram = (destinationPort: number): Uint8Array =>
  buildEthernet({
    destination: GATEWAY_MAC,
    source: GUEST_MAC,
    type: ETHERTYPE.IPV4,
    payload: buildIpv4({
      source: GUEST_IP,
      destination: GATEWAY_IP,
      protocol: PROTOCOL.UDP,
      payload: buildUdp(GUEST_IP, GATEWAY_IP, {
        sourcePort: 1000,
        destinationPort,
        payload: Uint8Array.of(1, 2, 3),
      }),
    }),
  });

function rig(): { guest: TwoQueues; wire: WireEnd } {
  const machine = createMachine({ hasNetwork: true });
  const guest = new TwoQueues(machine, VIRTIO_SLOT.NETWORK).start();
  return { guest, wire: machine.board.wire as WireEnd };
}

describe('the network device', () => {
  it('is device 1 with the address that the gateway expects', () => {
    const { guest } = rig();
    expect(guest.read(REG.DEVICE_ID)).toBe(1);
    expect(guest.read(REG.CONFIG) & 0xffff).toBe(0x5452);
  });

  it('has the gateway’s answer before the notification returns', () => {
    const { guest } = rig();
    guest.offer();
    guest.send(framed(ARP));
    const [reply] = guest.received();
    const ethernet = parseEthernet((reply as Uint8Array).subarray(HEADER_BYTES));
    expect(ethernet?.destination).toEqual([...GUEST_MAC]);
    expect(parseArp(ethernet?.payload as Uint8Array)?.senderMac).toEqual([...GATEWAY_MAC]);
  });

  it('keeps an answer until the driver has a buffer for it', () => {
    const { guest } = rig();
    guest.send(framed(ARP));
    expect(guest.received()).toHaveLength(0);
    guest.offer();
    expect(guest.received()).toHaveLength(1);
  });

  it('passes on what is for the host, in order, and takes frames from it', () => {
    const { guest, wire } = rig();
    guest.send(framed(datagram(53)));
    guest.send(framed(datagram(54)));
    expect(wire.receive()).toEqual(datagram(53));
    expect(wire.receive()).toEqual(datagram(54));
    expect(wire.receive()).toBeUndefined();
    guest.offer();
    expect(wire.send(datagram(55))).toBe(true);
    expect(guest.received().map((buffer) => buffer.subarray(HEADER_BYTES))).toEqual([datagram(55)]);
  });

  it('loses frames when the wire is full, and only then', () => {
    const { wire } = rig();
    const frame = new Uint8Array(1514);
    let sent = 0;
    while (wire.send(frame)) sent++;
    expect(sent).toBe(Math.floor(2 ** 18 / 1516));
  });

  it('asks for a reset of a driver that sends less than a header', () => {
    const { guest } = rig();
    guest.send(new Uint8Array(4));
    expect(guest.read(REG.STATUS) & 0x40).toBe(0x40);
  });
});
