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
  const { trees, diagnostics: syntax, report } = await parsePolicies(files);
  const { resolveSubsystem } = await import('./language/resolve.ts');
  const rules = await import('./language/rules.ts');

  const subsystems = trees.flatMap((tree) => tree.subsystems);
  const resolved = subsystems
    .map((subsystem) => resolveSubsystem(subsystem, report))
    .toSorted(byDomainId);
  const edges = rules.edgesOf(resolved);
  rules.checkNamesAreUnique(subsystems, report);
  rules.checkExportsAreUnique(subsystems, report);
  rules.checkCoreExists(subsystems, report);
  rules.checkImportsAreAllowed(resolved, report);
  rules.checkAllowsAreUsed(subsystems, resolved, report);
  rules.checkSecretsAreKept(resolved, report);
  rules.checkDevicesHaveOneOwner(resolved, report);
  const assertions = trees
    .flatMap((tree) => tree.assertions)
    .map((assertion) => rules.checkAssertion(assertion, resolved, edges, report));

  // After a syntax error the tree has gaps, and what the rules say about gaps is noise.
  const isBroken = new Set(syntax.filter(({ rank }) => (rank ?? 3) < 2).map(({ file }) => file));
  const meaning =
    isBroken.size > 0 ? report.diagnostics.filter(({ file }) => !isBroken.has(file)) : report.diagnostics;
  const diagnostics = sortDiagnostics([...syntax, ...meaning]);
  if (hasErrors(diagnostics)) return { policies: null, diagnostics };
  return {
    policies: {
      subsystems: resolved,
      edges,
      assertions: assertions.filter((text) => text !== undefined),
    },
    diagnostics,
  };
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
