import { describe, expect, it } from 'vitest';
import { checkPolicies } from '../../src/policy/check.ts';
import { closest, formatDiagnostics } from '../../src/policy/diagnostics.ts';
import type { Policies } from '../../src/policy/model.ts';

/** What a user sees; files are called a.policy, b.policy, ... */
async function check(...texts: string[]): Promise<string> {
  const files = texts.map((text, i) => ({ file: `${'abcdefg'[i]}.policy`, text }));
  const { diagnostics } = await checkPolicies(files);
  return formatDiagnostics(diagnostics, (name) => files.find(({ file }) => file === name)?.text);
}

async function policiesOf(...texts: string[]): Promise<Policies> {
  const files = texts.map((text, i) => ({ file: `${'abcdefg'[i]}.policy`, text }));
  const { policies, diagnostics } = await checkPolicies(files);
  if (policies === null) throw new Error(formatDiagnostics(diagnostics, () => undefined));
  return policies;
}

/** A core, and a keyring whose exports are given. */
const keyring = (exports: string, rest = ''): string =>
  `subsystem core { }\nsubsystem keyring {\n  exports {\n    ${exports}\n  }${rest}\n}\n`;

describe('a policy', () => {
  it('resolves to what the linker needs', async () => {
    const { subsystems, edges } = await policiesOf(
      'subsystem core { imports keyring { key_add } }',
      `subsystem keyring {
        contains "keyring/*.c"; owns heap 64K, stack 16K, mmio uart0
        secret master; budget 100_000 instructions
        restart at most 5 per minute, then quarantine
        exports {
          key_add(name: in string <= 32, value: in bytes[len], len: size <= 256) -> handle on fault fail EACCES
          wipe(what: flags <= 7) on fault panic
        }
        allow core -> key_add
        shares object table with core rw
      }`,
    );
    expect(subsystems.map(({ name }) => name)).toEqual(['core', 'keyring']);
    expect(subsystems[1]).toMatchObject({
      heapBytes: 65536,
      stackBytes: 16384,
      budget: 100_000,
      restarts: 5,
      mmio: [{ device: 'uart0', range: null }],
      secrets: [{ symbol: 'master' }],
      shares: [{ symbol: 'table', partners: [{ name: 'core', access: 'rw' }] }],
      exports: [
        {
          name: 'key_add',
          returns: 'handle',
          onFault: { action: 'fail', value: -13 },
          allowed: { callers: ['core'] },
          args: [
            { kind: 'in', index: 0, name: 'name', type: 'string', max: 32 },
            { kind: 'in', index: 1, name: 'value', type: 'bytes', lengthArg: 2, max: 256 },
            { kind: 'scalar', index: 2, name: 'len', max: 256 },
          ],
        },
        { name: 'wipe', onFault: { action: 'panic' }, allowed: null },
      ],
    });
    expect(edges).toMatchObject([{ caller: 'core', callee: 'keyring', function: 'key_add' }]);
  });

  it('may use words of the language as names', async () => {
    const { subsystems } = await policiesOf(
      'subsystem core { exports { open(path: in string <= 64, size: size, heap: scalar, in: flags) } }',
    );
    expect(subsystems[0]?.exports[0]?.args.map(({ name }) => name)).toEqual([
      'path',
      'size',
      'heap',
      'in',
    ]);
  });

  it('has no edge that only one side signed', async () => {
    const { edges } = await policiesOf('subsystem core { exports { f() } }', 'subsystem net { }');
    expect(edges).toEqual([]);
  });
});

describe('unknown names', () => {
  it('of subsystems and functions come with the one that was meant', async () => {
    expect(
      await check(
        'subsystem core { imports keyrng { f } }',
        keyring('key_sign()').split('\n').slice(1).join('\n'),
      ),
    ).toBe(`a.policy:1:26: error: unknown subsystem 'keyrng'; did you mean 'keyring'?
  subsystem core { imports keyrng { f } }
                           ^^^^^^
  fix: write 'keyring'`);
    expect(
      await check('subsystem core { imports net { snd } }', 'subsystem net { exports { send() } }'),
    ).toBe(`a.policy:1:32: error: 'net' does not export 'snd'; did you mean 'send'?
  subsystem core { imports net { snd } }
                                 ^^^
  fix: write 'send'`);
  });

  it('without a likely meaning say what to add', async () => {
    expect(
      await check(
        'subsystem core { imports net { reboot } }',
        'subsystem net { exports { send() } }',
      ),
    ).toContain("fix: add 'reboot(...)' to the exports of 'net', or drop it here");
  });

  it.each([
    [
      'f() -> statsu',
      "4:12: error: unknown result 'statsu'; did you mean 'status'?",
      "write 'status'",
    ],
    [
      'f() on fault fail EOI',
      "4:23: error: unknown error 'EOI'; did you mean 'EIO'?",
      "write 'EIO'",
    ],
    [
      'f(a: scaler)',
      "4:10: error: unknown type 'scaler'; did you mean 'scalar'?",
      "write 'scalar'",
    ],
    [
      'f(a: in bites[4])',
      "4:13: error: unknown buffer type 'bites'; did you mean 'bytes'?",
      "write 'bytes'",
    ],
    [
      'f(a: in bytes[m], n: size <= 4)',
      "4:19: error: 'f' has no parameter 'm'; did you mean 'n'?",
      "write 'n'",
    ],
    [
      'f() -> pointer',
      "4:12: error: unknown result 'pointer'",
      'use one of: handle, scalar, size, status, void',
    ],
  ])('in %s', async (source, message, fix) => {
    const text = await check(keyring(source));
    expect(text).toContain(`a.policy:${message}`);
    expect(text).toContain(`fix: ${fix}`);
  });

  it('of mechanisms, which only the core chooses', async () => {
    expect(await check('subsystem core { mechanism ascid }')).toContain(
      "unknown mechanism 'ascid'; did you mean 'asid'?",
    );
    expect(await check('subsystem core { }', 'subsystem net { mechanism asid }'))
      .toBe(`b.policy:1:27: error: only 'core' chooses the mechanism: one serves the whole image
  subsystem net { mechanism asid }
                            ^^^^
  fix: move 'mechanism asid' to the policy of 'core'`);
  });
});

describe('an argument', () => {
  it.each([
    [
      'f(a: in bytes, n: size <= 9)',
      "the length of 'a' is missing",
      "write 'a: in bytes[n]' with a parameter 'n: size <= 4096', or bytes[64]",
    ],
    [
      'f(a: in bytes[n], n: size)',
      "'a' has no bound: nothing limits 'n'",
      "write 'n: size <= 4096'",
    ],
    [
      'f(a: in string)',
      "'a' has no bound: a string needs a longest length",
      "write 'a: in string <= 256' (bytes, with the final NUL)",
    ],
    ['f(a: out string <= 9)', "'a': a string can only be passed in", "write 'a: out bytes[n]'"],
    ['f(a: bytes)', "'a' is a buffer without a direction", "write 'a: in bytes[n]', out, or inout"],
    [
      'f(a: in bytes[b], b: in bytes[4])',
      "'b' is a buffer and cannot be the length of 'a'",
      "add a parameter 'n: size <= 4096' and write bytes[n]",
    ],
    ['f(a: scalar, a: scalar)', "a second parameter 'a' of 'f'", 'give it another name'],
    [
      'f(a: in bytes[8K])',
      "the buffers of 'f' can take 8192 bytes, more than half of the 8K stack they are copied to",
      "write 'stack 16K', or lower a '<=' bound",
    ],
    [
      'f(a: flags, b: flags, c: flags, d: flags, e: flags, f: flags, g: flags, h: flags, i: flags)',
      "'f' has 9 parameters; a gate passes at most 8, in registers",
      'put several into one structure and pass it as in bytes[...]',
    ],
  ])('of %s is refused', async (source, message, fix) => {
    const text = await check(keyring(source));
    expect(text).toContain(`error: ${message}\n`);
    expect(text).toContain(`fix: ${fix}`);
  });
});

describe('a clause', () => {
  it.each([
    ['stack 128K', '128K is too long for a stack: at most 64K', "write 'stack 64K' or less"],
    ['stack 9000', 'a stack is made of whole pages of 4K, and 9000 is not', "write 'stack 12K'"],
    ['owns heap 5K', 'a heap is made of whole pages of 4K, and 5K is not', "write 'heap 8K'"],
    ['stack 8K stack 4K', "a second 'stack' in the same subsystem", 'keep one of them'],
    [
      'secret k shares k with net',
      "'k' is a secret and cannot be shared",
      "remove the 'shares' or the 'secret'",
    ],
    [
      'shares k with core',
      "'core' shares 'k' with itself",
      'name the others; the owner always has it',
    ],
    [
      'imports core { }',
      "'core' imports from itself",
      'remove the clause: calls inside a subsystem need none',
    ],
    ['exports { f() f() }', "'f' is exported twice", 'keep one of them'],
  ])('%s is refused', async (clause, message, fix) => {
    const text = await check(`subsystem core {\n  ${clause}\n}`, 'subsystem net { }');
    expect(text).toContain(`error: ${message}\n`);
    expect(text).toContain(`fix: ${fix}`);
  });
});

describe('across subsystems', () => {
  it('a name has one meaning', async () => {
    expect(
      await check(
        'subsystem core { exports { f() } }',
        'subsystem net { exports { f() } }',
        'subsystem net { }',
      ),
    ).toBe(`b.policy:1:27: error: 'f' is exported by 'core' as well
  subsystem net { exports { f() } }
                            ^
  note: the other is at a.policy:1
  fix: rename one of the functions

c.policy:1:11: error: a second subsystem 'net'
  subsystem net { }
            ^^^
  note: the first is at b.policy:1
  fix: rename one, or put their clauses into one subsystem`);
  });

  it('an import needs the consent of an allow, where there is one', async () => {
    expect(
      await check(
        'subsystem core { }',
        'subsystem net { imports keyring { f } }',
        'subsystem keyring {\n  exports { f() }\n  allow core -> f\n}',
      ),
    ).toBe(`b.policy:1:35: error: 'keyring' does not allow 'net' to call 'f'
  subsystem net { imports keyring { f } }
                                    ^
  note: c.policy:3 allows it to core only
  fix: add 'net' to that 'allow', or drop the import

c.policy:3:9: warning: 'core' imports none of these
    allow core -> f
          ^^^^
  fix: drop it here, or write 'imports keyring { f }' in a.policy`);
  });

  it('knows the devices of the machine', async () => {
    const { diagnostics } = await checkPolicies([
      { file: 'a.policy', text: 'subsystem core { owns mmio uart9 }' },
    ]);
    expect(diagnostics.map(({ message, fix }) => [message, fix])).toEqual([
      ["there is no device 'uart9'; did you mean 'uart0'?", "write 'uart0'"],
    ]);
  });

  it('a device has one owner', async () => {
    expect(
      await check('subsystem core { owns mmio uart0 }', 'subsystem tty { owns mmio uart0 }'),
    ).toContain("b.policy:1:27: error: device 'uart0' already belongs to 'core'");
  });

  it('there is a core', async () => {
    expect(await check('subsystem net { }')).toContain("error: no subsystem is called 'core'");
    expect(await check()).toBe(
      'policies: error: there are no policy files\n  fix: write src/subsystems/core/core.policy',
    );
  });
});

describe('assertions', () => {
  const chain = [
    'subsystem core { imports net { a } }',
    'subsystem net { exports { a() } imports fs { b } }',
    'subsystem fs { exports { b() } imports keyring { c } }',
    'subsystem keyring { exports { c() } secret k }',
  ];

  it('that hold are listed in the model', async () => {
    const { assertions } = await policiesOf(
      ...chain,
      'assert no path from fs to net\nassert only fs reaches keyring.c;\nassert only keyring reaches keyring.k',
    );
    expect(assertions).toEqual([
      'assert no path from fs to net',
      'assert only fs reaches keyring.c',
      'assert only keyring reaches keyring.k',
    ]);
  });

  it('of no path show the path there is', async () => {
    expect(await check(...chain, 'assert no path from net to keyring.c'))
      .toBe(`e.policy:1:1: error: there is a path from 'net' to 'keyring.c'
  assert no path from net to keyring.c
  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  note: net calls fs.b (b.policy:1)
  note: fs calls keyring.c (c.policy:1)
  fix: remove an import on the way, such as 'c' at c.policy:1`);
  });

  it('do not count what the core mediates', async () => {
    const texts = [
      'subsystem core { exports { k() } imports net { a } }',
      'subsystem net { exports { a() } }',
      'subsystem fs { imports core { k } }',
    ];
    expect(await check(...texts, 'assert no path from fs to net')).toBe('');
    expect(await check(...texts, 'assert no path from fs to core')).not.toBe('');
  });

  it('of who reaches what name the others', async () => {
    expect(await check(...chain, 'assert only net reaches keyring.c')).toContain(
      "error: 'fs' reaches 'keyring.c' too",
    );
    expect(await check(...chain, 'assert only net reaches keyring.d')).toContain(
      "error: 'keyring' neither exports nor shares nor keeps secret a 'd'; did you mean 'c'?",
    );
  });
});

describe('syntax errors', () => {
  it.each([
    [
      'subsystem core {\n  expotrs { }\n}',
      "2:3: error: unknown clause 'expotrs'; did you mean 'exports'?",
    ],
    ['subsystem core {\n  stack 8K', "2:11: error: expected a clause or '}', the file ends"],
    ['subsystem core { }}', "1:19: error: this '}' closes nothing"],
    [
      'subsystm core { }',
      "1:1: error: expected 'subsystem' or 'assert', found 'subsystm'; did you mean 'subsystem'?",
    ],
    ['subsystem core { contains "x }', '1:27: error: this text has no closing quote'],
    ['subsystem core { @ }', "1:18: error: '@' is no part of the policy language"],
    ['subsystem core { exports { f(a scalar) } }', "1:32: error: expected ':', found 'scalar'"],
    [
      'subsystem core { exports { f(a: ) } }',
      "1:33: error: expected a type: scalar, size, handle, flags, or in/out/inout bytes[n] or string, found ')'",
    ],
    [
      'subsystem core { exports { f() on fault fial EIO } }',
      "1:41: error: expected 'fail EIO' or 'panic', found 'fial'",
    ],
    ['subsystem core { owns haep 4K }', "1:23: error: expected heap, stack or mmio, found 'haep'"],
    ['subsystem core { restart at most 5 }', "1:36: error: expected 'per', found '}'"],
    [
      'subsystem core { exports { 5 } }',
      "1:28: error: expected a function, as in 'f(n: size) -> status', or '}', found '5'",
    ],
  ])('%j', async (source, expected) => {
    expect((await check(source)).split('\n')[0]).toBe(`a.policy:${expected}`);
  });

  it('do not make the files around them wrong', async () => {
    const text = await check(
      'subsystem core { imports net { send } }',
      'subsystem net { exports { send( } }',
    );
    expect(text.match(/^\S+ error/gm)).toEqual(['b.policy:1:33: error']);
  });

  it('and mistakes of other files are reported together', async () => {
    const text = await check('subsystem core { stack 5K }', 'subsystem net { @ }');
    expect(text.match(/^\S+ error/gm)).toEqual(['a.policy:1:24: error', 'b.policy:1:17: error']);
  });
});

describe('closest', () => {
  it('finds a swap, an omission and another case, and nothing far away', () => {
    expect(closest('EOI', ['EIO', 'ENOENT'])).toBe('EIO');
    expect(closest('kaloc', ['kfree', 'kalloc'])).toBe('kalloc');
    expect(closest('VFS', ['vfs'])).toBe('vfs');
    expect(closest('reboot', ['send', 'receive'])).toBeUndefined();
  });
});
