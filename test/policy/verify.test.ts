import { beforeAll, describe, expect, it } from 'vitest';
import { readElf } from '../../src/machine/elf.ts';
import { MAX_THREADS } from '../../src/nested-kernel/abi.ts';
import { CONTEXTS_VERSION, type Contexts } from '../../src/policy/contexts.ts';
import { canonicalJson, sha256 } from '../../src/policy/linker/canonical.ts';
import type { LinkedKernel } from '../../src/policy/linker/link.ts';
import { ContextsError, readContexts } from '../../src/policy/verify.ts';
import { linkMiniature, TOOLCHAIN } from './snippets.ts';

let kernel: LinkedKernel;

const problemOf = (bytes: Uint8Array): string => {
  try {
    readContexts(bytes);
  } catch (error) {
    if (error instanceof ContextsError) return `${error.part}: ${error.message}`;
    throw error;
  }
  return 'nothing wrong';
};

const sectionOffset = (name: string): { offset: number; sizeBytes: number } => {
  const found = readElf(kernel.elf, 'kernel', 'executable').sections.find((s) => s.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};

/** The kernel with one byte changed. */
const flipped = (offset: number): Uint8Array => {
  const bytes = kernel.elf.slice();
  bytes[offset] = (bytes[offset] ?? 0) ^ 0xff;
  return bytes;
};

/** The kernel with other contexts, and a hash that fits them: what an attacker would write. */
function withContexts(change: (contexts: Mutable<Contexts>) => void): Uint8Array {
  const contexts = structuredClone(kernel.contexts) as Mutable<Contexts>;
  change(contexts);
  const json = new TextEncoder().encode(canonicalJson(contexts));
  const place = sectionOffset('.cordon.contexts');
  const bytes = new Uint8Array(kernel.elf.length + json.length + 64);
  bytes.set(kernel.elf);
  bytes.set(json, kernel.elf.length);
  bytes.set(new TextEncoder().encode(sha256(json)), kernel.elf.length + json.length);
  const view = new DataView(bytes.buffer);
  const shoff = Number(view.getBigUint64(40, true));
  for (let at = shoff; at < kernel.elf.length; at += 64) {
    const offset = Number(view.getBigUint64(at + 24, true));
    if (offset === place.offset) {
      view.setBigUint64(at + 24, BigInt(kernel.elf.length), true);
      view.setBigUint64(at + 32, BigInt(json.length), true);
    } else if (offset === sectionOffset('.cordon.hash').offset) {
      view.setBigUint64(at + 24, BigInt(kernel.elf.length + json.length), true);
    }
  }
  return bytes;
}

type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;

describe.skipIf(TOOLCHAIN === null)('the contexts of an image', () => {
  beforeAll(async () => {
    kernel = await linkMiniature({
      core: {
        policy:
          'subsystem core { owns mmio uart0 exports { kalloc(n: size <= 64) -> scalar } imports net { send } }',
        c: 'long send(const char *, long);\nlong kalloc(long n) { return n; }\nlong boot(void) { return send("x", 1) + 1; }\n',
      },
      net: {
        policy: `subsystem net {
  exports { send(p: in bytes[n], n: size <= 64) -> status }
  imports core { kalloc }
  secret key
  shares object stats with core ro
}`,
        c: 'long kalloc(long);\nlong stats = 1, key = 2;\nlong send(const char *p, long n) { return stats += kalloc(n) + key++ + *p; }\n',
      },
    });
  });

  it('are read from the image they were linked into', () => {
    expect(readContexts(kernel.elf)).toEqual(kernel.contexts);
  });

  it.each(['.text.core', '.text.net', '.rodata.core', '.data.net', '.share.stats'])(
    'notice a changed byte of %s',
    (name) => {
      expect(problemOf(flipped(sectionOffset(name).offset))).toMatch(
        /^segment: segment \d+ at 0xffffffff\w+ was changed after it was linked$/,
      );
    },
  );

  it('notice a changed byte of the gates', () => {
    const { offset, sizeBytes } = sectionOffset('.gates');
    for (const at of [0, 4, 16, sizeBytes - 1])
      expect(problemOf(flipped(offset + at))).toContain('segment:');
  });

  it('notice a changed byte of their own, and of the hash', () => {
    const hash = 'hash: .cordon.contexts does not match .cordon.hash';
    const { offset, sizeBytes } = sectionOffset('.cordon.contexts');
    for (const at of [0, sizeBytes >> 1, sizeBytes - 1])
      expect(problemOf(flipped(offset + at))).toBe(hash);
    expect(problemOf(flipped(sectionOffset('.cordon.hash').offset))).toBe(hash);
  });

  it('notice every changed byte of the program headers', () => {
    const { programHeaders } = readElf(kernel.elf, 'kernel', 'executable');
    for (const [i, { fileBytes }] of programHeaders.entries()) {
      for (let at = 0; at < 56; at++) {
        // Nobody loads by p_align, and p_offset of a segment without bytes means nothing.
        if (at >= 48 || (fileBytes === 0 && at >= 8 && at < 16)) continue;
        const problem = problemOf(flipped(64 + i * 56 + at));
        expect([i, at, problem]).not.toEqual([i, at, 'nothing wrong']);
      }
    }
  });

  it('notice another entry point, and a file that is no kernel', () => {
    expect(problemOf(flipped(25))).toContain('entry: e_entry');
    expect(problemOf(kernel.elf.subarray(0, 1000))).toContain('file: ');
    expect(problemOf(new Uint8Array(100))).toBe(
      'file: kernel: at byte 0x0: not an ELF file (no magic number)',
    );
  });

  it.each<[string, (c: Mutable<Contexts>) => void, string]>([
    [
      'of another version',
      (c) => ((c as { version: number }).version = CONTEXTS_VERSION + 1),
      `version: contexts of version ${CONTEXTS_VERSION + 1}`,
    ],
    [
      'with a field too many',
      (c) => Object.assign(c, { more: 1 }),
      'shape: .cordon.contexts: more',
    ],
    [
      'with a field too few',
      (c) => Reflect.deleteProperty(c, 'threads'),
      'shape: .cordon.contexts: threads',
    ],
    [
      'whose text is another domain’s',
      (c) => (c.domains[1]!.text = c.domains[0]!.text),
      'range: text of net overlaps text of core',
    ],
    [
      'whose data is off its page',
      (c) => (c.domains[1]!.data!.start = '0xffffffff80200010'),
      'range: data of net does not start on a page',
    ],
    [
      'whose data is elsewhere in memory',
      (c) => (c.domains[1]!.data!.startPhys = '0x0000000080200000'),
      'range: data of net: its physical address',
    ],
    [
      'that leave out a range',
      (c) => (c.domains[1]!.rodata = c.domains[1]!.data = null),
      'range: the segment at',
    ],
    [
      'with a stack that is not there',
      (c) => (c.domains[0]!.stackBytes = 4096),
      `domain: the stacks of core are not ${MAX_THREADS} times 4096 bytes`,
    ],
    [
      'with more initial data than there is',
      (c) => (c.domains[1]!.dataInitBytes += 8),
      'domain: dataInitBytes of net',
    ],
    [
      'with a secret elsewhere',
      (c) => (c.domains[1]!.secrets[0]!.start = c.entry),
      'domain: the secret key of net',
    ],
    [
      'with a window over another',
      (c) => (c.domains[1]!.window!.start = '0xffffffe000000000'),
      'range: the window of net',
    ],
    [
      'with RAM as a device',
      (c) =>
        (c.domains[0]!.mmio[0]!.region = {
          start: '0xffffffd880000000',
          sizeBytes: 4096,
          startPhys: '0x0000000080000000',
        }),
      'range: uart0 of core reaches into RAM',
    ],
    [
      'with a gate elsewhere',
      (c) => (c.gates[0]!.start = c.gates[1]!.start),
      'gate: gate send is not the stub number 0',
    ],
    [
      'with a gate into data',
      (c) => (c.gates[0]!.target = c.domains[1]!.data!.start),
      'gate: gate send leads outside of the text of net',
    ],
    [
      'with a gate for another caller',
      (c) => (c.gates[0]!.caller = 1),
      'gate: gate send leads from domain 1 to 1',
    ],
    [
      'with a gate too many',
      (c) =>
        c.gates.push({
          ...c.gates[0]!,
          id: 2,
          start: c.returnGate,
          caller: 1,
          callee: 0,
          target: c.entry,
        }),
      'gate: the return gate is not after the gates',
    ],
    [
      'with a buffer without length',
      (c) => Reflect.deleteProperty(c.gates[0]!.args[0]!, 'lengthArg'),
      'gate: argument p of send has no bound',
    ],
    [
      'with a buffer larger than the stack',
      (c) => Object.assign(c.gates[0]!.args[0]!, { max: 1e6 }),
      'gate: the buffers of send do not fit',
    ],
    [
      'with a share for nobody',
      (c) => (c.shares[0]!.grants[1]!.domain = 9),
      'share: share stats grants to nobody',
    ],
    [
      'with a share without its owner',
      (c) => c.shares[0]!.grants.shift(),
      'range: share stats is loaded with other permissions',
    ],
    [
      'with a domain out of place',
      (c) => (c.domains[1]!.id = 0),
      'domain: domain net has id 0 at place 1',
    ],
  ])('are refused %s, even with a hash that fits', (_what, change, message) => {
    expect(problemOf(withContexts(change))).toContain(message);
  });

  it('are accepted with a hash that fits and nothing changed', () => {
    expect(problemOf(withContexts(() => undefined))).toBe('nothing wrong');
  });
});
