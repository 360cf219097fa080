/**
 * Accesses of a block that are translated together: loads, or stores, from one unchanged base register,
 * near each other. Where all of them lie in one page, which is nearly always, one look into the TLB does
 * for the group; nothing within a block can take the translation away.
 */
import type { Width } from '../wasm/ir.ts';
import type { Instruction } from './code.ts';

/** From the first byte to behind the last; a wider group would cross pages too often. */
const MOST_SPAN = 1024;

/** A plain load or store. */
export interface Access {
  readonly base: number;
  readonly isStore: boolean;
  readonly offset: number;
  readonly bytes: Width;
}

export function accessOf({ decoded }: Instruction): Access | undefined {
  const { meaning } = decoded.instruction;
  switch (meaning.kind) {
    case 'load':
    case 'floatLoad':
      return { base: decoded.rs1, isStore: false, offset: decoded.imm, bytes: meaning.bytes };
    case 'store':
    case 'floatStore':
      return { base: decoded.rs1, isStore: true, offset: decoded.imm, bytes: meaning.bytes };
    default:
      return undefined;
  }
}

/** The integer register that an instruction writes; 0: none. */
export function writtenBy({ decoded }: Instruction): number {
  const { meaning } = decoded.instruction;
  switch (meaning.kind) {
    case 'store':
    case 'floatStore':
    case 'floatLoad':
      return 0;
    case 'float':
      return meaning.to === 'f' ? 0 : decoded.rd;
    default:
      return decoded.rd;
  }
}

export interface AccessGroup {
  readonly base: number;
  readonly isStore: boolean;
  /** Offsets from the base: of the first byte, and behind the last. */
  readonly from: number;
  readonly to: number;
  /** Which of the block's groups it is. */
  readonly index: number;
}

interface OpenGroup {
  readonly base: number;
  readonly isStore: boolean;
  readonly members: number[];
  from: number;
  to: number;
}

/** The group of each instruction of a block that has one. */
export function groupAccesses(body: readonly Instruction[]): (AccessGroup | undefined)[] {
  const groups: (AccessGroup | undefined)[] = body.map(() => undefined);
  const open = new Map<number, OpenGroup>();
  let count = 0;
  const close = (key: number): void => {
    const group = open.get(key);
    if (group === undefined) return;
    open.delete(key);
    if (group.members.length === 1) return;
    const { base, isStore, from, to } = group;
    const closed = { base, isStore, from, to, index: count++ };
    for (const member of group.members) groups[member] = closed;
  };

  for (const [n, instruction] of body.entries()) {
    const access = accessOf(instruction);
    if (access !== undefined) {
      const { base, isStore, offset: from, bytes } = access;
      const key = 2 * base + (isStore ? 1 : 0);
      const to = from + bytes;
      const group = open.get(key);
      if (group !== undefined && Math.max(to, group.to) - Math.min(from, group.from) <= MOST_SPAN) {
        group.members.push(n);
        group.from = Math.min(from, group.from);
        group.to = Math.max(to, group.to);
      } else {
        close(key);
        open.set(key, { base, isStore, members: [n], from, to });
      }
    }
    const written = writtenBy(instruction);
    if (written === 0) continue;
    close(2 * written);
    close(2 * written + 1);
  }
  for (const key of [...open.keys()]) close(key);
  return groups;
}
