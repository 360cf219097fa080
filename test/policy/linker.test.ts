import { describe, expect, it } from 'vitest';
import { readElf, type ElfFile } from '../../src/machine/elf.ts';
import { parseAddress } from '../../src/policy/contexts.ts';
import { linkMonolith, linkUser, USER_BASE, type Linked } from '../../src/policy/linker/link.ts';
import { formatDiagnostics } from '../../src/policy/diagnostics.ts';
import type { OutputSection } from '../../src/policy/linker/layout.ts';
import { findLlds, linkWithLld } from './lld.ts';
import {
  compileSources,
  GCC,
  linkMiniature,
  START,
  TOOLCHAIN,
  type Miniature,
  type Source,
} from './snippets.ts';

const ALL: Miniature = {
  core: {
    policy:
      'subsystem core { owns heap 8K exports { kalloc(n: size <= 64) -> scalar } imports net { send } }',
    c: `
extern char __heap_start[], __heap_end[];
long send(const char *p, long n);
long kalloc(long n) { return n > __heap_end - __heap_start ? 0 : (long)__heap_start; }
long boot(void) { return send("x", 1) + 1; }
`,
  },
  net: {
    policy: `subsystem net {
  exports { send(p: in bytes[n], n: size <= 64) -> status }
  imports core { kalloc }
  shares object stats with core ro
}`,
    c: `
long kalloc(long);
void *memcpy(void *, const void *, unsigned long);
struct { long sent; } stats = {7};
static long (*const allocate)(long) = kalloc;
long (*hook)(long) = kalloc;
static char buffer[64];
long send(const char *p, long n)
{
    switch (n) {
    case 0: return hook(1);
    case 1: return 11;
    case 2: return 17;
    case 3: return 23 + stats.sent;
    case 4: return kalloc(4);
    case 5: return 31;
    }
    memcpy(buffer, p, n);
    return allocate == hook ? kalloc(n) : -1;
}
`,
  },
  lib: {
    policy: '',
    c: `
static long calls;
void *memcpy(void *to, const void *from, unsigned long n)
{
    calls++;
    for (unsigned long i = 0; i < n; i++)
        ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}
long unused(void) { return calls; }
`,
  },
};

const elfOf = ({ elf }: Linked): ElfFile => readElf(elf, 'kernel', 'executable');

function bytesAt(elf: ElfFile, address: bigint, sizeBytes: number): DataView {
  const segment = elf.programHeaders.find(
    (s) => address >= s.virtAddr && address < s.virtAddr + BigInt(s.fileBytes),
  );
  if (segment === undefined) throw new Error(`nothing at ${address.toString(16)}`);
  const offset = segment.offset + Number(address - segment.virtAddr);
  return new DataView(elf.bytes.buffer, elf.bytes.byteOffset + offset, sizeBytes);
}

const addressOf = (elf: ElfFile, name: string): bigint => {
  const symbol = elf.symbols.find((s) => s.name === name);
  if (symbol === undefined) throw new Error(`no symbol ${name}`);
  return symbol.value;
};

describe.skipIf(TOOLCHAIN === null)('a separated kernel', () => {
  it('sends a function pointer in initialised data through the gate of its owner', async () => {
    const elf = elfOf(await linkMiniature(ALL));
    const pointer = bytesAt(elf, addressOf(elf, 'hook'), 8).getBigUint64(0, true);
    expect(pointer).toBe(addressOf(elf, '__gate_net_kalloc'));
    expect(pointer).not.toBe(addressOf(elf, 'kalloc'));
  });

  it('has one gate per caller and function, and contexts that name each', async () => {
    const { contexts, elf: bytes } = await linkMiniature(ALL);
    const elf = readElf(bytes, 'kernel', 'executable');
    const gates = contexts.gates.map(({ start, function: name, caller, callee, target }) => ({
      name,
      caller: contexts.domains[caller]?.name,
      callee: contexts.domains[callee]?.name,
      target: parseAddress(target),
      start: parseAddress(start),
    }));
    const base = parseAddress(contexts.gateRegion.start);
    expect(gates).toEqual([
      { name: 'send', caller: 'core', callee: 'net', target: addressOf(elf, 'send'), start: base },
      {
        name: 'kalloc',
        caller: 'net',
        callee: 'core',
        target: addressOf(elf, 'kalloc'),
        start: base + 16n,
      },
    ]);
  });

  it('starts in the core at its physical address, whose first byte is _start', async () => {
    const elf = elfOf(await linkMiniature(ALL));
    expect(elf.entry).toBe(0x8020_0000n);
    expect(addressOf(elf, '_start')).toBe(0xffff_ffff_8020_0000n);
  });

  it('gives each subsystem that needs it a copy of a library object, and no other', async () => {
    const { namespaces } = await linkMiniature(ALL);
    const copies = namespaces.map(({ name, objects }) => [
      name,
      objects.filter((o) => o.isLibrary).length,
    ]);
    expect(copies).toEqual([
      ['core', 0],
      ['net', 1],
    ]);
  });

  it('puts a shared object alone on its pages', async () => {
    const { contexts, elf: bytes } = await linkMiniature(ALL);
    const elf = readElf(bytes, 'kernel', 'executable');
    const [share] = contexts.shares;
    expect(share).toMatchObject({
      name: 'stats',
      owner: 1,
      grants: [
        { domain: 1, access: 'rw' },
        { domain: 0, access: 'r' },
      ],
    });
    expect(parseAddress(share?.region.start ?? '0x0')).toBe(addressOf(elf, 'stats'));
    expect(bytesAt(elf, addressOf(elf, 'stats'), 8).getBigUint64(0, true)).toBe(7n);
  });

  it('is the same byte for byte, whatever the order of its objects', async () => {
    const first = await linkMiniature(ALL);
    const turned = Object.fromEntries(Object.entries(ALL).toReversed());
    const second = await linkMiniature(turned);
    expect(Buffer.compare(first.elf, second.elf)).toBe(0);
  });

  it('gives a weak reference that nobody defines the address 0, through a table if need be', async () => {
    const c =
      'extern __attribute__((weak)) long maybe(void);\nlong probe(void) { return maybe ? maybe() : 3; }\nlong (*p)(void) = maybe;\n';
    const linked = await linkMiniature({ core: { policy: 'subsystem core { }', c } });
    const elf = elfOf(linked);
    expect(bytesAt(elf, addressOf(elf, 'p'), 8).getBigUint64(0, true)).toBe(0n);
    for (const address of linked.layout.got.values()) {
      expect(bytesAt(elf, BigInt.asUintN(64, BigInt(address)), 8).getBigUint64(0, true)).toBe(0n);
    }
  });

  it('warns of an import that nothing uses', async () => {
    const core = { policy: 'subsystem core { exports { f() } }', c: 'void f(void) { }\n' };
    const net = { policy: 'subsystem net {\n  imports core { f }\n}', c: 'int x;\n' };
    const { warnings } = await linkMiniature({ core, net });
    expect(formatDiagnostics(warnings, () => undefined)).toBe(
      "net.policy:2:18: warning: 'net' imports 'f' of 'core' and never calls it\n  fix: drop the import",
    );
  });
});

/** C that uses many relocations; weak symbols aside, whose tables lld lays out in another way. */
const VARIED: Source[] = [
  {
    file: 'start.S',
    text: `${START}.globl far\nfar:\n lui a0, %hi(table)\n addi a0, a0, %lo(table)\n lw a1, %lo(table)(a0)\n sw a1, %lo(table+4)(a0)\n beq a0, a1, far\n jal ra, other\n ret\n .section .text.other, "ax"\n.globl other\nother: ret\n`,
  },
  {
    file: 'a.c',
    text: `
extern long table[64];
long b(long), c(long);
static const char *const names[] = {"zero", "one", "two", "three", "two"};
const char *name(unsigned long i) { return i < 5 ? names[i] : "none"; }
static long count, other_count = 4;
long step(long x)
{
    count += x; other_count -= x;
    switch (x & 15) {
    case 0: return b(x); case 1: return c(x); case 2: return table[x]; case 3: return x * 77;
    case 4: return count; case 5: return other_count; case 6: return b(c(x)); case 7: return 12;
    case 8: return table[3]++; case 9: return 99; case 10: return (long)&table[5];
    }
    return (long)step;
}
`,
  },
  {
    file: 'b.c',
    text: `
long table[64] = {1, 2, 3};
char big[5000];
long step(long);
long (*const hooks[])(long) = {step, 0};
long c(long x) { return x < 0 ? step(-x) : hooks[0](x); }
long b(long x) { for (long i = 0; i < x; i++) { if (big[i]) return c(i); table[i & 63] ^= i; } return x ? b(x - 1) : 0; }
`,
  },
];

const LLDS = findLlds(TOOLCHAIN);
if (LLDS.length === 0) console.log('no lld here: the differential tests of the linker are skipped');

describe.skipIf(TOOLCHAIN === null).each(LLDS)('against $name', (lld) => {
  const expectSame = (
    linked: Linked,
    sections: readonly OutputSection[],
    theirs: ReadonlyMap<string, Uint8Array>,
  ): void => {
    const ours = readElf(linked.elf, 'ours', 'executable');
    for (const { name, isInFile } of sections) {
      if (!isInFile) continue;
      const mine = ours.sections.find((s) => s.name === name)?.data ?? new Uint8Array();
      expect({ name, hex: Buffer.from(theirs.get(name) ?? []).toString('hex') }).toEqual({
        name,
        hex: Buffer.from(mine).toString('hex'),
      });
    }
  };
  const sectionsOf = ({ layout }: Linked): OutputSection[] =>
    layout.segments.flatMap(({ sections }) => sections).filter(({ inputs }) => inputs.length > 0);

  it.each(
    [['the pinned compiler', TOOLCHAIN] as const, ['gcc', GCC] as const].filter(
      ([, t]) => t !== null,
    ),
  )('the monolith of objects of %s has the same bytes', async (_name, toolchain) => {
    const objects = await compileSources(VARIED, toolchain);
    const linked = linkMonolith({
      subsystems: [{ name: 'core', objects }],
      library: [],
      needs: [],
    });
    const sections = sectionsOf(linked);
    expect(sections.map(({ name }) => name)).toEqual(['.text', '.rodata', '.data', '.bss']);
    expectSame(linked, sections, linkWithLld(lld, objects, sections, new Map()));
  });

  it('each subsystem has the same bytes, if lld is told that foreign functions are the gates', async () => {
    const linked = await linkMiniature(ALL);
    const sources: Source[] = Object.entries(ALL).map(([name, { c }]) => ({
      file: `${name}/${name}.c`,
      text: c ?? '',
    }));
    const compiled = await compileSources([...sources, { file: 'core/start.S', text: START }]);
    for (const { name, objects } of linked.namespaces) {
      const files = objects.map(({ file }) => file);
      const symbols = new Map<string, number>();
      for (const [gate, address] of linked.layout.gates?.addressOf ?? []) {
        if (gate.caller === name) symbols.set(gate.definition.name, address);
      }
      for (const symbol of ['__heap_start', '__heap_end']) {
        symbols.set(symbol, linked.addresses.ofLinkerSymbol(symbol, name));
      }
      const sections = sectionsOf(linked).filter(({ inputs }) =>
        inputs.some(
          ({ input }) => files.includes(input.object.file) && objects.includes(input.object),
        ),
      );
      const theirs = linkWithLld(
        lld,
        compiled.filter(({ file }) => files.includes(file)),
        sections,
        symbols,
      );
      expectSame(linked, sections, theirs);
      expect(sections.length).toBeGreaterThan(0);
    }
  });

  it('a user program has the same bytes', async () => {
    const objects = await compileSources(VARIED);
    const linked = linkUser(objects, []);
    const elf = elfOf(linked);
    expect(elf.entry).toBeGreaterThanOrEqual(BigInt(USER_BASE));
    expect(elf.programHeaders.map(({ flags }) => flags)).toEqual([5, 4, 6]);
    expectSame(
      linked,
      sectionsOf(linked),
      linkWithLld(lld, objects, sectionsOf(linked), new Map()),
    );
  });
});
