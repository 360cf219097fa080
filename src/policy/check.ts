/**
 * Checks a set of policy files: syntax, names, rules. Everything wrong is reported at once.
 *
 * Two parties sign every call: the callee exports the function and the caller imports it. An
 * `allow` in the callee narrows who may import. What nobody signed does not exist.
 */
import { compareText, hasErrors, sortDiagnostics, type Diagnostic } from './diagnostics.ts';
import { CORE, type Policies, type PolicyFile, type SubsystemPolicy } from './model.ts';

export interface CheckedPolicies {
  /** Null if there are errors. */
  readonly policies: Policies | null;
  readonly diagnostics: readonly Diagnostic[];
}

export async function checkPolicies(files: readonly PolicyFile[]): Promise<CheckedPolicies> {
  if (files.length === 0) return { policies: null, diagnostics: [noPolicies] };
  const { parsePolicies } = await import('./language/parse.ts');
  const parsed = await parsePolicies(files);
  const { resolveSubsystem } = await import('./language/resolve.ts');
  const { edgesOf, checkRules } = await import('./language/rules.ts');

  const { report, trees } = parsed;
  const subsystems = trees
    .flatMap((tree) => tree.subsystems)
    .map((subsystem) => resolveSubsystem(subsystem, report))
    .toSorted(byDomainId);
  const edges = edgesOf(subsystems);
  // With a file missing, what the rules would say about the whole set is noise.
  const assertions = parsed.isComplete ? checkRules(trees, subsystems, edges, report) : [];
  const diagnostics = sortDiagnostics([...parsed.diagnostics, ...report.diagnostics]);
  if (hasErrors(diagnostics)) return { policies: null, diagnostics };
  return { policies: { subsystems, edges, assertions }, diagnostics };
}

const noPolicies: Diagnostic = {
  severity: 'error',
  file: 'policies',
  line: 0,
  column: 0,
  length: 1,
  message: 'there are no policy files',
  fix: 'write src/subsystems/core/core.policy',
};

const byDomainId = (a: SubsystemPolicy, b: SubsystemPolicy): number =>
  Number(b.name === CORE) - Number(a.name === CORE) || compareText(a.name, b.name);
