/**
 * The symbol table of an image: for traces, debuggers and `kernel.map`. Nothing in the machine or
 * the monitor trusts it.
 */
import { STB_GLOBAL, STB_LOCAL, STT_FUNC, STT_NOTYPE } from '../../machine/elf.ts';
import { GATE_BYTES, type Layout, type OutputSection } from './layout.ts';
import type { Addresses } from './relocate.ts';
import { targetOf, type Resolution } from './resolve.ts';
import { definitionOf, type Namespace } from './symbols.ts';
import { fileSymbol, type OutputSymbol } from './write-elf.ts';

export const gateName = (caller: string, name: string): string => `__gate_${caller}_${name}`;

/**
 * Local symbols by object, and the copies of the library with them, for their names occur once per
 * subsystem; then the global ones, the gates and the linker's own.
 */
export function outputSymbols(
  namespaces: readonly Namespace[],
  layout: Layout,
  resolution: Resolution,
  addresses: Addresses,
): OutputSymbol[] {
  const sections = layout.segments.flatMap((segment) => segment.sections);
  const sectionOf = new Map(
    sections.flatMap((s) => s.inputs.map(({ input }) => [input, s] as const)),
  );
  const locals: OutputSymbol[] = [];
  const globals: OutputSymbol[] = [];
  for (const { name, objects, definitions } of namespaces) {
    for (const object of objects) {
      const isCopy = object.isLibrary && namespaces.length > 1;
      locals.push(fileSymbol(isCopy ? `${object.file} (${name})` : object.file));
      for (const symbol of object.elf.symbols) {
        const isWanted = symbol.type <= STT_FUNC && /^[^.$]/.test(symbol.name);
        const definition = isWanted ? definitionOf(object, symbol) : null;
        if (definition?.input == null) continue;
        const section = sectionOf.get(definition.input);
        if (section === undefined) continue;
        const isGlobal = symbol.binding !== STB_LOCAL;
        if (isGlobal && definitions.get(symbol.name)?.object !== object) continue;
        const entry = {
          name: symbol.name,
          address: addresses.of(targetOf(definition)),
          sizeBytes: symbol.sizeBytes,
          type: symbol.type,
          section,
        };
        if (isGlobal && !isCopy) globals.push({ ...entry, binding: STB_GLOBAL });
        else locals.push({ ...entry, binding: STB_LOCAL });
      }
    }
  }
  return [...locals, ...globals, ...gateSymbols(layout, resolution, sections), ...ranges(layout)];
}

function gateSymbols(
  layout: Layout,
  resolution: Resolution,
  sections: readonly OutputSection[],
): OutputSymbol[] {
  const { gates } = layout;
  if (gates === null) return [];
  const section = sections.find(({ name }) => name === '.gates') ?? null;
  const end = gates.segment.address + resolution.gates.length * GATE_BYTES;
  const named = [
    ...[...gates.addressOf].map(
      ([gate, address]) => [gateName(gate.caller, gate.definition.name), address] as const,
    ),
    ['__gate_return', end] as const,
    ['__gate_resume', end + GATE_BYTES] as const,
  ];
  return named.map(([name, address]) => ({
    name,
    address,
    sizeBytes: GATE_BYTES,
    binding: STB_GLOBAL,
    type: STT_FUNC,
    section,
  }));
}

function ranges(layout: Layout): OutputSymbol[] {
  const symbol = (name: string, address: number): OutputSymbol => ({
    name,
    address,
    sizeBytes: 0,
    binding: STB_GLOBAL,
    type: STT_NOTYPE,
    section: null,
  });
  const result = [symbol('__image_start', layout.start), symbol('__image_end', layout.end)];
  for (const { name, ranges: byName } of layout.subsystems) {
    for (const [kind, { start, end }] of Object.entries(byName)) {
      result.push(symbol(`__${name}_${kind}_start`, start), symbol(`__${name}_${kind}_end`, end));
    }
  }
  return result;
}
