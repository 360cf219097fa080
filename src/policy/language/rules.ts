/**
 * Rules over a whole set of policies: one rule, one function, one message that names the fix.
 */
import { CALL } from '../../nested-kernel/abi.ts';
import { DEVICES } from '../devices.ts';
import { compareText, suggestion } from '../diagnostics.ts';
import { CORE, type Edge, type SubsystemPolicy } from '../model.ts';
import {
  isAllow,
  isNoPath,
  type Assertion,
  type NoPath,
  type OnlyReaches,
  type PolicyFile,
  type Subsystem,
} from './generated/ast.ts';
import type { Report } from './report.ts';
import { exportedFunctions } from './services.ts';

/** The monitor keeps one bit per domain in a word, see `CALL.STOPPED`. */
const MAX_SUBSYSTEMS = 64;

/** All rules; returns the text of the assertions that hold. */
export function checkRules(
  trees: readonly PolicyFile[],
  resolved: readonly SubsystemPolicy[],
  edges: readonly Edge[],
  report: Report,
): string[] {
  const subsystems = trees.flatMap((tree) => tree.subsystems);
  checkCoreExists(trees, report);
  checkNamesAreUnique(subsystems, report);
  checkExportsAreUnique(subsystems, report);
  checkImportsAreAllowed(resolved, report);
  checkAllowsAreUsed(subsystems, resolved, report);
  checkSecretsAreKept(resolved, report);
  checkDevicesHaveOneOwner(resolved, report);
  return trees
    .flatMap((tree) => tree.assertions)
    .map((assertion) => checkAssertion(assertion, resolved, edges, report))
    .filter((text) => text !== undefined);
}

function checkNamesAreUnique(subsystems: readonly Subsystem[], report: Report): void {
  const byName = new Map<string, Subsystem>();
  for (const subsystem of subsystems) {
    const first = byName.get(subsystem.name);
    if (first === undefined) {
      byName.set(subsystem.name, subsystem);
      continue;
    }
    const { file, line } = report.place(first, 'name');
    report.error(report.place(subsystem, 'name'), `a second subsystem '${subsystem.name}'`, {
      notes: [`the first is at ${file}:${line}`],
      fix: 'rename one, or put their clauses into one subsystem',
    });
  }
  const extra = subsystems[MAX_SUBSYSTEMS];
  if (extra !== undefined) {
    report.error(
      report.place(extra, 'name'),
      `more than ${MAX_SUBSYSTEMS} subsystems: monitor call ${CALL.STOPPED} reports them in one word`,
      { fix: 'merge some' },
    );
  }
}

/** A C name means one function in the whole kernel, because the monolith links the same objects. */
function checkExportsAreUnique(subsystems: readonly Subsystem[], report: Report): void {
  const first = new Map<string, { owner: string; place: string }>();
  for (const subsystem of subsystems) {
    for (const f of exportedFunctions(subsystem)) {
      const place = report.place(f, 'name');
      const earlier = first.get(f.name);
      if (earlier === undefined) {
        first.set(f.name, { owner: subsystem.name, place: `${place.file}:${place.line}` });
        continue;
      }
      const both =
        earlier.owner === subsystem.name
          ? `'${f.name}' is exported twice`
          : `'${f.name}' is exported by '${earlier.owner}' as well`;
      report.error(place, both, {
        notes: [`the other is at ${earlier.place}`],
        fix: earlier.owner === subsystem.name ? 'keep one of them' : 'rename one of the functions',
      });
    }
  }
}

/** An import needs its exporter's consent: where `allow` narrows a function, the importer is named. */
function checkImportsAreAllowed(subsystems: readonly SubsystemPolicy[], report: Report): void {
  const exports = new Map(
    subsystems.flatMap(({ name, exports: list }) => list.map((e) => [`${name}.${e.name}`, e])),
  );
  for (const { name, imports } of subsystems) {
    for (const { from, function: f, place } of imports) {
      const allowed = exports.get(`${from}.${f}`)?.allowed;
      if (allowed === null || allowed === undefined || allowed.callers.includes(name)) continue;
      report.error(place, `'${from}' does not allow '${name}' to call '${f}'`, {
        notes: [
          `${allowed.place.file}:${allowed.place.line} allows it to ${allowed.callers.join(', ')} only`,
        ],
        fix: `add '${name}' to that 'allow', or drop the import`,
      });
    }
  }
}

/** An `allow` that its caller never takes up is a right that nobody asked for. */
function checkAllowsAreUsed(
  subsystems: readonly Subsystem[],
  resolved: readonly SubsystemPolicy[],
  report: Report,
): void {
  for (const subsystem of subsystems) {
    for (const clause of subsystem.clauses.filter(isAllow)) {
      for (const caller of clause.callers) {
        const policy = resolved.find(({ name }) => name === caller.subsystem.ref?.name);
        if (policy === undefined) continue;
        const names = clause.functions.map(({ target }) => target.ref?.name);
        const used = policy.imports.some(
          (i) => i.from === subsystem.name && names.includes(i.function),
        );
        if (used) continue;
        report.warn(report.place(caller), `'${policy.name}' imports none of these`, {
          fix: `drop it here, or write 'imports ${subsystem.name} { ${names.join(', ')} }' in ${policy.file}`,
        });
      }
    }
  }
}

function checkSecretsAreKept(subsystems: readonly SubsystemPolicy[], report: Report): void {
  for (const { secrets, shares } of subsystems) {
    for (const { symbol, place } of shares) {
      const secret = secrets.find((s) => s.symbol === symbol);
      if (secret === undefined) continue;
      report.error(place, `'${symbol}' is a secret and cannot be shared`, {
        notes: [`declared secret at ${secret.place.file}:${secret.place.line}`],
        fix: "remove the 'shares' or the 'secret'",
      });
    }
  }
}

/** A device register block has one owner; two drivers on one device are a race without a boundary. */
function checkDevicesHaveOneOwner(subsystems: readonly SubsystemPolicy[], report: Report): void {
  const owners = new Map<string, { name: string; place: string }>();
  for (const { name, mmio } of subsystems) {
    for (const { device, place } of mmio) {
      if (DEVICES[device] === undefined) {
        const { text, fix } = suggestion(device, Object.keys(DEVICES));
        const hint = fix === undefined ? {} : { fix };
        report.error(place, `there is no device '${device}'${text}`, hint);
        continue;
      }
      const owner = owners.get(device);
      if (owner === undefined) {
        owners.set(device, { name, place: `${place.file}:${place.line}` });
        continue;
      }
      report.error(place, `device '${device}' already belongs to '${owner.name}'`, {
        notes: [`see ${owner.place}`],
        fix: 'let one subsystem own it and export functions to the other',
      });
    }
  }
}

/** The graph of calls that both sides signed. */
export const edgesOf = (subsystems: readonly SubsystemPolicy[]): Edge[] =>
  subsystems
    .flatMap(({ name, imports }) =>
      imports.map(({ from, function: f, place }) => ({
        caller: name,
        callee: from,
        function: f,
        place,
      })),
    )
    .toSorted(
      (a, b) =>
        compareText(a.caller, b.caller) ||
        compareText(a.callee, b.callee) ||
        compareText(a.function, b.function),
    );

/** Checks an assertion; returns its text if it holds. */
function checkAssertion(
  assertion: Assertion,
  subsystems: readonly SubsystemPolicy[],
  edges: readonly Edge[],
  report: Report,
): string | undefined {
  const holds = isNoPath(assertion)
    ? checkNoPath(assertion, edges, report)
    : checkOnlyReaches(assertion, subsystems, report);
  return holds ? assertion.$cstNode?.text.replaceAll(/\s+/g, ' ').replace(/;$/, '') : undefined;
}

function checkNoPath(assertion: NoPath, edges: readonly Edge[], report: Report): boolean {
  const from = assertion.from.ref?.name;
  const to = assertion.subsystem.ref;
  if (from === undefined || to === undefined) return false;
  const { member } = assertion;
  if (member !== undefined) {
    const names = exportedFunctions(to).map(({ name }) => name);
    if (!names.includes(member)) {
      const { text, fix } = suggestion(member, names);
      report.error(
        report.place(assertion, 'member'),
        `'${to.name}' exports no '${member}'${text}`,
        fix === undefined ? {} : { fix },
      );
      return false;
    }
  }
  const path = findPath(from, to.name, member, edges);
  if (path === undefined) return true;
  const target = member === undefined ? to.name : `${to.name}.${member}`;
  const last = path.at(-1) as Edge;
  report.error(report.place(assertion), `there is a path from '${from}' to '${target}'`, {
    notes: path.map(
      (e) => `${e.caller} calls ${e.callee}.${e.function} (${e.place.file}:${e.place.line})`,
    ),
    fix: `remove an import on the way, such as '${last.function}' at ${last.place.file}:${last.place.line}`,
  });
  return false;
}

/**
 * A shortest chain of calls that ends in the target. It may start or end in the core but not lead
 * through it: every subsystem calls the core, which calls every subsystem on behalf of user programs.
 */
function findPath(
  from: string,
  to: string,
  member: string | undefined,
  edges: readonly Edge[],
): Edge[] | undefined {
  const queue: { at: string; path: Edge[] }[] = [{ at: from, path: [] }];
  const seen = new Set([from]);
  for (const { at, path } of queue) {
    for (const edge of edges.filter(({ caller }) => caller === at)) {
      const next = [...path, edge];
      if (edge.callee === to && (member === undefined || edge.function === member)) return next;
      if (seen.has(edge.callee) || edge.callee === CORE) continue;
      seen.add(edge.callee);
      queue.push({ at: edge.callee, path: next });
    }
  }
  return undefined;
}

function checkOnlyReaches(
  assertion: OnlyReaches,
  subsystems: readonly SubsystemPolicy[],
  report: Report,
): boolean {
  const target = subsystems.find(({ name }) => name === assertion.subsystem.ref?.name);
  if (target === undefined) return false;
  const { member } = assertion;
  const permitted = assertion.callers.map(({ subsystem }) => subsystem.ref?.name);
  const reachers = reachersOf(target, member, subsystems);
  if (reachers === undefined) {
    const names = [
      ...target.exports.map(({ name }) => name),
      ...target.shares.map(({ symbol }) => symbol),
      ...target.secrets.map(({ symbol }) => symbol),
    ];
    const { text, fix } = suggestion(member, names);
    report.error(
      report.place(assertion, 'member'),
      `'${target.name}' neither exports nor shares nor keeps secret a '${member}'${text}`,
      fix === undefined ? {} : { fix },
    );
    return false;
  }
  const others = reachers.filter(({ name }) => name !== target.name && !permitted.includes(name));
  for (const { name, where } of others) {
    report.error(report.place(assertion), `'${name}' reaches '${target.name}.${member}' too`, {
      notes: [`at ${where}`],
      fix: `remove that, or add '${name}' to the assertion`,
    });
  }
  return others.length === 0;
}

function reachersOf(
  target: SubsystemPolicy,
  member: string,
  subsystems: readonly SubsystemPolicy[],
): { name: string; where: string }[] | undefined {
  if (target.exports.some(({ name }) => name === member)) {
    return subsystems.flatMap(({ name, imports }) =>
      imports
        .filter((i) => i.from === target.name && i.function === member)
        .map(({ place }) => ({ name, where: `${place.file}:${place.line}` })),
    );
  }
  const share = target.shares.find(({ symbol }) => symbol === member);
  if (share !== undefined) {
    const where = `${share.place.file}:${share.place.line}`;
    return share.partners.map(({ name }) => ({ name, where }));
  }
  return target.secrets.some(({ symbol }) => symbol === member) ? [] : undefined;
}

function checkCoreExists(trees: readonly PolicyFile[], report: Report): void {
  const [tree] = trees;
  const names = trees.flatMap(({ subsystems }) => subsystems.map(({ name }) => name));
  if (tree === undefined || names.includes(CORE)) return;
  report.error(report.place(tree.subsystems[0] ?? tree), `no subsystem is called '${CORE}'`, {
    notes: ['the core owns traps, scheduling and address spaces; the kernel starts in it'],
    fix: `write a policy 'subsystem ${CORE} { ... }'`,
  });
}
