/**
 * Finds the region that begins at an address: the code of one function from there on, and that of the
 * functions it calls, each call a copy of its own. A call, its copy of the callee and the return from it
 * become jumps within the region.
 */
import type { Instruction as IsaInstruction } from '../isa/instruction.ts';
import type { Instruction } from './code.ts';

/** How large a region may become. */
export interface RegionLimits {
  /** Calls are followed this deep, */
  readonly calls: number;
  /** and nothing is followed any more once a region has this many instructions. */
  readonly instructions: number;
}

/** Where control goes: a block of the region, or (`block` undefined) out of it. */
export interface Edge {
  readonly pc: number;
  readonly block: Block | undefined;
}

export type End =
  /** Goes on at the next instruction, which others jump to as well. */
  | { readonly kind: 'fall'; readonly next: Edge }
  | {
      readonly kind: 'branch';
      readonly at: Instruction;
      readonly taken: Edge;
      readonly next: Edge;
    }
  /** JAL. */
  | { readonly kind: 'jump'; readonly at: Instruction; readonly next: Edge }
  /** JALR; `guess`, if it has one, is where it mostly goes. */
  | { readonly kind: 'indirect'; readonly at: Instruction; readonly guess: Edge | undefined }
  /** The region is full. */
  | { readonly kind: 'leave'; readonly pc: number }
  /** The interpreter has to execute what is at pc. */
  | { readonly kind: 'interpret'; readonly pc: number };

export interface Block {
  readonly pc: number;
  readonly body: Instruction[];
  end: End;
  /** Set by structure.ts: the place in reverse postorder. */
  order: number;
}

export interface RegionCode {
  readonly entry: Block;
  readonly instructions: number;
}

export interface Source {
  at(pc: number): Instruction | undefined;
  /** The low half of the address to which the JALR at pc went last, 0 if that is not known. */
  lastTarget(pc: number): number;
}

/** A copy of a function: whose call it is, and where it returns to. */
interface Context {
  readonly parent: Context | undefined;
  readonly entry: number;
  readonly returnTo: number;
  readonly depth: number;
  /** Null: not to be translated. */
  readonly seen: Map<number, Scanned | null>;
  readonly leaders: Map<number, Block>;
}

/** An instruction and, where it ends a block, the successors that lie in the region. */
interface Scanned {
  readonly instruction: Instruction;
  readonly taken?: Block | undefined;
  readonly next?: Block | undefined;
}

const RA = 1;
const SIGN_OF_LOW = 2 ** 31;

export function discover(
  source: Source,
  entry: number,
  canTranslate: (instruction: Instruction) => boolean,
  limits: RegionLimits,
): RegionCode {
  const queue: { context: Context; block: Block }[] = [];
  const contexts: Context[] = [];
  let count = 0;

  const newContext = (parent: Context | undefined, at: number, returnTo: number): Context => {
    const context: Context = {
      parent,
      entry: at,
      returnTo,
      depth: parent === undefined ? 0 : parent.depth + 1,
      seen: new Map(),
      leaders: new Map(),
    };
    contexts.push(context);
    return context;
  };

  /** The block that begins at an address; undefined if the region is full and has none yet. */
  const lead = (context: Context, pc: number): Block | undefined => {
    let block = context.leaders.get(pc);
    if (block === undefined && count < limits.instructions) {
      block = { pc, body: [], end: { kind: 'interpret', pc }, order: -1 };
      context.leaders.set(pc, block);
      queue.push({ context, block });
    }
    return block;
  };

  const mayInline = (context: Context, target: number): boolean => {
    if (context.depth === limits.calls) return false;
    for (let c: Context | undefined = context; c !== undefined; c = c.parent)
      if (c.entry === target) return false;
    return true;
  };

  const call = (context: Context, target: number, returnTo: number): Block | undefined =>
    mayInline(context, target) && count < limits.instructions
      ? lead(newContext(context, target, returnTo), target)
      : undefined;

  /** Follows an instruction that ends a block; undefined if it does not end one. */
  const follow = (context: Context, instruction: Instruction): Scanned | undefined => {
    const { pc, bytes, decoded } = instruction;
    const { meaning } = decoded.instruction;
    const next = pc + bytes;
    if (meaning.kind === 'branch') {
      return {
        instruction,
        taken: lead(context, pc + decoded.imm),
        next: lead(context, next),
      };
    }
    if (meaning.kind !== 'jump') return undefined;
    if (!isIndirect(decoded.instruction)) {
      const target = pc + decoded.imm;
      return {
        instruction,
        next:
          decoded.rd === 0
            ? lead(context, target)
            : decoded.rd === RA
              ? call(context, target, next)
              : undefined,
      };
    }
    if (isReturn(instruction) && context.parent !== undefined)
      return { instruction, next: lead(context.parent, context.returnTo) };
    if (decoded.rd === RA) {
      const low = source.lastTarget(pc);
      if (low !== 0) return { instruction, next: call(context, near(pc, low), next) };
    }
    return { instruction };
  };

  const scan = (context: Context, block: Block): void => {
    let { pc } = block;
    while (!context.seen.has(pc)) {
      const instruction = source.at(pc);
      if (instruction === undefined || !canTranslate(instruction)) {
        context.seen.set(pc, null);
        return;
      }
      count++;
      const end = follow(context, instruction);
      context.seen.set(pc, end ?? { instruction });
      if (end !== undefined || count > 2 * limits.instructions) return;
      pc += instruction.bytes;
    }
  };

  const root = lead(newContext(undefined, entry, 0), entry) as Block;
  for (let n = 0; n < queue.length; n++) {
    const { context, block } = queue[n] as (typeof queue)[number];
    scan(context, block);
  }
  for (const context of contexts)
    for (const block of context.leaders.values()) fill(context, block);
  return { entry: root, instructions: count };
}

/** Gives a block its instructions, now that every leader is known. */
function fill(context: Context, block: Block): void {
  let { pc } = block;
  for (;;) {
    const scanned = context.seen.get(pc);
    if (scanned === undefined || scanned === null) {
      block.end = { kind: scanned === null ? 'interpret' : 'leave', pc };
      return;
    }
    const { instruction } = scanned;
    const { meaning } = instruction.decoded.instruction;
    const next = pc + instruction.bytes;
    if (meaning.kind === 'branch') {
      block.end = {
        kind: 'branch',
        at: instruction,
        taken: { pc: pc + instruction.decoded.imm, block: scanned.taken },
        next: { pc: next, block: scanned.next },
      };
      return;
    }
    if (meaning.kind === 'jump') {
      block.end = isIndirect(instruction.decoded.instruction)
        ? {
            kind: 'indirect',
            at: instruction,
            guess:
              scanned.next === undefined ? undefined : { pc: scanned.next.pc, block: scanned.next },
          }
        : {
            kind: 'jump',
            at: instruction,
            next: { pc: pc + instruction.decoded.imm, block: scanned.next },
          };
      return;
    }
    block.body.push(instruction);
    pc = next;
    const leader = context.leaders.get(pc);
    if (leader !== undefined) {
      block.end = { kind: 'fall', next: { pc, block: leader } };
      return;
    }
  }
}

/** JALR and what stands for it: the target is a register's. */
const isIndirect = (instruction: IsaInstruction): boolean => instruction.operands.rs1 !== undefined;

const isReturn = ({ decoded }: Instruction): boolean =>
  decoded.rd === 0 && decoded.rs1 === RA && decoded.imm === 0;

/** The address with these low 32 bits that is nearest to another. */
function near(pc: number, low: number): number {
  const distance = (low - pc) | 0;
  return Math.abs(distance) < SIGN_OF_LOW ? pc + distance : pc;
}

/** Where the edges that stay in the region go; a block as often as there are edges to it. */
export function successors(block: Block): Block[] {
  const { end } = block;
  const edges: (Edge | undefined)[] =
    end.kind === 'branch'
      ? [end.taken, end.next]
      : end.kind === 'fall' || end.kind === 'jump'
        ? [end.next]
        : end.kind === 'indirect'
          ? [end.guess]
          : [];
  const blocks: Block[] = [];
  for (const edge of edges) if (edge?.block !== undefined) blocks.push(edge.block);
  return blocks;
}
