/**
 * The gateway at the guest's end of the wire: answers ARP for itself, hands out the guest's address by
 * DHCP, and echoes pings. It keeps no state, so it answers on whatever thread asks, and in a
 * deterministic run always the same.
 *
 * RFC 826 (ARP), RFC 2131 and 2132 (DHCP), RFC 792 (ICMP echo).
 */
import {
  ARP_REPLY,
  ARP_REQUEST,
  buildArp,
  buildEthernet,
  buildIpv4,
  buildUdp,
  checksum,
  ETHERTYPE,
  GATEWAY_IP,
  GATEWAY_MAC,
  GUEST_IP,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  NETMASK,
  parseArp,
  parseEthernet,
  parseIpv4,
  parseUdp,
  PROTOCOL,
  toGuest,
  type Ipv4Packet,
  type Mac,
} from './packets.ts';

const DHCP_SERVER_PORT = 67;
const DHCP_CLIENT_PORT = 68;
const BROADCAST_IP = 0xffff_ffff;
const LEASE_SECONDS = 86_400;

/** A reply to send, undefined for a frame that nobody answers, or "pass on" to the host. */
export function answer(frame: Uint8Array): Uint8Array | 'pass on' | undefined {
  const ethernet = parseEthernet(frame);
  if (ethernet === undefined || !isForGateway(ethernet.destination)) return undefined;
  if (ethernet.type === ETHERTYPE.ARP) return answerArp(ethernet.payload);
  if (ethernet.type !== ETHERTYPE.IPV4) return undefined;
  const packet = parseIpv4(ethernet.payload);
  if (packet === undefined) return undefined;
  switch (packet.protocol) {
    case PROTOCOL.ICMP:
      return answerPing(packet);
    case PROTOCOL.UDP: {
      const datagram = parseUdp(packet);
      if (datagram?.destinationPort === DHCP_SERVER_PORT) return answerDhcp(datagram.payload);
      return packet.destination === GATEWAY_IP ? 'pass on' : undefined;
    }
    case PROTOCOL.TCP:
      return packet.destination === GATEWAY_IP ? 'pass on' : undefined;
    default:
      return undefined;
  }
}

const isForGateway = (mac: Mac): boolean =>
  mac.every((byte) => byte === 0xff) || mac.every((byte, index) => byte === GATEWAY_MAC[index]);

function answerArp(bytes: Uint8Array): Uint8Array | undefined {
  const request = parseArp(bytes);
  if (request?.operation !== ARP_REQUEST || request.targetIp !== GATEWAY_IP) return undefined;
  return buildEthernet({
    destination: request.senderMac,
    source: GATEWAY_MAC,
    type: ETHERTYPE.ARP,
    payload: buildArp({
      operation: ARP_REPLY,
      senderMac: GATEWAY_MAC,
      senderIp: GATEWAY_IP,
      targetMac: request.senderMac,
      targetIp: request.senderIp,
    }),
  });
}

function answerPing({ destination, payload }: Ipv4Packet): Uint8Array | undefined {
  const ECHO_BYTES = 8;
  if (destination !== GATEWAY_IP || payload.length < ECHO_BYTES) return undefined;
  if (payload[0] !== ICMP_ECHO_REQUEST || checksum(payload) !== 0) return undefined;
  const reply = Uint8Array.from(payload);
  reply[0] = ICMP_ECHO_REPLY;
  reply.fill(0, 2, 4);
  const sum = checksum(reply);
  reply[2] = sum >> 8;
  reply[3] = sum & 0xff;
  return toGuest({ source: GATEWAY_IP, protocol: PROTOCOL.ICMP, payload: reply });
}

/** Where the parts of a DHCP message lie (RFC 2131 §2). */
const DHCP_AT = { OP: 0, XID: 4, FLAGS: 10, YIADDR: 16, SIADDR: 20, CHADDR: 28, COOKIE: 236 };
const DHCP_OPTIONS = 240;
const DHCP_COOKIE = 0x6382_5363;
const BOOT_REQUEST = 1;
const BOOT_REPLY = 2;
const MESSAGE = { DISCOVER: 1, OFFER: 2, REQUEST: 3, ACK: 5, NAK: 6, INFORM: 8 } as const;
const OPTION = {
  SUBNET_MASK: 1,
  ROUTER: 3,
  REQUESTED_ADDRESS: 50,
  LEASE_TIME: 51,
  MESSAGE_TYPE: 53,
  SERVER: 54,
  END: 255,
} as const;

function answerDhcp(message: Uint8Array): Uint8Array | undefined {
  if (message.length < DHCP_OPTIONS || message[DHCP_AT.OP] !== BOOT_REQUEST) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  if (view.getUint32(DHCP_AT.COOKIE) !== DHCP_COOKIE) return undefined;
  const options = dhcpOptions(message);
  const kind = options.get(OPTION.MESSAGE_TYPE)?.[0];
  const server = options.get(OPTION.SERVER);
  // A client that takes another server's offer says so (RFC 2131 §4.3.2); we are not asked.
  if (server !== undefined && addressOf(server) !== GATEWAY_IP) return undefined;
  if (kind === MESSAGE.DISCOVER) return dhcpReply(message, MESSAGE.OFFER, GUEST_IP);
  if (kind === MESSAGE.INFORM) return dhcpReply(message, MESSAGE.ACK, 0);
  if (kind !== MESSAGE.REQUEST) return undefined;
  const wanted = options.get(OPTION.REQUESTED_ADDRESS);
  const isOurs = wanted === undefined || addressOf(wanted) === GUEST_IP;
  return isOurs ? dhcpReply(message, MESSAGE.ACK, GUEST_IP) : dhcpReply(message, MESSAGE.NAK, 0);
}

const addressOf = (bytes: Uint8Array): number =>
  bytes.length === 4 ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) : -1;

function dhcpOptions(message: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (let at = DHCP_OPTIONS; at < message.length;) {
    const code = message[at] as number;
    if (code === OPTION.END) break;
    if (code === 0) {
      at += 1;
      continue;
    }
    const length = message[at + 1] ?? 0;
    found.set(code, message.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return found;
}

/** Broadcast, since the client has no address yet. */
function dhcpReply(request: Uint8Array, kind: number, address: number): Uint8Array {
  const u32 = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
  const lease =
    kind === MESSAGE.NAK
      ? []
      : [
          ...[OPTION.SUBNET_MASK, 4, ...u32(NETMASK)],
          ...[OPTION.ROUTER, 4, ...u32(GATEWAY_IP)],
          ...(address === 0 ? [] : [OPTION.LEASE_TIME, 4, ...u32(LEASE_SECONDS)]),
        ];
  const options = [
    ...[OPTION.MESSAGE_TYPE, 1, kind],
    ...[OPTION.SERVER, 4, ...u32(GATEWAY_IP)],
    ...lease,
    OPTION.END,
  ];
  const reply = new Uint8Array(DHCP_OPTIONS + options.length);
  const view = new DataView(reply.buffer);
  // Hardware type and length, transaction, flags and the client's hardware address are its own.
  for (const [at, length] of [
    [1, 2],
    [DHCP_AT.XID, 4],
    [DHCP_AT.FLAGS, 2],
    [DHCP_AT.CHADDR, 16],
  ] as const)
    reply.set(request.subarray(at, at + length), at);
  view.setUint8(DHCP_AT.OP, BOOT_REPLY);
  view.setUint32(DHCP_AT.YIADDR, address);
  view.setUint32(DHCP_AT.SIADDR, kind === MESSAGE.NAK ? 0 : GATEWAY_IP);
  view.setUint32(DHCP_AT.COOKIE, DHCP_COOKIE);
  reply.set(options, DHCP_OPTIONS);
  const datagram = {
    sourcePort: DHCP_SERVER_PORT,
    destinationPort: DHCP_CLIENT_PORT,
    payload: reply,
  };
  return buildEthernet({
    destination: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    source: GATEWAY_MAC,
    type: ETHERTYPE.IPV4,
    payload: buildBroadcast(buildUdp(GATEWAY_IP, BROADCAST_IP, datagram)),
  });
}

const buildBroadcast = (payload: Uint8Array): Uint8Array =>
  buildIpv4({ source: GATEWAY_IP, destination: BROADCAST_IP, protocol: PROTOCOL.UDP, payload });
