import { describe, expect, it } from 'vitest';
import { formatDiagnostics } from '../../src/policy/diagnostics.ts';
import { readObject } from '../../src/policy/linker/input.ts';
import { readObjectInfo } from '../../src/policy/linker/dwarf-info.ts';
import { LineTable } from '../../src/policy/linker/dwarf-line.ts';
import { compileSources, GCC, linkMiniature, refusalOf, TOOLCHAIN } from './snippets.ts';

const COMPILERS = [
  ['the pinned compiler', TOOLCHAIN],
  ['gcc', GCC],
] as const;

const C = `
typedef unsigned long size_t;
typedef const struct point { long x, y; } *where_t;
enum colour { RED, GREEN };
static int hidden = 3;
long table[4];
size_t f(const char *name, where_t at, enum colour c, volatile size_t n)
{
    return n + name[0] + at->x + c + hidden + table[n];
}
void g(char out[16], ...)
{
    out[0] = 1;
}
struct point { long a, b; };
struct point h(struct point p)
{
    return p;
}
`.replace('struct point { long a, b; };\n', '');

describe.each(COMPILERS.filter(([, toolchain]) => toolchain !== null))(
  'debug information of %s',
  (_name, toolchain) => {
    it('tells the parameters of functions, through typedefs and qualifiers', async () => {
      const [object] = await compileSources([{ file: 'a.c', text: C }], toolchain);
      const { functions, variables } = readObjectInfo(readObject(object!));
      expect(functions.get('f')).toEqual({
        name: 'f',
        line: 7,
        parameters: [
          { name: 'name', kind: 'pointer' },
          { name: 'at', kind: 'pointer' },
          { name: 'c', kind: 'number' },
          { name: 'n', kind: 'number' },
        ],
        returns: 'number',
        isVariadic: false,
      });
      expect(functions.get('g')).toMatchObject({ returns: null, isVariadic: true });
      expect(functions.get('h')).toMatchObject({
        parameters: [{ name: 'p', kind: 'structure' }],
        returns: 'structure',
      });
      expect([...variables.values()].toSorted((a, b) => a.line - b.line)).toEqual([
        { name: 'hidden', line: 5 },
        { name: 'table', line: 6 },
      ]);
    });

    it('tells the line of an instruction in each section', async () => {
      const [object] = await compileSources([{ file: 'a.c', text: C }], toolchain);
      const elf = readObject(object!);
      const lines = new LineTable(elf);
      const lineOf = (name: string, offset: number): string => {
        const section = elf.sections.find((s) => s.name === name);
        const found = lines.find(section?.index ?? 0, offset);
        return `${found?.file}:${found?.line}`;
      };
      expect(lineOf('.text.f', 0)).toBe('a.c:8');
      expect(lineOf('.text.g', 0)).toBe('a.c:12');
      expect(lineOf('.text.f', 100_000)).toBe('undefined:undefined');
    });

    it('cut short or damaged never breaks a message', async () => {
      const [object] = await compileSources([{ file: 'a.c', text: C }], toolchain);
      const elf = readObject(object!);
      for (const section of elf.sections.filter(({ name }) => name.startsWith('.debug_'))) {
        for (let seed = 1; seed < 60; seed++) {
          const bytes = object!.bytes.slice();
          for (let i = 0; i < 4; i++) {
            const at =
              section.offset + ((seed * 7919 + i * 104_729) % Math.max(1, section.sizeBytes));
            bytes[at] = (seed * 31 + i * 17) & 0xff;
          }
          const damaged = readObject({ file: 'a.c', bytes });
          expect(() => [readObjectInfo(damaged), new LineTable(damaged).find(1, 4)]).not.toThrow();
        }
      }
    });
  },
);

const net = (exports: string, c: string): Parameters<typeof refusalOf>[0] => ({
  core: { policy: 'subsystem core { }', c: 'int core_x;\n' },
  net: { policy: `subsystem net {\n  exports { ${exports} }\n}`, c },
});

describe.skipIf(TOOLCHAIN === null)('an export that C defines otherwise', () => {
  it('with another number of parameters is refused', async () => {
    expect(
      await refusalOf(
        net('send(p: in bytes[8])', 'long send(const char *p, long n) { return p[n]; }\n'),
      ),
    ).toBe(`net.policy:2:13: error: 'send' has 1 parameter in the policy and 2 in C
    exports { send(p: in bytes[8]) }
              ^^^^
  note: 'send' is defined at net/net.c:1
  fix: list them all: p, n`);
  });

  it.each([
    [
      'send(n: in bytes[8])',
      'void send(long n) { (void)n; }\n',
      "'n' is a buffer in the policy, but 'n' is a number in C",
    ],
    [
      'send(s: scalar)',
      'struct s { long a, b; };\nvoid send(struct s s) { (void)s; }\n',
      "'s' of 'send' is a structure passed by value",
    ],
    [
      'send(a: scalar)',
      'void send(int a, ...) { (void)a; }\n',
      "'send' takes any number of arguments",
    ],
    [
      'send() -> status',
      'struct s { long a; };\nstruct s send(void) { return (struct s){1}; }\n',
      "'send' returns a structure",
    ],
  ])('as %s is refused', async (exports, c, message) => {
    expect(await refusalOf(net(exports, c))).toContain(`error: ${message}`);
  });

  it('as a number where C follows a pointer is a warning', async () => {
    const { warnings } = await linkMiniature(
      net('send(p: scalar) -> status', 'long send(long *p) { return *p; }\n'),
    );
    expect(formatDiagnostics(warnings, () => undefined))
      .toBe(`net.policy:2:13: warning: 'p' crosses as a number, but 'p' is a pointer in C: the callee must not trust it
  note: 'send' is defined at net/net.c:1
  fix: write 'p: in bytes[...]', or take an uintptr_t that is checked before use`);
  });

  it('with a result where C has none is a warning', async () => {
    const { warnings } = await linkMiniature(net('send() -> status', 'void send(void) { }\n'));
    expect(warnings.map(({ message }) => message)).toEqual([
      "'send' returns a status in the policy and nothing in C: the caller would get a left-over register",
    ]);
  });
});
