/**
 * The link map: ranges, sections, gates and symbols, for people and for diffs.
 */
import { formatAddress } from '../contexts.ts';
import { compareText } from '../diagnostics.ts';
import type { Linked } from './link.ts';
import { gateName } from './output-symbols.ts';
import { targetOf } from './resolve.ts';

const hex = (address: number): string => formatAddress(BigInt(address));
const size = (sizeBytes: number): string => sizeBytes.toString(16).padStart(8);

export function renderMap(linked: Linked, name: string): string {
  const { layout } = linked;
  const lines = [`${name}: ${hex(layout.start)} - ${hex(layout.end)}`, ''];
  for (const segment of layout.segments) {
    const rights = `${segment.flags & 4 ? 'r' : '-'}${segment.flags & 2 ? 'w' : '-'}${segment.flags & 1 ? 'x' : '-'}`;
    lines.push(`${hex(segment.address)} ${size(segment.memBytes)} ${rights} ${segment.name}`);
    for (const section of segment.sections) {
      lines.push(`${hex(section.address)} ${size(section.sizeBytes)}       ${section.name}`);
      for (const { input, address } of section.inputs) {
        if (input.section.sizeBytes === 0) continue;
        const where = `${input.object.file}(${input.section.name})`;
        lines.push(`${hex(address)} ${size(input.section.sizeBytes)}         ${where}`);
      }
    }
  }
  lines.push('', ...renderGates(linked), ...renderSymbols(linked), '');
  return lines.join('\n');
}

function renderGates({ layout, addresses }: Linked): string[] {
  const gates = [...(layout.gates?.addressOf ?? [])];
  if (gates.length === 0) return [];
  const rows = gates.map(
    ([gate, address]) =>
      `${hex(address)} ${gateName(gate.caller, gate.definition.name)} -> ${gate.callee} at ${hex(addresses.of(targetOf(gate.definition)))}`,
  );
  return ['Gates', ...rows, ''];
}

function renderSymbols({ namespaces, addresses }: Linked): string[] {
  const rows = namespaces.flatMap(({ name, definitions }) =>
    [...definitions.values()].map((definition) => ({
      address: addresses.of(targetOf(definition)),
      text: `${definition.name} (${name}${definition.object.isLibrary ? ', library copy' : ''})`,
    })),
  );
  rows.sort((a, b) => a.address - b.address || compareText(a.text, b.text));
  return ['Symbols', ...rows.map(({ address, text }) => `${hex(address)} ${text}`)];
}
