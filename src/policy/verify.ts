/**
 * Reads the contexts of a kernel image and checks them against the image, at boot.
 *
 * The hash is no signature: whoever can write the image can write the hash. What this protects
 * against is a stale or damaged file, and a monitor acting on contexts that contradict themselves:
 * after it, every range is page-aligned, belongs to one domain only and coincides with a segment of
 * the right permissions, and every gate is an `ecall` in the gate pages, with nothing else there.
 */
import {
  ElfError,
  PF_R,
  PF_W,
  PF_X,
  PT_LOAD,
  readElf,
  type ElfFile,
  type ProgramHeader,
} from '../machine/elf.ts';
import { LAYOUT } from '../nested-kernel/abi.ts';
import { parseContexts } from './contexts-schema.ts';
import {
  CONTEXTS_HASH_SECTION,
  CONTEXTS_SECTION,
  CONTEXTS_VERSION,
  parseAddress,
  type Contexts,
  type DomainContext,
  type GateContext,
  type Region,
} from './contexts.ts';
import { sha256 } from './linker/canonical.ts';

/** Which part of the image is not what it must be. */
export type ContextsPart =
  | 'file'
  | 'version'
  | 'hash'
  | 'shape'
  | 'entry'
  | 'segment'
  | 'range'
  | 'domain'
  | 'gate'
  | 'share';

/** The image and its contexts do not belong together, or were tampered with. */
export class ContextsError extends Error {
  readonly part: ContextsPart;

  constructor(part: ContextsPart, message: string) {
    super(message);
    this.name = 'ContextsError';
    this.part = part;
  }
}

const PAGE_BYTES = 4096;
const ECALL = 0x73;

export function readContexts(elfBytes: Uint8Array, file = 'kernel'): Contexts {
  const elf = readImage(elfBytes, file);
  const contexts = readSection(elf);
  checkEntry(contexts, elf);
  checkSegments(contexts, elf);
  const ranges = imageRanges(contexts);
  checkRanges(ranges);
  checkRangesAreSegments(ranges, elf);
  checkDomains(contexts, elf);
  checkOutsideRanges(contexts);
  checkGates(contexts, elf);
  checkShares(contexts);
  return contexts;
}

function fail(part: ContextsPart, message: string): never {
  throw new ContextsError(part, message);
}

function readImage(bytes: Uint8Array, file: string): ElfFile {
  try {
    return readElf(bytes, file, 'executable');
  } catch (error) {
    if (error instanceof ElfError) fail('file', error.message);
    throw error;
  }
}

function sectionData(elf: ElfFile, name: string): Uint8Array {
  const found = elf.sections.filter((section) => section.name === name);
  if (found.length !== 1) {
    fail(
      'file',
      `${elf.file}: ${found.length} sections ${name}, expected 1; was it linked by Cordon?`,
    );
  }
  return (found[0] as (typeof found)[number]).data;
}

function readSection(elf: ElfFile): Contexts {
  const json = sectionData(elf, CONTEXTS_SECTION);
  const hash = new TextDecoder().decode(sectionData(elf, CONTEXTS_HASH_SECTION));
  if (sha256(json) !== hash)
    fail('hash', `${CONTEXTS_SECTION} does not match ${CONTEXTS_HASH_SECTION}`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch {
    fail('shape', `${CONTEXTS_SECTION} is no JSON`);
  }
  const version =
    typeof value === 'object' && value !== null && 'version' in value ? value.version : undefined;
  if (version !== CONTEXTS_VERSION) {
    fail(
      'version',
      `contexts of version ${String(version)}, this monitor reads ${CONTEXTS_VERSION}: build the kernel again`,
    );
  }
  const parsed = parseContexts(value);
  if ('problem' in parsed) fail('shape', `${CONTEXTS_SECTION}: ${parsed.problem}`);
  return parsed.contexts;
}

const physOf = (virtual: bigint): bigint => BigInt.asUintN(64, virtual - LAYOUT.IMAGE_OFFSET);

const loaded = (elf: ElfFile): ProgramHeader[] =>
  elf.programHeaders.filter(({ type }) => type === PT_LOAD);

function checkEntry(contexts: Contexts, elf: ElfFile): void {
  const entry = parseAddress(contexts.entry);
  if (entry !== LAYOUT.IMAGE_BASE)
    fail('entry', `the entry ${contexts.entry} is not the image's first byte`);
  if (parseAddress(contexts.entryPhys) !== physOf(entry))
    fail('entry', 'entryPhys is not the entry');
  if (elf.entry !== physOf(entry))
    fail('entry', `e_entry 0x${elf.entry.toString(16)} is not entryPhys`);
  if (contexts.domains[0]?.text?.start !== contexts.entry) {
    fail('entry', 'the entry is not the start of the text of domain 0');
  }
}

function checkSegments(contexts: Contexts, elf: ElfFile): void {
  const segments = loaded(elf);
  if (segments.length !== contexts.segmentHashes.length) {
    fail('segment', `${segments.length} segments, ${contexts.segmentHashes.length} hashes`);
  }
  for (const [i, segment] of segments.entries()) {
    const name = `segment ${i} at 0x${segment.virtAddr.toString(16)}`;
    if (segment.virtAddr % 4096n !== 0n || segment.memBytes % PAGE_BYTES !== 0) {
      fail('segment', `${name} does not fill whole pages`);
    }
    if (segment.physAddr !== physOf(segment.virtAddr)) {
      fail(
        'segment',
        `${name} is loaded at 0x${segment.physAddr.toString(16)}, not where it is mapped`,
      );
    }
    if (sha256(segment.data) !== contexts.segmentHashes[i]) {
      fail('segment', `${name} was changed after it was linked`);
    }
  }
}

interface NamedRange {
  readonly name: string;
  readonly region: Region;
  readonly flags: number;
}

/** Every range of the image that some domain, or the gates, own. */
function imageRanges({ domains, gateRegion, shares }: Contexts): NamedRange[] {
  const ofDomain = ({ name, text, rodata, data, stacks }: DomainContext): NamedRange[] =>
    [
      { name: `text of ${name}`, region: text, flags: PF_R | PF_X },
      { name: `rodata of ${name}`, region: rodata, flags: PF_R },
      { name: `data of ${name}`, region: data, flags: PF_R | PF_W },
      { name: `stacks of ${name}`, region: stacks, flags: PF_R | PF_W },
    ].filter((range): range is NamedRange => range.region !== null);
  return [
    { name: 'gates', region: gateRegion, flags: PF_X },
    ...domains.flatMap(ofDomain),
    ...shares.map(({ name, region, owner, grants }) => {
      const isWritable = grants.some((grant) => grant.domain === owner && grant.access === 'rw');
      return { name: `share ${name}`, region, flags: isWritable ? PF_R | PF_W : PF_R };
    }),
  ];
}

function checkAligned(name: string, start: bigint, sizeBytes: number): void {
  if (start % 4096n !== 0n) fail('range', `${name} does not start on a page`);
  if (sizeBytes === 0 || sizeBytes % PAGE_BYTES !== 0) fail('range', `${name} is not whole pages`);
  if (start + BigInt(sizeBytes) > 1n << 64n) fail('range', `${name} wraps around`);
}

/** Pages have one owner: no two ranges share an address. */
function checkDisjoint(
  ranges: readonly { name: string; start: bigint; sizeBytes: number }[],
): void {
  const sorted = ranges.toSorted((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  for (const [i, range] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before !== undefined && range.start < before.start + BigInt(before.sizeBytes)) {
      fail('range', `${range.name} overlaps ${before.name}`);
    }
  }
}

function checkRanges(ranges: readonly NamedRange[]): void {
  for (const { name, region } of ranges) {
    const start = parseAddress(region.start);
    checkAligned(name, start, region.sizeBytes);
    if (start < LAYOUT.IMAGE_BASE) fail('range', `${name} lies below the image`);
    if (parseAddress(region.startPhys) !== physOf(start)) {
      fail('range', `${name}: its physical address is not the one of its virtual address`);
    }
  }
  checkDisjoint(
    ranges.map(({ name, region }) => ({
      name,
      start: parseAddress(region.start),
      sizeBytes: region.sizeBytes,
    })),
  );
}

/** Ranges and segments are the same thing, so nothing is in memory that nobody owns. */
function checkRangesAreSegments(ranges: readonly NamedRange[], elf: ElfFile): void {
  const byStart = new Map(loaded(elf).map((segment) => [segment.virtAddr, segment]));
  for (const { name, region, flags } of ranges) {
    const start = parseAddress(region.start);
    const segment = byStart.get(start);
    if (segment?.memBytes !== region.sizeBytes) fail('range', `${name} is no segment of the image`);
    if (segment.flags !== flags)
      fail('range', `${name} is loaded with other permissions than its domain has`);
    byStart.delete(start);
  }
  for (const [start] of byStart) {
    fail('range', `the segment at 0x${start.toString(16)} belongs to no domain`);
  }
}

function checkDomains({ domains, threads }: Contexts, elf: ElfFile): void {
  const names = new Set<string>();
  for (const [i, domain] of domains.entries()) {
    const { id, name, data, dataInitBytes, stacks, stackBytes } = domain;
    if (id !== i) fail('domain', `domain ${name} has id ${id} at place ${i}`);
    if (names.has(name)) fail('domain', `two domains are called ${name}`);
    names.add(name);
    const segment = loaded(elf).find(
      ({ virtAddr }) => data !== null && virtAddr === parseAddress(data.start),
    );
    if (dataInitBytes !== (segment?.fileBytes ?? 0)) {
      fail('domain', `dataInitBytes of ${name} is not what the image initialises`);
    }
    if (stackBytes % PAGE_BYTES !== 0 || stackBytes * threads !== (stacks?.sizeBytes ?? 0)) {
      fail('domain', `the stacks of ${name} are not ${threads} times ${stackBytes} bytes`);
    }
    for (const { symbol, start, sizeBytes } of domain.secrets) {
      const inside = [domain.data, domain.rodata].some(
        (region) => region !== null && contains(region, parseAddress(start), sizeBytes),
      );
      if (!inside) fail('domain', `the secret ${symbol} of ${name} lies outside of its data`);
    }
  }
}

const contains = (region: Region, start: bigint, sizeBytes: number): boolean => {
  const first = parseAddress(region.start);
  return start >= first && start + BigInt(sizeBytes) <= first + BigInt(region.sizeBytes);
};

/** Windows and device registers, which are not part of the image. */
function checkOutsideRanges({ domains }: Contexts): void {
  const ranges: { name: string; start: bigint; sizeBytes: number }[] = [];
  for (const { id, name, window, mmio } of domains) {
    if (window !== null) {
      const start = parseAddress(window.start);
      const expected = LAYOUT.WINDOW_BASE + BigInt(id) * LAYOUT.WINDOW_BYTES;
      if (start !== expected || window.sizeBytes !== Number(LAYOUT.WINDOW_BYTES)) {
        fail('range', `the window of ${name} is not where its id puts it`);
      }
    }
    for (const { device, region } of mmio) {
      const label = `${device} of ${name}`;
      const start = parseAddress(region.start);
      const phys = parseAddress(region.startPhys);
      checkAligned(label, start, region.sizeBytes);
      if (start !== LAYOUT.MMIO_BASE + phys)
        fail('range', `${label} is not where devices are mapped`);
      if (phys + BigInt(region.sizeBytes) > LAYOUT.RAM_BASE)
        fail('range', `${label} reaches into RAM`);
      ranges.push({ name: label, start, sizeBytes: region.sizeBytes });
    }
  }
  checkDisjoint(ranges);
}

function checkGates(contexts: Contexts, elf: ElfFile): void {
  const { gateRegion, gateBytes, gates, returnGate, resumeGate } = contexts;
  const base = parseAddress(gateRegion.start);
  if (gateBytes < 4 || gateBytes % 4 !== 0) fail('gate', `gates of ${gateBytes} bytes`);
  const expected = (index: number): bigint => base + BigInt(index * gateBytes);
  const seen = new Set<string>();
  for (const [i, gate] of gates.entries()) {
    if (gate.id !== i || parseAddress(gate.start) !== expected(i)) {
      fail('gate', `gate ${gate.function} is not the stub number ${i}`);
    }
    const key = `${gate.caller} ${gate.function}`;
    if (seen.has(key))
      fail('gate', `two gates lead from domain ${gate.caller} to ${gate.function}`);
    seen.add(key);
    checkGate(contexts, gate);
  }
  if (parseAddress(returnGate) !== expected(gates.length))
    fail('gate', 'the return gate is not after the gates');
  if (parseAddress(resumeGate) !== expected(gates.length + 1))
    fail('gate', 'the resume gate is not the last');

  const segment = loaded(elf).find(({ virtAddr }) => virtAddr === base);
  const count = gates.length + 2;
  if (
    segment === undefined ||
    segment.fileBytes !== gateRegion.sizeBytes ||
    count * gateBytes > segment.fileBytes
  ) {
    fail('gate', 'the gates do not fit the gate pages');
  }
  for (const [offset, byte] of segment.data.entries()) {
    const isFirst = offset % gateBytes === 0 && offset / gateBytes < count;
    if (byte !== (isFirst ? ECALL : 0)) {
      fail(
        'gate',
        `the gate pages hold something else than gates at offset 0x${offset.toString(16)}`,
      );
    }
  }
}

function checkGate({ domains }: Contexts, gate: GateContext): void {
  const caller = domains[gate.caller];
  const callee = domains[gate.callee];
  if (caller === undefined || callee === undefined || caller === callee) {
    fail('gate', `gate ${gate.function} leads from domain ${gate.caller} to ${gate.callee}`);
  }
  if (callee.text === null || !contains(callee.text, parseAddress(gate.target), 2)) {
    fail('gate', `gate ${gate.function} leads outside of the text of ${callee.name}`);
  }
  let copied = 0;
  for (const [i, arg] of gate.args.entries()) {
    if (arg.index !== i || i >= 8)
      fail('gate', `argument ${arg.name} of ${gate.function} is out of place`);
    if (arg.kind === 'scalar') continue;
    copied += arg.max;
    const length = arg.lengthArg === undefined ? undefined : gate.args[arg.lengthArg];
    if (arg.lengthArg !== undefined && length?.kind !== 'scalar') {
      fail('gate', `argument ${arg.name} of ${gate.function} has no length`);
    }
    const hasLength =
      arg.type === 'string' || arg.lengthArg !== undefined || arg.fixedBytes === arg.max;
    if (!hasLength) fail('gate', `argument ${arg.name} of ${gate.function} has no bound`);
  }
  if (copied > callee.stackBytes / 2) {
    fail('gate', `the buffers of ${gate.function} do not fit the stack of ${callee.name}`);
  }
}

function checkShares({ shares, domains }: Contexts): void {
  for (const { name, owner, grants } of shares) {
    const holders = grants.map((grant) => grant.domain);
    if (!holders.includes(owner)) fail('share', `share ${name} has no grant for its owner`);
    if (new Set(holders).size !== holders.length)
      fail('share', `share ${name} grants a domain twice`);
    if (holders.some((id) => id >= domains.length)) fail('share', `share ${name} grants to nobody`);
  }
}
