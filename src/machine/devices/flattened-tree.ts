/**
 * Flattened devicetrees: a tree of nodes as bytes, and back.
 *
 * "Flattened Devicetree (DTB) Format", Devicetree Specification v0.4 §5. All numbers are
 * big-endian. Knows nothing of any machine; device-tree.ts says what is in ours.
 */

export interface TreeNode {
  /** With the unit address, as `serial@10000000`; the root's is empty. */
  readonly name: string;
  readonly properties: Readonly<Record<string, Uint8Array>>;
  readonly children: readonly TreeNode[];
}

/** Memory that an operating system must leave alone from its first instruction on (§5.3). */
export interface Reservation {
  readonly base: number;
  readonly sizeBytes: number;
}

export interface Blob {
  readonly root: TreeNode;
  readonly reservations: readonly Reservation[];
  readonly bootHart: number;
}

const MAGIC = 0xd00d_feed;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const HEADER_BYTES = 40;
const RESERVATION_BYTES = 16;

/** Structure block tokens (§5.4.1). */
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROP = 3;
const NOP = 4;
const END = 9;

// Property values (§2.2.4)

/** A property that says something by being there. */
export const flag = (): Uint8Array => new Uint8Array(0);

/** Numbers of 32 bits each. */
export function cells(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  for (const [index, value] of values.entries()) view.setUint32(4 * index, value);
  return new Uint8Array(view.buffer);
}

/** Numbers of 64 bits each, which `#address-cells` and `#size-cells` of 2 ask for. */
export const cells64 = (...values: readonly number[]): Uint8Array =>
  cells(...values.flatMap((value) => [Math.floor(value / 2 ** 32), value >>> 0]));

/** One string, or a list of them. */
export function text(...strings: readonly string[]): Uint8Array {
  const bad = strings.find((string) => string.includes('\0'));
  if (bad !== undefined)
    throw new RangeError(`a devicetree string holds no NUL: ${JSON.stringify(bad)}`);
  return new TextEncoder().encode(strings.map((string) => `${string}\0`).join(''));
}

export function readCells(value: Uint8Array): number[] {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({ length: value.length >>> 2 }, (_, index) => view.getUint32(4 * index));
}

export const readText = (value: Uint8Array): string[] =>
  new TextDecoder().decode(value).split('\0').slice(0, -1);

// Writing

/** Bytes that grow; every part starts at a multiple of four. */
class Writer {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  bytes(part: Uint8Array): void {
    const padding = new Uint8Array(-part.length & 3);
    this.#parts.push(part, padding);
    this.length += part.length + padding.length;
  }

  toBytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts));
  }
}

/** The strings block: each property name once (§5.5). */
class Names {
  readonly #offsets = new Map<string, number>();
  #length = 0;

  offsetOf(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.#length;
    this.#offsets.set(name, offset);
    this.#length += name.length + 1;
    return offset;
  }

  toBytes(): Uint8Array {
    return text(...this.#offsets.keys());
  }
}

export function writeTree({ root, reservations, bootHart }: Blob): Uint8Array {
  const names = new Names();
  const structure = new Writer();
  writeNode(structure, names, root);
  structure.bytes(cells(END));
  const strings = names.toBytes();

  const structureAt = HEADER_BYTES + RESERVATION_BYTES * (reservations.length + 1);
  const stringsAt = structureAt + structure.length;
  const blob = new Writer();
  blob.bytes(
    cells(
      MAGIC,
      stringsAt + ((strings.length + 3) & ~3),
      structureAt,
      stringsAt,
      HEADER_BYTES,
      VERSION,
      LAST_COMPATIBLE_VERSION,
      bootHart,
      strings.length,
      structure.length,
    ),
  );
  for (const { base, sizeBytes } of reservations) blob.bytes(cells64(base, sizeBytes));
  blob.bytes(cells64(0, 0));
  blob.bytes(structure.toBytes());
  blob.bytes(strings);
  return blob.toBytes();
}

function writeNode(structure: Writer, names: Names, node: TreeNode): void {
  structure.bytes(cells(BEGIN_NODE));
  structure.bytes(text(node.name));
  for (const [name, value] of Object.entries(node.properties)) {
    structure.bytes(cells(PROP, value.length, names.offsetOf(name)));
    structure.bytes(value);
  }
  for (const child of node.children) writeNode(structure, names, child);
  structure.bytes(cells(END_NODE));
}

// Reading

/** Reads a blob of version 17. Throws a RangeError that says what is wrong with it. */
export function readTree(blob: Uint8Array): Blob {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  if (blob.length < HEADER_BYTES || view.getUint32(0) !== MAGIC) {
    throw new RangeError('not a flattened devicetree: wrong magic number');
  }
  if (view.getUint32(4) > blob.length) {
    throw new RangeError(
      `a devicetree of ${view.getUint32(4)} bytes, of which ${blob.length} are here`,
    );
  }
  if (view.getUint32(24) > VERSION || view.getUint32(20) < VERSION) {
    throw new RangeError(`a devicetree of version ${view.getUint32(20)}; only ${VERSION} is read`);
  }
  const reader = new Reader(blob, view.getUint32(8), view.getUint32(12));
  reader.expect(BEGIN_NODE);
  const root = reader.node();
  reader.expect(END);
  return { root, reservations: readReservations(view), bootHart: view.getUint32(28) };
}

function readReservations(view: DataView): Reservation[] {
  const found: Reservation[] = [];
  for (let at = view.getUint32(16); ; at += RESERVATION_BYTES) {
    const base = Number(view.getBigUint64(at));
    const sizeBytes = Number(view.getBigUint64(at + 8));
    if (base === 0 && sizeBytes === 0) return found;
    found.push({ base, sizeBytes });
  }
}

class Reader {
  readonly #blob: Uint8Array;
  readonly #view: DataView;
  readonly #stringsAt: number;
  #at: number;

  constructor(blob: Uint8Array, structureAt: number, stringsAt: number) {
    this.#blob = blob;
    this.#view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
    this.#at = structureAt;
    this.#stringsAt = stringsAt;
  }

  expect(token: number): void {
    const found = this.#token();
    if (found !== token) throw new RangeError(`token ${found} where ${token} belongs`);
  }

  /** What follows BEGIN_NODE, up to and including its END_NODE. */
  node(): TreeNode {
    const name = this.#string(this.#at);
    this.#skip(name.length + 1);
    const properties: Record<string, Uint8Array> = {};
    const children: TreeNode[] = [];
    for (;;) {
      const token = this.#token();
      if (token === END_NODE) return { name, properties, children };
      if (token === BEGIN_NODE) children.push(this.node());
      else if (token === PROP) this.#property(properties);
      else throw new RangeError(`token ${token} inside node '${name}'`);
    }
  }

  #property(properties: Record<string, Uint8Array>): void {
    const length = this.#word();
    const name = this.#string(this.#stringsAt + this.#word());
    properties[name] = this.#blob.slice(this.#at, this.#at + length);
    this.#skip(length);
  }

  #token(): number {
    let token = this.#word();
    while (token === NOP) token = this.#word();
    return token;
  }

  #word(): number {
    const word = this.#view.getUint32(this.#at);
    this.#at += 4;
    return word;
  }

  #string(at: number): string {
    const end = this.#blob.indexOf(0, at);
    if (end < 0) throw new RangeError(`a string at ${at} has no end`);
    return new TextDecoder().decode(this.#blob.subarray(at, end));
  }

  #skip(length: number): void {
    this.#at = (this.#at + length + 3) & ~3;
  }
}
