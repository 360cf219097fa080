/**
 * Typed layouts over shared memory: one declaration gives the offsets, the accessors and the
 * documentation of a structure that several threads (and generated WebAssembly) share.
 *
 * Fields are placed in the order of their declaration, each at its natural alignment, so the
 * offsets are those a C compiler would give the same structure. No caller computes one by hand.
 */
import { Word32 } from './word.ts';
import { Words32 } from './words.ts';

/** One field: its size and alignment in bytes, and how to reach it in a given memory. */
export interface Field<Accessor> {
  readonly kind: string;
  readonly sizeBytes: number;
  readonly alignBytes: number;
  readonly docText: string;
  /** The same field with its contract: who writes, who reads, who wakes whom. */
  doc(text: string): Field<Accessor>;
  /** The accessor of this field at an absolute byte offset. */
  at(memory: SharedArrayBuffer, byteOffset: number): Accessor;
}

const alignUp = (value: number, alignment: number): number =>
  Math.ceil(value / alignment) * alignment;

function field<Accessor>(
  kind: string,
  sizeBytes: number,
  alignBytes: number,
  at: (memory: SharedArrayBuffer, byteOffset: number) => Accessor,
  docText = '',
): Field<Accessor> {
  return {
    kind,
    sizeBytes,
    alignBytes,
    docText,
    at,
    doc: (text) => field(kind, sizeBytes, alignBytes, at, text),
  };
}

/** A shared 32-bit word; every access is sequentially consistent. */
export const i32: Field<Word32> = field(
  'i32',
  4,
  4,
  (memory, offset) => new Word32(memory, offset),
);

/** `length` consecutive shared 32-bit words; every access is sequentially consistent. */
export const i32Words = (length: number): Field<Words32> =>
  field(`words[${length}]`, 4 * length, 4, (memory, offset) => new Words32(memory, offset, length));

/** A 64-bit cell owned by one thread at a time; element 0 of the accessor is the value. */
export const i64: Field<BigInt64Array> = field(
  'i64',
  8,
  8,
  (memory, offset) => new BigInt64Array(memory, offset, 1),
);

/** A float64 counter owned by one writer; readers may see an older value, never a torn one. */
export const f64: Field<Float64Array> = field(
  'f64',
  8,
  8,
  (memory, offset) => new Float64Array(memory, offset, 1),
);

/** `length` consecutive 32-bit cells, reached as an `Int32Array` (use `Atomics` on shared ones). */
export const i32Array = (length: number): Field<Int32Array> =>
  field(
    `i32[${length}]`,
    4 * length,
    4,
    (memory, offset) => new Int32Array(memory, offset, length),
  );

/** `length` consecutive 64-bit cells. */
export const i64Array = (length: number): Field<BigInt64Array> =>
  field(
    `i64[${length}]`,
    8 * length,
    8,
    (memory, offset) => new BigInt64Array(memory, offset, length),
  );

/** `length` consecutive float64 cells. */
export const f64Array = (length: number): Field<Float64Array> =>
  field(
    `f64[${length}]`,
    8 * length,
    8,
    (memory, offset) => new Float64Array(memory, offset, length),
  );

/** `length` raw bytes, aligned as asked (default 1). */
export const bytes = (length: number, alignBytes = 1): Field<Uint8Array> =>
  field(
    `bytes[${length}]`,
    length,
    alignBytes,
    (memory, offset) => new Uint8Array(memory, offset, length),
  );

/** The same field on a cache line of its own, so that its writers do not slow its neighbours down. */
export const onCacheLine = <Accessor>(member: Field<Accessor>): Field<Accessor> =>
  field(member.kind, alignUp(member.sizeBytes, 64), 64, member.at, member.docText);

/** A field whose accessor is made from the accessor of another: a lock from its words. */
export const derived = <Words, Accessor>(
  kind: string,
  words: Field<Words>,
  make: (words: Words) => Accessor,
): Field<Accessor> =>
  field(kind, words.sizeBytes, words.alignBytes, (memory, offset) =>
    make(words.at(memory, offset)),
  );

type Fields = Record<string, Field<unknown>>;

/** The accessors of all fields of a structure. */
export type View<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer Accessor> ? Accessor : never;
};

/** A placed structure. It is itself a field, so structures nest. */
export interface Layout<F extends Fields> extends Field<View<F>> {
  readonly name: string;
  /** Byte offset of each field from the start of the structure. */
  readonly offset: { readonly [K in keyof F]: number };
  readonly fields: F;
  /** A Markdown table of the fields: offset, type, contract. */
  describe(): string;
}

/** Declares a structure. Throws if two threads could disagree about it: a size that is no integer. */
export function layout<F extends Fields>(name: string, fields: F): Layout<F> {
  const offset: Record<string, number> = {};
  let end = 0;
  let structAlign = 1;
  for (const [key, member] of Object.entries(fields)) {
    if (!Number.isInteger(member.sizeBytes) || member.sizeBytes <= 0) {
      throw new RangeError(
        `${name}.${key}: a field needs a positive whole size, got ${member.sizeBytes}`,
      );
    }
    end = alignUp(end, member.alignBytes);
    offset[key] = end;
    end += member.sizeBytes;
    structAlign = Math.max(structAlign, member.alignBytes);
  }
  const sizeBytes = alignUp(end, structAlign);

  const at = (memory: SharedArrayBuffer, base: number): View<F> => {
    if (base % structAlign !== 0) {
      throw new RangeError(`${name} at ${base}: not aligned to ${structAlign} bytes`);
    }
    if (base < 0 || base + sizeBytes > memory.byteLength) {
      throw new RangeError(
        `${name} at ${base}: ${sizeBytes} bytes do not fit in ${memory.byteLength}`,
      );
    }
    const view: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(fields)) {
      view[key] = member.at(memory, base + (offset[key] as number));
    }
    return view as View<F>;
  };

  const describe = (): string =>
    [
      `| offset | field | type | contract |`,
      `|---|---|---|---|`,
      ...Object.entries(fields).map(
        ([key, member]) => `| ${offset[key]} | \`${key}\` | ${member.kind} | ${member.docText} |`,
      ),
    ].join('\n');

  return {
    ...field(name, sizeBytes, structAlign, at),
    name,
    offset: offset as { readonly [K in keyof F]: number },
    fields,
    describe,
  };
}
