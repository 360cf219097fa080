/**
 * The attacks: what each tries, what should stop it, and without which invariant it succeeds again.
 *
 * One row is one attempt of code that owns either the core ("K") or the driver with flaws, on a machine of
 * two harts. The guest makes it (user/bin/attack.c, core/attack.c); this table knows what it needs from the
 * symbol table and what we expect. Letters as in the catalogue of attacks (docs/attacks.md).
 */
import type { Ablation } from '../../nested-kernel/config.ts';
import { LAYOUT } from '../../nested-kernel/abi.ts';
import type { RuleName } from '../../nested-kernel/ledger.ts';
import type { Contexts } from '../../policy/contexts.ts';
import { parseAddress } from '../../policy/contexts.ts';
import type { KernelImage } from '../session-image.ts';

/** What becomes of an attack under protection. */
export type Verdict =
  /** Refused or without effect; the attacker goes on. */
  | 'BLOCKED'
  /** The attacker's domain was stopped, its callers got an error, and it was started again. */
  | 'CONTAINED'
  /** It succeeds; nothing stops it. */
  | 'VULNERABLE';

export interface Expectation {
  readonly verdict: Verdict;
  /** The rule that the ledger names; null if there is nothing to refuse: the attempt has no effect. */
  readonly rule: RuleName | null;
}

/** What an attacker reads in the kernel's symbol table. */
export interface Target {
  readonly image: KernelImage;
  readonly contexts: Contexts;
  /** Without separation there are no gates to be looked for. */
  readonly isSeparated: boolean;
}

export interface Attack {
  readonly id: string;
  readonly title: string;
  /** Row of the catalogue. */
  readonly row: string;
  readonly attacker: 'core' | 'buggy' | 'core and buggy' | 'a program';
  /** The invariant of the monitor that stops it. */
  readonly invariant: string;
  /** What is switched off to see it succeed again; nothing, if nothing stops it. */
  readonly ablate: readonly Ablation[];
  readonly expected: Expectation;
  /** Two harts race: one run shows little, so several are made, with short and long turns. */
  readonly isRace: boolean;
  /** What was tried, in a line. */
  readonly tried: string;
  /** What stops it, in a line; or why nothing does. */
  readonly stoppedBy: string;
  /** The numbers that the guest's program needs. */
  readonly numbers: (target: Target) => readonly bigint[];
}

/** Offset of the bytes of the first key (struct key, keyring.c). Wrong, no attack would ever succeed. */
const KEY_VALUE_OFFSET = 44n;

function symbol({ image }: Target, name: string): bigint {
  const found = image.elf?.symbols.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`${image.name} has no symbol ${name}`);
  return found.value;
}

const secretVirtual = (target: Target): bigint => symbol(target, 'session_keys') + KEY_VALUE_OFFSET;
const secretPhysical = (target: Target): bigint =>
  BigInt.asUintN(64, secretVirtual(target) - LAYOUT.IMAGE_OFFSET);
const secretDirect = (target: Target): bigint =>
  secretPhysical(target) - LAYOUT.RAM_BASE + LAYOUT.DIRECT_BASE;

export const ATTACKS: readonly Attack[] = [
  {
    id: 'A4',
    title: 'satp := own root, then Bare',
    row: 'A4',
    attacker: 'core',
    invariant: 'NK-1',
    ablate: ['tvm'],
    expected: { verdict: 'BLOCKED', rule: 'address-space-is-monitored' },
    isRace: false,
    tried:
      'K swaps satp for a root of its own, goes on to Bare and reads the keyring by physical address',
    stoppedBy: 'satp traps in S-mode (mstatus.TVM); the kernel takes an illegal instruction',
    numbers: (target) => [secretPhysical(target)],
  },
  {
    id: 'B1',
    title: 'stale TLB after an unmap',
    row: 'B1, B8',
    attacker: 'core',
    invariant: 'NK-11',
    ablate: ['shootdown'],
    expected: { verdict: 'BLOCKED', rule: null },
    isRace: true,
    tried:
      'hart 0 takes a page from a process that reads it in a loop on hart 1, and K does not fence',
    stoppedBy: 'UNMAP returns when every hart that runs the space has fenced; K has no say in it',
    numbers: () => [],
  },
  {
    id: 'C1',
    title: 'direct-map alias, from the core',
    row: 'C1',
    attacker: 'core',
    invariant: 'NK-3',
    ablate: ['direct-map-holes'],
    expected: { verdict: 'BLOCKED', rule: 'access-own-memory' },
    isRace: false,
    tried: "K loads the keyring's session key through its map of all RAM",
    stoppedBy: "the direct map has a hole where a frame is not the core's",
    numbers: (target) => [secretDirect(target)],
  },
  {
    id: 'C1b',
    title: 'direct-map alias, from buggy',
    row: 'C1',
    attacker: 'buggy',
    invariant: 'NK-3',
    // Two walls: buggy has no direct map, and the direct map has holes. One of them is enough.
    ablate: ['views', 'direct-map-holes'],
    expected: { verdict: 'CONTAINED', rule: 'access-own-memory' },
    isRace: false,
    tried: "the driver's out-of-bounds read is aimed at the same alias",
    stoppedBy: "no view but the core's has a direct map",
    numbers: (target) => [secretDirect(target)],
  },
  {
    id: 'C2',
    title: 'a page table mapped as data',
    row: 'C2',
    attacker: 'core',
    invariant: 'NK-4',
    ablate: ['frame-types'],
    expected: { verdict: 'BLOCKED', rule: 'frame-type' },
    isRace: false,
    tried:
      "K finds its process's page table and asks to have it mapped writable; the process edits it",
    stoppedBy: 'MAP refuses frames of type table',
    numbers: (target) => [secretPhysical(target)],
  },
  {
    id: 'C2b',
    title: 'a page table written through the direct map',
    row: 'C2',
    attacker: 'core',
    invariant: 'NK-4',
    ablate: ['frame-types'],
    expected: { verdict: 'BLOCKED', rule: 'access-own-memory' },
    isRace: false,
    tried: "K stores an entry for the keyring's frame into its process's page table",
    stoppedBy: 'tables are read-only in the direct map, and PMP says so again',
    numbers: (target) => [secretPhysical(target)],
  },
  {
    id: 'C9',
    title: 'the kernel as deputy',
    row: 'C9',
    attacker: 'a program',
    invariant: 'none',
    ablate: [],
    expected: { verdict: 'VULNERABLE', rule: null },
    isRace: false,
    tried: "a process guesses the handle of another's key and has the keyring sign with it",
    stoppedBy:
      'nothing: the core may call key_sign and does not ask for whom; views cannot see that',
    numbers: () => [],
  },
  {
    id: 'D1',
    title: 'jump into gates',
    row: 'D1',
    attacker: 'core and buggy',
    invariant: 'NK-2',
    ablate: ['gate-identity'],
    expected: { verdict: 'BLOCKED', rule: 'enter-by-gate' },
    isRace: false,
    tried:
      'every 2-byte offset within every gate from K, the beginning of every gate from the driver',
    stoppedBy: 'a gate is the address of its ecall and names its one caller',
    numbers: (target) => {
      const { gateRegion, gateBytes, gates } = target.contexts;
      const keyDelete = gates.find((gate) => gate.function === 'key_delete');
      if (keyDelete === undefined) throw new Error('no gate leads to key_delete');
      return [
        parseAddress(gateRegion.start),
        BigInt(gates.length),
        BigInt(gateBytes),
        parseAddress(keyDelete.start),
      ];
    },
  },
  {
    id: 'D2',
    title: 'forged return address',
    row: 'D2',
    attacker: 'buggy',
    invariant: 'NK-2',
    ablate: ['return-frame'],
    expected: { verdict: 'CONTAINED', rule: 'access-own-memory' },
    isRace: false,
    tried:
      'a callee of the core returns behind a check that its caller has not passed: by ret, then by the gate',
    stoppedBy:
      "the core's text is not in buggy's view, and the gate returns to the frame the monitor kept",
    numbers: () => [],
  },
  {
    id: 'E3',
    title: 'a thread that moves while it is inside',
    row: 'E3, E4',
    attacker: 'core',
    invariant: 'NK-8',
    ablate: ['view-follows-thread'],
    expected: { verdict: 'BLOCKED', rule: 'return-by-frame' },
    isRace: true,
    tried:
      'a thread sleeps inside the keyring; another, on its hart, returns in its place while it moves away',
    stoppedBy:
      "the domain stack is the thread's: there is no frame to return to, and the sleeper takes its own along",
    numbers: ({ contexts, isSeparated }) => [isSeparated ? parseAddress(contexts.returnGate) : 0n],
  },
  {
    id: 'F1',
    title: 'argument changed between check and use',
    row: 'F1',
    attacker: 'core',
    invariant: 'NK-6',
    ablate: ['copy-in'],
    expected: { verdict: 'BLOCKED', rule: null },
    isRace: true,
    tried:
      'hart 0 changes a buffer while the keyring on hart 1 checks and then uses it, 2000 calls',
    stoppedBy: "the gate copies the buffer to the callee's stack before the call",
    numbers: () => [],
  },
  {
    id: 'write',
    title: 'arbitrary write',
    row: 'buggy, flaw 1',
    attacker: 'buggy',
    invariant: 'NK-3',
    ablate: ['views'],
    expected: { verdict: 'CONTAINED', rule: 'access-own-memory' },
    isRace: false,
    tried: 'the driver stores to a word of the core',
    stoppedBy: "the core's data is not in buggy's view",
    numbers: (target) => [symbol(target, 'attack_target')],
  },
  {
    id: 'read',
    title: 'out-of-bounds read',
    row: 'buggy, flaw 2',
    attacker: 'buggy',
    invariant: 'NK-3',
    ablate: ['views'],
    expected: { verdict: 'CONTAINED', rule: 'access-own-memory' },
    isRace: false,
    tried: "the driver loads the keyring's session key",
    stoppedBy: "the keyring's data is not in buggy's view",
    numbers: (target) => [secretVirtual(target)],
  },
  {
    id: 'call',
    title: 'wild call',
    row: 'buggy, flaw 3',
    attacker: 'buggy',
    invariant: 'NK-3',
    ablate: ['views'],
    expected: { verdict: 'CONTAINED', rule: 'access-own-memory' },
    isRace: false,
    tried: 'the driver calls a function of the core',
    stoppedBy: "the core's text is not in buggy's view",
    numbers: (target) => [symbol(target, 'attack_called')],
  },
  {
    id: 'loop',
    title: 'infinite loop',
    row: 'buggy, flaw 4; I1',
    attacker: 'buggy',
    invariant: 'NK-10',
    ablate: ['budget'],
    expected: { verdict: 'CONTAINED', rule: 'budget' },
    isRace: false,
    tried: 'the driver waits for ever for a device',
    stoppedBy: "the call's budget of instructions",
    numbers: () => [],
  },
];
