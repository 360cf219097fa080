/** Writes the Protocol Buffers wire format ("Encoding", protobuf.dev): varints, 64-bit fields, nested messages. */
const WIRE = { VARINT: 0, FIXED64: 1, BYTES: 2 } as const;

const ENCODER = new TextEncoder();

export class ProtoWriter {
  #bytes = new Uint8Array(128);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  /** Of the nested messages, one after the other. */
  #inner: ProtoWriter | undefined;

  /** What was written; valid until the next write or `clear`. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** An unsigned number below 2^53. */
  uint(field: number, value: number): this {
    this.#tag(field, WIRE.VARINT);
    return this.#varint(value);
  }

  fixed64(field: number, value: number): this {
    this.#tag(field, WIRE.FIXED64);
    this.#room(8);
    this.#view.setBigUint64(this.#length, BigInt(value), true);
    this.#length += 8;
    return this;
  }

  double(field: number, value: number): this {
    this.#tag(field, WIRE.FIXED64);
    this.#room(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, ENCODER.encode(value));
  }

  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, WIRE.BYTES);
    this.#varint(value.length);
    this.#room(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** A nested message, written by the callback. */
  message(field: number, write: (message: ProtoWriter) => void): this {
    const inner = (this.#inner ??= new ProtoWriter());
    inner.clear();
    write(inner);
    return this.bytes(field, inner.written);
  }

  #tag(field: number, wire: number): void {
    this.#varint(field * 8 + wire);
  }

  #varint(value: number): this {
    this.#room(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
    return this;
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + bytes));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
