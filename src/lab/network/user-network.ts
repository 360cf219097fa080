/**
 * The host's end of the guest's wire: connections from ports of this machine to the guest, and from the
 * guest to ports of this machine that it was allowed. Everything stays on the loopback interface.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, createServer, type Server, type Socket } from 'node:net';

import type { WireEnd } from '../../machine/devices/virtio/network.ts';
import {
  buildTcp,
  buildUdp,
  GATEWAY_IP,
  GUEST_IP,
  parseEthernet,
  parseIpv4,
  parseTcp,
  parseUdp,
  PROTOCOL,
  TCP_FLAG,
  toGuest,
  type TcpSegment,
  type UdpDatagram,
} from '../../machine/net/packets.ts';
import { TcpConnection } from './tcp.ts';

export type TransportName = 'tcp' | 'udp';

/** A port of this machine that leads to one of the guest's. */
export interface Forward {
  readonly protocol: TransportName;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** A port of this machine that the guest may reach at the gateway's address. */
export interface Exposure {
  readonly protocol: TransportName;
  readonly port: number;
}

export interface UserNetworkOptions {
  readonly forwards: readonly Forward[];
  readonly exposures: readonly Exposure[];
}

/** A port that cannot be had; the message names it and says what to do. */
export class NetworkError extends Error {}

const LOOPBACK = '127.0.0.1';
/** How often the wire is looked at: what a round trip takes at most. */
const POLL_MS = 2;
/** What may wait for the guest, or for a socket, before its sender is held up. */
const BUFFER_BYTES = 1 << 18;
/** Sockets for datagrams of the guest's; beyond them its datagrams are lost. */
const UDP_SOCKETS_MAX = 256;
/** Ports of the gateway's that stand for clients on this machine (RFC 6335 §6: the dynamic ones). */
const FIRST_DYNAMIC_PORT = 49_152;
const LAST_PORT = 65_535;

export class UserNetwork {
  readonly #wire: WireEnd;
  readonly #options: UserNetworkOptions;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  /** By the gateway's port and the guest's. */
  readonly #connections = new Map<string, TcpConnection>();
  /** UDP: a socket for each of the guest's, or the host's, ends; by both ports. */
  readonly #datagrams = new Map<string, (payload: Uint8Array) => void>();
  readonly #udpSockets = new Set<UdpSocket>();
  readonly #timer: NodeJS.Timeout;
  #nextPort = FIRST_DYNAMIC_PORT;

  /** Opens every port that is asked for. @throws NetworkError if one cannot be had */
  static async open(wire: WireEnd, options: UserNetworkOptions): Promise<UserNetwork> {
    const network = new UserNetwork(wire, options);
    try {
      for (const forward of options.forwards) {
        if (forward.protocol === 'tcp') await network.#listen(forward);
        else await network.#bind(forward);
      }
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  private constructor(wire: WireEnd, options: UserNetworkOptions) {
    this.#wire = wire;
    this.#options = options;
    this.#timer = setInterval(() => this.#poll(), POLL_MS);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
    for (const socket of this.#udpSockets) socket.close();
    await Promise.all(
      this.#servers.map((server) => new Promise((resolve) => server.close(resolve))),
    );
  }

  #poll(): void {
    for (let frame = this.#wire.receive(); frame !== undefined; frame = this.#wire.receive())
      this.#take(frame);
    for (const connection of this.#connections.values()) connection.tick();
  }

  #take(frame: Uint8Array): void {
    const packet = parseIpv4(parseEthernet(frame)?.payload ?? new Uint8Array(0));
    if (packet === undefined) return;
    if (packet.protocol === PROTOCOL.UDP) {
      const datagram = parseUdp(packet);
      if (datagram !== undefined) this.#takeDatagram(datagram);
    } else if (packet.protocol === PROTOCOL.TCP) {
      const segment = parseTcp(packet);
      if (segment !== undefined) this.#takeSegment(segment);
    }
  }

  #isExposed(protocol: TransportName, port: number): boolean {
    return this.#options.exposures.some((e) => e.protocol === protocol && e.port === port);
  }

  /** A port of the gateway's that no connection uses, for a new one to or from `guestPort`. */
  #freePort(guestPort: number, isTaken: (key: string) => boolean): number | undefined {
    for (let tries = FIRST_DYNAMIC_PORT; tries <= LAST_PORT; tries++) {
      const port = this.#nextPort;
      this.#nextPort = port === LAST_PORT ? FIRST_DYNAMIC_PORT : port + 1;
      if (!isTaken(keyOf(port, guestPort))) return port;
    }
    return undefined;
  }

  // --- TCP ---

  async #listen({ hostPort, guestPort }: Forward): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const port = this.#freePort(guestPort, (key) => this.#connections.has(key));
      if (port === undefined) socket.destroy();
      else this.#join(socket, port, guestPort).connect();
    });
    this.#servers.push(server);
    await opened('tcp', hostPort, (done) => {
      server.once('error', done);
      server.listen(hostPort, LOOPBACK, () => done());
    });
  }

  #takeSegment(segment: TcpSegment): void {
    const { destinationPort: port, sourcePort: guestPort, flags } = segment;
    const connection = this.#connections.get(keyOf(port, guestPort));
    if (connection !== undefined) {
      connection.segment(segment);
      return;
    }
    if ((flags & TCP_FLAG.RST) !== 0) return;
    if ((flags & TCP_FLAG.SYN) !== 0 && this.#isExposed('tcp', port)) {
      const socket = connect({ host: LOOPBACK, port, allowHalfOpen: true });
      const accepting = this.#join(socket, port, guestPort);
      let isConnected = false;
      socket.once('connect', () => {
        isConnected = true;
        accepting.accept(segment);
      });
      socket.once('close', () => {
        if (!isConnected) this.#refuse(segment);
      });
      return;
    }
    this.#refuse(segment);
  }

  /** "Connection refused" (RFC 9293 §3.5.2). */
  #refuse(segment: TcpSegment): void {
    const { sourcePort, destinationPort, sequence, acknowledgment, flags, payload } = segment;
    const length =
      payload.length + Number((flags & TCP_FLAG.SYN) !== 0) + Number((flags & TCP_FLAG.FIN) !== 0);
    this.#sendSegment(destinationPort, sourcePort, {
      sequence: (flags & TCP_FLAG.ACK) === 0 ? 0 : acknowledgment,
      acknowledgment: (sequence + length) >>> 0,
      flags: TCP_FLAG.RST | TCP_FLAG.ACK,
      window: 0,
      payload: new Uint8Array(0),
    });
  }

  #sendSegment(
    port: number,
    guestPort: number,
    segment: Omit<TcpSegment, 'sourcePort' | 'destinationPort'>,
  ): void {
    const payload = buildTcp(GATEWAY_IP, GUEST_IP, {
      ...segment,
      sourcePort: port,
      destinationPort: guestPort,
    });
    this.#wire.send(toGuest({ source: GATEWAY_IP, protocol: PROTOCOL.TCP, payload }));
  }

  /** Ties a socket of this machine to a connection with the guest. */
  #join(socket: Socket, port: number, guestPort: number): TcpConnection {
    const key = keyOf(port, guestPort);
    const connection = new TcpConnection(
      {
        send: (segment) => this.#sendSegment(port, guestPort, segment),
        now: () => performance.now(),
        received: (bytes) => socket.write(Uint8Array.from(bytes)),
        room: () => Math.max(0, BUFFER_BYTES - socket.writableLength),
        ended: () => socket.end(),
        closed: (how) => {
          this.#connections.delete(key);
          if (how === 'reset') socket.destroy();
        },
        drained: () => socket.resume(),
      },
      Math.floor(Math.random() * 2 ** 32),
    );
    this.#connections.set(key, connection);
    this.#sockets.add(socket);
    socket.on('data', (bytes: Buffer) => {
      connection.write(bytes);
      if (connection.pendingBytes > BUFFER_BYTES) socket.pause();
    });
    socket.on('end', () => connection.finish());
    socket.on('drain', () => connection.roomGrew());
    socket.on('error', () => connection.abort());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (socket.destroyed && !socket.writableFinished) connection.abort();
      if (connection.isClosed) this.#connections.delete(key);
    });
    return connection;
  }

  // --- UDP ---

  /** Each client of a forwarded port has a port of the gateway's, so that answers find their way. */
  async #bind({ hostPort, guestPort }: Forward): Promise<void> {
    const socket = createSocket('udp4');
    this.#udpSockets.add(socket);
    const ports = new Map<string, number>();
    socket.on('message', (payload, client) => {
      const name = `${client.address}:${client.port}`;
      const port = ports.get(name) ?? this.#freePort(guestPort, (key) => this.#datagrams.has(key));
      if (port === undefined) return;
      ports.set(name, port);
      this.#datagrams.set(keyOf(port, guestPort), (answer) =>
        socket.send(answer, client.port, client.address),
      );
      this.#sendDatagram({ sourcePort: port, destinationPort: guestPort, payload });
    });
    await opened('udp', hostPort, (done) => {
      socket.once('error', done);
      socket.bind(hostPort, LOOPBACK, () => done());
    });
  }

  #takeDatagram({ destinationPort: port, sourcePort: guestPort, payload }: UdpDatagram): void {
    const key = keyOf(port, guestPort);
    const isNew = !this.#datagrams.has(key) && this.#udpSockets.size < UDP_SOCKETS_MAX;
    if (isNew && this.#isExposed('udp', port)) {
      const socket = createSocket('udp4');
      this.#udpSockets.add(socket);
      socket.on('error', () => {});
      socket.on('message', (answer) =>
        this.#sendDatagram({ sourcePort: port, destinationPort: guestPort, payload: answer }),
      );
      this.#datagrams.set(key, (message) => socket.send(message, port, LOOPBACK));
    }
    this.#datagrams.get(key)?.(Uint8Array.from(payload));
  }

  #sendDatagram(datagram: UdpDatagram): void {
    const payload = buildUdp(GATEWAY_IP, GUEST_IP, datagram);
    this.#wire.send(toGuest({ source: GATEWAY_IP, protocol: PROTOCOL.UDP, payload }));
  }
}

const keyOf = (gatewayPort: number, guestPort: number): string => `${gatewayPort} ${guestPort}`;

/** Waits until a port is open. @throws NetworkError */
async function opened(
  protocol: TransportName,
  port: number,
  open: (done: (error?: Error) => void) => void,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  open(resolve);
  const error = await promise;
  if (error !== undefined)
    throw new NetworkError(
      `${protocol} port ${port} of this machine cannot be used (${error.message}); choose another`,
    );
}
