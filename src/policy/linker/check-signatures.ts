/**
 * Compares what a policy exports with what C defines, where the object has debug information.
 *
 * A gate checks and copies arguments by the policy. If the policy says number where C takes an
 * address, the callee follows an address that the caller chose: the classic sloppy interface.
 */
import type { Diagnostic } from '../diagnostics.ts';
import type { ExportPolicy, Policies } from '../model.ts';
import { readObjectInfo, type CFunction, type ObjectInfo } from './dwarf-info.ts';
import type { InputObject } from './input.ts';
import type { Refusals } from './refusals.ts';
import { placeOf, type Namespace } from './symbols.ts';

export function checkSignatures(
  namespaces: readonly Namespace[],
  policies: Policies,
  refusals: Refusals,
): void {
  const known = new Map<InputObject, ObjectInfo>();
  for (const policy of policies.subsystems) {
    const namespace = namespaces.find(({ name }) => name === policy.name);
    for (const exported of policy.exports) {
      const definition = namespace?.definitions.get(exported.name);
      if (definition === undefined || definition.object.isLibrary) continue;
      const { object } = definition;
      const info = known.get(object) ?? readObjectInfo(object.elf);
      known.set(object, info);
      const found = info.functions.get(exported.name);
      if (found === undefined) continue;
      checkSignature(exported, found, placeOf(definition, refusals), refusals);
    }
  }
}

function checkSignature(e: ExportPolicy, c: CFunction, where: string, refusals: Refusals): void {
  const notes = [`'${e.name}' is defined at ${where}`];
  const report = (severity: Diagnostic['severity'], message: string, fix: string): void =>
    refusals.add({ severity, ...e.place, message, notes, fix });
  if (c.isVariadic) {
    report(
      'error',
      `'${e.name}' takes any number of arguments, and a gate cannot check those`,
      'export a function with a fixed list',
    );
  } else if (c.parameters.length !== e.args.length) {
    const names = c.parameters.map(({ name }) => name).join(', ');
    report(
      'error',
      `'${e.name}' has ${count(e.args.length)} in the policy and ${c.parameters.length} in C`,
      c.parameters.length === 0 ? `write '${e.name}()'` : `list them all: ${names}`,
    );
    return;
  }
  for (const [i, { name, kind }] of c.parameters.entries()) {
    const arg = e.args[i];
    if (arg === undefined) continue;
    if (kind === 'structure') {
      report(
        'error',
        `'${name}' of '${e.name}' is a structure passed by value`,
        `pass its address, and write '${name}: in bytes[...]'`,
      );
    } else if (arg.kind !== 'scalar' && kind === 'number') {
      report(
        'error',
        `'${arg.name}' is a buffer in the policy, but '${name}' is a number in C`,
        `write '${arg.name}: scalar'`,
      );
    } else if (arg.kind === 'scalar' && kind === 'pointer') {
      report(
        'warning',
        `'${arg.name}' crosses as a number, but '${name}' is a pointer in C: the callee must not trust it`,
        `write '${arg.name}: in bytes[...]', or take an uintptr_t that is checked before use`,
      );
    }
  }
  if (c.returns === 'structure') {
    report(
      'error',
      `'${e.name}' returns a structure`,
      'return a status, and the structure through an out parameter',
    );
  } else if (c.returns === null && e.returns !== 'void') {
    report(
      'warning',
      `'${e.name}' returns a ${e.returns} in the policy and nothing in C: the caller would get a left-over register`,
      "drop the '->'",
    );
  }
}

const count = (n: number): string => `${n} parameter${n === 1 ? '' : 's'}`;
