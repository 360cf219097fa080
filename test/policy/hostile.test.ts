import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkPolicies } from '../../src/policy/check.ts';
import { LinkError, linkKernel, linkUser, type ObjectFile } from '../../src/policy/linker/link.ts';
import type { Policies } from '../../src/policy/model.ts';
import { compileSources, START, TOOLCHAIN } from './snippets.ts';

let objects: ObjectFile[] = [];
let policies: Policies;

/** What became of linking an object with changed bytes. */
function fate(link: () => unknown): 'linked' | 'refused' {
  try {
    link();
    return 'linked';
  } catch (error) {
    if (error instanceof LinkError) return 'refused';
    throw error;
  }
}

const changed = (
  { file, bytes }: ObjectFile,
  changes: readonly (readonly [number, number])[],
): ObjectFile => {
  const copy = bytes.slice();
  for (const [at, value] of changes) copy[at % copy.length] = value;
  return { file, bytes: copy };
};

describe.skipIf(TOOLCHAIN === null)('a damaged object', () => {
  beforeAll(async () => {
    objects = await compileSources([
      { file: 'core.S', text: START },
      {
        file: 'core.c',
        text: 'long send(long); long table[9] = {1}; long (*hook)(long) = send;\nlong kalloc(long n) { return table[n & 7] + hook(send(n) + 1); }\n',
      },
      {
        file: 'net.c',
        text: 'extern long kalloc(long); static char b[99]; long send(long n) { return kalloc(n) + b[n & 63]++; }\n',
      },
    ]);
    const checked = await checkPolicies([
      {
        file: 'core.policy',
        text: 'subsystem core { exports { kalloc(n: scalar) -> scalar } imports net { send } }',
      },
      {
        file: 'net.policy',
        text: 'subsystem net { exports { send(n: scalar) -> scalar } imports core { kalloc } }',
      },
    ]);
    if (checked.policies === null) throw new Error('policies');
    policies = checked.policies;
  });

  const link = (net: ObjectFile): 'linked' | 'refused' =>
    fate(() =>
      linkKernel({
        policies,
        subsystems: [
          { name: 'core', objects: objects.filter(({ file }) => file.startsWith('core')) },
          { name: 'net', objects: [net] },
        ],
        library: [],
        devices: {},
      }),
    );
  const net = (): ObjectFile => objects.find(({ file }) => file === 'net.c') as ObjectFile;

  it('links as it is', () => {
    expect(link(net())).toBe('linked');
  });

  it('links or is refused, whatever its bytes', () => {
    const change = fc.tuple(fc.nat(8191), fc.nat(255));
    const result = fc.check(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        link(changed(net(), changes));
      }),
      { numRuns: 400 },
    );
    expect(result).toMatchObject({ failed: false, counterexample: null });
  });

  it('links or is refused, whatever its section headers, symbols and relocations say', () => {
    const { bytes } = net();
    const tables = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(40, true));
    const change = fc.tuple(
      fc.integer({ min: 0, max: bytes.length - tables - 1 }),
      fc.constantFrom(0, 1, 2, 4, 8, 16, 127, 128, 255),
    );
    const result = fc.check(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const moved = changes.map(([at, value]) => [tables + at, value] as const);
        link(changed(net(), moved));
      }),
      { numRuns: 400 },
    );
    expect(result).toMatchObject({ failed: false, counterexample: null });
  });

  it('is refused if it is no object at all', () => {
    expect(fate(() => linkUser([{ file: 'x', bytes: new Uint8Array(9) }], []))).toBe('refused');
  });
});
