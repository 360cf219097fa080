import { describe, expect, it } from 'vitest';
import { GCC, refusalOf, TOOLCHAIN, type Miniature } from './snippets.ts';

const CORE = {
  policy: 'subsystem core { exports { kalloc(n: size) -> scalar } }',
  c: 'long kalloc(long n) { return n; }\n',
};

/** A core, and a second subsystem that does something. */
const withNet = (c: string, policy = 'subsystem net { }', core = CORE): Miniature => ({
  core,
  net: { policy, c },
});

describe.skipIf(TOOLCHAIN === null)('the linker refuses', () => {
  it('a call of what is exported but not imported, with the line and the import to add', async () => {
    expect(
      await refusalOf(
        withNet('long kalloc(long n);\nlong f(void)\n{\n    return kalloc(3) + 1;\n}\n'),
      ),
    )
      .toBe(`net/net.c:4:12: error: 'f' in 'net' calls 'kalloc' of 'core', which 'net' does not import
      return kalloc(3) + 1;
             ^
  note: default deny: net.policy:1 lists no such import
  note: exported at core.policy:1
  fix: add 'imports core { kalloc }' to net.policy`);
  });

  it('a tail call and an address as much as a call', async () => {
    const text = await refusalOf(
      withNet(
        'long kalloc(long n);\nlong f(void)\n{\n    return kalloc(3);\n}\nvoid *g(void)\n{\n    return (void *)kalloc;\n}\n',
      ),
    );
    expect(text).toContain("net/net.c:4:12: error: 'f' in 'net' calls 'kalloc'");
    expect(text).toContain("net/net.c:8:5: error: 'g' in 'net' takes the address of 'kalloc'");
  });

  it('a function pointer in initialised data, at the declaration of its variable', async () => {
    expect(await refusalOf(withNet('long kalloc(long n);\nlong (*hook)(long) = kalloc;\n')))
      .toBe(`net/net.c:2: error: 'hook' in 'net' takes the address of 'kalloc' of 'core', which 'net' does not import
  long (*hook)(long) = kalloc;
  note: default deny: net.policy:1 lists no such import
  note: exported at core.policy:1
  fix: add 'imports core { kalloc }' to net.policy`);
  });

  it('assembler without line information, by section and symbol', async () => {
    const s =
      '.section .text.f, "ax"\n.globl f\nf: nop\n call kalloc\n.section .data.t, "aw"\nt: .dword kalloc\n';
    const text = await refusalOf({ core: CORE, net: { policy: 'subsystem net { }', s } });
    expect(text).toContain("net/net.S:4: error: 'f' in 'net' calls 'kalloc'");
    expect(text).toContain("net/net.S: error: .data.t+0x0: 'net' takes the address of 'kalloc'");
  });

  it('a call of what is not exported, with both changes it would take', async () => {
    const core = { ...CORE, c: `${CORE.c}long panic(long why)\n{\n    return why;\n}\n` };
    expect(
      await refusalOf(withNet('long panic(long);\nvoid f(void) { panic(1); }\n', undefined, core)),
    )
      .toBe(`net/net.c:2:16: error: 'f' in 'net' calls 'panic' of 'core', which 'core' does not export
  void f(void) { panic(1); }
                 ^
  note: 'panic' is defined at core/core.c:3
  note: default deny: core.policy:1 lists no 'panic' in its exports
  fix: add 'panic(...)' to the exports in core.policy and 'imports core { panic }' to net.policy`);
  });

  it("another subsystem's data, with the share that would allow it", async () => {
    const core = { ...CORE, c: `${CORE.c}long ticks;\n` };
    expect(
      await refusalOf(
        withNet('extern long ticks;\nlong f(void)\n{\n    return ticks;\n}\n', undefined, core),
      ),
    ).toBe(`net/net.c:4:12: error: 'f' in 'net' reaches 'ticks', data of 'core'
      return ticks;
             ^
  note: default deny: core.policy:1 shares no 'ticks'
  fix: add 'shares object ticks with net ro' to core.policy, or call a function instead`);
  });

  it('data that is shared with others only', async () => {
    const core = {
      policy: 'subsystem core {\n  shares object ticks with tty ro\n}',
      c: 'long ticks;\n',
    };
    const text = await refusalOf({
      ...withNet('extern long ticks;\nlong f(void) { return ticks; }\n', undefined, core),
      tty: {
        policy: 'subsystem tty { }',
        c: 'extern long ticks;\nlong t(void) { return ticks; }\n',
      },
    });
    expect(text).toContain(
      "note: core.policy:2 shares it with tty only\n  fix: add 'net' to that 'shares'",
    );
    expect(text).not.toContain('tty/tty.c');
  });

  it('a secret, for which there is no policy', async () => {
    const core = { policy: 'subsystem core { secret key }', c: 'char key[32];\n' };
    expect(
      await refusalOf(
        withNet('extern char key[];\nchar f(void) { return key[3]; }\n', undefined, core),
      ),
    ).toBe(`net/net.c:2:23: error: 'f' in 'net' reaches 'key', data of 'core'
  char f(void) { return key[3]; }
                        ^
  note: core.policy:1 keeps 'key' secret
  fix: no policy allows this; call a function of 'core' instead`);
  });

  it('an undefined symbol, and guesses what was meant', async () => {
    expect(await refusalOf(withNet('long kallok(long);\nlong f(void) { return 1 + kallok(2); }\n')))
      .toBe(`net/net.c:2:27: error: 'kallok' is not defined anywhere; did you mean 'kalloc'?
  long f(void) { return 1 + kallok(2); }
                            ^
  fix: write 'kalloc'`);
  });

  it('a global name with two meanings', async () => {
    expect(await refusalOf(withNet('long kalloc(long n) { return -n; }\n')))
      .toBe(`net/net.c:1: error: 'kalloc' is defined twice: in 'core' and in 'net'
  long kalloc(long n) { return -n; }
  note: the first is in core/core.c:1
  fix: make one of them static, or rename it`);
  });

  it('a section that is writable and executable', async () => {
    const text = await refusalOf(
      withNet('int x;\n', 'subsystem net { }', {
        ...CORE,
        c: `${CORE.c}__asm__(".section .both, \\"awx\\"\\n.word 0\\n.text");\n`,
      }),
    );
    expect(text).toContain('core/core.c: error: section .both is writable and executable');
  });

  it('thread-local variables', async () => {
    const text = await refusalOf(
      withNet('_Thread_local long t = 1;\nlong f(void) { return t; }\n'),
    );
    expect(text).toContain('net/net.c: error: section .tdata.t holds thread-local variables');
    expect(text).toContain('keep per-hart data in an array');
  });

  it('constructors, which nobody would run', async () => {
    const text = await refusalOf(
      withNet('volatile long n;\n__attribute__((constructor)) void f(void) { n++; }\n'),
    );
    expect(text).toContain('holds constructors, which nobody would run');
  });

  it('an export without its function, in the policy', async () => {
    expect(
      await refusalOf(
        withNet('long send(void) { return 0; }\n', 'subsystem net { exports { sned() } }'),
      ),
    )
      .toBe(`net.policy:1:27: error: 'net' exports 'sned' but defines no such function; did you mean 'send'?
  subsystem net { exports { sned() } }
                            ^^^^
  fix: write 'send'`);
  });

  it('a secret that does not exist, and a share of what is not global', async () => {
    const text = await refusalOf(
      withNet(
        'static long table[4];\nlong f(int i) { return table[i]++; }\n',
        'subsystem net { secret kee shares tabel with core shares table with core }',
      ),
    );
    expect(text).toContain("'net' keeps 'kee' secret but defines no such object");
    expect(text).toContain("'net' defines no global object 'tabel'");
    expect(text).toContain("'net' defines no global object 'table'");
    expect(text).toContain("fix: define 'table' without 'static'");
  });

  it('a shared object that is not alone in its section', async () => {
    const c =
      '__attribute__((section(".data.mix"))) long a = 1;\n__attribute__((section(".data.mix"))) long b = 2;\n';
    const text = await refusalOf(withNet(c, 'subsystem net { shares a with core }'));
    expect(text).toContain(
      "error: 'a' shares its section .data.mix with 'b', which would become visible too",
    );
  });

  it('a constant shared rw, and code shared at all', async () => {
    const text = await refusalOf(
      withNet(
        'const long k = 1;\nlong f(void) { return 0; }\n',
        'subsystem net { shares k with core rw shares f with core }',
      ),
    );
    expect(text).toContain("'k' is constant and cannot be shared rw");
    expect(text).toContain("'f' is code, and only data can be shared");
  });

  it('a device that this machine does not have', async () => {
    const withoutUart = withNet('int x;\n', 'subsystem net { owns mmio uart0 }');
    const text = await refusalOf(withoutUart, undefined, {});
    expect(text).toContain("net.policy:1:27: error: the machine has no device 'uart0'");
  });

  it('code that needs the linker to align it', async () => {
    const s = '.option relax\n.section .text.f, "ax"\nnop\nnop\n.balign 64\n.globl f\nf: ret\n';
    const text = await refusalOf({ core: { policy: 'subsystem core { }', s } });
    expect(text).toContain('needs linker relaxation to align code to 64 bytes');
  });

  it('everything at once, sorted by place', async () => {
    const text = await refusalOf(
      withNet(
        'long kalloc(long n), nope(void);\nlong b(void)\n{\n    return nope() + 1;\n}\nlong a(void)\n{\n    return kalloc(1) + 1;\n}\n',
        'subsystem net { secret x }',
      ),
    );
    expect(text.match(/^\S+: error/gm)).toEqual([
      'net.policy:1:24: error',
      'net/net.c:4:12: error',
      'net/net.c:8:12: error',
    ]);
  });

  it.skipIf(GCC === null)('the same in objects of gcc, with the same line', async () => {
    const text = await refusalOf(
      withNet('long kalloc(long n);\nlong f(void)\n{\n    return kalloc(3) + 1;\n}\n'),
      GCC,
    );
    expect(text).toMatch(/^net\/net\.c:4:\d+: error: 'f' in 'net' calls 'kalloc' of 'core'/);
  });
});
