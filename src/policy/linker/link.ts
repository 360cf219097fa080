/**
 * The policy linker: relocatable objects in, an ELF executable out.
 *
 * `linkKernel` cuts the kernel into subsystems and routes every call between two of them through a
 * gate; `linkMonolith` links the same objects in one piece; `linkUser` links a program.
 * Phases: read, name, resolve and check, lay out, relocate, write. Each refuses all it can see
 * before the next one starts.
 */
import { LAYOUT, MAX_THREADS } from '../../nested-kernel/abi.ts';
import { CONTEXTS_HASH_SECTION, CONTEXTS_SECTION, type Contexts } from '../contexts.ts';
import { ElfError, type ElfFile } from '../../machine/elf.ts';
import { compareText, type Diagnostic } from '../diagnostics.ts';
import { CORE, type Policies } from '../model.ts';
import { canonicalJson, sha256 } from './canonical.ts';
import { checkSignatures } from './check-signatures.ts';
import { readObject, type InputSection, type ObjectFile } from './input.ts';
import {
  alignUp,
  GATE_BYTES,
  layOutSeparated,
  layOutWhole,
  type Layout,
  type OutputSection,
} from './layout.ts';
import { checkDevices, makeContexts, type DeviceMap } from './make-contexts.ts';
import { Refusals } from './refusals.ts';
import { Addresses, GATE_STUB, relocateAll, type SectionBytes } from './relocate.ts';
import { checkPolicySymbols, resolveAll, type Resolution } from './resolve.ts';
import { buildNamespace, checkGlobalsAreUnique, type Namespace } from './symbols.ts';
import { outputSymbols } from './output-symbols.ts';
import { segmentBytes, writeElf, type ExtraSection } from './write-elf.ts';

export { LinkError } from './refusals.ts';
export type { DeviceMap } from './make-contexts.ts';
export type { ObjectFile } from './input.ts';

export interface SubsystemObjects {
  readonly name: string;
  readonly objects: readonly ObjectFile[];
}

export interface Linked {
  readonly elf: Uint8Array;
  readonly layout: Layout;
  readonly namespaces: readonly Namespace[];
  readonly resolution: Resolution;
  readonly addresses: Addresses;
  readonly warnings: readonly Diagnostic[];
}

export interface LinkedKernel extends Linked {
  readonly contexts: Contexts;
}

export interface KernelInput {
  readonly policies: Policies;
  readonly subsystems: readonly SubsystemObjects[];
  readonly library: readonly ObjectFile[];
  readonly devices: DeviceMap;
}

const IMAGE_BASE: number = Number(BigInt.asIntN(64, LAYOUT.IMAGE_BASE));
const PHYS_OFFSET: number = Number(LAYOUT.IMAGE_PHYS) - IMAGE_BASE;
const ENTRY = '_start';

export function linkKernel(input: KernelInput): LinkedKernel {
  const refusals = new Refusals();
  const { policies } = input;
  const library = readAll(input.library, refusals);
  const namespaces = policies.subsystems.map(({ name }) => {
    const objects = input.subsystems.find((s) => s.name === name)?.objects ?? [];
    return buildNamespace(
      {
        name,
        objects: readAll(objects, refusals).map((elf) => ({ owner: name, elf })),
        library,
        libraryOwner: name,
      },
      refusals,
    );
  });
  checkGlobalsAreUnique(namespaces, refusals);
  checkPolicySymbols(namespaces, policies, refusals);
  checkSignatures(namespaces, policies, refusals);
  checkDevices(policies, input.devices, refusals);
  const names = namespaces.map(({ name }) => name);
  const resolution = resolveAll(namespaces, names, policies, refusals);
  const first = entrySection(namespaces[0], refusals);
  refusals.throwIfAny();

  const layout = layOutSeparated(
    policies.subsystems.map(({ name, heapBytes, stackBytes }) => ({
      name,
      objects: namespaces.find((n) => n.name === name)?.objects ?? [],
      heapBytes,
      stackBytes,
      stackCount: MAX_THREADS,
    })),
    { start: IMAGE_BASE, first, resolution },
  );
  const image = relocateImage(namespaces, layout, resolution, refusals);
  const contexts = makeContexts({
    policies,
    namespaces,
    layout,
    resolution,
    addresses: image.addresses,
    devices: input.devices,
    entry: layout.start,
    segmentHashes: layout.segments.map((s) => sha256(segmentBytes(s, image.contents))),
  });
  const json = canonicalJson(contexts);
  const elf = writeElf({
    entry: layout.start + PHYS_OFFSET,
    physOffset: PHYS_OFFSET,
    segments: layout.segments,
    contents: image.contents,
    extras: [
      { name: CONTEXTS_SECTION, bytes: utf8(json) },
      { name: CONTEXTS_HASH_SECTION, bytes: utf8(sha256(json)) },
      ...image.debug,
    ],
    symbols: outputSymbols(namespaces, layout, resolution, image.addresses),
  });
  const { addresses } = image;
  return { elf, layout, namespaces, resolution, addresses, contexts, warnings: refusals.warnings };
}

export interface MonolithInput {
  readonly subsystems: readonly SubsystemObjects[];
  readonly library: readonly ObjectFile[];
  /** Heaps and stacks of the policies; everything else in them is ignored. */
  readonly needs: readonly {
    readonly name: string;
    readonly heapBytes: number;
    readonly stackBytes: number;
  }[];
}

/** The same objects in one piece: direct calls, one copy of the library, no contexts. */
export function linkMonolith(input: MonolithInput): Linked {
  const core = input.needs.find(({ name }) => name === CORE);
  return linkWhole({
    name: 'monolith',
    subsystems: input.subsystems,
    library: input.library,
    start: IMAGE_BASE,
    physOffset: PHYS_OFFSET,
    startsFirst: true,
    heaps: input.needs.map(({ name, heapBytes }) => ({ owner: name, sizeBytes: heapBytes })),
    stacks: { stackBytes: core?.stackBytes ?? 0, stackCount: MAX_THREADS },
  });
}

/** Where user programs are linked; below it a null pointer with an offset faults. */
export const USER_BASE = 0x10000;

/** A static program: text, rodata and data in segments of their own. */
export function linkUser(objects: readonly ObjectFile[], library: readonly ObjectFile[]): Linked {
  return linkWhole({
    name: 'user',
    subsystems: [{ name: 'user', objects }],
    library,
    start: USER_BASE,
    physOffset: 0,
    startsFirst: false,
    heaps: [],
    stacks: { stackBytes: 0, stackCount: 0 },
  });
}

interface WholeInput {
  readonly name: string;
  readonly subsystems: readonly SubsystemObjects[];
  readonly library: readonly ObjectFile[];
  readonly start: number;
  readonly physOffset: number;
  /** The entry point must be the first byte. */
  readonly startsFirst: boolean;
  readonly heaps: readonly { readonly owner: string; readonly sizeBytes: number }[];
  readonly stacks: { readonly stackBytes: number; readonly stackCount: number };
}

function linkWhole(input: WholeInput): Linked {
  const refusals = new Refusals();
  const objects = input.subsystems
    .toSorted(
      (a, b) => Number(b.name === CORE) - Number(a.name === CORE) || compareText(a.name, b.name),
    )
    .flatMap(({ name, objects: files }) =>
      readAll(files, refusals).map((elf) => ({ owner: name, elf })),
    );
  const namespace = buildNamespace(
    {
      name: input.name,
      objects,
      library: readAll(input.library, refusals),
      libraryOwner: input.name,
      root: ENTRY,
    },
    refusals,
  );
  const namespaces = [namespace];
  const names = input.subsystems.map(({ name }) => name);
  const resolution = resolveAll(namespaces, names, null, refusals);
  const first = input.startsFirst ? entrySection(namespace, refusals) : null;
  const entry = namespace.definitions.get(ENTRY);
  if (entry?.input == null && !input.startsFirst) refuseNoEntry(refusals);
  refusals.throwIfAny();

  const layout = layOutWhole(input.name, namespace.objects, input.heaps, input.stacks, {
    start: input.start,
    first,
    resolution,
  });
  const image = relocateImage(namespaces, layout, resolution, refusals);
  const entryAddress =
    entry?.input == null ? layout.start : (layout.addressOf.get(entry.input) ?? 0) + entry.value;
  const elf = writeElf({
    entry: entryAddress + input.physOffset,
    physOffset: input.physOffset,
    segments: layout.segments,
    contents: image.contents,
    extras: image.debug,
    symbols: outputSymbols(namespaces, layout, resolution, image.addresses),
  });
  const { addresses } = image;
  return { elf, layout, namespaces, resolution, addresses, warnings: refusals.warnings };
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Reads objects in the order of their names; a damaged one is a refusal like any other. */
function readAll(files: readonly ObjectFile[], refusals: Refusals): ElfFile[] {
  const result: ElfFile[] = [];
  for (const file of files.toSorted((a, b) => compareText(a.file, b.file))) {
    try {
      result.push(readObject(file));
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      const message = error.message.slice(error.file.length + 2);
      const fix = 'compile it again for RISC-V';
      refusals.add({
        severity: 'error',
        file: error.file,
        line: 0,
        column: 0,
        length: 1,
        message,
        fix,
      });
    }
  }
  return result;
}

/** The section that starts with the entry point. */
function entrySection(namespace: Namespace | undefined, refusals: Refusals): InputSection | null {
  const definition = namespace?.definitions.get(ENTRY);
  if (definition?.input == null) {
    refuseNoEntry(refusals);
    return null;
  }
  if (definition.value !== 0) {
    refusals.at(definition.input, definition.value, {
      message: `'${ENTRY}' is not the first thing in its section`,
      fix: `give it a section of its own: .section .text.start, "ax"`,
    });
  }
  return definition.input;
}

function refuseNoEntry(refusals: Refusals): void {
  refusals.add({
    severity: 'error',
    file: 'link',
    line: 0,
    column: 0,
    length: 1,
    message: `nothing defines '${ENTRY}', where execution starts`,
    fix: `define '${ENTRY}' in an assembler file`,
  });
}

/** The upper half ends 2 GiB above the image, and no machine of ours has more RAM than this. */
const MAX_IMAGE_BYTES = 2 ** 30;

function checkFits({ start, end }: Layout, refusals: Refusals): void {
  if (end - start <= MAX_IMAGE_BYTES) return;
  refusals.add({
    severity: 'error',
    file: 'link',
    line: 0,
    column: 0,
    length: 1,
    message: `the image takes ${end - start} bytes, more than ${MAX_IMAGE_BYTES}`,
    fix: 'lower heaps and stacks in the policies, or large arrays in C',
  });
  refusals.throwIfAny();
}

interface RelocatedImage {
  readonly addresses: Addresses;
  readonly contents: (section: OutputSection) => Uint8Array;
  readonly debug: readonly ExtraSection[];
}

function relocateImage(
  namespaces: readonly Namespace[],
  layout: Layout,
  resolution: Resolution,
  refusals: Refusals,
): RelocatedImage {
  checkFits(layout, refusals);
  const addresses = new Addresses(layout, resolution);
  const debug = layOutDebug(namespaces);
  const withDebug = new Map([...layout.addressOf, ...debug.offsetOf]);
  const everywhere = new Addresses({ ...layout, addressOf: withDebug }, resolution);
  const inputs = namespaces.flatMap(({ name, objects }) =>
    objects.flatMap(({ sections }) =>
      [...sections.values()].map((section) => [name, section] as const),
    ),
  );
  const addressOf = (section: InputSection): number => withDebug.get(section) ?? 0;
  const bytes = relocateAll(inputs, addressOf, resolution, everywhere, refusals);
  refusals.throwIfAny();
  const got = gotBytes(layout, resolution, addresses);
  return {
    addresses,
    contents: (section) =>
      section.name === '.gates'
        ? gateBytes(section.sizeBytes, resolution.gates.length + 2)
        : sectionContents(section, bytes, got),
    debug: [...debug.sections].map(([name, inputsOfName]) => ({
      name,
      bytes: concatenate(inputsOfName, debug.offsetOf, bytes),
    })),
  };
}

function sectionContents(
  section: OutputSection,
  bytes: SectionBytes,
  got: ReadonlyMap<number, Uint8Array>,
): Uint8Array {
  const result = new Uint8Array(section.sizeBytes);
  const table = got.get(section.address);
  if (table !== undefined && section.inputs.length === 0) result.set(table);
  for (const { input, address } of section.inputs) {
    const data = bytes.get(input);
    if (data !== undefined) result.set(data, address - section.address);
  }
  return result;
}

/** The gate pages: a stub per gate, and zeros, which trap, in the rest. */
function gateBytes(sizeBytes: number, count: number): Uint8Array {
  const result = new Uint8Array(sizeBytes);
  for (let i = 0; i < count; i++) result.set(GATE_STUB, i * GATE_BYTES);
  return result;
}

/** The tables of addresses, by where they start. */
function gotBytes(
  layout: Layout,
  resolution: Resolution,
  addresses: Addresses,
): Map<number, Uint8Array> {
  const result = new Map<number, Uint8Array>();
  for (const [namespace, start] of layout.got) {
    const slots = [...resolution.got.values()].filter((slot) => slot.namespace === namespace);
    const view = new DataView(new ArrayBuffer(slots.length * 8));
    for (const { index, target } of slots) {
      view.setBigInt64(index * 8, BigInt(addresses.of(target)), true);
    }
    result.set(start, new Uint8Array(view.buffer));
  }
  return result;
}

/** Debug sections of one name are joined; references between them are offsets in the joined section. */
function layOutDebug(namespaces: readonly Namespace[]): {
  sections: Map<string, InputSection[]>;
  offsetOf: Map<InputSection, number>;
} {
  const sections = new Map<string, InputSection[]>();
  const offsetOf = new Map<InputSection, number>();
  const ends = new Map<string, number>();
  for (const object of namespaces.flatMap(({ objects }) => objects)) {
    for (const input of object.sections.values()) {
      if (input.kind !== 'debug') continue;
      const { name, alignBytes, sizeBytes } = input.section;
      const offset = alignUp(ends.get(name) ?? 0, alignBytes);
      offsetOf.set(input, offset);
      ends.set(name, offset + sizeBytes);
      const list = sections.get(name) ?? [];
      list.push(input);
      sections.set(name, list);
    }
  }
  return { sections: new Map([...sections].toSorted(([a], [b]) => compareText(a, b))), offsetOf };
}

function concatenate(
  inputs: readonly InputSection[],
  offsetOf: ReadonlyMap<InputSection, number>,
  bytes: SectionBytes,
): Uint8Array {
  const last = inputs.at(-1);
  const end = last === undefined ? 0 : (offsetOf.get(last) ?? 0) + last.section.sizeBytes;
  const result = new Uint8Array(end);
  for (const input of inputs) result.set(bytes.get(input) ?? [], offsetOf.get(input) ?? 0);
  return result;
}
