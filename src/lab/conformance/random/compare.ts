/**
 * Compares what two machines made of the same image, slot by slot, byte by byte.
 *
 * Where the manual leaves a choice and the machines choose differently, the choice has a row in `KNOWN`
 * with its reason; both sides are brought to the same form there, and how often that was needed is
 * counted. Nothing else is forgiven.
 */
import { decode } from '../../../machine/isa/decoder.ts';
import { REGISTER_NAMES } from '../../../machine/isa/disassembler.ts';
import { CAUSE } from '../../../machine/csr-numbers.ts';
import { FRAME, LOG_ENTRY, SLOT, slotOffset } from './image.ts';

/** One value that differs. */
export interface Difference {
  readonly what: string;
  readonly mine: bigint;
  readonly theirs: bigint;
}

/** A slot in which something differs. */
export interface Mismatch {
  readonly slot: number;
  readonly differences: readonly Difference[];
}

/** Both sides of a slot, to be written to. */
interface Sides {
  readonly mine: DataView;
  readonly theirs: DataView;
}

export interface KnownDifference {
  readonly name: string;
  readonly reason: string;
  /** Brings both sides to one form; true if they differed there. */
  settle(sides: Sides): boolean;
}

export const KNOWN: readonly KnownDifference[] = [
  {
    name: 'tval of ebreak',
    reason: 'zero or the address of the instruction, as the machine likes (vol. II §3.1.16)',
    settle: (sides) =>
      settleTraps(
        sides,
        'tval',
        ({ cause, epc, tval }, theirs) =>
          cause === CAUSE.BREAKPOINT &&
          (tval === epc || tval === 0n) &&
          (theirs === epc || theirs === 0n),
      ),
  },
  {
    name: 'tval of an illegal instruction',
    reason: 'zero or the instruction (vol. II §3.1.16); QEMU 7.2 gives zero for some of Svinval',
    settle: (sides) =>
      settleTraps(sides, 'tval', ({ cause }, theirs) => cause === CAUSE.ILLEGAL && theirs === 0n),
  },
  {
    name: 'cause of an atomic operation where no memory is',
    reason:
      'a store/AMO access fault, since an AMO is never a load (vol. II §3.1.15); QEMU 7.2 reports a load',
    settle: (sides) =>
      settleTraps(
        sides,
        'cause',
        ({ cause, instruction }, theirs) =>
          cause === CAUSE.STORE_ACCESS &&
          theirs === BigInt(CAUSE.LOAD_ACCESS) &&
          isAtomic(instruction),
      ),
  },
  {
    name: 'tval of a misaligned access where no memory is',
    reason:
      'the address of the part that faulted (vol. II §3.1.16); QEMU splits a load in aligned ones and reports theirs',
    settle: (sides) =>
      settleTraps(
        sides,
        'tval',
        ({ cause, tval }, theirs) =>
          cause === CAUSE.LOAD_ACCESS && theirs < tval && tval - theirs < 8n && theirs % 2n === 0n,
      ),
  },
  {
    name: 'FS after an instruction that wrote flags only',
    reason:
      'Dirty, since fcsr is part of the state (vol. II, Extension Context Status in mstatus); QEMU looks at writes of f registers',
    settle: (sides) =>
      settleTraps(
        sides,
        'status',
        ({ status }, theirs) =>
          (status & DIRTY) === DIRTY &&
          (theirs & FS) !== 0n &&
          (status & ~DIRTY) === (theirs & ~DIRTY),
      ),
  },
];

const FS = 3n << 13n;
/** FS is Dirty, and SD says so. */
const DIRTY = FS | (1n << 63n);

/** A trap as our side logged it. */
interface Trap {
  readonly cause: number;
  readonly epc: bigint;
  readonly tval: bigint;
  readonly status: bigint;
  readonly instruction: number;
}

/**
 * Settles one field of every logged trap where `isKnown` accepts what the others have there; also in the CSR
 * that kept it, if the trap was the last one to S.
 */
function settleTraps(
  sides: Sides,
  field: 'cause' | 'tval' | 'status',
  isKnown: (mine: Trap, theirs: bigint) => boolean,
): boolean {
  const { mine, theirs } = sides;
  let differed = false;
  const settleCell = (at: number, trap: Trap): void => {
    const other = theirs.getBigUint64(at, true);
    if (other === mine.getBigUint64(at, true) || !isKnown(trap, other)) return;
    theirs.setBigUint64(at, mine.getBigUint64(at, true), true);
    differed = true;
  };
  for (const frame of [SLOT.machine, SLOT.supervisor]) {
    const traps = Math.min(word(mine, frame + FRAME.traps), word(theirs, frame + FRAME.traps));
    for (let n = 0; n < traps; n++) {
      const at = frame + FRAME.log + n * LOG_ENTRY.bytes;
      const trap = {
        cause: word(mine, at + LOG_ENTRY.cause),
        epc: mine.getBigUint64(at + LOG_ENTRY.epc, true),
        tval: mine.getBigUint64(at + LOG_ENTRY.tval, true),
        status: mine.getBigUint64(at + LOG_ENTRY.status, true),
        instruction: instructionAt(mine, at),
      };
      settleCell(at + LOG_ENTRY[field], trap);
      if (frame !== SLOT.supervisor || n < traps - 1 || field === 'status') continue;
      settleCell(SLOT.machine + (field === 'cause' ? FRAME.scause : FRAME.stval), trap);
    }
  }
  return differed;
}

const word = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

/** The instruction that a logged trap is about, if it lies in the slot's code. */
function instructionAt(view: DataView, trap: number): number {
  const epc = view.getBigUint64(trap + LOG_ENTRY.epc, true);
  // Slots and bases are aligned to a slot.
  const at = Number(epc % BigInt(SLOT.bytes));
  return at < SLOT.codeBytes - 4 ? view.getUint32(at, true) : 0;
}

const isAtomic = (raw: number): boolean => {
  const kind = decode(raw)?.instruction.meaning.kind;
  return kind === 'amo' || kind === 'amoLoop';
};

export interface Comparison {
  readonly mismatches: readonly Mismatch[];
  /** How many slots needed each known difference. */
  readonly known: ReadonlyMap<string, number>;
}

/** Compares all slots of an image. */
export function compareMemories(mine: Uint8Array, theirs: Uint8Array, slots: number): Comparison {
  const mismatches: Mismatch[] = [];
  const known = new Map<string, number>();
  for (let slot = 0; slot < slots; slot++) {
    const [from, to] = [slotOffset(slot), slotOffset(slot + 1)];
    if (Buffer.compare(mine.subarray(from, to), theirs.subarray(from, to)) === 0) continue;
    const sides = { mine: viewOf(mine.slice(from, to)), theirs: viewOf(theirs.slice(from, to)) };
    for (const { name, settle } of KNOWN) {
      if (settle(sides)) known.set(name, (known.get(name) ?? 0) + 1);
    }
    const differences = differencesOf(sides);
    if (differences.length > 0) mismatches.push({ slot, differences });
  }
  return { mismatches, known };
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function differencesOf({ mine, theirs }: Sides): Difference[] {
  const found: Difference[] = [];
  for (let at = 0; at < SLOT.bytes; at += 8) {
    const [a, b] = [mine.getBigUint64(at, true), theirs.getBigUint64(at, true)];
    if (a !== b) found.push({ what: nameOf(at), mine: a, theirs: b });
  }
  // The traps say most about what happened.
  return found.sort((a, b) => rank(a.what) - rank(b.what));
}

const rank = (what: string): number =>
  ['trap', 'traps', 'f', 'x'].findIndex((p) => what.includes(p)) >>> 0;

/** What lies at an offset in a slot. */
function nameOf(at: number): string {
  const hex = (offset: number): string => `0x${offset.toString(16)}`;
  if (at >= SLOT.supervisor) return `S: ${nameInFrame(at - SLOT.supervisor)}`;
  if (at >= SLOT.machine) return nameInFrame(at - SLOT.machine);
  if (at >= SLOT.start) return `start state at ${hex(at - SLOT.start)}`;
  if (at >= SLOT.tables) return `page table ${(at - SLOT.tables) >> 12}, entry ${(at & 4095) / 8}`;
  if (at >= SLOT.data) return `data at ${hex(at - SLOT.data)}`;
  return `code at ${hex(at)}`;
}

const FIELDS = ['cause', 'epc', 'tval', 'status'];
const CELLS = new Map(Object.entries(FRAME).map(([name, at]) => [at as number, name]));

function nameInFrame(at: number): string {
  if (at >= FRAME.log) {
    const entry = Math.floor((at - FRAME.log) / LOG_ENTRY.bytes);
    return `trap ${entry}: ${FIELDS[((at - FRAME.log) % LOG_ENTRY.bytes) / 8]}`;
  }
  if (at < FRAME.f) return REGISTER_NAMES[at / 8] as string;
  if (at < FRAME.traps) return `f${(at - FRAME.f) / 8}`;
  return CELLS.get(at) ?? `frame at ${at}`;
}
