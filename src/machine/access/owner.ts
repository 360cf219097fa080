/** What of a hart those need who finish fetches, loads and stores that the core could not do. */
import type { CoreExports } from '../core/generate.ts';
import type { HartDebug } from '../debug/hart-debug.ts';
import type { HartCells } from '../hart-cells.ts';
import type { Reservations } from '../reservations.ts';
import type { Translation } from '../translation.ts';
import type { Triggers } from '../triggers.ts';

export interface AccessOwner extends HartCells {
  readonly id: number;
  readonly core: CoreExports;
  readonly translation: Translation;
  readonly triggers: Triggers;
  readonly debug: HartDebug;
  /** Undefined if the core does LR/SC by itself. */
  readonly reservations: Reservations | undefined;
  trap(cause: number, tvalLow: number, tvalHigh: number): void;
}
