/**
 * Faults, budgets, restarts: a domain that did what it may not is stopped on every hart, its callers get
 * an error, and it begins anew from its sealed initial data. Upholds NK-9 and NK-10.
 */
import { PENDING } from '../machine/core/hart-block.ts';
import type { Hart } from '../machine/hart.ts';
import { signalHart } from '../machine/hart-lines.ts';
import { RAM_BASE } from '../machine/physical-map.ts';
import { parseAddress } from '../policy/contexts.ts';
import { STATUS } from './abi.ts';
import { DOMAIN, THREAD } from './cells.ts';
import type { Gates } from './gates.ts';
import type { RuleName } from './ledger.ts';
import type { Shared } from './shared.ts';
import type { Answer, Spaces } from './spaces.ts';
import { DOMAIN_STATE } from './tables.ts';
import type { Threads } from './threads.ts';
import { HartBlock } from '../machine/core/hart-block.ts';
import { hartBase } from '../machine/memory-plan.ts';

const TICKS_PER_MINUTE = 60 * 10_000_000;

export class Domains {
  readonly #shared: Shared;
  readonly #threads: Threads;
  readonly #spaces: Spaces;
  readonly #gates: Gates;

  constructor(shared: Shared, threads: Threads, spaces: Spaces, gates: Gates) {
    this.#shared = shared;
    this.#threads = threads;
    this.#spaces = spaces;
    this.#gates = gates;
  }

  /** The domain that this hart is in has faulted: stop it everywhere, then leave it here. */
  contain(
    hart: Hart,
    rule: RuleName,
    cause: number,
    addressLow: number,
    addressHigh: number,
  ): void {
    const thread = hart.word(THREAD);
    const domain = this.#threads.domain(thread);
    hart.count('contained');
    hart.count('denials');
    this.#shared.record(hart, { kind: 'FAULT', rule, domain, cause, addressLow, addressHigh });
    Atomics.add(this.#shared.tables.domainFaults, domain, 1);
    this.stop(hart, domain);
    this.#gates.unwind(hart, thread);
  }

  /** No hart enters it from now on; those inside leave at their next look at `pending`. */
  stop(hart: Hart, domain: number): void {
    const { domainState } = this.#shared.tables;
    const before = Atomics.load(domainState, domain);
    if (before !== DOMAIN_STATE.RUNNING && before !== DOMAIN_STATE.STARTING) return;
    if (Atomics.compareExchange(domainState, domain, before, DOMAIN_STATE.STOPPED) !== before) {
      // Another hart stopped it, or its start has just ended: look again.
      this.stop(hart, domain);
      return;
    }
    this.#shared.record(hart, { kind: 'STOP', rule: 'live-domain', domain });
    const { plan } = this.#shared.machine.parts;
    for (let target = 0; target < plan.harts; target++) {
      if (target !== hart.id) signalHart(this.#shared.machine.words, plan, target, PENDING.MONITOR);
    }
  }

  /**
   * Leaves a domain that was stopped under this hart; and one whose call lasts too long is stopped.
   * @returns whether it left, and so ended the trap
   */
  check(hart: Hart): boolean {
    const thread = hart.word(THREAD);
    if (thread < 0 || hart.word(DOMAIN) <= 0) return false;
    if (this.#gates.isStale(thread)) {
      this.#gates.unwind(hart, thread);
      return true;
    }
    const budget = this.#shared.config.contexts?.domains[this.#threads.domain(thread)]?.budget ?? 0;
    if (budget === 0 || this.#shared.isAblated('budget')) return false;
    if (this.#gates.usedNow(hart, thread) <= budget) return false;
    this.contain(hart, 'budget', -1, hart.pcLow, hart.pcHigh);
    return true;
  }

  stopped(): Answer {
    let bits = 0;
    for (let domain = 1; domain < this.#shared.domains; domain++) {
      if (Atomics.load(this.#shared.tables.domainState, domain) === DOMAIN_STATE.STOPPED)
        bits |= 1 << domain;
    }
    return { status: STATUS.OK, value: bits };
  }

  /**
   * Sealed data, empty stacks, no grants, a new generation; nobody may still be inside. The thread that
   * asked has the first call, which initialises the domain; the others come after it has returned.
   */
  restart(hart: Hart, domain: number): Answer {
    const { tables, config, domains } = this.#shared;
    if (domain < 1 || domain >= domains) return { status: STATUS.INVALID_PARAM, value: 0 };
    const context = config.contexts?.domains[domain];
    if (context === undefined) return { status: STATUS.INVALID_PARAM, value: 0 };
    const minute = Math.floor(hart.clock.now() / TICKS_PER_MINUTE);
    let isOver = false;
    const answer = this.#shared.locked(hart, (): Answer => {
      // Looked at under the lock: of two that ask at once, one restarts it. A domain that is down
      // stays down until we are done, so whoever is inside now was inside when it went down.
      if (Atomics.load(tables.domainState, domain) !== DOMAIN_STATE.STOPPED)
        return { status: STATUS.INVALID_PARAM, value: 0 };
      if (this.#isInside(domain)) return { status: STATUS.FRAME_BUSY, value: 0 };
      if (tables.domainMinute[domain] !== minute) {
        tables.domainMinute[domain] = minute;
        tables.domainRestartsInMinute[domain] = 0;
      }
      if ((tables.domainRestartsInMinute[domain] as number) >= context.restarts) {
        Atomics.store(tables.domainState, domain, DOMAIN_STATE.QUARANTINED);
        isOver = true;
        return { status: STATUS.DENIED, value: 0 };
      }
      tables.domainRestartsInMinute[domain] = (tables.domainRestartsInMinute[domain] as number) + 1;
      this.#spaces.revokeAll(hart, domain);
      this.#reset(hart, domain);
      const generation = Atomics.add(tables.domainGeneration, domain, 1) + 1;
      Atomics.add(tables.domainRestarts, domain, 1);
      tables.domainStarter[domain] = hart.word(THREAD);
      Atomics.store(tables.domainState, domain, DOMAIN_STATE.STARTING);
      return { status: STATUS.OK, value: generation };
    });
    if (answer.status === STATUS.OK) {
      hart.count('restarts');
      this.#shared.record(hart, {
        kind: 'RESTART',
        rule: 'live-domain',
        domain,
        value: answer.value,
      });
    } else if (isOver) {
      this.#shared.record(hart, { kind: 'QUARANTINE', rule: 'restart-limit', domain });
    }
    return answer;
  }

  /** A thread has ended: what it was to start is down again, so that another can. */
  abandon(hart: Hart, thread: number): void {
    const { domainState, domainStarter } = this.#shared.tables;
    for (let domain = 1; domain < this.#shared.domains; domain++) {
      const isStarting = Atomics.load(domainState, domain) === DOMAIN_STATE.STARTING;
      if (isStarting && domainStarter[domain] === thread) this.stop(hart, domain);
    }
  }

  /** Some hart runs in the domain. Threads that left a frame of it behind find it stale. */
  #isInside(domain: number): boolean {
    const { plan } = this.#shared.machine.parts;
    const { words } = this.#shared.machine;
    for (let hart = 0; hart < plan.harts; hart++) {
      if (Atomics.load(words, (hartBase(plan, hart) + HartBlock.offset.domain) >> 2) === domain)
        return true;
    }
    return false;
  }

  #reset(hart: Hart, domain: number): void {
    const { machine, config } = this.#shared;
    const context = config.contexts?.domains[domain];
    const { ram } = machine.parts.plan;
    const clear = (startPhys: string, bytes: number): number => {
      const at = ram + Number(parseAddress(startPhys as `0x${string}`)) - RAM_BASE;
      machine.bytes.fill(0, at, at + bytes);
      hart.count('bytesCleared', bytes);
      return at;
    };
    if (context?.stacks) clear(context.stacks.startPhys, context.stacks.sizeBytes);
    if (context?.data) {
      const at = clear(context.data.startPhys, context.data.sizeBytes);
      const from = config.sealedAt[domain] as number;
      machine.bytes.set(new Uint8Array(config.sealed, from, context.dataInitBytes), at);
      hart.count('bytesCopied', context.dataInitBytes);
    }
  }
}
