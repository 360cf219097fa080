/**
 * What every relocation refers to, and whether the policies allow it. Writes nothing: the result is
 * the list of gates, shared objects and table slots that the image needs, and a target per relocation.
 *
 * The rules: a subsystem reaches its own symbols and the linker's; it reaches another subsystem's
 * function only through a gate that both policies signed, and its data only if they are shared.
 */
import { SHF_ALLOC, SHN_UNDEF, STB_LOCAL, STB_WEAK, type ElfSymbol } from '../../machine/elf.ts';
import { closest } from '../diagnostics.ts';
import type { ExportPolicy, Policies, SharePolicy, SubsystemPolicy } from '../model.ts';
import type { InputObject, InputSection } from './input.ts';
import { symbolAt } from './input.ts';
import { isLinkerSymbol } from './linker-symbols.ts';
import type { Refusals } from './refusals.ts';
import { isCall, isTls, PATCHES, R, relocationName } from './riscv.ts';
import { definitionOf, placeOf, type Definition, type Namespace } from './symbols.ts';

/** What a relocation refers to; addresses are only known after the layout. */
export type Target =
  | { readonly kind: 'place'; readonly input: InputSection; readonly value: number }
  | { readonly kind: 'absolute'; readonly value: number }
  /** A symbol that the linker defines; some mean something else in every subsystem. */
  | { readonly kind: 'linker'; readonly name: string; readonly owner: string }
  | { readonly kind: 'gate'; readonly gate: Gate };

export interface Gate {
  readonly caller: string;
  readonly callee: string;
  readonly definition: Definition;
}

export interface ResolvedRelocation {
  readonly offset: number;
  readonly type: number;
  readonly addend: number;
  readonly target: Target;
}

/** A pair of HI20 and LO12 may go through a table of addresses; one table per namespace. */
export interface GotSlot {
  readonly namespace: string;
  readonly index: number;
  readonly target: Target;
}

export interface SharedObject {
  readonly policy: SharePolicy;
  readonly owner: string;
  readonly definition: Definition;
  readonly input: InputSection;
}

export interface Resolution {
  readonly relocations: ReadonlyMap<InputSection, readonly ResolvedRelocation[]>;
  readonly gates: readonly Gate[];
  readonly shares: readonly SharedObject[];
  readonly got: ReadonlyMap<string, GotSlot>;
}

export function resolveAll(
  namespaces: readonly Namespace[],
  subsystems: readonly string[],
  policies: Policies | null,
  refusals: Refusals,
): Resolution {
  const world = new World(namespaces, subsystems, policies, refusals);
  const relocations = new Map<InputSection, readonly ResolvedRelocation[]>();
  for (const namespace of namespaces) {
    for (const object of namespace.objects) {
      for (const input of object.sections.values()) {
        const resolved = world.resolveSection(namespace, input);
        if (resolved.length > 0) relocations.set(input, resolved);
      }
    }
  }
  if (policies !== null) world.warnUnusedImports(policies);
  return { relocations, gates: world.sortedGates(), shares: world.shares, got: world.got };
}

/** The key of a table slot: one per namespace and target. */
export const gotKey = (namespace: string, target: Target): string => {
  switch (target.kind) {
    case 'place': {
      const { object, section } = target.input;
      return `${namespace}\0${object.owner}\0${object.file}\0${section.index}\0${target.value}`;
    }
    case 'absolute':
      return `${namespace}\0=${target.value}`;
    case 'linker':
      return `${namespace}\0@${target.owner}\0${target.name}`;
    case 'gate':
      return `${namespace}\0!${target.gate.definition.name}`;
  }
};

class World {
  readonly #namespaces: readonly Namespace[];
  readonly #policies: ReadonlyMap<string, SubsystemPolicy>;
  readonly #order: readonly string[];
  readonly #refusals: Refusals;
  readonly #gates = new Map<string, Gate>();
  readonly shares: readonly SharedObject[];
  readonly got = new Map<string, GotSlot>();
  readonly #gotCount = new Map<string, number>();

  constructor(
    namespaces: readonly Namespace[],
    subsystems: readonly string[],
    policies: Policies | null,
    refusals: Refusals,
  ) {
    this.#namespaces = namespaces;
    this.#policies = new Map((policies?.subsystems ?? []).map((p) => [p.name, p]));
    this.#order = subsystems;
    this.#refusals = refusals;
    this.shares = namespaces.flatMap((namespace) => this.#sharedObjects(namespace));
  }

  sortedGates(): Gate[] {
    const rank = (name: string): number => this.#order.indexOf(name);
    return [...this.#gates.values()].toSorted(
      (a, b) =>
        rank(a.caller) - rank(b.caller) ||
        rank(a.callee) - rank(b.callee) ||
        (a.definition.name < b.definition.name ? -1 : 1),
    );
  }

  resolveSection(namespace: Namespace, input: InputSection): ResolvedRelocation[] {
    const { object, section } = input;
    const result: ResolvedRelocation[] = [];
    for (const relocation of object.elf.relocations.get(section.index) ?? []) {
      const { offset, type, symbol: index } = relocation;
      const addend = Number(relocation.addend);
      if (type === R.NONE || type === R.RELAX) continue;
      if (type === R.ALIGN) {
        result.push({ offset, type, addend, target: { kind: 'absolute', value: 0 } });
        continue;
      }
      if (!this.#isSupported(input, offset, type)) continue;
      const symbol = object.elf.symbols[index];
      const target =
        symbol === undefined || index === 0
          ? ({ kind: 'absolute', value: 0 } as const)
          : this.#target(namespace, input, offset, type, addend, symbol);
      if (target === null) continue;
      if (type === R.GOT_HI20) this.#addGotSlot(namespace.name, target);
      result.push({ offset, type, addend, target });
    }
    return result;
  }

  #isSupported(input: InputSection, offset: number, type: number): boolean {
    const patch = PATCHES.get(type);
    if (patch !== undefined && offset + patch.sizeBytes <= input.section.data.length) return true;
    if (patch !== undefined) {
      this.#refusals.at(input, offset, {
        message: `${relocationName(type)} lies at the very end of its section`,
        fix: 'the object is damaged; compile it again',
      });
    } else if (isTls(type)) {
      this.#refusals.at(input, offset, {
        message: `${relocationName(type)} refers to a thread-local variable, and the kernel has none`,
        fix: "remove '_Thread_local'; keep per-hart data in an array",
      });
    } else {
      this.#refusals.at(input, offset, {
        message: `${relocationName(type)} is not supported`,
        fix: 'compile with -mcmodel=medany -fno-pic -mno-relax',
      });
    }
    return false;
  }

  #addGotSlot(namespace: string, target: Target): void {
    const key = gotKey(namespace, target);
    if (this.got.has(key)) return;
    const index = this.#gotCount.get(namespace) ?? 0;
    this.#gotCount.set(namespace, index + 1);
    this.got.set(key, { namespace, index, target });
  }

  /** Null if refused, or if a debug section refers to what is not linked. */
  #target(
    namespace: Namespace,
    input: InputSection,
    offset: number,
    type: number,
    addend: number,
    symbol: ElfSymbol,
  ): Target | null {
    const { object } = input;
    const isLoaded = (input.section.flags & SHF_ALLOC) !== 0;
    if (symbol.binding === STB_LOCAL || (!isLoaded && symbol.section !== SHN_UNDEF)) {
      const definition = definitionOf(object, symbol);
      if (definition !== null) return targetOf(definition);
      if (!isLoaded) return { kind: 'absolute', value: 0 };
      this.#refusals.at(input, offset, {
        message: `refers to '${symbol.name}' in a section that is not linked`,
        fix: 'compile with -fno-asynchronous-unwind-tables and without special sections',
      });
      return null;
    }
    const own = namespace.definitions.get(symbol.name);
    if (own !== undefined) return targetOf(own);
    if (isLinkerSymbol(symbol.name, this.#order)) {
      return { kind: 'linker', name: symbol.name, owner: object.owner };
    }
    const foreign = this.#foreign(namespace, symbol.name);
    if (foreign !== undefined && isLoaded) {
      const use: Use = { namespace, input, offset, type, addend };
      return foreign.isFunction ? this.#gate(use, foreign) : this.#sharedData(use, foreign);
    }
    if (symbol.binding === STB_WEAK || !isLoaded) return { kind: 'absolute', value: 0 };
    this.#refuseUndefined(namespace, input, offset, symbol.name);
    return null;
  }

  #foreign(namespace: Namespace, name: string): Definition | undefined {
    for (const other of this.#namespaces) {
      const definition = other === namespace ? undefined : other.definitions.get(name);
      if (definition !== undefined && !definition.object.isLibrary) return definition;
    }
    return undefined;
  }

  #refuseUndefined(namespace: Namespace, input: InputSection, offset: number, name: string): void {
    const known = this.#namespaces.flatMap((other) =>
      [...other.definitions.values()].filter(
        ({ object }) => other === namespace || !object.isLibrary,
      ),
    );
    const near = closest(
      name,
      known.map((definition) => definition.name),
    );
    this.#refusals.at(input, offset, {
      message: `'${name}' is not defined anywhere${near === undefined ? '' : `; did you mean '${near}'?`}`,
      fix: near === undefined ? `define '${name}', or remove the reference` : `write '${near}'`,
    });
  }

  #gate(use: Use, definition: Definition): Target | null {
    const caller = use.namespace.name;
    const callee = definition.object.owner;
    if (!this.#isCallAllowed(use, definition)) return null;
    if (use.addend !== 0) {
      this.#refusals.at(use.input, use.offset, {
        message: `refers into the middle of '${definition.name}' of '${callee}'`,
        fix: 'only the start of an exported function can be reached',
      });
      return null;
    }
    const key = `${caller}\0${definition.name}`;
    const gate = this.#gates.get(key) ?? { caller, callee, definition };
    this.#gates.set(key, gate);
    return { kind: 'gate', gate };
  }

  /** Checks the signatures of both sides; refuses with the smallest change that would allow it. */
  #isCallAllowed(use: Use, definition: Definition): boolean {
    const caller = this.#policy(use.namespace.name);
    const callee = this.#policy(definition.object.owner);
    const { name } = definition;
    const exported = callee.exports.find((e) => e.name === name);
    const isImported = caller.imports.some((i) => i.from === callee.name && i.function === name);
    if (exported !== undefined && isImported) return true;
    const what = `${subject(use)} ${isCall(use.type) ? 'calls' : 'takes the address of'} '${name}' of '${callee.name}'`;
    if (exported === undefined) {
      const where = placeOf(definition, this.#refusals);
      this.#refusals.at(use.input, use.offset, {
        message: `${what}, which '${callee.name}' does not export`,
        notes: [
          `'${name}' is defined at ${where}`,
          `default deny: ${callee.file}:${callee.place.line} lists no '${name}' in its exports`,
        ],
        fix: `add '${name}(...)' to the exports in ${callee.file} and 'imports ${callee.name} { ${name} }' to ${caller.file}`,
      });
      return false;
    }
    this.#refusals.at(use.input, use.offset, {
      message: `${what}, which '${caller.name}' does not import`,
      notes: this.#importNotes(caller, exported),
      fix: importFix(caller, callee, exported),
    });
    return false;
  }

  #importNotes(caller: SubsystemPolicy, exported: ExportPolicy): string[] {
    const { allowed, place } = exported;
    const notes = [`default deny: ${caller.file}:${caller.place.line} lists no such import`];
    if (allowed === null) notes.push(`exported at ${place.file}:${place.line}`);
    else if (!allowed.callers.includes(caller.name)) {
      const callers = allowed.callers.join(', ');
      notes.push(`${allowed.place.file}:${allowed.place.line} allows it to ${callers} only`);
    }
    return notes;
  }

  #sharedData(use: Use, definition: Definition): Target | null {
    const user = use.namespace.name;
    const share = this.shares.find((s) => s.definition === definition);
    if (share?.policy.partners.some(({ name }) => name === user) === true) {
      return targetOf(definition);
    }
    const owner = this.#policy(definition.object.owner);
    const secret = owner.secrets.find(({ symbol }) => symbol === definition.name);
    const message = `${subject(use)} reaches '${definition.name}', data of '${owner.name}'`;
    if (secret !== undefined) {
      this.#refusals.at(use.input, use.offset, {
        message,
        notes: [`${secret.place.file}:${secret.place.line} keeps '${definition.name}' secret`],
        fix: `no policy allows this; call a function of '${owner.name}' instead`,
      });
      return null;
    }
    const shared = owner.shares.find(({ symbol }) => symbol === definition.name);
    this.#refusals.at(use.input, use.offset, {
      message,
      notes: [
        shared === undefined
          ? `default deny: ${owner.file}:${owner.place.line} shares no '${definition.name}'`
          : `${shared.place.file}:${shared.place.line} shares it with ${shared.partners.map((p) => p.name).join(', ')} only`,
      ],
      fix:
        shared === undefined
          ? `add 'shares object ${definition.name} with ${user} ro' to ${owner.file}, or call a function instead`
          : `add '${user}' to that 'shares', or call a function instead`,
    });
    return null;
  }

  #policy(name: string): SubsystemPolicy {
    const policy = this.#policies.get(name);
    if (policy === undefined) throw new Error(`no policy for subsystem '${name}'`);
    return policy;
  }

  /** Shared objects of one owner; each must be alone in its section, for pages have one owner. */
  #sharedObjects(namespace: Namespace): SharedObject[] {
    const policy = this.#policies.get(namespace.name);
    const result: SharedObject[] = [];
    for (const share of policy?.shares ?? []) {
      const found = this.#sharedObject(namespace, share);
      if (found !== null) result.push(found);
    }
    return result;
  }

  #sharedObject(namespace: Namespace, share: SharePolicy): SharedObject | null {
    const { symbol, place } = share;
    const refuse = (message: string, fix: string): null => {
      this.#refusals.add({ severity: 'error', ...place, message, fix });
      return null;
    };
    const definition = namespace.definitions.get(symbol);
    if (definition === undefined || definition.object.isLibrary) {
      const near = closest(symbol, namespace.definitions.keys());
      return refuse(
        `'${namespace.name}' defines no global object '${symbol}'${near === undefined ? '' : `; did you mean '${near}'?`}`,
        near === undefined ? `define '${symbol}' without 'static'` : `write '${near}'`,
      );
    }
    const { input } = definition;
    if (definition.isFunction || input === null || input.kind === 'text') {
      return refuse(`'${symbol}' is code, and only data can be shared`, 'export it as a function');
    }
    const neighbour = definition.object.elf.symbols.find(
      (s) =>
        s.section === input.section.index &&
        s.name !== '' &&
        s.name !== symbol &&
        s.type <= 2 &&
        !s.name.startsWith('.') &&
        !s.name.startsWith('$'),
    );
    if (neighbour !== undefined || definition.value !== 0) {
      return refuse(
        `'${symbol}' shares its section ${input.section.name} with '${neighbour?.name ?? 'other data'}', which would become visible too`,
        'compile with -fdata-sections, or give it a section of its own',
      );
    }
    if (input.kind === 'rodata' && share.partners.some(({ access }) => access === 'rw')) {
      return refuse(`'${symbol}' is constant and cannot be shared rw`, `write 'ro'`);
    }
    return { policy: share, owner: namespace.name, definition, input };
  }

  /** A right that nobody uses is a right too many. */
  warnUnusedImports(policies: Policies): void {
    for (const { caller, callee, function: name, place } of policies.edges) {
      if (this.#gates.has(`${caller}\0${name}`)) continue;
      const defined = this.#namespaces
        .find((n) => n.name === callee)
        ?.definitions.get(name)?.isFunction;
      if (defined === true) {
        this.#refusals.add({
          severity: 'warning',
          ...place,
          message: `'${caller}' imports '${name}' of '${callee}' and never calls it`,
          fix: 'drop the import',
        });
      }
    }
  }
}

interface Use {
  readonly namespace: Namespace;
  readonly input: InputSection;
  readonly offset: number;
  readonly type: number;
  readonly addend: number;
}

function subject({ namespace, input, offset }: Use): string {
  const symbol = symbolAt(input.object, input.section.index, offset);
  return symbol === undefined ? `'${namespace.name}'` : `'${symbol}' in '${namespace.name}'`;
}

function importFix(caller: SubsystemPolicy, callee: SubsystemPolicy, e: ExportPolicy): string {
  const importing = `add 'imports ${callee.name} { ${e.name} }' to ${caller.file}`;
  if (e.allowed === null || e.allowed.callers.includes(caller.name)) return importing;
  const { file, line } = e.allowed.place;
  return `${importing}, and '${caller.name}' to the 'allow' at ${file}:${line}`;
}

export const targetOf = (definition: Definition): Target =>
  definition.input === null
    ? { kind: 'absolute', value: definition.value }
    : { kind: 'place', input: definition.input, value: definition.value };

/** Every export must name a function that its subsystem defines, every secret an object. */
export function checkPolicySymbols(
  namespaces: readonly Namespace[],
  policies: Policies,
  refusals: Refusals,
): void {
  for (const policy of policies.subsystems) {
    const namespace = namespaces.find(({ name }) => name === policy.name);
    if (namespace === undefined) continue;
    checkExportsExist(namespace, policy, refusals);
    checkSecretsExist(namespace, policy, refusals);
  }
}

function checkExportsExist(
  namespace: Namespace,
  policy: SubsystemPolicy,
  refusals: Refusals,
): void {
  const functions = [...namespace.definitions.values()].filter((d) => d.isFunction);
  for (const { name, place } of policy.exports) {
    const definition = namespace.definitions.get(name);
    if (definition?.isFunction === true && definition.input?.kind === 'text') continue;
    const near = closest(
      name,
      functions.filter(({ object }) => !object.isLibrary).map((d) => d.name),
    );
    refusals.add({
      severity: 'error',
      ...place,
      message: `'${policy.name}' exports '${name}' but defines no such function${near === undefined ? '' : `; did you mean '${near}'?`}`,
      fix:
        near === undefined
          ? `define '${name}' without 'static', or drop it here`
          : `write '${near}'`,
    });
  }
}

/** All objects of that name in the subsystem's own files, static ones included. */
export function secretObjects(namespace: Namespace, symbol: string): Definition[] {
  return namespace.objects
    .filter(({ isLibrary }) => !isLibrary)
    .flatMap((object) =>
      object.elf.symbols
        .filter((s) => s.name === symbol && s.section !== SHN_UNDEF)
        .map((s) => definitionOf(object, s)),
    )
    .filter((d) => d !== null)
    .filter((d) => d.input !== null && !d.isFunction);
}

function checkSecretsExist(
  namespace: Namespace,
  policy: SubsystemPolicy,
  refusals: Refusals,
): void {
  for (const { symbol, place } of policy.secrets) {
    if (secretObjects(namespace, symbol).length > 0) continue;
    const names = namespace.objects
      .filter((o: InputObject) => !o.isLibrary)
      .flatMap(({ elf }) => elf.symbols.filter(({ type }) => type === 1).map(({ name }) => name));
    const near = closest(symbol, names);
    refusals.add({
      severity: 'error',
      ...place,
      message: `'${policy.name}' keeps '${symbol}' secret but defines no such object${near === undefined ? '' : `; did you mean '${near}'?`}`,
      fix: near === undefined ? 'drop it here, or define it' : `write '${near}'`,
    });
  }
}
