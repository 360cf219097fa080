/**
 * Frames on the virtual wire: Ethernet II, ARP, IPv4, ICMP, UDP and TCP headers.
 *
 * RFC 826 (ARP), RFC 791 (IPv4), RFC 792 (ICMP), RFC 768 (UDP), RFC 9293 (TCP), RFC 1071 (checksum).
 * Parsers return undefined for whatever is cut short, has a wrong checksum, or is not for us to read;
 * nothing here throws on what a guest may send.
 */

export type Mac = readonly [number, number, number, number, number, number];
/** An IPv4 address as an unsigned number. */
export type Ipv4 = number;

export const ipv4 = (a: number, b: number, c: number, d: number): Ipv4 =>
  ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;

/** The addresses that user-mode networks have by custom. */
export const GUEST_MAC: Mac = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
export const GATEWAY_MAC: Mac = [0x52, 0x55, 0x0a, 0x00, 0x02, 0x02];
export const GUEST_IP: Ipv4 = ipv4(10, 0, 2, 15);
export const GATEWAY_IP: Ipv4 = ipv4(10, 0, 2, 2);
export const NETMASK: Ipv4 = ipv4(255, 255, 255, 0);

export const MTU_BYTES = 1500;
export const ETHERNET_BYTES = 14;
export const FRAME_MAX_BYTES: number = ETHERNET_BYTES + MTU_BYTES;

export const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806 } as const;
export const PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17 } as const;
export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;
export const ICMP_ECHO_REPLY = 0;
export const ICMP_ECHO_REQUEST = 8;

const ARP_BYTES = 28;
const IPV4_BYTES = 20;
const UDP_BYTES = 8;
const TCP_BYTES = 20;
const TTL = 64;

export interface EthernetFrame {
  readonly destination: Mac;
  readonly source: Mac;
  readonly type: number;
  readonly payload: Uint8Array;
}

export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: Mac;
  readonly senderIp: Ipv4;
  readonly targetMac: Mac;
  readonly targetIp: Ipv4;
}

export interface Ipv4Packet {
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly protocol: number;
  readonly payload: Uint8Array;
}

export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

export const TCP_FLAG = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Modulo 2^32, unsigned. */
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  /** Bytes; never scaled, as we do not offer window scaling (RFC 7323). */
  readonly window: number;
  /** The option of a SYN, if it was there. */
  readonly maxSegmentBytes?: number;
  readonly payload: Uint8Array;
}

// --- checksums ---

/** One's-complement sum of big-endian words, not folded. */
function sum(bytes: Uint8Array, start = 0): number {
  let total = start;
  for (let at = 0; at + 1 < bytes.length; at += 2)
    total += ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  if (bytes.length % 2 === 1) total += (bytes[bytes.length - 1] as number) << 8;
  return total;
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

/** The Internet checksum (RFC 1071); 0 over data that includes a right one. */
export const checksum = (bytes: Uint8Array): number => fold(sum(bytes));

/** The checksum of UDP and TCP, which covers the addresses too (RFC 9293 §3.1). */
function transportChecksum(
  source: Ipv4,
  destination: Ipv4,
  protocol: number,
  bytes: Uint8Array,
): number {
  const addresses =
    (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff);
  return fold(sum(bytes, addresses + protocol + bytes.length));
}

// --- Ethernet and ARP ---

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const macAt = (bytes: Uint8Array, at: number): Mac =>
  [...bytes.subarray(at, at + 6)] as unknown as Mac;

export function parseEthernet(frame: Uint8Array): EthernetFrame | undefined {
  if (frame.length < ETHERNET_BYTES) return undefined;
  return {
    destination: macAt(frame, 0),
    source: macAt(frame, 6),
    type: viewOf(frame).getUint16(12),
    payload: frame.subarray(ETHERNET_BYTES),
  };
}

export function buildEthernet({ destination, source, type, payload }: EthernetFrame): Uint8Array {
  const frame = new Uint8Array(ETHERNET_BYTES + payload.length);
  frame.set(destination, 0);
  frame.set(source, 6);
  viewOf(frame).setUint16(12, type);
  frame.set(payload, ETHERNET_BYTES);
  return frame;
}

/** Ethernet and IPv4 is all that ARP is used for here. */
const ARP_ETHERNET_IPV4 = 0x0001_0800_0604;

export function parseArp(bytes: Uint8Array): ArpPacket | undefined {
  if (bytes.length < ARP_BYTES) return undefined;
  const view = viewOf(bytes);
  if (view.getUint16(0) * 2 ** 32 + view.getUint32(2) !== ARP_ETHERNET_IPV4) return undefined;
  return {
    operation: view.getUint16(6),
    senderMac: macAt(bytes, 8),
    senderIp: view.getUint32(14),
    targetMac: macAt(bytes, 18),
    targetIp: view.getUint32(24),
  };
}

export function buildArp(packet: ArpPacket): Uint8Array {
  const bytes = new Uint8Array(ARP_BYTES);
  const view = viewOf(bytes);
  view.setUint16(0, Math.floor(ARP_ETHERNET_IPV4 / 2 ** 32));
  view.setUint32(2, ARP_ETHERNET_IPV4 % 2 ** 32);
  view.setUint16(6, packet.operation);
  bytes.set(packet.senderMac, 8);
  view.setUint32(14, packet.senderIp);
  bytes.set(packet.targetMac, 18);
  view.setUint32(24, packet.targetIp);
  return bytes;
}

// --- IPv4 ---

/** Fragments are dropped: nobody on this wire has a reason to send them. */
export function parseIpv4(bytes: Uint8Array): Ipv4Packet | undefined {
  if (bytes.length < IPV4_BYTES || (bytes[0] as number) >> 4 !== 4) return undefined;
  const view = viewOf(bytes);
  const headerBytes = ((bytes[0] as number) & 15) * 4;
  const totalBytes = view.getUint16(2);
  if (headerBytes < IPV4_BYTES || totalBytes < headerBytes || totalBytes > bytes.length)
    return undefined;
  const MORE_FRAGMENTS_AND_OFFSET = 0x3fff;
  if ((view.getUint16(6) & MORE_FRAGMENTS_AND_OFFSET) !== 0) return undefined;
  if (checksum(bytes.subarray(0, headerBytes)) !== 0) return undefined;
  return {
    source: view.getUint32(12),
    destination: view.getUint32(16),
    protocol: view.getUint8(9),
    payload: bytes.subarray(headerBytes, totalBytes),
  };
}

export function buildIpv4({ source, destination, protocol, payload }: Ipv4Packet): Uint8Array {
  const bytes = new Uint8Array(IPV4_BYTES + payload.length);
  const view = viewOf(bytes);
  const DONT_FRAGMENT = 0x4000;
  view.setUint8(0, (4 << 4) | (IPV4_BYTES / 4));
  view.setUint16(2, bytes.length);
  view.setUint16(6, DONT_FRAGMENT);
  view.setUint8(8, TTL);
  view.setUint8(9, protocol);
  view.setUint32(12, source);
  view.setUint32(16, destination);
  view.setUint16(10, checksum(bytes.subarray(0, IPV4_BYTES)));
  bytes.set(payload, IPV4_BYTES);
  return bytes;
}

/** A packet from the gateway to the guest, in its frame. */
export const toGuest = (packet: Omit<Ipv4Packet, 'destination'>): Uint8Array =>
  buildEthernet({
    destination: GUEST_MAC,
    source: GATEWAY_MAC,
    type: ETHERTYPE.IPV4,
    payload: buildIpv4({ ...packet, destination: GUEST_IP }),
  });

// --- UDP and TCP ---

export function parseUdp({ source, destination, payload }: Ipv4Packet): UdpDatagram | undefined {
  if (payload.length < UDP_BYTES) return undefined;
  const view = viewOf(payload);
  const length = view.getUint16(4);
  if (length < UDP_BYTES || length > payload.length) return undefined;
  const datagram = payload.subarray(0, length);
  // A checksum of 0 says there is none.
  const isChecked = view.getUint16(6) !== 0;
  if (isChecked && transportChecksum(source, destination, PROTOCOL.UDP, datagram) !== 0)
    return undefined;
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    payload: datagram.subarray(UDP_BYTES),
  };
}

export function buildUdp(source: Ipv4, destination: Ipv4, datagram: UdpDatagram): Uint8Array {
  const bytes = new Uint8Array(UDP_BYTES + datagram.payload.length);
  const view = viewOf(bytes);
  view.setUint16(0, datagram.sourcePort);
  view.setUint16(2, datagram.destinationPort);
  view.setUint16(4, bytes.length);
  bytes.set(datagram.payload, UDP_BYTES);
  view.setUint16(6, transportChecksum(source, destination, PROTOCOL.UDP, bytes) || 0xffff);
  return bytes;
}

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MAX_SEGMENT = 2;

export function parseTcp({ source, destination, payload }: Ipv4Packet): TcpSegment | undefined {
  if (payload.length < TCP_BYTES) return undefined;
  const view = viewOf(payload);
  const headerBytes = (view.getUint8(12) >> 4) * 4;
  if (headerBytes < TCP_BYTES || headerBytes > payload.length) return undefined;
  if (transportChecksum(source, destination, PROTOCOL.TCP, payload) !== 0) return undefined;
  const maxSegmentBytes = maxSegmentOption(payload.subarray(TCP_BYTES, headerBytes));
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgment: view.getUint32(8),
    flags: view.getUint8(13) & 0x3f,
    window: view.getUint16(14),
    ...(maxSegmentBytes === undefined ? {} : { maxSegmentBytes }),
    payload: payload.subarray(headerBytes),
  };
}

function maxSegmentOption(options: Uint8Array): number | undefined {
  for (let at = 0; at < options.length;) {
    const kind = options[at] as number;
    if (kind === OPTION_END) return undefined;
    if (kind === OPTION_NOP) {
      at += 1;
      continue;
    }
    const length = options[at + 1] ?? 0;
    if (length < 2 || at + length > options.length) return undefined;
    if (kind === OPTION_MAX_SEGMENT && length === 4) return viewOf(options).getUint16(at + 2);
    at += length;
  }
  return undefined;
}

export function buildTcp(source: Ipv4, destination: Ipv4, segment: TcpSegment): Uint8Array {
  const optionBytes = segment.maxSegmentBytes === undefined ? 0 : 4;
  const bytes = new Uint8Array(TCP_BYTES + optionBytes + segment.payload.length);
  const view = viewOf(bytes);
  view.setUint16(0, segment.sourcePort);
  view.setUint16(2, segment.destinationPort);
  view.setUint32(4, segment.sequence);
  view.setUint32(8, segment.acknowledgment);
  view.setUint8(12, ((TCP_BYTES + optionBytes) / 4) << 4);
  view.setUint8(13, segment.flags);
  view.setUint16(14, segment.window);
  if (segment.maxSegmentBytes !== undefined) {
    view.setUint8(TCP_BYTES, OPTION_MAX_SEGMENT);
    view.setUint8(TCP_BYTES + 1, 4);
    view.setUint16(TCP_BYTES + 2, segment.maxSegmentBytes);
  }
  bytes.set(segment.payload, TCP_BYTES + optionBytes);
  view.setUint16(16, transportChecksum(source, destination, PROTOCOL.TCP, bytes));
  return bytes;
}
