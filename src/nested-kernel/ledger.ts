/**
 * The ledger: every denial, fault and restart, as fixed records in shared memory. Writers hold the
 * monitor's lock; readers may miss records that were overwritten, and can tell.
 */
import { LEDGER_RECORDS, LEDGER_WORDS, type MonitorView } from './tables.ts';

export const EVENT = { DENIAL: 1, FAULT: 2, STOP: 3, RESTART: 4, QUARANTINE: 5, PANIC: 6 } as const;
type EventKind = keyof typeof EVENT;

/** Why something was refused. Each rule names the invariant of docs/nested-kernel.md that it upholds. */
export const RULES = [
  {
    name: 'address-space-is-monitored',
    invariant: 'NK-1',
    text: 'satp and translation fences belong to the monitor',
  },
  {
    name: 'enter-by-gate',
    invariant: 'NK-2',
    text: 'a domain is entered through a gate that the caller holds',
  },
  {
    name: 'return-by-frame',
    invariant: 'NK-2',
    text: 'only the domain that was entered last may return',
  },
  {
    name: 'access-own-memory',
    invariant: 'NK-3',
    text: 'a domain reaches what its context grants',
  },
  {
    name: 'frame-type',
    invariant: 'NK-4',
    text: 'a frame changes its use only without references',
  },
  {
    name: 'write-xor-execute',
    invariant: 'NK-5',
    text: 'no frame is writable and executable, over all views',
  },
  {
    name: 'argument-bounds',
    invariant: 'NK-6',
    text: 'an argument stays within what the policy says',
  },
  {
    name: 'argument-rights',
    invariant: 'NK-6',
    text: "a buffer argument is within the caller's own rights",
  },
  { name: 'monitor-call-from-core', invariant: 'NK-7', text: 'only the core calls the monitor' },
  { name: 'stack-depth', invariant: 'NK-8', text: 'a domain stack has a bound' },
  { name: 'live-domain', invariant: 'NK-9', text: 'a stopped domain is not entered' },
  { name: 'budget', invariant: 'NK-10', text: 'a call ends within the budget of its domain' },
  {
    name: 'privileged-instruction',
    invariant: 'NK-1',
    text: 'the instruction is not for this privilege',
  },
  {
    name: 'monitor-memory',
    invariant: 'NK-4',
    text: 'page tables are written by the monitor only',
  },
  { name: 'restart-limit', invariant: 'NK-9', text: 'a domain that faults too often stays down' },
] as const;
export type RuleName = (typeof RULES)[number]['name'];
const RULE_NUMBER = new Map(RULES.map(({ name }, index) => [name, index]));

export interface LedgerEvent {
  /** Running number since boot. */
  readonly sequence: number;
  readonly kind: 'denial' | 'fault' | 'stop' | 'restart' | 'quarantine' | 'panic';
  readonly hart: number;
  readonly thread: number;
  readonly domain: number;
  readonly rule: RuleName;
  readonly invariant: string;
  /** What was reached for, as `0x` and 16 digits. */
  readonly address: string;
  /** The instruction that did. */
  readonly pc: string;
  /** Exception code, where there was one; else -1. */
  readonly cause: number;
  /** Gate id, or -1. */
  readonly gate: number;
  /** For a restart, the new generation. */
  readonly value: number;
}

export interface LedgerEntry {
  readonly kind: EventKind;
  readonly hart: number;
  readonly thread: number;
  readonly domain: number;
  readonly rule: RuleName;
  readonly addressLow: number;
  readonly addressHigh: number;
  readonly pcLow: number;
  readonly pcHigh: number;
  readonly cause: number;
  readonly gate: number;
  readonly value: number;
}

/** Appends a record. Caller holds the monitor's lock. */
export function append(tables: MonitorView, entry: LedgerEntry): void {
  const sequence = tables.ledgerCount.load();
  const at = (sequence % LEDGER_RECORDS) * LEDGER_WORDS;
  tables.ledger.set(
    [
      sequence,
      EVENT[entry.kind],
      entry.hart,
      entry.thread,
      entry.domain,
      RULE_NUMBER.get(entry.rule) as number,
      entry.addressLow,
      entry.addressHigh,
      entry.pcLow,
      entry.pcHigh,
      entry.cause,
      entry.gate,
      entry.value,
    ],
    at,
  );
  tables.ledgerCount.store(sequence + 1);
}

const KINDS: LedgerEvent['kind'][] = [
  'denial',
  'denial',
  'fault',
  'stop',
  'restart',
  'quarantine',
  'panic',
];
const address = (low: number, high: number): string =>
  `0x${(high >>> 0).toString(16).padStart(8, '0')}${(low >>> 0).toString(16).padStart(8, '0')}`;

/** The records from number `since` on that are still there, oldest first. Any thread. */
export function readLedger(tables: MonitorView, since: number): LedgerEvent[] {
  const count = tables.ledgerCount.load();
  const events: LedgerEvent[] = [];
  for (let sequence = Math.max(since, count - LEDGER_RECORDS, 0); sequence < count; sequence++) {
    const at = (sequence % LEDGER_RECORDS) * LEDGER_WORDS;
    const words = tables.ledger.slice(at, at + LEDGER_WORDS);
    if (words[0] !== sequence) continue; // overwritten while we read
    const [, kind, hart, thread, domain, rule, low, high, pcLow, pcHigh, cause, gate, value] =
      words as unknown as number[];
    const { name, invariant } = RULES[rule as number] as (typeof RULES)[number];
    events.push({
      sequence,
      kind: KINDS[kind as number] as LedgerEvent['kind'],
      hart: hart as number,
      thread: thread as number,
      domain: domain as number,
      rule: name,
      invariant,
      address: address(low as number, high as number),
      pc: address(pcLow as number, pcHigh as number),
      cause: cause as number,
      gate: gate as number,
      value: value as number,
    });
  }
  return events;
}
