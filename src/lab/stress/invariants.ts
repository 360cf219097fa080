/**
 * What must hold of the nested kernel's tables whatever the guest has done: the invariants of
 * docs/nested-kernel.md as questions about memory. Reads shared memory and changes nothing.
 *
 * Most of it holds whenever nobody holds the monitor's lock, so it can be asked of a running machine.
 * What a hart changes without the lock (its own view, its own thread) is asked at rest only, when no
 * hart executes any more.
 */
import { HartBlock } from '../../machine/core/hart-block.ts';
import type { Machine } from '../../machine/machine.ts';
import { hartBase } from '../../machine/memory-plan.ts';
import type { MonitorConfig } from '../../nested-kernel/config.ts';
import { Frames } from '../../nested-kernel/frames.ts';
import { LAYOUT, MAX_SPACES, MAX_THREADS } from '../../nested-kernel/abi.ts';
import {
  DOMAIN_STATE,
  FRAME,
  FRAME_KIND,
  MAX_DEPTH,
  MonitorBlock,
  Space,
  StackFrame,
  Thread,
  type MonitorView,
} from '../../nested-kernel/tables.ts';
import { BIT, FIRST_FRAME, PageTables, type Leaf } from './page-tables.ts';

export interface Finding {
  /** Of docs/nested-kernel.md. */
  readonly invariant: string;
  readonly what: string;
  /** A right that somebody has and must not have: not only a wrong book, but an open door. */
  readonly isEscape: boolean;
}

const hex = (value: number): string => `0x${value.toString(16)}`;
const vpnOf = (address: bigint): number => Number((address >> 12n) & 0x7ffffffn);
const DIRECT_VPN = vpnOf(LAYOUT.DIRECT_BASE);
const MMIO_VPN = vpnOf(LAYOUT.MMIO_BASE);
const WINDOW_VPN = vpnOf(LAYOUT.WINDOW_BASE);
const WINDOW_PAGES = Number(LAYOUT.WINDOW_BYTES) / 4096;
const GIGABYTE_PAGES = 512 * 512;

/**
 * Everything that is wrong now; empty if nothing is.
 * @param isAtRest no hart executes; else the caller holds the monitor's lock
 */
export function audit(machine: Machine, config: MonitorConfig, isAtRest: boolean): Finding[] {
  if (config.contexts === undefined || config.mechanism === 'none') return [];
  return new Audit(machine, config, isAtRest).run();
}

/** Asks a machine that runs, between two critical sections of its monitors. Any thread but a hart's. */
export function auditRunning(machine: Machine, config: MonitorConfig): Finding[] {
  const { lock } = MonitorBlock.at(machine.memory, machine.parts.plan.monitor);
  return lock.withLock(() => audit(machine, config, false));
}

class Audit {
  readonly #machine: Machine;
  readonly #config: MonitorConfig;
  readonly #isAtRest: boolean;
  readonly #tables: MonitorView;
  readonly #frames: Frames;
  readonly #pages: PageTables;
  readonly #findings: Finding[] = [];
  /** Page tables that something leads to. */
  readonly #reached = new Set<number>();
  /** By frame: views and spaces together that map it writable, and executable. */
  readonly #writable: Uint32Array;
  readonly #executable: Uint32Array;

  constructor(machine: Machine, config: MonitorConfig, isAtRest: boolean) {
    const { memory, parts } = machine;
    this.#machine = machine;
    this.#config = config;
    this.#isAtRest = isAtRest;
    this.#tables = MonitorBlock.at(memory, parts.plan.monitor);
    const count = parts.plan.ramBytes / 4096;
    this.#frames = new Frames(memory, parts.plan.monitor + MonitorBlock.sizeBytes, count);
    this.#pages = new PageTables(machine);
    this.#writable = new Uint32Array(count);
    this.#executable = new Uint32Array(count);
  }

  run(): Finding[] {
    try {
      this.#checkSpaces();
      this.#checkWindows();
      this.#checkDirectMap();
      this.#checkRoots();
      this.#checkWriteXorExecute();
      this.#checkPool();
    } catch (error) {
      // A table that leads out of RAM: nothing behind it can be walked.
      if (!(error instanceof RangeError)) throw error;
      this.#find('NK-4', error.message, true);
    }
    this.#checkDomains();
    if (this.#isAtRest) {
      this.#checkThreads();
      this.#checkLock();
    }
    return this.#findings;
  }

  #find(invariant: string, what: string, isEscape = false): void {
    this.#findings.push({ invariant, what, isEscape });
  }

  /** Walks a table, remembering it, and counts what its leaves allow. */
  #walk(table: number, level: 0 | 1 | 2, onLeaf: (leaf: Leaf) => void): void {
    this.#pages.walk(table, level, onLeaf, (reached) => this.#reached.add(reached));
  }

  #countRights({ frame, rights }: Leaf): void {
    if (!this.#pages.isRam(frame)) return;
    const index = frame - FIRST_FRAME;
    if ((rights & BIT.W) !== 0) this.#writable[index] = (this.#writable[index] as number) + 1;
    if ((rights & BIT.X) !== 0) this.#executable[index] = (this.#executable[index] as number) + 1;
  }

  /** The frame table's counts are what a walk over all spaces finds. NK-4. */
  #checkSpaces(): void {
    const { frames } = this.#pages;
    const maps = new Uint32Array(frames);
    const writable = new Uint32Array(frames);
    const executable = new Uint32Array(frames);
    const words = this.#tables.spaces;
    const word = (space: number, field: keyof typeof Space.offset): number =>
      Atomics.load(words, space * (Space.sizeBytes / 4) + Space.offset[field] / 4);
    for (let space = 1; space < MAX_SPACES; space++) {
      if (word(space, 'alive') === 0) continue;
      let pages = 0;
      this.#walk(word(space, 'root'), 1, (leaf) => {
        pages++;
        this.#countRights(leaf);
        const { frame, rights, vpn } = leaf;
        if ((rights & BIT.U) === 0)
          this.#find('NK-1', `space ${space} maps page ${hex(vpn)} for the kernel`, true);
        if (!this.#pages.isRam(frame)) {
          this.#find('NK-4', `space ${space} maps ${hex(frame)}, which is not RAM`, true);
          return;
        }
        const index = frame - FIRST_FRAME;
        maps[index] = (maps[index] as number) + 1;
        if ((rights & BIT.W) !== 0) writable[index] = (writable[index] as number) + 1;
        if ((rights & BIT.X) !== 0) executable[index] = (executable[index] as number) + 1;
      });
      if (pages !== word(space, 'pages'))
        this.#find(
          'NK-4',
          `space ${space} has ${pages} pages, its book says ${word(space, 'pages')}`,
        );
    }
    for (let index = 0; index < frames; index++) {
      const frame = FIRST_FRAME + index;
      const found = [maps[index], writable[index], executable[index]].join();
      const booked = [
        this.#frames.maps(frame),
        this.#frames.writableMaps(frame),
        this.#frames.executableMaps(frame),
      ].join();
      if (found !== booked)
        this.#find(
          'NK-4',
          `frame ${hex(frame)} is mapped ${found} times (all, w, x), booked ${booked}`,
        );
      const isUser = this.#frames.type(frame) === FRAME.USER;
      if (isUser !== (maps[index] as number) > 0)
        this.#find(
          'NK-4',
          `frame ${hex(frame)} of type ${this.#frames.type(frame)} has ${maps[index]} user mappings`,
          !isUser,
        );
    }
  }

  /** Granted frames are private to whoever has them in its window, and in one window. NK-3. */
  #checkWindows(): void {
    const owners = new Map<number, number>();
    const image = this.#imageFrames();
    for (const table of new Set(this.#config.windowTables)) {
      if (table === 0) continue;
      this.#walk(table, 1, (leaf) => {
        this.#countRights(leaf);
        const domain = Math.floor((leaf.vpn - (WINDOW_VPN % GIGABYTE_PAGES)) / WINDOW_PAGES);
        const { frame, rights, key } = leaf;
        if (!this.#isPrivateOf(frame, domain))
          this.#find('NK-3', `the window of domain ${domain} has ${this.#describe(frame)}`, true);
        if (owners.has(frame))
          this.#find('NK-3', `${this.#describe(frame)} is in two windows`, true);
        owners.set(frame, domain);
        if ((rights & (BIT.X | BIT.U)) !== 0)
          this.#find('NK-5', `a granted page has rights ${rights}`, true);
        if (this.#config.mechanism === 'pkey' && key !== 1 + domain)
          this.#find('NK-3', `a page of domain ${domain} has key ${key}`, true);
      });
    }
    for (let frame = FIRST_FRAME; frame < FIRST_FRAME + this.#pages.frames; frame++) {
      const isGranted = this.#frames.type(frame) === FRAME.PRIVATE && !image.has(frame);
      if (isGranted && !owners.has(frame))
        this.#find('NK-4', `${this.#describe(frame)} is granted, but in no window`);
      // Under the lock nothing is on its way.
      if (this.#frames.type(frame) === FRAME.QUARANTINE)
        this.#find('NK-11', `${this.#describe(frame)} was left in quarantine`);
    }
  }

  #isPrivateOf(frame: number, domain: number): boolean {
    return (
      this.#pages.isRam(frame) &&
      this.#frames.type(frame) === FRAME.PRIVATE &&
      this.#frames.owner(frame) === domain
    );
  }

  #describe(frame: number): string {
    if (!this.#pages.isRam(frame)) return `frame ${hex(frame)} (not RAM)`;
    const type = this.#frames.type(frame);
    const name = Object.entries(FRAME).find(([, value]) => value === type)?.[0] ?? String(type);
    return `frame ${hex(frame)} (${name} of domain ${this.#frames.owner(frame)})`;
  }

  #imageFrames(): Set<number> {
    const frames = new Set<number>();
    for (const { kind, frame, pages } of this.#config.regions) {
      if (kind === 'mmio') continue;
      for (let page = 0; page < pages; page++) frames.add(frame + page);
    }
    return frames;
  }

  /** The core has what is its own or a user's, never as text and data at once; tables it may read. NK-3, NK-4, NK-5. */
  #checkDirectMap(): void {
    const rights = new Map<number, number>();
    this.#walk(this.#config.directTable, 1, (leaf) => {
      this.#countRights(leaf);
      const frame = FIRST_FRAME + leaf.vpn - (DIRECT_VPN % GIGABYTE_PAGES);
      if (leaf.frame !== frame)
        this.#find(
          'NK-3',
          `the direct map has ${hex(leaf.frame)} in the place of ${hex(frame)}`,
          true,
        );
      rights.set(leaf.frame, leaf.rights);
    });
    for (let frame = FIRST_FRAME; frame < FIRST_FRAME + this.#pages.frames; frame++) {
      const has = rights.get(frame) ?? 0;
      const may = this.#directRights(frame);
      if (has === may) continue;
      const what = `the core's direct map has rights ${has} on ${this.#describe(frame)}, not ${may}`;
      this.#find(
        this.#frames.type(frame) === FRAME.TABLE ? 'NK-4' : 'NK-3',
        what,
        (has & ~may) !== 0,
      );
    }
  }

  #directRights(frame: number): number {
    switch (this.#frames.type(frame)) {
      case FRAME.CORE:
        return BIT.R | BIT.W;
      case FRAME.USER:
        return this.#frames.executableMaps(frame) > 0 ? BIT.R : BIT.R | BIT.W;
      case FRAME.TABLE:
        return BIT.R;
      default:
        return 0;
    }
  }

  /** Every view has of the image what the policy gives its domain, and nothing else. NK-3. */
  #checkRoots(): void {
    const { roots, contexts, mechanism, regions } = this.#config;
    const domains = contexts?.domains.length ?? 0;
    const shared = new Set<number>([
      this.#config.directTable,
      ...this.#config.windowTables,
      ...this.#config.mmioTables,
    ]);
    const rightsByDomain = Array.from({ length: domains }, (_, domain) => {
      const rights = new Map<number, { frame: number; rights: number; key: number }>();
      for (const { kind, low, high, pages, frame, rights: of, key } of regions) {
        if (kind === 'mmio') continue;
        const may =
          mechanism === 'pkey' ? of.reduce((all, one) => all | one, 0) : (of[domain] ?? 0);
        const start = ((high & 0x7f) * 2 ** 20 + (low >>> 12)) % 2 ** 27;
        for (let page = 0; page < pages && may !== 0; page++)
          rights.set(start + page, { frame: frame + page, rights: may, key });
      }
      return rights;
    });
    const seen = new Set<number>();
    roots.forEach((root, index) => {
      if (seen.has(root)) return;
      seen.add(root);
      const hart = Math.floor(index / domains);
      let domain = index % domains;
      if (mechanism === 'vbit') {
        // One path per hart, which its hart rewrites at every gate.
        if (!this.#isAtRest) return;
        domain = this.#hartWord(hart, 'domain');
        if (domain < 0) return; // never started
      }
      const may = rightsByDomain[domain] as NonNullable<(typeof rightsByDomain)[number]>;
      this.#checkRoot(root, `hart ${hart}'s view of domain ${domain}`, may, domain, shared);
    });
    for (const table of new Set(this.#config.mmioTables)) {
      if (table !== 0) this.#checkDevices(table);
    }
  }

  #checkRoot(
    root: number,
    view: string,
    may: ReadonlyMap<number, { frame: number; rights: number; key: number }>,
    domain: number,
    shared: ReadonlySet<number>,
  ): void {
    this.#reached.add(root);
    let pages = 0;
    for (let index = 0; index < 512; index++) {
      if ((this.#pages.low(root, index) & BIT.V) === 0) continue;
      const table = this.#pages.frame(root, index);
      const first = index * GIGABYTE_PAGES;
      if (shared.has(table)) {
        this.#checkEntry(view, first, table, domain);
        continue;
      }
      // The user half: a space, looked at by itself.
      if (index === 0) {
        if (!this.#isSpace(table))
          this.#find('NK-1', `${view} has a user half that is no space`, true);
        else if (domain !== 0 && this.#config.mechanism !== 'pkey')
          this.#find('NK-3', `${view} has a user half`, true);
        continue;
      }
      this.#pages.walk(
        table,
        1,
        (leaf) => {
          this.#countRights(leaf);
          pages++;
          const vpn = first + leaf.vpn;
          const expected = may.get(vpn);
          const rights = expected?.rights ?? 0;
          if (leaf.rights === rights && leaf.frame === expected?.frame) {
            if (this.#config.mechanism === 'pkey' && leaf.key !== expected.key)
              this.#find(
                'NK-3',
                `${view} has key ${leaf.key} at page ${hex(vpn)}, not ${expected.key}`,
                true,
              );
            return;
          }
          // A stack that is another thread's is in no view of a hart that runs this one.
          this.#find(
            'NK-3',
            `${view} has rights ${leaf.rights} at page ${hex(vpn)}, not ${rights}`,
            (leaf.rights & ~rights) !== 0 || leaf.frame !== expected?.frame,
          );
        },
        (reached) => this.#reached.add(reached),
      );
    }
    // The paper's mechanism makes only the running thread's stack valid.
    if (pages !== may.size && this.#config.mechanism !== 'vbit')
      this.#find('NK-3', `${view} has ${pages} pages of the image, not ${may.size}`);
  }

  #checkEntry(view: string, first: number, table: number, domain: number): void {
    const { windowTables, mmioTables, directTable, mechanism } = this.#config;
    const isWindow = first === Math.floor(WINDOW_VPN / GIGABYTE_PAGES) * GIGABYTE_PAGES;
    const isMmio = first === Math.floor(MMIO_VPN / GIGABYTE_PAGES) * GIGABYTE_PAGES;
    const wanted = isWindow ? windowTables[domain] : isMmio ? mmioTables[domain] : directTable;
    if (table !== wanted || (table === directTable && domain !== 0 && mechanism !== 'pkey'))
      this.#find('NK-3', `${view} leads to a table of somebody else at page ${hex(first)}`, true);
  }

  #isSpace(table: number): boolean {
    const words = this.#tables.spaces;
    for (let space = 1; space < MAX_SPACES; space++) {
      const at = space * (Space.sizeBytes / 4);
      if (
        Atomics.load(words, at + Space.offset.alive / 4) !== 0 &&
        Atomics.load(words, at + Space.offset.root / 4) === table
      )
        return true;
    }
    return false;
  }

  #checkDevices(table: number): void {
    this.#walk(table, 1, ({ frame, rights }) => {
      if (this.#pages.isRam(frame))
        this.#find(
          'NK-3',
          `a device mapping reaches ${this.#describe(frame)} with rights ${rights}`,
          true,
        );
    });
  }

  /** No frame is writable here and executable there. NK-5. */
  #checkWriteXorExecute(): void {
    for (let index = 0; index < this.#pages.frames; index++) {
      if (this.#writable[index] !== 0 && this.#executable[index] !== 0)
        this.#find(
          'NK-5',
          `${this.#describe(FIRST_FRAME + index)} is writable in ${this.#writable[index]} places and executable in ${this.#executable[index]}`,
          true,
        );
    }
  }

  /** Every table of the pool is in use or free, and not both. NK-4. */
  #checkPool(): void {
    const { poolFirst, poolEnd, mechanism } = this.#config;
    const { poolNext, poolUsed, poolFree } = this.#tables;
    const isOfPool = (frame: number): boolean => frame >= poolFirst && frame < poolEnd;
    const free = new Set<number>();
    for (let frame = poolFree.load(); frame !== 0; frame = this.#pages.low(frame, 0)) {
      if (!isOfPool(frame) || free.has(frame)) {
        this.#find('NK-4', `the list of free tables is broken at ${hex(frame)}`, true);
        return;
      }
      free.add(frame);
    }
    for (const table of this.#reached) {
      if (!isOfPool(table))
        this.#find('NK-4', `a table lies outside of the pool, in ${this.#describe(table)}`, true);
      if (free.has(table)) this.#find('NK-4', `table ${hex(table)} is in use and free`, true);
    }
    const taken = poolNext.load() - poolFirst;
    if (taken - free.size !== poolUsed.load())
      this.#find(
        'NK-4',
        `${taken} tables were taken and ${free.size} are free, but ${poolUsed.load()} are booked as used`,
      );
    // The paper's mechanism unhooks tables of the core while a hart is in another domain.
    if (mechanism !== 'vbit' && this.#reached.size !== poolUsed.load())
      this.#find('NK-4', `${poolUsed.load()} tables are booked as used, ${this.#reached.size} are`);
  }

  /** NK-9. */
  #checkDomains(): void {
    const { domainState, domainGeneration, domainRestarts, domainRestartsInMinute } = this.#tables;
    const { contexts } = this.#config;
    for (const { id, name, restarts } of contexts?.domains ?? []) {
      const state = Atomics.load(domainState, id);
      if (!Object.values(DOMAIN_STATE).some((known) => known === state))
        this.#find('NK-9', `${name} is in state ${state}`);
      if (id === 0 && state !== DOMAIN_STATE.RUNNING)
        this.#find('NK-9', `the core is in state ${state}`);
      const generation = Atomics.load(domainGeneration, id);
      if (generation !== Atomics.load(domainRestarts, id) + 1)
        this.#find(
          'NK-9',
          `${name} is in generation ${generation} after ${domainRestarts[id]} restarts`,
        );
      if (restarts > 0 && (domainRestartsInMinute[id] as number) > restarts)
        this.#find('NK-9', `${name} was restarted ${domainRestartsInMinute[id]} times in a minute`);
    }
  }

  #hartWord(hart: number, field: 'domain' | 'thread' | 'fenceRequest' | 'fenceAcked'): number {
    const { words, parts } = this.#machine;
    return Atomics.load(words, (hartBase(parts.plan, hart) + HartBlock.offset[field]) >> 2);
  }

  /** NK-8: a domain stack is a chain of calls from the core, and one hart at most has it. */
  #checkThreads(): void {
    const { harts } = this.#machine.parts.plan;
    const words = this.#tables.threads;
    const carriers = new Map<number, number>();
    for (let hart = 0; hart < harts; hart++) {
      const thread = this.#hartWord(hart, 'thread');
      if (thread < 0) continue;
      if (carriers.has(thread))
        this.#find(
          'NK-8',
          `harts ${carriers.get(thread)} and ${hart} both run thread ${thread}`,
          true,
        );
      carriers.set(thread, hart);
    }
    for (let thread = 0; thread < MAX_THREADS; thread++) {
      const at = thread * (Thread.sizeBytes / 4);
      const field = (name: keyof typeof Thread.offset): number =>
        words[at + Thread.offset[name] / 4] as number;
      const depth = field('depth');
      if (field('alive') === 0) {
        if (depth !== 0) this.#find('NK-8', `dead thread ${thread} has ${depth} calls outstanding`);
        if (carriers.has(thread))
          this.#find('NK-8', `hart ${carriers.get(thread)} runs dead thread ${thread}`);
        continue;
      }
      const hart = field('hart');
      if ((carriers.get(thread) ?? -1) !== hart)
        this.#find(
          'NK-8',
          `thread ${thread} is booked on hart ${hart}, but runs on ${carriers.get(thread) ?? 'none'}`,
        );
      if (depth < 0 || depth > MAX_DEPTH) this.#find('NK-8', `thread ${thread} has depth ${depth}`);
      else this.#checkStack(thread, at + Thread.offset.frames / 4, depth);
      if (hart >= 0 && this.#hartWord(hart, 'domain') !== this.#topDomain(at, depth))
        this.#find(
          'NK-8',
          `hart ${hart} is in domain ${this.#hartWord(hart, 'domain')}, its thread ${thread} is not`,
          true,
        );
    }
  }

  #stackWord(first: number, depth: number, field: keyof typeof StackFrame.offset): number {
    const at = first + depth * (StackFrame.sizeBytes / 4) + StackFrame.offset[field] / 4;
    return this.#tables.threads[at] as number;
  }

  #topDomain(thread: number, depth: number): number {
    return depth === 0
      ? 0
      : this.#stackWord(thread + Thread.offset.frames / 4, depth - 1, 'callee');
  }

  #checkStack(thread: number, first: number, depth: number): void {
    let domain = 0;
    for (let n = 0; n < depth; n++) {
      const kind = this.#stackWord(first, n, 'kind');
      const callee = this.#stackWord(first, n, 'callee');
      if (this.#stackWord(first, n, 'caller') !== domain)
        this.#find('NK-8', `call ${n} of thread ${thread} does not begin where call ${n - 1} led`);
      if (kind === FRAME_KIND.INTERRUPT ? callee !== 0 : kind !== FRAME_KIND.CALL)
        this.#find(
          'NK-8',
          `frame ${n} of thread ${thread} is of kind ${kind} into domain ${callee}`,
        );
      if (
        this.#stackWord(first, n, 'generation') >
        Atomics.load(this.#tables.domainGeneration, callee)
      )
        this.#find('NK-9', `call ${n} of thread ${thread} is of a generation to come`);
      domain = callee;
    }
  }

  #checkLock(): void {
    if (!this.#tables.lock.tryLock()) this.#find('NK-11', "the monitor's lock is still held");
    else this.#tables.lock.unlock();
    for (let hart = 0; hart < this.#machine.parts.plan.harts; hart++) {
      if (this.#hartWord(hart, 'fenceAcked') > this.#hartWord(hart, 'fenceRequest'))
        this.#find('NK-11', `hart ${hart} has acknowledged a fence that nobody asked for`);
    }
  }
}
