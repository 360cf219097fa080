/**
 * Puts the oracle beside a machine: in the thread of a deterministic run, or in each worker of a parallel
 * one, where it sees its own hart only and leaves a count behind.
 */
import type { Machine } from '../machine/machine.ts';
import { RAM_BASE } from '../machine/physical-map.ts';
import type { MonitorConfig } from '../nested-kernel/config.ts';
import { GroundTruth } from '../oracle/ground-truth.ts';
import { Oracle } from '../oracle/oracle.ts';
import { HartPool, type HartPoolOptions } from '../cpu-worker/pool.ts';
import { workerUrl } from '../cpu-worker/worker-url.ts';

/** The oracle of a machine whose kernel is separated; there is nothing to be compared otherwise. */
export function oracleFor(
  machine: Machine,
  config: MonitorConfig,
  seesAll: boolean,
): Oracle | undefined {
  const { contexts, mechanism, poolFirst } = config;
  if (contexts === undefined || mechanism === 'none') return undefined;
  const { ramBytes } = machine.parts.plan;
  const base = poolFirst * 4096;
  const own = { base, sizeBytes: RAM_BASE + ramBytes - base };
  return new Oracle(new GroundTruth(contexts, ramBytes, own), seesAll);
}

/** A pool whose harts are watched. */
export const observedPool = (harts: number, options: HartPoolOptions = {}): HartPool =>
  new HartPool(harts, { taskUrl: workerUrl(import.meta.url, './observed-hart-task'), ...options });
