/**
 * Listens for one debugger at a time, on this computer only: whoever connects can read and write
 * everything the guest has.
 */
import { createServer, type Server, type Socket } from 'node:net';

import type { Session } from '../session.ts';
import { framePacket, PacketReader } from './packets.ts';
import { Stub } from './stub.ts';

const HOST = '127.0.0.1';

export interface GdbServer {
  /** The port, which the system chose if 0 was asked for. */
  readonly port: number;
  /** Lets the debugger go, if there is one, and stops listening. */
  close(): Promise<void>;
}

/**
 * Serves debuggers of a session until it ends or the server is closed. A debugger that goes, in order or
 * not, leaves the machine running and without breakpoints; the next one may come.
 * @throws the system's error if the port cannot be had
 */
export async function serveGdb(session: Session, port: number): Promise<GdbServer> {
  let client: Client | undefined;
  const server = createServer((socket) => {
    void (async () => {
      await client?.left;
      if (client !== undefined || session.hasEnded) {
        socket.destroy();
        return;
      }
      client = new Client(session, socket, () => (client = undefined));
    })();
  });
  await listening(server, port);
  const close = async (): Promise<void> => {
    server.close();
    await client?.leave();
  };
  void session.done.then(() => server.close());
  const address = server.address();
  return { port: typeof address === 'object' ? (address?.port ?? port) : port, close };
}

const listening = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, resolve);
  });

class Client {
  readonly #socket: Socket;
  readonly #stub: Stub;
  readonly #reader = new PacketReader();
  readonly #gone: () => void;
  #acknowledges = true;
  /** Sent last, in case it is asked for again. */
  #sent: Uint8Array | undefined;
  /** Packets are answered, and Ctrl-C is heard, one after the other. */
  #queue: Promise<void>;
  /** Settles when the debugger has let go of the machine; undefined while it has not begun to. */
  left: Promise<void> | undefined;

  constructor(session: Session, socket: Socket, gone: () => void) {
    this.#socket = socket;
    this.#gone = gone;
    socket.setNoDelay(true);
    this.#stub = new Stub(session, {
      send: (data) => this.#send(data),
      close: () => void this.leave(),
      stopAcknowledging: () => {
        this.#acknowledges = false;
      },
    });
    this.#queue = this.#stub.attach();
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    // 'close' follows, whatever went wrong.
    socket.on('error', () => {});
    socket.on('close', () => void this.leave());
    void session.done.then(() => this.leave());
  }

  /** The machine goes on. */
  leave(): Promise<void> {
    this.left ??= (async () => {
      await this.#queue;
      await this.#stub.detach();
      this.#gone();
      this.#socket.destroySoon();
    })();
    return this.left;
  }

  #after(work: () => void | Promise<void>): void {
    this.#queue = this.#queue.then(work);
  }

  #receive(bytes: Uint8Array): void {
    for (const incoming of this.#reader.read(bytes)) {
      switch (incoming.kind) {
        case 'interrupt':
          this.#after(() => this.#stub.interrupt());
          break;
        case 'nak':
          if (this.#sent !== undefined) this.#write(this.#sent);
          break;
        case 'damaged':
          if (this.#acknowledges) this.#write(NAK);
          break;
        case 'packet':
          if (this.#acknowledges) this.#write(ACK);
          this.#after(() => this.#stub.handle(incoming.data));
          break;
      }
    }
  }

  #send(data: string): void {
    this.#sent = framePacket(data);
    this.#write(this.#sent);
  }

  #write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }
}

const ACK = Uint8Array.of(0x2b);
const NAK = Uint8Array.of(0x2d);
