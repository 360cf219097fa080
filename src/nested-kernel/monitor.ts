/**
 * The monitor: the machine mode of one hart, over tables that all harts share.
 */
import type { Machine } from '../machine/machine.ts';
import type { Hart, MachineMode } from '../machine/hart.ts';

/** What every hart's monitor needs to know; plain data, posted to the workers. */
export interface MonitorConfig {
  readonly mechanism: string;
}

export class Monitor implements MachineMode {
  readonly machine: Machine;
  readonly config: MonitorConfig;

  constructor(machine: Machine, config: MonitorConfig) {
    this.machine = machine;
    this.config = config;
  }

  /** First instruction of a hart that was started: sets registers, mode and CSRs from its hart block. */
  start(_hart: Hart): void {}

  trap(_hart: Hart): void {}

  serve(_hart: Hart): void {}

  /** Called between two slices of a run: budgets. */
  tick(_hart: Hart): void {}
}
