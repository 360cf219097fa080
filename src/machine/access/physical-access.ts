/**
 * Loads and stores at physical addresses, one at a time: RAM, or a device on the bus.
 *
 * Where RAM is, callers have its linear-memory address (`host`, else 0). A store that HTIF listens to
 * is heard there.
 */
import { NO_DEVICE, type Bus, type Width } from '../bus.ts';
import type { Htif } from '../devices/htif.ts';

export class PhysicalAccess {
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  readonly #hart: number;
  readonly #bus: Bus;
  readonly #htif: Htif | undefined;
  readonly #busResult = new Int32Array(2);
  /** What was loaded: two halves. */
  low = 0;
  high = 0;

  constructor(memory: ArrayBufferLike, hart: number, bus: Bus, htif: Htif | undefined) {
    this.#bytes = new Uint8Array(memory);
    this.#data = new DataView(memory);
    this.#hart = hart;
    this.#bus = bus;
    this.#htif = htif;
  }

  /** Whether anything but RAM answers at an address. */
  hasDevice(physical: number): boolean {
    return this.#bus.has(physical);
  }

  /** Reads up to 8 bytes into `low` and `high`, zero-extended; false if nobody answers. */
  load(host: number, physical: number, bytes: number): boolean {
    if (host !== 0) {
      this.low = 0;
      this.high = 0;
      if (bytes === 8) {
        this.low = this.#data.getInt32(host, true);
        this.high = this.#data.getInt32(host + 4, true);
      } else {
        this.low =
          bytes === 4
            ? this.#data.getInt32(host, true)
            : bytes === 2
              ? this.#data.getUint16(host, true)
              : this.#data.getUint8(host);
      }
      return true;
    }
    if (bytes === 8) {
      if (!this.#bus.load64(physical, this.#busResult, this.#hart)) return false;
      this.low = this.#busResult[0] as number;
      this.high = this.#busResult[1] as number;
      return true;
    }
    const value = this.#bus.load(physical, bytes as Width, this.#hart);
    if (value === NO_DEVICE) return false;
    this.low = value | 0;
    this.high = 0;
    return true;
  }

  /** Writes the low bytes of a value; false if nobody takes them. */
  store(host: number, physical: number, bytes: number, low: number, high: number): boolean {
    if (host !== 0) {
      if (bytes === 8) {
        this.#data.setInt32(host, low, true);
        this.#data.setInt32(host + 4, high, true);
      } else if (bytes === 4) this.#data.setInt32(host, low, true);
      else if (bytes === 2) this.#data.setInt16(host, low, true);
      else this.#data.setInt8(host, low);
      this.#htif?.stored(this.#hart);
      return true;
    }
    return bytes === 8
      ? this.#bus.store64(physical, low, high, this.#hart)
      : this.#bus.store(physical, bytes as Width, low, this.#hart);
  }

  /** Reads from two places in RAM, of which the first has `inFirst` of the bytes. */
  loadParts(first: number, second: number, inFirst: number, bytes: number): void {
    this.low = 0;
    this.high = 0;
    for (let n = 0; n < bytes; n++) {
      const byte = this.#bytes[n < inFirst ? first + n : second + n - inFirst] as number;
      if (n < 4) this.low |= byte << (8 * n);
      else this.high |= byte << (8 * (n - 4));
    }
  }

  /** Writes to two such places. */
  storeParts(
    first: number,
    second: number,
    inFirst: number,
    bytes: number,
    low: number,
    high: number,
  ): void {
    for (let n = 0; n < bytes; n++) {
      const host = n < inFirst ? first + n : second + n - inFirst;
      this.#bytes[host] = (n < 4 ? low : high) >>> (8 * (n & 3));
    }
  }

  /** Clears a block of RAM. */
  clear(host: number, bytes: number): void {
    this.#bytes.fill(0, host, host + bytes);
  }

  /** Something else has stored to RAM for the hart: HTIF looks whether it was a command. */
  stored(): void {
    this.#htif?.stored(this.#hart);
  }
}
