/**
 * Symbols that the linker defines. C declares them `extern char name[]` and takes their address.
 *
 * | name | meaning |
 * |---|---|
 * | `__image_start`, `__image_end` | the whole image |
 * | `__gates_start`, `__gates_end` | the gate pages; equal in a monolith |
 * | `__text_start`, `__text_end`; also `rodata`, `data`, `bss`, `heap`, `stacks` | ranges of the subsystem that asks |
 * | `__<subsystem>_text_start`, ... | the same of a named subsystem (an address is no right) |
 * | `__stack_bytes` | the size of one of its stacks, as an address |
 * | `__global_pointer$` | 2 KiB into its data; nothing uses `gp`, but start-up code sets it |
 *
 * In a monolith `text`, `rodata`, `data` and `bss` are the whole kernel's; heaps stay per subsystem.
 */
export const RANGES = ['text', 'rodata', 'data', 'bss', 'heap', 'stacks'] as const;
export type RangeName = (typeof RANGES)[number];

export type LinkerSymbol =
  | { readonly kind: 'image' | 'gates'; readonly edge: 'start' | 'end' }
  | {
      readonly kind: 'range';
      readonly owner: string | null;
      readonly range: RangeName;
      readonly edge: 'start' | 'end';
    }
  | { readonly kind: 'stackBytes' | 'globalPointer' };

const WHOLE = /^__(image|gates)_(start|end)$/;
const RANGE = /^__(?:([A-Za-z0-9_]+)_)?(text|rodata|data|bss|heap|stacks)_(start|end)$/;

/** What a name means, or null if it is none of the linker's. */
export function parseLinkerSymbol(
  name: string,
  subsystems: readonly string[],
): LinkerSymbol | null {
  if (name === '__stack_bytes') return { kind: 'stackBytes' };
  if (name === '__global_pointer$') return { kind: 'globalPointer' };
  if (name === '_end' || name === 'end') return { kind: 'image', edge: 'end' };
  const whole = WHOLE.exec(name);
  if (whole !== null) return { kind: whole[1] as 'image' | 'gates', edge: whole[2] as 'start' };
  const range = RANGE.exec(name);
  if (range === null) return null;
  const owner = range[1] ?? null;
  if (owner !== null && !subsystems.includes(owner)) return null;
  return { kind: 'range', owner, range: range[2] as RangeName, edge: range[3] as 'start' };
}

export const isLinkerSymbol = (name: string, subsystems: readonly string[]): boolean =>
  parseLinkerSymbol(name, subsystems) !== null;
