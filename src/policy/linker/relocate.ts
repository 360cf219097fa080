/**
 * Applies relocations: turns the layout and the resolved targets into the bytes of every section.
 */
import { SHT_NOBITS } from '../../machine/elf.ts';
import type { InputSection } from './input.ts';
import { GATE_BYTES, type Layout } from './layout.ts';
import { parseLinkerSymbol, type LinkerSymbol } from './linker-symbols.ts';
import type { Refusals } from './refusals.ts';
import { gotKey, type Resolution, type ResolvedRelocation, type Target } from './resolve.ts';
import { PATCHES, R, RelocationError, relocationName } from './riscv.ts';

export type SectionBytes = ReadonlyMap<InputSection, Uint8Array>;

/** Addresses of targets under a layout. */
export class Addresses {
  readonly #layout: Layout;
  readonly #resolution: Resolution;
  readonly #subsystems: readonly string[];

  constructor(layout: Layout, resolution: Resolution) {
    this.#layout = layout;
    this.#resolution = resolution;
    this.#subsystems = layout.subsystems.map(({ name }) => name);
  }

  of(target: Target): number {
    switch (target.kind) {
      case 'place':
        return (this.#layout.addressOf.get(target.input) ?? 0) + target.value;
      case 'absolute':
        return target.value;
      case 'gate': {
        const address = this.#layout.gates?.addressOf.get(target.gate);
        if (address === undefined) throw new Error('a gate without a place');
        return address;
      }
      case 'linker':
        return this.ofLinkerSymbol(target.name, target.owner);
    }
  }

  ofLinkerSymbol(name: string, owner: string): number {
    const symbol = parseLinkerSymbol(name, this.#subsystems);
    if (symbol === null) throw new Error(`'${name}' is no symbol of the linker`);
    return this.#value(symbol, owner);
  }

  #value(symbol: LinkerSymbol, owner: string): number {
    const { subsystems, start, end, gates } = this.#layout;
    const name = symbol.kind === 'range' ? (symbol.owner ?? owner) : owner;
    // Library code of a monolith belongs to nobody; the first subsystem's ranges are the whole's.
    const subsystem = subsystems.find((s) => s.name === name) ?? subsystems[0];
    if (subsystem === undefined) throw new Error('an image without subsystems');
    switch (symbol.kind) {
      case 'image':
        return symbol.edge === 'start' ? start : end;
      case 'gates': {
        if (gates === null) return end;
        const { address, memBytes } = gates.segment;
        return symbol.edge === 'start' ? address : address + memBytes;
      }
      case 'range':
        return subsystem.ranges[symbol.range][symbol.edge];
      case 'stackBytes':
        return subsystem.stackBytes;
      case 'globalPointer':
        return subsystem.ranges.data.start + 0x800;
    }
  }

  gotSlot(namespace: string, target: Target): number {
    const slot = this.#resolution.got.get(gotKey(namespace, target));
    const base = this.#layout.got.get(namespace);
    if (slot === undefined || base === undefined) throw new Error('a reference without its slot');
    return base + slot.index * 8;
  }
}

/** The bytes of all sections, relocated; what cannot be encoded is refused. */
export function relocateAll(
  inputs: Iterable<readonly [namespace: string, input: InputSection]>,
  addressOf: (input: InputSection) => number,
  resolution: Resolution,
  addresses: Addresses,
  refusals: Refusals,
): SectionBytes {
  const result = new Map<InputSection, Uint8Array>();
  for (const [namespace, input] of inputs) {
    if (input.section.type === SHT_NOBITS) continue;
    const bytes = input.section.data.slice();
    const section = new SectionRelocator(
      input,
      bytes,
      addressOf(input),
      namespace,
      addresses,
      refusals,
    );
    section.applyAll(resolution.relocations.get(input) ?? []);
    result.set(input, bytes);
  }
  return result;
}

class SectionRelocator {
  readonly #input: InputSection;
  readonly #view: DataView;
  readonly #base: number;
  readonly #namespace: string;
  readonly #addresses: Addresses;
  readonly #refusals: Refusals;
  /** Distance that each HI20 encodes, by its offset, for the LO12 that complete it. */
  readonly #upper = new Map<number, number>();

  constructor(
    input: InputSection,
    bytes: Uint8Array,
    base: number,
    namespace: string,
    addresses: Addresses,
    refusals: Refusals,
  ) {
    this.#input = input;
    this.#view = new DataView(bytes.buffer);
    this.#base = base;
    this.#namespace = namespace;
    this.#addresses = addresses;
    this.#refusals = refusals;
  }

  applyAll(relocations: readonly ResolvedRelocation[]): void {
    // A LO12 may stand before the HI20 it completes, where the compiler moved code.
    for (const relocation of relocations) {
      const { type, offset } = relocation;
      if (type !== R.PCREL_HI20 && type !== R.GOT_HI20) continue;
      this.#upper.set(offset, this.#value(relocation) - (this.#base + offset));
    }
    for (const relocation of relocations) this.#apply(relocation);
  }

  #apply(relocation: ResolvedRelocation): void {
    const { offset, type, addend } = relocation;
    const place = this.#base + offset;
    if (type === R.ALIGN) {
      this.#checkAlignment(offset, addend);
      return;
    }
    const value = this.#isLower(type) ? this.#lower(relocation) : this.#value(relocation);
    const patch = PATCHES.get(type);
    if (value === null || patch === undefined) return;
    try {
      patch.apply(this.#view, offset, value, place);
    } catch (error) {
      // A RangeError: the bytes to patch, such as a ULEB128 number, end beyond the section.
      if (!(error instanceof RelocationError || error instanceof RangeError)) throw error;
      this.#refusals.at(this.#input, offset, {
        message: `${relocationName(type)}: ${error.message}`,
        fix: 'call through a C function, whose calls reach everywhere',
      });
    }
  }

  #value({ type, target, addend }: ResolvedRelocation): number {
    if (type === R.GOT_HI20) return this.#addresses.gotSlot(this.#namespace, target) + addend;
    return this.#addresses.of(target) + addend;
  }

  #isLower(type: number): boolean {
    return type === R.PCREL_LO12_I || type === R.PCREL_LO12_S;
  }

  /** psABI, "PC-Relative Symbol Addresses": a LO12 names the instruction that has the HI20. */
  #lower({ offset, target }: ResolvedRelocation): number | null {
    const isHere = target.kind === 'place' && target.input === this.#input;
    const upper = isHere ? this.#upper.get(target.value) : undefined;
    if (upper !== undefined) return upper;
    this.#refusals.at(this.#input, offset, {
      message: 'the lower half of an address has no upper half (R_RISCV_PCREL_LO12 without HI20)',
      fix: 'in assembler, let %pcrel_lo() name the label of the auipc',
    });
    return null;
  }

  /** The assembler left `addend` bytes of nops for the linker to shorten; we can only use all of them. */
  #checkAlignment(offset: number, addend: number): void {
    const alignBytes = 2 ** Math.ceil(Math.log2(addend + 2));
    if ((this.#base + offset + addend) % alignBytes === 0) return;
    this.#refusals.at(this.#input, offset, {
      message: `needs linker relaxation to align code to ${alignBytes} bytes`,
      fix: "compile with -mno-relax; in assembler write '.option norelax' first",
    });
  }
}

/** An `ecall`, and zeros, which are illegal instructions whatever the extensions. */
export const GATE_STUB: Uint8Array = Uint8Array.of(0x73, 0, 0, 0, ...Array(GATE_BYTES - 4).fill(0));
