/**
 * The paper's mechanism: one root per hart, whose path over the isolated range is private to the hart;
 * entering a domain makes its pages valid there, one by one, and those of the caller invalid. The cost
 * grows with the pages of both.
 *
 * What only the core has and is large (user half, direct map, its own two-megabyte slots of the image)
 * and what is a table by itself (windows, devices) is switched at an upper level. A change of an upper
 * level would need a fence for everything; instead each domain runs under an ASID of its own, so that
 * translations cached through those entries do not count in another. Leaves are fenced page by page.
 */
import type { Hart } from '../../machine/hart.ts';
import { LAYOUT } from '../abi.ts';
import { CHARGE } from '../charges.ts';
import type { KernelRegion } from '../config.ts';
import { leafHigh, leafLow, pointerHigh, pointerLow, vpn0, vpn1, vpn2 } from '../paging.ts';
import { domainAsid, satpHigh, type Mechanism, type MechanismEnvironment } from './mechanism.ts';

/** One leaf of the private path of a hart. */
interface Slot {
  readonly table: number;
  readonly index: number;
  readonly low: number;
  readonly high: number;
  readonly frame: number;
  /** Leaf by domain id; 0: not valid there. */
  readonly leaf: readonly number[];
  /** Thread whose stack it is, or -1. The core's stacks are its data: it builds and switches threads. */
  readonly thread: number;
}

/** An upper-level entry and what it holds for each domain. */
interface Upper {
  readonly table: number;
  readonly index: number;
  readonly target: readonly number[];
}

interface Path {
  readonly slots: readonly (readonly Slot[])[];
  readonly uppers: readonly Upper[];
}

const half = (value: bigint): [low: number, high: number] => [
  Number(value & 0xffffffffn) | 0,
  Number(value >> 32n) | 0,
];
const USER_ENTRY = vpn2(Number(LAYOUT.USER_TOP) - 1, 0);
const IMAGE_ENTRY = vpn2(...half(LAYOUT.IMAGE_BASE));

export function createVbit({ config, paging, domains }: MechanismEnvironment): Mechanism {
  const rootOf = (hart: Hart): number => config.roots[hart.id * domains] as number;
  const paths = new Map<number, Path>();
  const userTables = new Map<number, number>();
  /** Tables of the slots that only the core has, as they are in its view; by hart. */
  const coreTables = new Map<number, readonly number[]>();

  /** The leaves and upper entries of a hart's private path that differ between domains. */
  const pathOf = (hart: Hart): Path => {
    const known = paths.get(hart.id);
    if (known !== undefined) return known;
    const root = rootOf(hart);
    const image = paging.next(root, IMAGE_ENTRY);
    const slots: Slot[][] = Array.from({ length: domains }, () => []);
    const uppers: Upper[] = [];
    const only = (table: number): number[] =>
      Array.from({ length: domains }, (_, d) => (d === 0 ? table : 0));
    const entry = (index: number, target: readonly number[]): void => {
      uppers.push({ table: root, index, target });
    };
    entry(vpn2(...half(LAYOUT.DIRECT_BASE)), only(config.directTable));
    entry(vpn2(...half(LAYOUT.MMIO_BASE)), config.mmioTables);
    entry(vpn2(...half(LAYOUT.WINDOW_BASE)), config.windowTables);
    const coreSlots = coreOnlySlots(config.regions);
    const tables =
      coreTables.get(hart.id) ?? Array.from(coreSlots, (index) => paging.next(image, index));
    coreTables.set(hart.id, tables);
    [...coreSlots].forEach((index, n) =>
      uppers.push({ table: image, index, target: only(tables[n] as number) }),
    );
    for (const region of config.regions) {
      if (region.kind === 'gates' || region.kind === 'mmio') continue;
      for (let page = 0; page < region.pages; page++) {
        const low = (region.low + page * 4096) | 0;
        if (coreSlots.has(vpn1(low))) continue;
        const slot: Slot = {
          table: paging.next(image, vpn1(low)),
          index: vpn0(low),
          low,
          high: region.high,
          frame: region.frame + page,
          leaf: region.rights.map((rights) =>
            rights === 0 ? 0 : leafLow(region.frame + page, rights),
          ),
          thread:
            region.kind === 'stacks' && region.owner !== 0
              ? Math.floor(
                  (page * 4096) / stackBytes(config.contexts?.domains[region.owner]?.stackBytes),
                )
              : -1,
        };
        slot.leaf.forEach((leaf, domain) => {
          if (leaf !== 0) (slots[domain] as Slot[]).push(slot);
        });
      }
    }
    const path = { slots, uppers };
    paths.set(hart.id, path);
    return path;
  };

  const switchUppers = (hart: Hart, from: number, to: number, userTable: number): void => {
    for (const upper of pathOf(hart).uppers) {
      const table = upper.target[to] as number;
      if (table === upper.target[from]) continue;
      if (table === 0) paging.write(upper.table, upper.index, 0, 0);
      else paging.write(upper.table, upper.index, pointerLow(table), pointerHigh(table));
    }
    if ((from === 0) !== (to === 0)) setUser(hart, to === 0 ? userTable : 0);
  };

  const setUser = (hart: Hart, table: number): void => {
    if (table === 0) paging.write(rootOf(hart), USER_ENTRY, 0, 0);
    else paging.write(rootOf(hart), USER_ENTRY, pointerLow(table), pointerHigh(table));
  };

  return {
    config,
    usesKeys: false,
    userKey: 0,
    keyOfDomain: () => 0,
    keysOf: () => undefined,
    save: (hart) => {
      pathOf(hart);
      return [userTables.get(hart.id) ?? 0, ...(coreTables.get(hart.id) ?? [])];
    },
    restore: (hart, [userTable = 0, ...tables]) => {
      userTables.set(hart.id, userTable);
      coreTables.set(hart.id, tables);
    },
    install: (hart) => {
      userTables.set(hart.id, 0);
      hart.setSatp(rootOf(hart), satpHigh(0));
    },
    enter: (hart, from, to, thread, space) => {
      const path = pathOf(hart);
      const pages: number[] = [];
      for (const slot of path.slots[from] as readonly Slot[]) {
        if ((slot.leaf[to] as number) !== 0 || (slot.thread >= 0 && slot.thread !== thread))
          continue;
        paging.write(slot.table, slot.index, 0, 0);
        pages.push(slot.low, slot.high);
      }
      for (const slot of path.slots[to] as readonly Slot[]) {
        if (slot.thread >= 0 && slot.thread !== thread) continue;
        if (slot.leaf[to] === slot.leaf[from]) continue;
        paging.write(slot.table, slot.index, slot.leaf[to] as number, leafHigh(slot.frame, 0));
        pages.push(slot.low, slot.high);
      }
      hart.count('monitorOps', (CHARGE.SLOT * pages.length) / 2);
      switchUppers(hart, from, to, userTables.get(hart.id) ?? 0);
      hart.setSatp(rootOf(hart), satpHigh(to === 0 ? space : domainAsid(to)));
      hart.fences.pages(pages);
    },
    activate: (hart, space, userTable) => {
      userTables.set(hart.id, userTable);
      setUser(hart, userTable);
      hart.setSatp(rootOf(hart), satpHigh(space));
    },
  };
}

const stackBytes = (bytes: number | undefined): number => bytes ?? 4096;

/** Two-megabyte slots of the image in which nobody but the core has a page. */
export function coreOnlySlots(regions: readonly KernelRegion[]): Set<number> {
  const core = new Set<number>();
  const others = new Set<number>();
  for (const region of regions) {
    if (region.kind === 'mmio') continue;
    const mine = region.rights.every((rights, domain) => domain === 0 || rights === 0);
    for (let page = 0; page < region.pages; page++)
      (mine ? core : others).add(vpn1((region.low + page * 4096) | 0));
  }
  return new Set([...core].filter((slot) => !others.has(slot)));
}
