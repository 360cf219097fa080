/**
 * What a separation mechanism has to do. Gates, threads, frames and policies know nothing of how views
 * are told apart; that is all here, one file per mechanism.
 */
import type { Hart } from '../../machine/hart.ts';
import { MAX_SPACES } from '../abi.ts';
import type { MonitorConfig } from '../config.ts';
import type { Paging } from '../paging.ts';

export interface Mechanism {
  readonly config: MonitorConfig;
  /** The machine needs keys in its PTEs. */
  readonly usesKeys: boolean;
  /** Makes the view of `to` current on the hart, which was in that of `from`, for a thread and its space. */
  enter(hart: Hart, from: number, to: number, thread: number, space: number): void;
  /** Makes the user half of the core's view that of a space (0: none). The hart is in the core's view. */
  activate(hart: Hart, space: number, userTable: number): void;
  /** The first view of a hart that starts: the core's, with no user half. */
  install(hart: Hart): void;
  /** What it remembers of a hart outside of the page tables, for a snapshot; nothing if left out. */
  save?(hart: Hart): readonly number[];
  /** The hart goes on with that. */
  restore?(hart: Hart, saved: readonly number[]): void;
  /** Key rights of a domain, if the mechanism has keys. */
  keysOf(domain: number): readonly [low: number, high: number] | undefined;
  /** Key of the pages that a domain is granted at run time; of user pages; of the direct map. */
  keyOfDomain(domain: number): number;
  readonly userKey: number;
}

/** What every mechanism is built from. */
export interface MechanismEnvironment {
  readonly config: MonitorConfig;
  readonly paging: Paging;
  readonly domains: number;
}

/** satp of Sv39 with a root and an ASID: the high half. */
export const satpHigh = (asid: number): number => (8 << 28) | (asid << 12);

/** ASIDs: spaces have their own number; the views of the other domains come after them. */
export const domainAsid = (domain: number): number => MAX_SPACES + domain;
