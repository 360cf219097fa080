/**
 * From syntax trees to the model of `model.ts`: one function per clause, each reporting what is
 * wrong with its own clause. Rules that look at several clauses are in `rules.ts`.
 */
import type { AstNode } from 'langium';
import { MAX_THREADS } from '../../nested-kernel/abi.ts';
import { MECHANISMS, type MechanismName, type Projection } from '../contexts.ts';
import { suggestion } from '../diagnostics.ts';
import { ERRNO } from '../errno.ts';
import {
  CORE,
  DEFAULT_STACK_BYTES,
  type ExportPolicy,
  type ImportPolicy,
  type MmioPolicy,
  type SharePolicy,
  type SubsystemPolicy,
} from '../model.ts';
import {
  isAllow,
  isBudget,
  isBufferType,
  isContains,
  isHeap,
  isImports,
  isMechanismClause,
  isMmio,
  isOwns,
  isRestart,
  isSecret,
  isShares,
  isStack,
  type BufferType,
  type ExportedFunction,
  type OnFault,
  type Parameter,
  type Subsystem,
  type WordType,
} from './generated/ast.ts';
import type { Report } from './report.ts';
import { exportedFunctions } from './services.ts';

const PAGE_BYTES = 4096;
/** A stack exists once per thread and subsystem, so a generous one is paid for `MAX_THREADS` times. */
const MAX_STACK_BYTES = 64 * 1024;
const MAX_HEAP_BYTES = 64 * 1024 * 1024;
/** The calling convention passes eight arguments in registers; a gate passes no others. */
const MAX_ARGUMENTS = 8;

const WORD_KINDS = ['scalar', 'size', 'handle', 'flags'];
const RETURN_KINDS = ['status', 'scalar', 'size', 'handle', 'void'];
const BUFFER_KINDS = ['bytes', 'string'];

export function resolveSubsystem(subsystem: Subsystem, report: Report): SubsystemPolicy {
  const { clauses } = subsystem;
  const owned = clauses.filter(isOwns).flatMap(({ items }) => items);
  const stacks = [...clauses.filter(isStack), ...owned.filter(isStack)];
  const heaps = owned.filter(isHeap);
  const budgets = clauses.filter(isBudget);
  const restarts = clauses.filter(isRestart);
  const mechanisms = clauses.filter(isMechanismClause);
  for (const [what, nodes] of Object.entries({
    stack: stacks,
    heap: heaps,
    budget: budgets,
    restart: restarts,
    mechanism: mechanisms,
  })) {
    checkOnlyOne(what, nodes, report);
  }

  const [stack] = stacks;
  const [heap] = heaps;
  const [budget] = budgets;
  const [restart] = restarts;
  const stackBytes =
    stack === undefined
      ? DEFAULT_STACK_BYTES
      : pages('stack', stack, stack.size, MAX_STACK_BYTES, report);
  return {
    name: subsystem.name,
    file: report.place(subsystem).file,
    place: report.place(subsystem, 'name'),
    contains: clauses.filter(isContains).flatMap((clause) =>
      clause.globs.map((text, i) => ({
        glob: text.replace(/^"|"$/g, ''),
        place: report.place(clause, 'globs', i),
      })),
    ),
    heapBytes: heap === undefined ? 0 : pages('heap', heap, heap.size, MAX_HEAP_BYTES, report),
    stackBytes,
    mmio: owned.filter(isMmio).map((item): MmioPolicy => ({
      device: item.device,
      range:
        item.base === undefined || item.size === undefined
          ? null
          : { base: parseSize(item.base), sizeBytes: parseSize(item.size) },
      place: report.place(item, 'device'),
    })),
    secrets: clauses
      .filter(isSecret)
      .flatMap((clause) =>
        clause.symbols.map((symbol, i) => ({ symbol, place: report.place(clause, 'symbols', i) })),
      ),
    budget: budget === undefined ? 0 : parseCount(budget.count),
    restarts: restart?.count === undefined ? 0 : parseCount(restart.count),
    mechanism: mechanisms.map((m) => resolveMechanism(subsystem, m.name, m, report))[0] ?? null,
    exports: exportedFunctions(subsystem).map((f) =>
      resolveExport(subsystem, f, stackBytes, report),
    ),
    imports: resolveImports(subsystem, report),
    shares: resolveShares(subsystem, report),
  };
}

function checkOnlyOne(what: string, nodes: readonly AstNode[], report: Report): void {
  for (const node of nodes.slice(1)) {
    const first = report.place(nodes[0] as AstNode);
    report.error(report.place(node), `a second '${what}' in the same subsystem`, {
      notes: [`the first is at ${first.file}:${first.line}`],
      fix: 'keep one of them',
    });
  }
}

/** Sizes are binary (K = 1024); instruction counts are decimal (K = 1000). */
const parseSize = (text: string): number => parseNumber(text, 1024);
const parseCount = (text: string): number => parseNumber(text, 1000);

function parseNumber(text: string, kilo: number): number {
  const power = 'KMG'.indexOf(text.at(-1) ?? '') + 1;
  const digits = (power > 0 ? text.slice(0, -1) : text).replaceAll('_', '');
  return Number(digits) * kilo ** power;
}

const showSize = (sizeBytes: number): string =>
  sizeBytes % 1024 === 0 && sizeBytes > 0 ? `${sizeBytes / 1024}K` : String(sizeBytes);

function pages(
  what: string,
  node: AstNode,
  text: string,
  maxBytes: number,
  report: Report,
): number {
  const sizeBytes = parseSize(text);
  const place = report.place(node, 'size');
  if (sizeBytes === 0 || sizeBytes % PAGE_BYTES !== 0) {
    const rounded = Math.max(1, Math.ceil(sizeBytes / PAGE_BYTES)) * PAGE_BYTES;
    report.error(place, `a ${what} is made of whole pages of 4K, and ${text} is not`, {
      fix: `write '${what} ${showSize(rounded)}'`,
    });
  }
  if (sizeBytes > maxBytes) {
    const notes =
      what === 'stack' ? [`each of the ${MAX_THREADS} threads has one in every subsystem`] : [];
    report.error(place, `${text} is too long for a ${what}: at most ${showSize(maxBytes)}`, {
      notes,
      fix: `write '${what} ${showSize(maxBytes)}' or less`,
    });
  }
  return sizeBytes;
}

function resolveMechanism(
  subsystem: Subsystem,
  name: string,
  node: AstNode,
  report: Report,
): MechanismName | null {
  const found = MECHANISMS.find((mechanism) => mechanism === name);
  const place = report.place(node, 'name');
  if (found === undefined) {
    const { text, fix } = suggestion(name, MECHANISMS);
    report.error(place, `unknown mechanism '${name}'${text}`, {
      fix: fix ?? `use one of: ${MECHANISMS.join(', ')}`,
    });
    return null;
  }
  if (subsystem.name !== CORE) {
    report.error(place, `only '${CORE}' chooses the mechanism: one serves the whole image`, {
      fix: `move 'mechanism ${name}' to the policy of '${CORE}'`,
    });
  }
  return found;
}

function resolveExport(
  subsystem: Subsystem,
  f: ExportedFunction,
  stackBytes: number,
  report: Report,
): ExportPolicy {
  const returns = f.returns ?? 'void';
  if (!RETURN_KINDS.includes(returns)) {
    const { text, fix } = suggestion(returns, RETURN_KINDS);
    const notes = /^(ptr|pointer|address|bytes|string)$/.test(returns)
      ? ['an address of the callee means nothing to the caller']
      : [];
    report.error(report.place(f, 'returns'), `unknown result '${returns}'${text}`, {
      notes,
      fix: fix ?? `use one of: ${RETURN_KINDS.join(', ')}`,
    });
  }
  if (f.parameters.length > MAX_ARGUMENTS) {
    report.error(
      report.place(f.parameters[MAX_ARGUMENTS] as Parameter, 'name'),
      `'${f.name}' has ${f.parameters.length} parameters; a gate passes at most ${MAX_ARGUMENTS}, in registers`,
      { fix: 'put several into one structure and pass it as in bytes[...]' },
    );
  }
  const args = f.parameters.map((parameter, index) =>
    resolveParameter(f, parameter, index, report),
  );
  checkCopiesFit(f, args, stackBytes, report);
  return {
    name: f.name,
    args,
    returns,
    onFault: resolveOnFault(f.onFault, report),
    allowed: resolveAllowed(subsystem, f, report),
    place: report.place(f, 'name'),
  };
}

/** Buffers are copied to the callee's stack, and it needs the other half for itself. */
function checkCopiesFit(
  f: ExportedFunction,
  args: readonly Projection[],
  stackBytes: number,
  report: Report,
): void {
  const copied = args.reduce((sum, arg) => sum + (arg.kind === 'scalar' ? 0 : arg.max), 0);
  if (copied <= stackBytes / 2) return;
  const needed = Math.ceil((2 * copied) / PAGE_BYTES) * PAGE_BYTES;
  report.error(
    report.place(f, 'name'),
    `the buffers of '${f.name}' can take ${copied} bytes, more than half of the ${showSize(stackBytes)} stack they are copied to`,
    {
      fix:
        needed <= MAX_STACK_BYTES
          ? `write 'stack ${showSize(needed)}', or lower a '<=' bound`
          : `lower a '<=' bound to ${showSize(stackBytes / 2)} or less`,
    },
  );
}

function resolveOnFault(clause: OnFault | undefined, report: Report): ExportPolicy['onFault'] {
  if (clause === undefined) return { action: 'fail', value: -(ERRNO.EIO as number) };
  if (clause.panic) return { action: 'panic' };
  if (clause.value !== undefined) {
    const value = parseCount(clause.value);
    return { action: 'fail', value: clause.minus ? -value : value };
  }
  const name = clause.error ?? '';
  const number = Object.hasOwn(ERRNO, name) ? ERRNO[name] : undefined;
  if (number === undefined) {
    const { text, fix } = suggestion(name, Object.keys(ERRNO));
    report.error(report.place(clause, 'error'), `unknown error '${name}'${text}`, {
      fix: fix ?? 'use a Linux error name such as EIO, or a number',
    });
    return { action: 'fail', value: -(ERRNO.EIO as number) };
  }
  return { action: 'fail', value: -number };
}

function resolveParameter(
  f: ExportedFunction,
  parameter: Parameter,
  index: number,
  report: Report,
): Projection {
  const { name, type } = parameter;
  const first = f.parameters.findIndex((other) => other.name === name);
  if (first < index) {
    report.error(report.place(parameter, 'name'), `a second parameter '${name}' of '${f.name}'`, {
      fix: 'give it another name',
    });
  }
  return isBufferType(type)
    ? resolveBuffer(f, name, type, index, report)
    : resolveWord(name, type, index, report);
}

function resolveWord(
  name: string,
  type: WordType | undefined,
  index: number,
  report: Report,
): Projection {
  // After a syntax error the type may be missing; that has been reported.
  if (type === undefined) return { kind: 'scalar', index, name };
  if (BUFFER_KINDS.includes(type.kind) || /^(ptr|pointer|buf|buffer|char)$/.test(type.kind)) {
    report.error(report.place(type, 'kind'), `'${name}' is a buffer without a direction`, {
      fix: `write '${name}: in bytes[n]', out, or inout`,
    });
  } else if (!WORD_KINDS.includes(type.kind)) {
    const { text, fix } = suggestion(type.kind, WORD_KINDS);
    report.error(report.place(type, 'kind'), `unknown type '${type.kind}'${text}`, {
      fix: fix ?? `use one of: ${WORD_KINDS.join(', ')}, or in/out/inout bytes[n], in string`,
    });
  }
  const max = type.max === undefined ? undefined : parseSize(type.max);
  return { kind: 'scalar', index, name, ...(max === undefined ? {} : { max }) };
}

function resolveBuffer(
  f: ExportedFunction,
  name: string,
  type: BufferType,
  index: number,
  report: Report,
): Projection {
  const base = { kind: type.direction, index, name };
  const max = type.max === undefined ? undefined : parseSize(type.max);
  if (type.kind === 'string') {
    if (type.direction !== 'in') {
      report.error(report.place(type, 'kind'), `'${name}': a string can only be passed in`, {
        fix: `write '${name}: ${type.direction} bytes[n]'`,
      });
    }
    if (max === undefined) {
      report.error(report.place(type), `'${name}' has no bound: a string needs a longest length`, {
        fix: `write '${name}: in string <= 256' (bytes, with the final NUL)`,
      });
    }
    return { ...base, type: 'string', max: max ?? 0 };
  }
  if (type.kind !== 'bytes') {
    const { text, fix } = suggestion(type.kind, BUFFER_KINDS);
    report.error(report.place(type, 'kind'), `unknown buffer type '${type.kind}'${text}`, {
      fix: fix ?? 'use bytes[n] or string',
    });
  }
  if (type.fixed !== undefined) {
    const fixedBytes = parseSize(type.fixed);
    return { ...base, type: 'bytes', fixedBytes, max: fixedBytes };
  }
  if (type.length === undefined) {
    report.error(report.place(type), `the length of '${name}' is missing`, {
      fix: `write '${name}: ${type.direction} bytes[n]' with a parameter 'n: size <= 4096', or bytes[64]`,
    });
    return { ...base, type: 'bytes', fixedBytes: 0, max: 0 };
  }
  return resolveLength(f, name, type, { ...base, type: 'bytes' }, max, report);
}

/** `bytes[n]`: n must be a bounded number among the parameters. */
function resolveLength(
  f: ExportedFunction,
  name: string,
  type: BufferType,
  base: { kind: 'in' | 'out' | 'inout'; index: number; name: string; type: 'bytes' },
  max: number | undefined,
  report: Report,
): Projection {
  const parameter = type.length?.ref;
  // An unknown name is reported with the other unresolved references.
  if (parameter === undefined) return { ...base, fixedBytes: 0, max: 0 };
  const lengthArg = f.parameters.indexOf(parameter);
  const place = report.place(type, 'length');
  if (isBufferType(parameter.type)) {
    report.error(place, `'${parameter.name}' is a buffer and cannot be the length of '${name}'`, {
      fix: `add a parameter 'n: size <= 4096' and write bytes[n]`,
    });
    return { ...base, lengthArg, max: 0 };
  }
  const bound =
    max ?? (parameter.type?.max === undefined ? undefined : parseSize(parameter.type.max));
  if (bound === undefined) {
    report.error(place, `'${name}' has no bound: nothing limits '${parameter.name}'`, {
      fix: `write '${parameter.name}: size <= 4096'`,
    });
  }
  return { ...base, lengthArg, max: bound ?? 0 };
}

function resolveAllowed(
  subsystem: Subsystem,
  f: ExportedFunction,
  report: Report,
): ExportPolicy['allowed'] {
  const clauses = subsystem.clauses
    .filter(isAllow)
    .filter(({ functions }) => functions.some(({ target }) => target.ref === f));
  const [first] = clauses;
  if (first === undefined) return null;
  const callers = clauses.flatMap((clause) => clause.callers.map((c) => c.subsystem.ref?.name));
  return {
    callers: [...new Set(callers.filter((name) => name !== undefined))],
    place: report.place(first),
  };
}

function resolveImports(subsystem: Subsystem, report: Report): ImportPolicy[] {
  const result: ImportPolicy[] = [];
  for (const clause of subsystem.clauses.filter(isImports)) {
    const from = clause.from.ref?.name;
    if (from === subsystem.name) {
      report.error(report.place(clause, 'from'), `'${from}' imports from itself`, {
        fix: 'remove the clause: calls inside a subsystem need none',
      });
      continue;
    }
    for (const item of clause.functions) {
      const name = item.target.ref?.name;
      if (from === undefined || name === undefined) continue;
      if (result.some((other) => other.from === from && other.function === name)) {
        report.warn(report.place(item), `'${name}' of '${from}' is imported twice`, {
          fix: 'remove one of them',
        });
        continue;
      }
      result.push({ from, function: name, place: report.place(item) });
    }
  }
  return result;
}

function resolveShares(subsystem: Subsystem, report: Report): SharePolicy[] {
  const result: SharePolicy[] = [];
  for (const clause of subsystem.clauses.filter(isShares)) {
    const access = clause.access === 'rw' ? 'rw' : 'r';
    const partners: SharePolicy['partners'][number][] = [];
    for (const partner of clause.partners) {
      const name = partner.subsystem.ref?.name;
      if (name === undefined) continue;
      if (name === subsystem.name) {
        report.error(report.place(partner), `'${name}' shares '${clause.symbol}' with itself`, {
          fix: 'name the others; the owner always has it',
        });
      } else {
        partners.push({ name, access });
      }
    }
    const place = report.place(clause, 'symbol');
    const earlier = result.findIndex(({ symbol }) => symbol === clause.symbol);
    if (earlier < 0) {
      result.push({ symbol: clause.symbol, partners, place });
      continue;
    }
    const before = result[earlier] as SharePolicy;
    for (const { name } of partners.filter((p) => before.partners.some((q) => q.name === p.name))) {
      report.error(place, `'${clause.symbol}' is shared with '${name}' twice`, {
        notes: [`first at ${before.place.file}:${before.place.line}`],
        fix: 'keep one of them',
      });
    }
    result[earlier] = { ...before, partners: [...before.partners, ...partners] };
  }
  return result;
}
