/**
 * Framing of the GDB Remote Serial Protocol ("Overview", GDB manual app. E.1): `$data#checksum`, where
 * `}` escapes the byte after it, `+` and `-` acknowledge until both sides agree not to, and a byte 03
 * outside of a packet is Ctrl-C.
 */

const DOLLAR = 0x24;
const HASH = 0x23;
const ESCAPE = 0x7d;
const STAR = 0x2a;
const INTERRUPT = 0x03;
const ESCAPE_FLIP = 0x20;

/** The longest packet that either side may send; the data of a 'G' or 'M' must fit. */
export const PACKET_BYTES = 0x4000;

export type Incoming =
  /** A whole packet, its escapes undone; one character a byte. */
  | { readonly kind: 'packet'; readonly data: string }
  /** A packet that was damaged on the way, or is longer than was agreed. */
  | { readonly kind: 'damaged' }
  | { readonly kind: 'interrupt' }
  | { readonly kind: 'nak' };

const checksumOf = (data: Uint8Array): number => data.reduce((sum, byte) => (sum + byte) & 0xff, 0);

/** Frames what arrives in pieces of any size. What lies between packets is skipped. */
export class PacketReader {
  #body: number[] | undefined;
  /** Digits of the checksum seen so far. */
  #digits: string | undefined;

  read(bytes: Uint8Array): Incoming[] {
    return Array.from(bytes).flatMap((byte) => this.#take(byte) ?? []);
  }

  #take(byte: number): Incoming | undefined {
    if (this.#digits !== undefined) return this.#takeDigit(byte);
    if (this.#body === undefined) {
      if (byte === DOLLAR) this.#body = [];
      if (byte === INTERRUPT) return { kind: 'interrupt' };
      return byte === 0x2d ? { kind: 'nak' } : undefined;
    }
    if (byte === HASH) this.#digits = '';
    else if (byte === DOLLAR) this.#body = [];
    else if (this.#body.length >= PACKET_BYTES) {
      this.#body = undefined;
      return { kind: 'damaged' };
    } else this.#body.push(byte);
    return undefined;
  }

  #takeDigit(byte: number): Incoming | undefined {
    this.#digits += String.fromCharCode(byte);
    if (this.#digits?.length !== 2) return undefined;
    const sent = /^[0-9a-f]{2}$/i.test(this.#digits) ? parseInt(this.#digits, 16) : -1;
    const body = Uint8Array.from(this.#body ?? []);
    this.#body = undefined;
    this.#digits = undefined;
    return sent === checksumOf(body)
      ? { kind: 'packet', data: unescape(body) }
      : { kind: 'damaged' };
  }
}

function unescape(body: Uint8Array): string {
  let text = '';
  for (let n = 0; n < body.length; n++) {
    const byte = body[n] as number;
    text += String.fromCharCode(
      byte === ESCAPE && n + 1 < body.length ? (body[++n] as number) ^ ESCAPE_FLIP : byte,
    );
  }
  return text;
}

/** A packet ready to be sent; one byte a character. */
export function framePacket(data: string): Uint8Array {
  const body: number[] = [];
  for (const character of data) {
    const byte = character.charCodeAt(0) & 0xff;
    if (byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === STAR)
      body.push(ESCAPE, byte ^ ESCAPE_FLIP);
    else body.push(byte);
  }
  const sum = checksumOf(Uint8Array.from(body));
  return Uint8Array.from([
    DOLLAR,
    ...body,
    HASH,
    ...Buffer.from(sum.toString(16).padStart(2, '0'), 'latin1'),
  ]);
}

// --- the words that packets are made of ---

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Undefined for anything but whole bytes. */
export const fromHex = (text: string): Uint8Array | undefined =>
  /^(?:[0-9a-f]{2})*$/i.test(text) ? Uint8Array.from(Buffer.from(text, 'hex')) : undefined;

/** A 64-bit value, least significant byte first. */
export function littleEndian(low: number, high: number): string {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setInt32(0, low, true);
  bytes.setInt32(4, high, true);
  return toHex(new Uint8Array(bytes.buffer));
}

/** Undefined if it is no value of 64 bits. */
export function fromLittleEndian(text: string): readonly [low: number, high: number] | undefined {
  const bytes = fromHex(text);
  if (bytes?.length !== 8) return undefined;
  const view = new DataView(bytes.buffer);
  return [view.getInt32(0, true), view.getInt32(4, true)];
}

/** An address or a length as packets have it; undefined if it is none, or has more than 64 bits. */
export const parseNumber = (text: string): bigint | undefined =>
  /^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : undefined;

export const lowOf = (value: bigint): number => Number(BigInt.asIntN(32, value));
export const highOf = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));
export const joined = (low: number, high: number): bigint =>
  (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
export const hex64 = (value: bigint): string => `0x${value.toString(16).padStart(16, '0')}`;
