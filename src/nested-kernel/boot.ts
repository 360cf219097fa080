/**
 * Boot: puts an image into RAM, builds every view of every hart, and says where hart 0 begins.
 *
 * Done once, in the thread that owns the machine, before any hart runs. What it decides is the
 * `MonitorConfig` that every hart's monitor gets. No root exists that is not made here, and no table of
 * the boot survives that a view does not use.
 */
import { loadEnclosures, loadSegments, type LoadImage } from '../machine/loader.ts';
import type { Machine } from '../machine/machine.ts';
import { RAM_BASE, type PhysRange } from '../machine/physical-map.ts';
import { PTE } from '../machine/page-table.ts';
import {
  parseAddress,
  type Access,
  type Contexts,
  type MechanismName,
  type Region,
} from '../policy/contexts.ts';
import { LAYOUT } from './abi.ts';
import type { Ablation, KernelRegion, MonitorConfig } from './config.ts';
import { COMMON_KEY, keyOfDomain, keyOfShare, LAST_SHARE_KEY } from './mechanisms/pkey.ts';
import {
  leafHigh,
  leafLow,
  pointerHigh,
  pointerLow,
  RAM_FRAME,
  vpn0,
  vpn1,
  vpn2,
} from './paging.ts';
import { DIRECT, DIRECT_RIGHTS, halves, Shared } from './shared.ts';
import { windowBase } from './spaces.ts';
import { DOMAIN_STATE, FRAME, HSM, MAX_DOMAINS, monitorTableBytes } from './tables.ts';
import { Threads } from './threads.ts';

export { monitorTableBytes };

/** The image cannot be booted as asked; the message says why and what to do. */
export class BootError extends Error {}

export interface BootRequest {
  readonly mechanism: MechanismName;
  readonly ablate?: readonly Ablation[];
  readonly image: LoadImage;
  /** Verified contexts of the image; undefined for a foreign kernel, which is not separated. */
  readonly contexts?: Contexts;
  readonly initrd?: Uint8Array;
  /** Makes the device tree, given what boot decided about RAM. */
  readonly deviceTree: (placed: {
    /** The monitor's own part. */
    readonly reserved?: PhysRange;
    readonly initrd?: PhysRange;
  }) => Uint8Array;
}

const RIGHTS: Record<Access, number> = { r: PTE.R, rw: PTE.R | PTE.W, rx: PTE.R | PTE.X, x: PTE.X };
const TWO_MEGABYTES = 0x200000;

/** Bytes of RAM that the monitor keeps for page tables. */
export function poolBytes(ramBytes: number, harts: number): number {
  const perHart = 512 * 1024;
  return Math.ceil((ramBytes / 16 + harts * perHart) / TWO_MEGABYTES) * TWO_MEGABYTES;
}

/** Loads the image and prepares the monitor. @throws BootError, ImageError */
export function boot(machine: Machine, request: BootRequest): MonitorConfig {
  const { plan } = machine.parts;
  const separated = request.contexts !== undefined && request.mechanism !== 'none';
  const reserved = separated ? poolBytes(plan.ramBytes, plan.harts) : 0;
  const usable = plan.ramBytes - reserved;
  const end = RAM_BASE + usable;
  loadSegments(machine, request.image, end);
  if (request.contexts !== undefined && !separated) patchGates(machine, request.contexts);

  const poolFirst = RAM_FRAME + usable / 4096;
  const base = {
    mechanism: request.mechanism,
    ...(request.contexts === undefined ? {} : { contexts: request.contexts }),
    ablate: request.ablate ?? [],
    poolFirst,
    poolEnd: poolFirst + reserved / 4096,
    bootHart: 0,
  };
  const config = separated
    ? buildViews(machine, { ...base, contexts: request.contexts as Contexts })
    : { ...base, ...NO_VIEWS };
  const shared = new Shared(machine, config, 0);
  for (let hart = 0; hart < plan.harts; hart++) Atomics.store(shared.tables.hsm, hart, HSM.STOPPED);

  const { initrd } = request;
  const treeAt = loadEnclosures(machine, [request.image], end, {
    ...(initrd === undefined ? {} : { initrd }),
    tree: (at) =>
      request.deviceTree({
        ...(reserved === 0 ? {} : { reserved: { base: end, sizeBytes: reserved } }),
        ...(at === undefined ? {} : { initrd: at }),
      }),
  });
  const treeAddress = separated ? LAYOUT.DIRECT_BASE + BigInt(treeAt - RAM_BASE) : BigInt(treeAt);
  new Threads(shared.tables).create(base.bootHart);
  Atomics.store(shared.tables.hsm, 0, HSM.START_PENDING);
  shared.startHart(0, halves(BigInt(request.image.entry)), halves(treeAddress));
  return config;
}

const NO_VIEWS: Pick<
  MonitorConfig,
  'regions' | 'roots' | 'windowTables' | 'mmioTables' | 'directTable' | 'sealed' | 'sealedAt'
> = {
  regions: [],
  roots: [],
  windowTables: [],
  mmioTables: [],
  directTable: 0,
  sealed: new SharedArrayBuffer(0),
  sealedAt: [],
};

/** Without separation every gate becomes the jump that it stands for, so one image serves all mechanisms. */
function patchGates(machine: Machine, contexts: Contexts): void {
  const region = contexts.gateRegion;
  const physical = (address: bigint): number =>
    Number(address - parseAddress(region.start) + parseAddress(region.startPhys));
  for (const gate of contexts.gates) {
    const start = parseAddress(gate.start);
    const distance = Number(parseAddress(gate.target) - start);
    const upper = (distance + 0x800) & ~0xfff;
    const stub = new DataView(new ArrayBuffer(8));
    stub.setInt32(0, upper | (6 << 7) | 0x17, true); // auipc t1, upper
    stub.setInt32(4, ((distance - upper) << 20) | (6 << 15) | 0x67, true); // jalr zero, lower(t1)
    machine.load(physical(start), new Uint8Array(stub.buffer));
  }
}

/** Everything the image gives a domain, as runs of kernel pages. */
function kernelRegions(contexts: Contexts): KernelRegion[] {
  const domains = contexts.domains.length;
  const regions: KernelRegion[] = [];
  const only = (owner: number, access: Access): number[] =>
    Array.from({ length: domains }, (_, domain) => (domain === owner ? RIGHTS[access] : 0));
  const add = (
    name: string,
    region: Region | null,
    rights: readonly number[],
    kind: KernelRegion['kind'],
    owner: number,
    key: number,
  ): void => {
    if (region === null || region.sizeBytes === 0) return;
    const [low, high] = halves(parseAddress(region.start));
    const frame = Number(parseAddress(region.startPhys)) / 4096;
    regions.push({
      name,
      low,
      high,
      pages: Math.ceil(region.sizeBytes / 4096),
      frame,
      rights,
      key,
      kind,
      owner,
    });
  };
  add(
    'gates',
    contexts.gateRegion,
    contexts.domains.map(() => RIGHTS.x),
    'gates',
    -1,
    COMMON_KEY,
  );
  for (const domain of contexts.domains) {
    const { id, name } = domain;
    const key = keyOfDomain(id);
    add(`${name} text`, domain.text, only(id, 'rx'), 'text', id, key);
    add(`${name} rodata`, domain.rodata, only(id, 'r'), 'rodata', id, key);
    add(`${name} data`, domain.data, only(id, 'rw'), 'data', id, key);
    add(`${name} stacks`, domain.stacks, only(id, 'rw'), 'stacks', id, key);
    for (const { device, region } of domain.mmio)
      add(`${name} ${device}`, region, only(id, 'rw'), 'mmio', id, key);
  }
  contexts.shares.forEach((share, index) => {
    const rights = contexts.domains.map(({ id }) => {
      const grant = share.grants.find(({ domain }) => domain === id);
      return grant === undefined ? 0 : RIGHTS[grant.access];
    });
    add(
      `share ${share.name}`,
      share.region,
      rights,
      'share',
      share.owner,
      keyOfShare(domains, index),
    );
  });
  return regions;
}

type BaseConfig = Omit<MonitorConfig, keyof typeof NO_VIEWS> & { readonly contexts: Contexts };

function buildViews(machine: Machine, base: BaseConfig): MonitorConfig {
  const { contexts } = base;
  const { plan } = machine.parts;
  const domains = contexts.domains.length;
  if (domains > MAX_DOMAINS)
    throw new BootError(
      `the image has ${domains} domains; the monitor keeps ${MAX_DOMAINS} at most`,
    );
  if (
    base.mechanism === 'pkey' &&
    keyOfShare(domains, contexts.shares.length - 1) > LAST_SHARE_KEY
  ) {
    throw new BootError(
      `pkey has 32 keys, too few for ${domains} domains and ${contexts.shares.length} shares; use asid`,
    );
  }
  const regions = kernelRegions(contexts);
  const sealed = sealData(machine, contexts);
  // The tables below are built with a monitor that has no views yet.
  const draft: MonitorConfig = { ...base, ...NO_VIEWS, regions };
  const shared = new Shared(machine, draft, 0);
  const { paging, tables } = shared;
  tables.poolNext.store(base.poolFirst);
  for (let domain = 0; domain < domains; domain++) {
    Atomics.store(tables.domainState, domain, DOMAIN_STATE.RUNNING);
    Atomics.store(tables.domainGeneration, domain, 1);
  }
  typeFrames(shared, regions, plan.ramBytes / 4096);

  const keyed = base.mechanism === 'pkey';
  const table = (): number => {
    const frame = paging.allocateTable();
    if (frame === 0)
      throw new BootError(
        `no memory for the page tables of ${plan.harts} harts; use --memory to give the machine more`,
      );
    return frame;
  };
  const mapPage = (
    middle: number,
    low: number,
    frame: number,
    rights: number,
    key: number,
  ): void => {
    let leaf = paging.next(middle, vpn1(low));
    if (leaf === 0) {
      leaf = table();
      paging.write(middle, vpn1(low), pointerLow(leaf), pointerHigh(leaf));
    }
    paging.write(leaf, vpn0(low), leafLow(frame, rights), leafHigh(frame, keyed ? key : 0));
  };
  const mapRegion = (middle: number, region: KernelRegion, rights: number): void => {
    for (let page = 0; page < region.pages; page++) {
      mapPage(middle, (region.low + page * 4096) | 0, region.frame + page, rights, region.key);
    }
  };

  // The core's direct map, one for all harts: holes where others own, read-only where tables lie.
  const directTable = table();
  const holes = !base.ablate.includes('direct-map-holes');
  for (let frame = RAM_FRAME; frame < RAM_FRAME + plan.ramBytes / 4096; frame++) {
    const type = shared.frames.type(frame);
    const isTable = type === FRAME.TABLE;
    const isHole = type === FRAME.PRIVATE || type === FRAME.SHARED;
    const rights =
      isTable && !base.ablate.includes('frame-types') ? PTE.R : isHole && holes ? 0 : DIRECT_RIGHTS;
    if (rights !== 0)
      mapPage(directTable, ((frame - RAM_FRAME) * 4096) | 0, frame, rights, keyOfDomain(0));
    else if (paging.next(directTable, (frame - RAM_FRAME) >> 9) === 0) {
      const leaf = table();
      paging.write(directTable, (frame - RAM_FRAME) >> 9, pointerLow(leaf), pointerHigh(leaf));
    }
  }

  // One root for all domains: keys tell them apart, or nothing does.
  const unseparated = base.ablate.includes('views');
  const together = keyed || unseparated;

  // Windows and devices: a table per domain, or one for all.
  const oneWindow = together ? table() : 0;
  const oneMmio = together ? table() : 0;
  const windowTables = contexts.domains.map(({ id }) =>
    id === 0 && !together ? 0 : together ? oneWindow : table(),
  );
  const mmioTables = contexts.domains.map(() => (together ? oneMmio : table()));
  for (const region of regions) {
    if (region.kind === 'mmio')
      mapRegion(mmioTables[region.owner] as number, region, PTE.R | PTE.W);
  }

  const entry = (root: number, [low, high]: readonly [number, number], middle: number): void => {
    if (middle !== 0) paging.write(root, vpn2(low, high), pointerLow(middle), pointerHigh(middle));
  };
  /** A root with its private path over the image for a set of domains. */
  const makeRoot = (
    rightsOf: (region: KernelRegion) => number,
  ): { root: number; image: number } => {
    const root = table();
    const image = table();
    entry(root, halves(LAYOUT.IMAGE_BASE), image);
    for (const region of regions) {
      const rights = region.kind === 'mmio' ? 0 : rightsOf(region);
      if (rights !== 0) mapRegion(image, region, rights);
    }
    return { root, image };
  };
  const complete = (root: number, domain: number): void => {
    entry(root, halves(LAYOUT.MMIO_BASE), mmioTables[domain] as number);
    entry(root, windowBase(Math.max(domain, 1)), windowTables[domain] as number);
    if (domain === 0 || together) entry(root, DIRECT, directTable);
  };

  const roots: number[] = [];
  for (let hart = 0; hart < plan.harts; hart++) {
    if (together) {
      // Everything is mapped with the widest rights that anybody has; the keys narrow them.
      const { root } = makeRoot((region) => region.rights.reduce((all, rights) => all | rights, 0));
      complete(root, 0);
      for (let domain = 0; domain < domains; domain++) roots.push(root);
    } else if (base.mechanism === 'asid') {
      for (let domain = 0; domain < domains; domain++) {
        const { root } = makeRoot((region) => region.rights[domain] as number);
        complete(root, domain);
        roots.push(root);
      }
    } else {
      const root = makeVbitRoot(shared, regions, table, makeRoot);
      complete(root, 0);
      for (let domain = 0; domain < domains; domain++) roots.push(root);
    }
  }
  return { ...draft, roots, windowTables, mmioTables, directTable, ...sealed };
}

/** A path with a leaf table under every slot, in which only the core's pages are valid. */
function makeVbitRoot(
  shared: Shared,
  regions: readonly KernelRegion[],
  table: () => number,
  makeRoot: (rightsOf: (region: KernelRegion) => number) => { root: number; image: number },
): number {
  const { root, image } = makeRoot((region) => region.rights[0] as number);
  for (const region of regions) {
    if (region.kind === 'mmio') continue;
    for (let page = 0; page < region.pages; page++) {
      const index = vpn1((region.low + page * 4096) | 0);
      if (shared.paging.next(image, index) !== 0) continue;
      const leaf = table();
      shared.paging.write(image, index, pointerLow(leaf), pointerHigh(leaf));
    }
  }
  return root;
}

/** What each frame is used for when the first hart starts. */
function typeFrames(shared: Shared, regions: readonly KernelRegion[], count: number): void {
  const { frames, config } = shared;
  for (let frame = RAM_FRAME; frame < RAM_FRAME + count; frame++) {
    const isPool = frame >= config.poolFirst && frame < config.poolEnd;
    frames.setType(frame, isPool ? FRAME.TABLE : FRAME.CORE, 0);
  }
  for (const region of regions) {
    if (region.kind === 'mmio') continue;
    for (let page = 0; page < region.pages; page++) {
      frames.setType(
        region.frame + page,
        region.kind === 'share' || region.kind === 'gates' ? FRAME.SHARED : FRAME.PRIVATE,
        Math.max(region.owner, 0),
      );
    }
  }
}

/** The initial data of every domain, kept where no guest reaches it. */
function sealData(
  machine: Machine,
  contexts: Contexts,
): { sealed: SharedArrayBuffer; sealedAt: number[] } {
  const sealedAt: number[] = [];
  let total = 0;
  for (const domain of contexts.domains) {
    sealedAt.push(total);
    total += domain.dataInitBytes;
  }
  const sealed = new SharedArrayBuffer(total);
  const bytes = new Uint8Array(sealed);
  contexts.domains.forEach(({ data, dataInitBytes }, id) => {
    if (data === null) return;
    const at = machine.parts.plan.ram + Number(parseAddress(data.startPhys)) - RAM_BASE;
    bytes.set(machine.bytes.subarray(at, at + dataInitBytes), sealedAt[id] as number);
  });
  return { sealed, sealedAt };
}
