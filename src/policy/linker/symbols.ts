/**
 * Who defines what. Every subsystem is a namespace of its own: its objects, and its copies of the
 * library objects it needs. A monolith is a single namespace.
 */
import {
  SHF_EXECINSTR,
  SHN_ABS,
  SHN_UNDEF,
  STB_LOCAL,
  STB_WEAK,
  STT_FUNC,
  STT_OBJECT,
  type ElfFile,
  type ElfSymbol,
} from '../../machine/elf.ts';
import { compareText } from '../diagnostics.ts';
import { inputObject, type InputObject, type InputSection } from './input.ts';
import type { Refusals } from './refusals.ts';

export interface Definition {
  readonly name: string;
  readonly object: InputObject;
  /** Null for an absolute symbol. */
  readonly input: InputSection | null;
  /** Offset in the section, or the absolute value. */
  readonly value: number;
  readonly sizeBytes: number;
  readonly isFunction: boolean;
  readonly isWeak: boolean;
}

export interface Namespace {
  readonly name: string;
  readonly objects: readonly InputObject[];
  readonly definitions: ReadonlyMap<string, Definition>;
}

/** What a subsystem brings to the link. */
export interface NamespaceInput {
  readonly name: string;
  /** Objects with the subsystem that owns each; in a monolith several owners share a namespace. */
  readonly objects: readonly { readonly owner: string; readonly elf: ElfFile }[];
  readonly library: readonly ElfFile[];
  /** Owner of the library objects that are pulled in. */
  readonly libraryOwner: string;
  /** Needed though nothing refers to it. */
  readonly root?: string;
}

export function buildNamespace(input: NamespaceInput, refusals: Refusals): Namespace {
  const definitions = new Map<string, Definition>();
  const objects: InputObject[] = [];
  const add = (object: InputObject): void => {
    objects.push(object);
    for (const symbol of object.elf.symbols) define(definitions, object, symbol, refusals);
  };
  for (const { owner, elf } of input.objects) add(inputObject(elf, owner, false, refusals));
  for (const elf of libraryMembers(objects, definitions, input.library, input.root)) {
    add(inputObject(elf, input.libraryOwner, true, refusals));
  }
  return { name: input.name, objects, definitions };
}

/** A library object is linked if it defines what is still undefined, as from an archive. */
function libraryMembers(
  objects: readonly InputObject[],
  definitions: ReadonlyMap<string, Definition>,
  library: readonly ElfFile[],
  root: string | undefined,
): ElfFile[] {
  const memberOf = new Map<string, ElfFile>();
  for (const elf of library) {
    for (const symbol of elf.symbols) {
      if (isDefined(symbol) && !memberOf.has(symbol.name)) memberOf.set(symbol.name, elf);
    }
  }
  const chosen = new Set<ElfFile>();
  const pending = objects.map(({ elf }) => elf);
  const need = (name: string): void => {
    const member = definitions.has(name) ? undefined : memberOf.get(name);
    if (member === undefined || chosen.has(member)) return;
    chosen.add(member);
    pending.push(member);
  };
  if (root !== undefined) need(root);
  for (const elf of pending) {
    for (const symbol of elf.symbols) {
      if (symbol.section === SHN_UNDEF && symbol.binding !== STB_WEAK) need(symbol.name);
    }
  }
  return [...chosen].toSorted((a, b) => compareText(a.file, b.file));
}

const isDefined = ({ section, binding, name }: ElfSymbol): boolean =>
  binding !== STB_LOCAL && section !== SHN_UNDEF && name !== '';

function define(
  definitions: Map<string, Definition>,
  object: InputObject,
  symbol: ElfSymbol,
  refusals: Refusals,
): void {
  if (!isDefined(symbol)) return;
  const definition = definitionOf(object, symbol);
  if (definition === null) return;
  const earlier = definitions.get(symbol.name);
  if (earlier === undefined || (earlier.isWeak && !definition.isWeak)) {
    definitions.set(symbol.name, definition);
    return;
  }
  if (definition.isWeak || earlier.isWeak) return;
  refuseDuplicate(definition, earlier, refusals);
}

/** The definition of a symbol of an object; null if its section is not linked. */
export function definitionOf(object: InputObject, symbol: ElfSymbol): Definition | null {
  const input = object.sections.get(symbol.section) ?? null;
  if (input === null && symbol.section !== SHN_ABS) return null;
  const isText = input !== null && (input.section.flags & SHF_EXECINSTR) !== 0;
  return {
    name: symbol.name,
    object,
    input,
    value: Number(BigInt.asIntN(64, symbol.value)),
    sizeBytes: symbol.sizeBytes,
    isFunction: symbol.type === STT_FUNC || (isText && symbol.type !== STT_OBJECT),
    isWeak: symbol.binding === STB_WEAK,
  };
}

function refuseDuplicate(again: Definition, first: Definition, refusals: Refusals): void {
  const reason = {
    message: `'${again.name}' is defined twice${again.object.owner === first.object.owner ? '' : `: in '${first.object.owner}' and in '${again.object.owner}'`}`,
    notes: [`the first is in ${placeOf(first, refusals)}`],
    fix: 'make one of them static, or rename it',
  };
  if (again.input === null) refusals.object(again.object, reason.message, reason.fix);
  else refusals.at(again.input, again.value, reason);
}

export function placeOf({ input, object, value }: Definition, refusals: Refusals): string {
  const line =
    input === null ? undefined : refusals.lineTable(object).find(input.section.index, value);
  return line === undefined ? object.file : `${line.file}:${line.line}`;
}

/**
 * Global names are unique over all subsystems, though each is its own namespace: the monolith links
 * the same objects, and a name that means two things is how one subsystem would take another's calls.
 */
export function checkGlobalsAreUnique(namespaces: readonly Namespace[], refusals: Refusals): void {
  const first = new Map<string, Definition>();
  for (const { definitions } of namespaces) {
    for (const definition of definitions.values()) {
      if (definition.object.isLibrary) continue;
      const earlier = first.get(definition.name);
      if (earlier === undefined) first.set(definition.name, definition);
      else refuseDuplicate(definition, earlier, refusals);
    }
  }
}
