/**
 * What the dashboard is fed with: plain data that somebody else reads from shared memory.
 *
 * Every function returns at once and asks nothing of a hart. `harts` and `gates` are asked once a
 * frame and may hand out the same object again and again; the dashboard copies what it keeps.
 */
import type { HartSample } from '../machine/probe.ts';

export interface RunSummary {
  /** What runs, in a few words: image, workload. */
  readonly title: string;
  readonly mechanism: string;
  /** `parallel`, or `deterministic` with its seed. */
  readonly schedule: string;
  /**
   * Whose misses are shown: the modelled hardware TLB's of a deterministic run, or the emulator's own
   * (its software TLB), which say how fast the emulator is and nothing about hardware.
   */
  readonly tlb: 'model' | 'emulator';
  /** Why the run is over; null while it is not. */
  readonly finished: string | null;
}

export type DomainState = 'running' | 'stopped' | 'quarantined';

export interface DomainSample {
  readonly name: string;
  readonly state: DomainState;
  readonly generation: number;
  readonly restarts: number;
}

/** Crossings since the start; cell `caller * size + callee`, where both are indices of `domains()`. */
export interface GateMatrix {
  readonly size: number;
  readonly counts: ArrayLike<number>;
}

export type EventKind = 'denial' | 'fault' | 'restart' | 'quarantine' | 'note';

export interface DashboardEvent {
  /** Counted from 1 without gaps; a gap that the dashboard sees is shown as lost events. */
  readonly sequence: number;
  /** Since the start of the run. */
  readonly timeMs: number;
  readonly kind: EventKind;
  /** -1 if it belongs to no hart. */
  readonly hart: number;
  /** Name of the domain concerned, or empty. */
  readonly domain: string;
  /** One line, without the domain: what it tried, and the rule that answered. */
  readonly text: string;
}

export interface DashboardSource {
  summary(): RunSummary;
  harts(): readonly HartSample[];
  /** In the order of their ids; 0 is the core. Empty without a monitor. */
  domains(): readonly DomainSample[];
  gates(): GateMatrix;
  /** Those with a sequence above `since`, oldest first. */
  events(since: number): readonly DashboardEvent[];
  /** What the guest has printed since the last call; decoded, but otherwise as the guest sent it. */
  console(): string;
  /** Keys for the guest. Without it the console is read-only. */
  sendInput?(text: string): void;
}
