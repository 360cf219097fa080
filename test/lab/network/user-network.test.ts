import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { TcpConnection } from '../../../src/lab/network/tcp.ts';
import {
  NetworkError,
  UserNetwork,
  type UserNetworkOptions,
} from '../../../src/lab/network/user-network.ts';
import {
  buildEthernet,
  buildIpv4,
  buildTcp,
  buildUdp,
  ETHERTYPE,
  GATEWAY_IP,
  GATEWAY_MAC,
  GUEST_IP,
  GUEST_MAC,
  parseEthernet,
  parseIpv4,
  parseTcp,
  parseUdp,
  PROTOCOL,
  TCP_FLAG,
  type TcpSegment,
} from '../../../src/machine/net/packets.ts';

/** A guest without a kernel: it echoes what arrives at port 7 and can open one connection itself. */
class Guest {
  readonly #toHost: Uint8Array[] = [];
  readonly received: number[] = [];
  readonly told: string[] = [];
  connection: TcpConnection | undefined;
  #gatewayPort = 0;
  readonly #ownPort: number;
  #isEchoing = true;

  constructor(ownPort = 7) {
    this.#ownPort = ownPort;
  }

  readonly wire = {
    receive: (): Uint8Array | undefined => this.#toHost.shift(),
    send: (frame: Uint8Array): boolean => {
      this.#take(frame.slice());
      return true;
    },
  };

  connect(port: number): TcpConnection {
    this.#gatewayPort = port;
    this.#isEchoing = false;
    this.connection = this.#make();
    this.connection.connect();
    return this.connection;
  }

  sendDatagram(port: number, payload: Uint8Array): void {
    const udp = { sourcePort: this.#ownPort, destinationPort: port, payload };
    this.#push(PROTOCOL.UDP, buildUdp(GUEST_IP, GATEWAY_IP, udp));
  }

  #make(): TcpConnection {
    const connection: TcpConnection = new TcpConnection(
      {
        send: (segment) => this.#sendSegment(segment),
        now: () => performance.now(),
        received: (bytes) => {
          if (this.#isEchoing) connection.write(bytes.slice());
          else this.received.push(...bytes);
        },
        room: () => 65_535,
        ended: () => {
          this.told.push('ended');
          if (this.#isEchoing) connection.finish();
        },
        closed: (how) => this.told.push(how),
        drained: () => {},
      },
      5,
    );
    return connection;
  }

  #take(frame: Uint8Array): void {
    const packet = parseIpv4(parseEthernet(frame)!.payload)!;
    if (packet.protocol === PROTOCOL.UDP) {
      const { sourcePort, payload } = parseUdp(packet)!;
      this.received.push(...payload);
      if (this.#isEchoing) this.sendDatagram(sourcePort, payload.slice().reverse());
      return;
    }
    const segment = parseTcp(packet)!;
    if (this.connection === undefined && (segment.flags & TCP_FLAG.SYN) !== 0) {
      this.#gatewayPort = segment.sourcePort;
      this.connection = this.#make();
      this.connection.accept(segment);
    } else this.connection?.segment(segment);
  }

  #sendSegment(segment: Omit<TcpSegment, 'sourcePort' | 'destinationPort'>): void {
    const ports = { sourcePort: this.#ownPort, destinationPort: this.#gatewayPort };
    this.#push(PROTOCOL.TCP, buildTcp(GUEST_IP, GATEWAY_IP, { ...segment, ...ports }));
  }

  #push(protocol: number, payload: Uint8Array): void {
    const packet = { source: GUEST_IP, destination: GATEWAY_IP, protocol, payload };
    const type = ETHERTYPE.IPV4;
    const frame = { destination: GATEWAY_MAC, source: GUEST_MAC, type };
    this.#toHost.push(buildEthernet({ ...frame, payload: buildIpv4(packet) }));
  }
}

const networks: UserNetwork[] = [];
afterEach(async () => {
  await Promise.all(networks.splice(0).map((network) => network.close()));
});

async function open(guest: Guest, options: Partial<UserNetworkOptions>): Promise<void> {
  networks.push(await UserNetwork.open(guest.wire, { forwards: [], exposures: [], ...options }));
}

/** A port of this machine that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

describe('a forwarded TCP port', () => {
  it('leads to the guest, both ways, to the end of both streams', async () => {
    const hostPort = await freePort();
    const guest = new Guest();
    await open(guest, { forwards: [{ protocol: 'tcp', hostPort, guestPort: 7 }] });
    const client = connect({ port: hostPort, host: '127.0.0.1', allowHalfOpen: true });
    const bytes = Buffer.alloc(600_000, 'cordon');
    client.end(bytes);
    expect((await readAll(client)).equals(bytes)).toBe(true);
    await expect.poll(() => guest.told).toEqual(['ended', 'done']);
  });

  it('that is in use is named in the error', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port: hostPort } = server.address() as AddressInfo;
    const taken = open(new Guest(), { forwards: [{ protocol: 'tcp', hostPort, guestPort: 7 }] });
    await expect(taken).rejects.toThrow(NetworkError);
    await expect(taken).rejects.toThrow(`tcp port ${hostPort} of this machine cannot be used`);
    server.close();
  });
});

describe('a forwarded UDP port', () => {
  it('carries datagrams to the guest and its answers to who asked', async () => {
    const hostPort = await freePort();
    const guest = new Guest();
    await open(guest, { forwards: [{ protocol: 'udp', hostPort, guestPort: 7 }] });
    const clients = [createSocket('udp4'), createSocket('udp4')];
    const answers = clients.map((client, n) => {
      client.send(Uint8Array.of(n, 10, 20), hostPort, '127.0.0.1');
      return once(client, 'message').then(([message]) => [...(message as Buffer)]);
    });
    expect(await Promise.all(answers)).toEqual([
      [20, 10, 0],
      [20, 10, 1],
    ]);
    for (const client of clients) client.close();
  });
});

describe('a guest that connects to the gateway', () => {
  it('reaches an exposed port of this machine', async () => {
    const server = createServer((socket) => socket.end('welcome')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const guest = new Guest(40_000);
    await open(guest, { exposures: [{ protocol: 'tcp', port }] });
    guest.connect(port).finish();
    await expect.poll(() => guest.told).toEqual(['ended', 'done']);
    expect(String.fromCharCode(...guest.received)).toBe('welcome');
    server.close();
  });

  it('is refused at once at any other, and at one where nobody listens', async () => {
    const port = await freePort();
    for (const exposures of [[], [{ protocol: 'tcp' as const, port }]]) {
      const guest = new Guest(40_000);
      await open(guest, { exposures });
      guest.connect(port);
      await expect.poll(() => guest.told).toEqual(['reset']);
    }
  });
});
