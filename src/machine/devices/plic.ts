/**
 * The platform-level interrupt controller.
 *
 * "RISC-V Platform-Level Interrupt Controller Specification" v1.0.0, whose chapters are cited by
 * title; registers lie as in its "Memory Map". Two contexts per hart: 2h interrupts its M-mode
 * (MEIP), 2h+1 its S-mode (SEIP). Sources 1 to 31, so one word holds a bit per source.
 *
 * Every source is level-sensitive. Its gateway ("Interrupt Gateways") forwards one request at a
 * time: it makes the source pending when the level is high and no earlier request is in service, and
 * looks at the level again when that request is completed. A level that falls does not withdraw a
 * request that was already forwarded.
 */
import {
  i32,
  i32Array,
  layout,
  type Field,
  type Layout,
  type View,
  type Word32,
} from 'sharedarraybuffer-utils';

import { MIP_MEIP, MIP_SEIP, type Device, type InterruptLines, type Width } from '../bus.ts';
import { MAX_HARTS, PLIC, PLIC_MAX_SOURCE } from '../physical-map.ts';
import { acquire, release } from './lock.ts';

export const PLIC_PRIORITY = 0;
export const PLIC_PENDING = 0x1000;
export const PLIC_ENABLE = 0x2000;
export const PLIC_ENABLE_STRIDE = 0x80;
export const PLIC_CONTEXT = 0x20_0000;
export const PLIC_CONTEXT_STRIDE = 0x1000;
/** Offsets inside a context's page. */
export const PLIC_THRESHOLD = 0;
export const PLIC_CLAIM = 4;

/** Priorities and thresholds have three bits; 0 means "never interrupt" ("Interrupt Priorities"). */
const PRIORITY_MASK = 7;
/** Source 0 does not exist. */
const SOURCE_MASK = ~1;

const MAX_CONTEXTS = 2 * MAX_HARTS;

export const contextOf = (hart: number, mode: 'M' | 'S'): number =>
  2 * hart + (mode === 'M' ? 0 : 1);

type PlicFields = {
  lock: Field<Word32>;
  level: Field<Word32>;
  pending: Field<Word32>;
  inService: Field<Word32>;
  priority: Field<Int32Array>;
  enable: Field<Int32Array>;
  threshold: Field<Int32Array>;
  asserted: Field<Int32Array>;
};

export const PlicState: Layout<PlicFields> = layout('PlicState', {
  lock: i32.doc('Guards every other field, and the order in which lines change.'),
  level: i32.doc('One bit per source: the wire from the device.'),
  pending: i32.doc('One bit per source: forwarded by the gateway, not yet claimed.'),
  inService: i32.doc('One bit per source: claimed, not yet completed; its gateway is closed.'),
  priority: i32Array(PLIC_MAX_SOURCE + 1),
  enable: i32Array(MAX_CONTEXTS).doc('One bit per source.'),
  threshold: i32Array(MAX_CONTEXTS),
  asserted: i32Array(MAX_CONTEXTS).doc(
    '1 while the context’s line is high, to report changes only.',
  ),
});

/** What a device needs of the interrupt controller. Any thread. */
export interface InterruptSink {
  /** The source's wire is high: something waits for service. */
  raise(source: number): void;
  /** The source's wire is low again. */
  lower(source: number): void;
}

export interface PlicDeps {
  readonly harts: number;
  readonly lines: InterruptLines;
}

export class Plic implements Device, InterruptSink {
  readonly name = 'plic';
  readonly base: number = PLIC.base;
  readonly sizeBytes: number = PLIC.sizeBytes;
  readonly widths = 4;
  readonly #state: View<PlicFields>;
  readonly #deps: PlicDeps;
  readonly #contexts: number;

  constructor(memory: SharedArrayBuffer, byteOffset: number, deps: PlicDeps) {
    this.#state = PlicState.at(memory, byteOffset);
    this.#deps = deps;
    this.#contexts = 2 * deps.harts;
  }

  /** Before any hart runs: nothing pending, nothing enabled. */
  reset(): void {
    const { lock, level, pending, inService } = this.#state;
    for (const word of [lock, level, pending, inService]) word.store(0);
    const { priority, enable, threshold, asserted } = this.#state;
    for (const cells of [priority, enable, threshold, asserted]) cells.fill(0);
  }

  raise(source: number): void {
    const bit = sourceBit(source);
    this.#exclusive(() => {
      this.#state.level.or(bit);
      this.#openGateways();
    });
  }

  lower(source: number): void {
    const bit = sourceBit(source);
    this.#exclusive(() => this.#state.level.and(~bit));
  }

  load(offset: number): number {
    if (offset < PLIC_PENDING) return this.#state.priority[offset >>> 2] ?? 0;
    if (offset < PLIC_ENABLE) return offset === PLIC_PENDING ? this.#state.pending.load() >>> 0 : 0;
    if (offset < PLIC_CONTEXT) {
      const context = enableContext(offset);
      return context < this.#contexts ? (this.#state.enable[context] as number) >>> 0 : 0;
    }
    const context = Math.floor((offset - PLIC_CONTEXT) / PLIC_CONTEXT_STRIDE);
    if (context >= this.#contexts) return 0;
    switch (offset % PLIC_CONTEXT_STRIDE) {
      case PLIC_THRESHOLD:
        return this.#state.threshold[context] as number;
      case PLIC_CLAIM:
        return this.#exclusive(() => this.#claim(context));
      default:
        return 0;
    }
  }

  store(offset: number, _sizeBytes: Width, value: number): void {
    this.#exclusive(() => this.#write(offset, value));
  }

  #write(offset: number, value: number): void {
    if (offset < PLIC_PENDING) {
      const source = offset >>> 2;
      if (source >= 1 && source <= PLIC_MAX_SOURCE) {
        this.#state.priority[source] = value & PRIORITY_MASK;
      }
      return;
    }
    if (offset < PLIC_ENABLE) return;
    if (offset < PLIC_CONTEXT) {
      const context = enableContext(offset);
      if (context < this.#contexts) this.#state.enable[context] = value & SOURCE_MASK;
      return;
    }
    const context = Math.floor((offset - PLIC_CONTEXT) / PLIC_CONTEXT_STRIDE);
    if (context >= this.#contexts) return;
    const register = offset % PLIC_CONTEXT_STRIDE;
    if (register === PLIC_THRESHOLD) this.#state.threshold[context] = value & PRIORITY_MASK;
    if (register === PLIC_CLAIM) this.#complete(context, value);
  }

  /**
   * The pending and enabled source of the highest priority, the lowest number among equals;
   * the threshold has no say ("Interrupt Claim Process"). 0 if there is none.
   */
  #claim(context: number): number {
    const source = this.#best(context);
    if (source !== 0) {
      this.#state.pending.and(~(1 << source));
      this.#state.inService.or(1 << source);
    }
    return source;
  }

  /** Ignored for a source that the context has not enabled ("Interrupt Completion"). */
  #complete(context: number, source: number): void {
    if (source < 1 || source > PLIC_MAX_SOURCE) return;
    const bit = 1 << source;
    if (((this.#state.enable[context] as number) & bit) === 0) return;
    this.#state.inService.and(~bit);
    this.#openGateways();
  }

  #openGateways(): void {
    this.#state.pending.or(this.#state.level.load() & ~this.#state.inService.load());
  }

  #best(context: number): number {
    let candidates = this.#state.pending.load() & (this.#state.enable[context] as number);
    let best = 0;
    let bestPriority = 0;
    while (candidates !== 0) {
      const source = 31 - Math.clz32(candidates & -candidates);
      const priority = this.#state.priority[source] as number;
      if (priority > bestPriority) {
        best = source;
        bestPriority = priority;
      }
      candidates &= candidates - 1;
    }
    return best;
  }

  /** Runs a change under the lock, then drives the lines that it moved. */
  #exclusive<Result>(change: () => Result): Result {
    acquire(this.#state.lock);
    try {
      const result = change();
      this.#driveLines();
      return result;
    } finally {
      release(this.#state.lock);
    }
  }

  #driveLines(): void {
    const { asserted, priority, threshold } = this.#state;
    for (let context = 0; context < this.#contexts; context++) {
      const strongest = priority[this.#best(context)] as number;
      const level = strongest > (threshold[context] as number) ? 1 : 0;
      if (asserted[context] === level) continue;
      asserted[context] = level;
      this.#deps.lines.set(context >>> 1, (context & 1) === 0 ? MIP_MEIP : MIP_SEIP, level === 1);
    }
  }
}

function sourceBit(source: number): number {
  if (source < 1 || source > PLIC_MAX_SOURCE) throw new RangeError(`no interrupt source ${source}`);
  return 1 << source;
}

/** Only the first word of a context's enable bits exists; others answer as no context. */
const enableContext = (offset: number): number =>
  (offset - PLIC_ENABLE) % PLIC_ENABLE_STRIDE === 0
    ? (offset - PLIC_ENABLE) / PLIC_ENABLE_STRIDE
    : MAX_CONTEXTS;
