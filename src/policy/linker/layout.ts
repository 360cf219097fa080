/**
 * Where everything goes. Every range that has its own rights starts and ends on a page, so that
 * page tables can tell them apart; inside a range sections lie in the order of their files.
 *
 * The core's text comes first and `_start` first of all, for firmware enters an image at its first
 * byte. Then the gates, then each subsystem's text, rodata, data (with bss and heap) and stacks in
 * the order of domain ids, then the shared objects.
 */
import { PF_R, PF_W, PF_X } from '../../machine/elf.ts';
import type { InputObject, InputSection, SectionKind } from './input.ts';
import type { RangeName } from './linker-symbols.ts';
import type { Gate, Resolution, SharedObject } from './resolve.ts';

export const PAGE_BYTES = 4096;
/** One gate stub: an `ecall` and illegal parcels up to the next. */
export const GATE_BYTES = 16;

export interface Placed {
  readonly input: InputSection;
  readonly address: number;
}

/** A section of the output. Bytes that no input brings are zero. */
export interface OutputSection {
  readonly name: string;
  readonly flags: number;
  readonly isInFile: boolean;
  readonly address: number;
  readonly sizeBytes: number;
  readonly alignBytes: number;
  readonly inputs: readonly Placed[];
}

/** A page-aligned range of the output with one set of rights. */
export interface Segment {
  readonly name: string;
  readonly flags: number;
  readonly address: number;
  readonly memBytes: number;
  readonly fileBytes: number;
  readonly sections: readonly OutputSection[];
}

export interface SubsystemLayout {
  readonly name: string;
  readonly ranges: Readonly<Record<RangeName, { readonly start: number; readonly end: number }>>;
  readonly segments: Readonly<Partial<Record<'text' | 'rodata' | 'data' | 'stacks', Segment>>>;
  readonly stackBytes: number;
}

export interface Layout {
  readonly start: number;
  readonly end: number;
  readonly segments: readonly Segment[];
  readonly subsystems: readonly SubsystemLayout[];
  readonly addressOf: ReadonlyMap<InputSection, number>;
  /** Start of each namespace's table of addresses. */
  readonly got: ReadonlyMap<string, number>;
  readonly gates: {
    readonly segment: Segment;
    readonly addressOf: ReadonlyMap<Gate, number>;
  } | null;
  readonly shares: readonly { readonly share: SharedObject; readonly segment: Segment }[];
}

/** What a subsystem needs besides its sections. */
export interface SubsystemNeeds {
  readonly name: string;
  readonly objects: readonly InputObject[];
  readonly heapBytes: number;
  readonly stackBytes: number;
  readonly stackCount: number;
}

const SHF_W = 1;
const SHF_A = 2;
const SHF_X = 4;

export const alignUp = (value: number, alignBytes: number): number =>
  Math.ceil(value / alignBytes) * alignBytes;

/** Places ranges one after another. */
class Builder {
  cursor: number;
  readonly segments: Segment[] = [];
  readonly addressOf = new Map<InputSection, number>();
  readonly got = new Map<string, number>();
  /** A domain owns the rest of its last page; an ordinary loader wants segments as long as they are. */
  readonly #fillsPages: boolean;

  constructor(start: number, fillsPages: boolean) {
    this.cursor = start;
    this.#fillsPages = fillsPages;
  }

  /** A section of inputs at the cursor; nothing if there are no inputs. */
  section(
    name: string,
    flags: number,
    isInFile: boolean,
    inputs: readonly InputSection[],
  ): OutputSection[] {
    if (inputs.length === 0) return [];
    const alignBytes = Math.max(...inputs.map(({ section }) => section.alignBytes));
    this.cursor = alignUp(this.cursor, alignBytes);
    const address = this.cursor;
    const placed: Placed[] = [];
    for (const input of inputs) {
      this.cursor = alignUp(this.cursor, input.section.alignBytes);
      placed.push({ input, address: this.cursor });
      this.addressOf.set(input, this.cursor);
      this.cursor += input.section.sizeBytes;
    }
    const sizeBytes = this.cursor - address;
    return [{ name, flags, isInFile, address, sizeBytes, alignBytes, inputs: placed }];
  }

  /** A section without inputs. */
  reserve(
    name: string,
    flags: number,
    isInFile: boolean,
    sizeBytes: number,
    alignBytes: number,
  ): OutputSection[] {
    if (sizeBytes === 0) return [];
    this.cursor = alignUp(this.cursor, alignBytes);
    const address = this.cursor;
    this.cursor += sizeBytes;
    return [{ name, flags, isInFile, address, sizeBytes, alignBytes, inputs: [] }];
  }

  /** Makes the sections built since `start` one range, and moves on to the next page. */
  segment(
    name: string,
    flags: number,
    start: number,
    sections: readonly OutputSection[],
  ): Segment | undefined {
    const end = this.cursor;
    this.cursor = alignUp(end, PAGE_BYTES);
    if (this.cursor === start) return undefined;
    const inFile = sections.filter(({ isInFile }) => isInFile);
    const last = inFile.at(-1);
    const segment: Segment = {
      name,
      flags,
      address: start,
      memBytes: (this.#fillsPages ? this.cursor : end) - start,
      fileBytes: last === undefined ? 0 : last.address + last.sizeBytes - start,
      sections,
    };
    this.segments.push(segment);
    return segment;
  }
}

const PF = { text: PF_R | PF_X, rodata: PF_R, data: PF_R | PF_W } as const;

interface Options {
  readonly start: number;
  /** The section that holds the entry point, first of all. */
  readonly first: InputSection | null;
  readonly resolution: Resolution;
}

function inputsOf(
  objects: readonly InputObject[],
  kind: SectionKind,
  taken: ReadonlySet<InputSection>,
  first: InputSection | null = null,
): InputSection[] {
  const inputs = objects
    .flatMap(({ sections }) => [...sections.values()])
    .filter((input) => input.kind === kind && !taken.has(input));
  if (first === null || !inputs.includes(first)) return inputs;
  return [first, ...inputs.filter((input) => input !== first)];
}

const gotCount = (resolution: Resolution, namespace: string): number =>
  [...resolution.got.values()].filter((slot) => slot.namespace === namespace).length;

/** The layout of an image that is cut into subsystems. */
export function layOutSeparated(subsystems: readonly SubsystemNeeds[], options: Options): Layout {
  const { resolution, first } = options;
  const builder = new Builder(options.start, true);
  const shared = new Set(resolution.shares.map(({ input }) => input));
  let gates: Layout['gates'] = null;
  const layouts = subsystems.map((needs): SubsystemLayout => {
    const part = new SubsystemBuilder(builder, needs, shared);
    part.text(first);
    gates ??= layOutGates(builder, resolution.gates);
    part.rodata(gotCount(resolution, needs.name));
    part.data();
    part.stacks();
    return part.done();
  });
  const shares = resolution.shares.map((share) => ({
    share,
    segment: layOutShare(builder, share),
  }));
  return {
    start: options.start,
    end: builder.cursor,
    segments: builder.segments,
    subsystems: layouts,
    addressOf: builder.addressOf,
    got: builder.got,
    gates,
    shares,
  };
}

function layOutGates(builder: Builder, gates: readonly Gate[]): Layout['gates'] {
  const start = builder.cursor;
  const addressOf = new Map(gates.map((gate, i) => [gate, start + i * GATE_BYTES]));
  // The last two are the return gate and the resume gate.
  const sizeBytes = alignUp((gates.length + 2) * GATE_BYTES, PAGE_BYTES);
  const sections = builder.reserve('.gates', SHF_A | SHF_X, true, sizeBytes, PAGE_BYTES);
  const segment = builder.segment('gates', PF_X, start, sections) as Segment;
  return { segment, addressOf };
}

function layOutShare(builder: Builder, share: SharedObject): Segment {
  const start = builder.cursor;
  const { kind } = share.input;
  const isConstant = kind === 'rodata';
  const flags = isConstant ? SHF_A : SHF_A | SHF_W;
  const name = `.share.${share.policy.symbol}`;
  const sections = builder.section(name, flags, kind !== 'bss', [share.input]);
  const pf = isConstant ? PF_R : PF_R | PF_W;
  // An object of no size still gets its page, so that its address means something.
  if (builder.cursor === start) builder.cursor += 1;
  return builder.segment(`share ${share.policy.symbol}`, pf, start, sections) as Segment;
}

/** The ranges of one subsystem. */
class SubsystemBuilder {
  readonly #builder: Builder;
  readonly #needs: SubsystemNeeds;
  readonly #shared: ReadonlySet<InputSection>;
  readonly #ranges: Partial<Record<RangeName, { start: number; end: number }>> = {};
  readonly #segments: { -readonly [K in keyof SubsystemLayout['segments']]: Segment } = {};

  constructor(builder: Builder, needs: SubsystemNeeds, shared: ReadonlySet<InputSection>) {
    this.#builder = builder;
    this.#needs = needs;
    this.#shared = shared;
  }

  text(first: InputSection | null): void {
    this.#range('text', PF.text, (b) => {
      const inputs = inputsOf(this.#needs.objects, 'text', this.#shared, first);
      return b.section(this.#name('text'), SHF_A | SHF_X, true, inputs);
    });
  }

  rodata(gotSlots: number): void {
    this.#range('rodata', PF.rodata, (b) => {
      const inputs = inputsOf(this.#needs.objects, 'rodata', this.#shared);
      const sections = b.section(this.#name('rodata'), SHF_A, true, inputs);
      const got = b.reserve(this.#name('got'), SHF_A, true, gotSlots * 8, 8);
      if (got[0] !== undefined) b.got.set(this.#needs.name, got[0].address);
      return [...sections, ...got];
    });
  }

  data(): void {
    const b = this.#builder;
    const { objects, heapBytes } = this.#needs;
    const start = b.cursor;
    const data = b.section(
      this.#name('data'),
      SHF_A | SHF_W,
      true,
      inputsOf(objects, 'data', this.#shared),
    );
    this.#ranges.data = { start, end: b.cursor };
    const bss = b.section(
      this.#name('bss'),
      SHF_A | SHF_W,
      false,
      inputsOf(objects, 'bss', this.#shared),
    );
    this.#ranges.bss = { start: bss[0]?.address ?? b.cursor, end: b.cursor };
    const heap = b.reserve(this.#name('heap'), SHF_A | SHF_W, false, heapBytes, PAGE_BYTES);
    this.#ranges.heap = { start: heap[0]?.address ?? b.cursor, end: b.cursor };
    this.#finish('data', PF.data, start, [...data, ...bss, ...heap]);
  }

  stacks(): void {
    this.#range('stacks', PF.data, (b) => {
      const { stackBytes, stackCount } = this.#needs;
      const name = this.#name('stacks');
      return b.reserve(name, SHF_A | SHF_W, false, stackBytes * stackCount, PAGE_BYTES);
    });
  }

  done(): SubsystemLayout {
    const nowhere = { start: this.#builder.cursor, end: this.#builder.cursor };
    const ranges = {
      text: nowhere,
      rodata: nowhere,
      data: nowhere,
      bss: nowhere,
      heap: nowhere,
      stacks: nowhere,
      ...this.#ranges,
    };
    const { name, stackBytes } = this.#needs;
    return { name, ranges, segments: this.#segments, stackBytes };
  }

  #name(kind: string): string {
    return `.${kind}.${this.#needs.name}`;
  }

  #range(
    kind: 'text' | 'rodata' | 'stacks',
    flags: number,
    build: (builder: Builder) => OutputSection[],
  ): void {
    const start = this.#builder.cursor;
    const sections = build(this.#builder);
    this.#ranges[kind] = { start, end: this.#builder.cursor };
    this.#finish(kind, flags, start, sections);
  }

  #finish(
    kind: 'text' | 'rodata' | 'data' | 'stacks',
    flags: number,
    start: number,
    sections: OutputSection[],
  ): void {
    const segment = this.#builder.segment(`${this.#needs.name} ${kind}`, flags, start, sections);
    if (segment !== undefined) this.#segments[kind] = segment;
  }
}

/**
 * The layout of a program in one piece: text, rodata, data and bss of everything, then a heap for
 * each subsystem that has one, then the stacks.
 */
export function layOutWhole(
  name: string,
  objects: readonly InputObject[],
  heaps: readonly { readonly owner: string; readonly sizeBytes: number }[],
  stacks: { readonly stackBytes: number; readonly stackCount: number },
  options: Options,
): Layout {
  const b = new Builder(options.start, false);
  const none: ReadonlySet<InputSection> = new Set();
  const ranges: Partial<Record<RangeName, { start: number; end: number }>> = {};
  const segments: { -readonly [K in keyof SubsystemLayout['segments']]: Segment } = {};
  const finish = (
    kind: 'text' | 'rodata' | 'data' | 'stacks',
    flags: number,
    start: number,
    sections: OutputSection[],
  ): void => {
    const segment = b.segment(kind, flags, start, sections);
    if (segment !== undefined) segments[kind] = segment;
  };

  let start = b.cursor;
  const text = b.section(
    '.text',
    SHF_A | SHF_X,
    true,
    inputsOf(objects, 'text', none, options.first),
  );
  ranges.text = { start, end: b.cursor };
  finish('text', PF.text, start, text);

  start = b.cursor;
  const rodata = b.section('.rodata', SHF_A, true, inputsOf(objects, 'rodata', none));
  ranges.rodata = { start, end: b.cursor };
  const got = b.reserve('.got', SHF_A, true, gotCount(options.resolution, name) * 8, 8);
  if (got[0] !== undefined) b.got.set(name, got[0].address);
  finish('rodata', PF.rodata, start, [...rodata, ...got]);

  start = b.cursor;
  const data = b.section('.data', SHF_A | SHF_W, true, inputsOf(objects, 'data', none));
  ranges.data = { start, end: b.cursor };
  const bss = b.section('.bss', SHF_A | SHF_W, false, inputsOf(objects, 'bss', none));
  ranges.bss = { start: bss[0]?.address ?? b.cursor, end: b.cursor };
  const heapRanges = new Map<string, { start: number; end: number }>();
  const heapSections = heaps.flatMap(({ owner, sizeBytes }) => {
    const sections = b.reserve(`.heap.${owner}`, SHF_A | SHF_W, false, sizeBytes, PAGE_BYTES);
    heapRanges.set(owner, { start: sections[0]?.address ?? b.cursor, end: b.cursor });
    return sections;
  });
  finish('data', PF.data, start, [...data, ...bss, ...heapSections]);

  start = b.cursor;
  const stackSections = b.reserve(
    '.stacks',
    SHF_A | SHF_W,
    false,
    stacks.stackBytes * stacks.stackCount,
    PAGE_BYTES,
  );
  ranges.stacks = { start, end: b.cursor };
  finish('stacks', PF.data, start, stackSections);

  const nowhere = { start: b.cursor, end: b.cursor };
  const whole = {
    heap: nowhere,
    ...(ranges as Record<Exclude<RangeName, 'heap'>, typeof nowhere>),
  };
  const owners = heaps.length === 0 ? [name] : heaps.map(({ owner }) => owner);
  return {
    start: options.start,
    end: b.cursor,
    segments: b.segments,
    subsystems: owners.map((owner) => ({
      name: owner,
      ranges: { ...whole, heap: heapRanges.get(owner) ?? nowhere },
      segments,
      stackBytes: stacks.stackBytes,
    })),
    addressOf: b.addressOf,
    got: b.got,
    gates: null,
    shares: [],
  };
}
