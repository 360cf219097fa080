/** From samples to named stacks: domain, then the gates that were entered, then the function. */
import { PRIVILEGE } from '../../machine/core/hart-block.ts';
import type { Contexts } from '../../policy/contexts.ts';
import { hex64, MODE_NAMES } from '../trace/names.ts';
import type { Sample } from './samples.ts';
import type { FunctionTable, Program } from './symbols.ts';

export interface NamedStack {
  readonly periods: number;
  /** Outermost first; the last is the function that ran. */
  readonly frames: readonly string[];
  /** Whose code ran: a domain, a user program, or a mode where there is neither. */
  readonly domain: string;
  readonly function: string;
}

export interface Naming {
  readonly kernel: FunctionTable | undefined;
  readonly programs: readonly Program[];
  readonly contexts: Contexts | undefined;
}

export function namedStack(sample: Sample, naming: Naming): NamedStack {
  const { mode, domain, pcLow, pcHigh, periods } = sample;
  const pc = BigInt(hex64(pcLow, pcHigh));
  if (mode === PRIVILEGE.U) {
    const program = programAt(sample, pc, naming.programs);
    const name = program?.name ?? 'a program';
    const function_ = program?.functions.at(pc) ?? hex64(pcLow, pcHigh);
    return {
      periods,
      domain: `user ${name}`,
      function: function_,
      frames: ['user', name, function_],
    };
  }
  const function_ = naming.kernel?.at(pc) ?? hex64(pcLow, pcHigh);
  const nameOf = (id: number): string => naming.contexts?.domains[id]?.name ?? `domain ${id}`;
  const owner = domain < 0 ? `${MODE_NAMES[mode] ?? mode}-mode` : nameOf(domain);
  const gates = sample.gates.map((id) => {
    const gate = naming.contexts?.gates[id];
    return gate === undefined
      ? `${nameOf(0)} (interrupt)`
      : `${nameOf(gate.callee)}: ${gate.function}`;
  });
  // Every thread of a separated kernel begins in the core; it is in another domain only through gates.
  const bottom = gates.length > 0 ? nameOf(0) : owner;
  return { periods, domain: owner, function: function_, frames: [bottom, ...gates, function_] };
}

/** Whose code it is: the words at the pc say it, for programs share addresses. */
function programAt(
  { code }: Sample,
  pc: bigint,
  programs: readonly Program[],
): Program | undefined {
  if (code.every((word) => word === 0)) return undefined;
  const start = pc & ~15n;
  return programs.find((program) => program.has(start, code));
}

/** A node of the tree of all stacks. */
export interface StackNode {
  readonly name: string;
  /** Of this node and everything above it. */
  total: number;
  readonly children: Map<string, StackNode>;
}

export function treeOf(stacks: readonly NamedStack[]): StackNode {
  const root: StackNode = { name: 'all', total: 0, children: new Map() };
  for (const { frames, periods } of stacks) {
    root.total += periods;
    let node = root;
    for (const name of frames) {
      let child = node.children.get(name);
      if (child === undefined) {
        child = { name, total: 0, children: new Map() };
        node.children.set(name, child);
      }
      child.total += periods;
      node = child;
    }
  }
  return root;
}
