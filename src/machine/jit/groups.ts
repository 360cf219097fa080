/**
 * Accesses of a block that are translated together: loads, or stores, from one unchanged base register,
 * near each other. Where all of them lie in one page, which is nearly always, one look into the TLB does
 * for the group; nothing within a block can take the translation away.
 */
import type { Instruction } from './code.ts';

/** From the first byte to behind the last; a wider group would cross pages too often. */
const MOST_SPAN = 1024;

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

  for (const [n, { decoded }] of body.entries()) {
    const { meaning } = decoded.instruction;
    if (meaning.kind === 'load' || meaning.kind === 'store') {
      const isStore = meaning.kind === 'store';
      const key = 2 * decoded.rs1 + (isStore ? 1 : 0);
      const from = decoded.imm;
      const to = from + meaning.bytes;
      const group = open.get(key);
      if (group !== undefined && Math.max(to, group.to) - Math.min(from, group.from) <= MOST_SPAN) {
        group.members.push(n);
        group.from = Math.min(from, group.from);
        group.to = Math.max(to, group.to);
      } else {
        close(key);
        open.set(key, { base: decoded.rs1, isStore, members: [n], from, to });
      }
      if (isStore) continue;
    }
    close(2 * decoded.rd);
    close(2 * decoded.rd + 1);
  }
  for (const key of [...open.keys()]) close(key);
  return groups;
}
