/** The other side of the remote protocol: as little of it as a test needs, written from the manual. */
import { connect, type Socket } from 'node:net';

const checksum = (body: string): string =>
  (Buffer.from(body, 'latin1').reduce((sum, byte) => sum + byte, 0) & 0xff)
    .toString(16)
    .padStart(2, '0');

export class RspClient {
  readonly socket: Socket;
  /** Bytes that came and are part of no packet yet. */
  #buffer = '';
  readonly #packets: string[] = [];
  readonly #waiting: ((packet: string | undefined) => void)[] = [];
  readonly closed: Promise<void>;
  /** Acknowledgements seen, in order. */
  acknowledgements = '';

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#take(bytes.toString('latin1')));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        for (const waiter of this.#waiting.splice(0)) waiter(undefined);
        resolve();
      });
    });
  }

  static connect(port: number): Promise<RspClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1' }, () => resolve(new RspClient(socket)));
      socket.once('error', reject);
    });
  }

  raw(text: string): void {
    this.socket.write(Buffer.from(text, 'latin1'));
  }

  send(body: string): void {
    this.raw(`$${body}#${checksum(body)}`);
  }

  /** The next packet; undefined if the connection ends first. */
  packet(): Promise<string | undefined> {
    const waiting = this.#packets.shift();
    if (waiting !== undefined) return Promise.resolve(waiting);
    if (this.socket.destroyed) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async ask(body: string): Promise<string> {
    this.send(body);
    const answer = await this.packet();
    if (answer === undefined) throw new Error(`no answer to '${body}'`);
    return answer;
  }

  /** What a `monitor` command prints. */
  async monitor(command: string): Promise<string> {
    this.send(`qRcmd,${Buffer.from(command).toString('hex')}`);
    let text = '';
    for (;;) {
      const packet = await this.packet();
      if (packet?.[0] !== 'O' || packet === 'OK') return packet === 'OK' ? text : String(packet);
      text += Buffer.from(packet.slice(1), 'hex').toString();
    }
  }

  /** A whole object of `qXfer`, read in pieces. */
  async object(name: string): Promise<string> {
    let text = '';
    for (;;) {
      const piece = await this.ask(`qXfer:${name}:${text.length.toString(16)},1000`);
      text += piece.slice(1);
      if (piece[0] !== 'm') return text;
    }
  }

  async register(number: number): Promise<bigint> {
    const hex = await this.ask(`p${number.toString(16)}`);
    return Buffer.from(hex, 'hex').readBigUInt64LE();
  }

  close(): void {
    this.socket.destroy();
  }

  #take(text: string): void {
    this.#buffer += text;
    for (;;) {
      const start = this.#buffer.indexOf('$');
      const end = this.#buffer.indexOf('#', start);
      if (start < 0) {
        this.acknowledgements += this.#buffer;
        this.#buffer = '';
        return;
      }
      if (end < 0 || this.#buffer.length < end + 3) return;
      this.acknowledgements += this.#buffer.slice(0, start);
      const body = this.#buffer.slice(start + 1, end);
      if (this.#buffer.slice(end + 1, end + 3) !== checksum(body))
        throw new Error(`a damaged packet: ${body}`);
      this.#buffer = this.#buffer.slice(end + 3);
      this.raw('+');
      const plain = body.replace(/\}([^])/g, (_, escaped: string) =>
        String.fromCharCode(escaped.charCodeAt(0) ^ 0x20),
      );
      const waiter = this.#waiting.shift();
      if (waiter === undefined) this.#packets.push(plain);
      else waiter(plain);
    }
  }
}
