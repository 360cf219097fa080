/** A decoder of the protobuf wire format that knows nothing of the writer: fields by number, nested ones on demand. */
export interface Field {
  readonly number: number;
  /** Of varints and 64-bit fields. */
  readonly value: bigint;
  /** Of strings and messages. */
  readonly bytes: Uint8Array;
}

const NOTHING = new Uint8Array(0);

export function fields(bytes: Uint8Array): Field[] {
  const all: Field[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    switch (Number(tag & 7n)) {
      case 0:
        all.push({ number, value: varint(), bytes: NOTHING });
        break;
      case 1:
        all.push({ number, value: view.getBigUint64(at, true), bytes: NOTHING });
        at += 8;
        break;
      case 2: {
        const length = Number(varint());
        if (at + length > bytes.length) throw new Error('a field is longer than its message');
        all.push({ number, value: 0n, bytes: bytes.subarray(at, at + length) });
        at += length;
        break;
      }
      default:
        throw new Error(`wire type ${tag & 7n}`);
    }
  }
  return all;
}

const one = (message: readonly Field[], number: number): Field | undefined =>
  message.find((field) => field.number === number);
const numberOf = (message: readonly Field[], number: number): number | undefined => {
  const field = one(message, number);
  return field === undefined ? undefined : Number(field.value);
};
const textOf = (message: readonly Field[], number: number): string | undefined => {
  const field = one(message, number);
  return field === undefined ? undefined : new TextDecoder().decode(field.bytes);
};

export interface DecodedEvent {
  readonly sequence: number;
  readonly time: number;
  readonly track: number;
  readonly type: 'begin' | 'end' | 'instant' | 'counter';
  readonly name?: string;
  readonly category?: string;
  readonly notes: Readonly<Record<string, string | number>>;
  readonly flows: readonly bigint[];
  readonly endingFlows: readonly bigint[];
  readonly value?: number;
}

export interface DecodedTrace {
  /** Names of tracks by uuid. */
  readonly tracks: ReadonlyMap<number, string>;
  readonly events: readonly DecodedEvent[];
}

const TYPES = [undefined, 'begin', 'end', 'instant', 'counter'] as const;

/** Reads a trace as protos/perfetto/trace/trace.proto says; a packet that needs what no packet brought is an error. */
export function decodeTrace(bytes: Uint8Array): DecodedTrace {
  const tracks = new Map<number, string>();
  const events: DecodedEvent[] = [];
  /** By sequence, kind of name and number. */
  const names = new Map<string, string>();
  const cleared = new Set<number>();
  for (const { number, bytes: packetBytes } of fields(bytes)) {
    if (number !== 1) throw new Error(`a trace has no field ${number}`);
    const packet = fields(packetBytes);
    const sequence = numberOf(packet, 10) as number;
    const descriptor = one(packet, 60);
    if (descriptor !== undefined) {
      const track = fields(descriptor.bytes);
      const [process, thread] = [one(track, 3), one(track, 4)];
      const name =
        textOf(track, 2) ??
        (thread === undefined ? undefined : textOf(fields(thread.bytes), 5)) ??
        (process === undefined ? undefined : textOf(fields(process.bytes), 6));
      tracks.set(numberOf(track, 1) as number, name as string);
      continue;
    }
    const flags = numberOf(packet, 13) ?? 0;
    if ((flags & 1) !== 0) cleared.add(sequence);
    if ((flags & 2) !== 0 && !cleared.has(sequence)) throw new Error('no incremental state');
    for (const entry of fields(one(packet, 12)?.bytes ?? NOTHING)) {
      const named = fields(entry.bytes);
      names.set(`${sequence} ${entry.number} ${numberOf(named, 1)}`, textOf(named, 2) as string);
    }
    const nameOf = (kind: number, id: number | undefined): string | undefined => {
      if (id === undefined) return undefined;
      const name = names.get(`${sequence} ${kind} ${id}`);
      if (name === undefined) throw new Error(`no name ${id}`);
      return name;
    };
    const event = fields((one(packet, 11) as Field).bytes);
    const type = TYPES[numberOf(event, 9) as number];
    if (type === undefined) throw new Error('an event without a type');
    const bits = one(event, 44)?.value;
    const name = nameOf(2, numberOf(event, 10));
    const category = nameOf(1, numberOf(event, 3));
    events.push({
      sequence,
      time: numberOf(packet, 8) as number,
      track: numberOf(event, 11) as number,
      type,
      ...(name === undefined ? {} : { name }),
      ...(category === undefined ? {} : { category }),
      notes: Object.fromEntries(
        event
          .filter((field) => field.number === 4)
          .map((field) => {
            const note = fields(field.bytes);
            return [nameOf(3, numberOf(note, 1)), textOf(note, 6) ?? (numberOf(note, 4) as number)];
          }),
      ),
      flows: event.filter((field) => field.number === 47).map(({ value }) => value),
      endingFlows: event.filter((field) => field.number === 48).map(({ value }) => value),
      ...(bits === undefined
        ? {}
        : { value: new Float64Array(new BigUint64Array([bits]).buffer)[0] as number }),
    });
  }
  return { tracks, events };
}
