/**
 * The test finisher (SiFive "test" device, as on QEMU's `virt`): a store ends the run.
 *
 * The low half of the word says how, the high half is the exit code of a failure.
 */
import {
  i32,
  layout,
  type Layout,
  type Field,
  type View,
  type Word32,
} from 'sharedarraybuffer-utils';

import type { Device, Width } from '../bus.ts';
import { FINISHER } from '../physical-map.ts';

export const FINISHER_PASS = 0x5555;
export const FINISHER_FAIL = 0x3333;
export const FINISHER_RESET = 0x7777;

type FinisherFields = { request: Field<Word32> };

export const FinisherState: Layout<FinisherFields> = layout('FinisherState', {
  request: i32.doc(
    'The word stored by the guest, 0 while it runs. Set once, by any hart, with a ' +
      'compare-exchange, so the first request wins; read by anyone.',
  ),
});

export interface ExitRequest {
  readonly kind: 'pass' | 'fail' | 'reset';
  /** 0 unless `kind` is `fail`. */
  readonly code: number;
}

export interface FinisherDeps {
  /** Called once, on the thread of the hart that asked, after the request is visible. */
  onExit(): void;
}

export class Finisher implements Device {
  readonly name = 'finisher';
  readonly base: number = FINISHER.base;
  readonly sizeBytes: number = FINISHER.sizeBytes;
  readonly widths: number = 2 | 4;
  readonly #state: View<FinisherFields>;
  readonly #deps: FinisherDeps;

  constructor(memory: SharedArrayBuffer, byteOffset: number, deps: FinisherDeps) {
    this.#state = FinisherState.at(memory, byteOffset);
    this.#deps = deps;
  }

  /** Forgets the request; before any hart runs. */
  reset(): void {
    this.#state.request.store(0);
  }

  /** What the guest asked for, if anything. Any thread. */
  exitRequest(): ExitRequest | undefined {
    const word = this.#state.request.load();
    switch (word & 0xffff) {
      case FINISHER_PASS:
        return { kind: 'pass', code: 0 };
      case FINISHER_FAIL:
        return { kind: 'fail', code: word >>> 16 };
      case FINISHER_RESET:
        return { kind: 'reset', code: 0 };
      default:
        return undefined;
    }
  }

  load(): number {
    return 0;
  }

  store(offset: number, _sizeBytes: Width, value: number): void {
    if (offset !== 0) return;
    const how = value & 0xffff;
    if (how !== FINISHER_PASS && how !== FINISHER_FAIL && how !== FINISHER_RESET) return;
    if (this.#state.request.compareExchange(0, value | 0) === 0) this.#deps.onExit();
  }
}
