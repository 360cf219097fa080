import { describe, expect, it } from 'vitest';

import { assemble } from '../../src/machine/isa/assembler.ts';
import { program } from '../cpu-worker/assembler.ts';
import { countTogether, ECHO, exitWith, POWER_OFF, print, RACE } from '../cpu-worker/programs.ts';
import { cordon, file, kernel, start } from './cli.ts';
import { writeElf } from './elf-writer.ts';

const SPIN = `${print('spinning')}\nspin:\nj spin`;

describe('cordon run', () => {
  it('exits with the guest’s code and prints its console', async () => {
    const path = kernel(`bnez a0, rest\n${print('hello')}\n${exitWith(42)}\nrest:\nwfi\nj rest`);
    const { code, stdout, stderr } = await cordon('run', '--kernel', path, '--harts', '2');
    expect({ code, stdout, stderr }).toEqual({ code: 42, stdout: 'hello', stderr: '' });
  });

  it('never turns a failing guest into a success', async () => {
    expect((await cordon('run', '--kernel', kernel(exitWith(256)))).code).toBe(1);
  });

  it('with --json prints one object and moves the console to stderr', async () => {
    const path = kernel(`bnez a0, count\n${print('hi')}\ncount:\n${countTogether(2)}`);
    const { code, stdout, stderr } = await cordon(
      'run',
      '--kernel',
      path,
      '--harts',
      '2',
      '--json',
    );
    expect(code).toBe(0);
    expect(stderr).toBe('hi');
    expect(JSON.parse(stdout)).toMatchObject({
      harts: [{ hart: 0 }, { hart: 1 }],
      mechanism: 'none',
      seed: null,
      exit: { reason: 'power-off', code: 0 },
      denials: [],
      escapes: 0,
      stateHash: null,
    });
  });

  it('with --deterministic repeats itself, and not with another seed', async () => {
    const path = kernel(RACE);
    const hashOf = async (seed: string): Promise<unknown> => {
      const args = ['--kernel', path, '--harts', '2', '--deterministic', '--seed', seed, '--json'];
      const { stdout } = await cordon('run', ...args);
      return (JSON.parse(stdout) as { stateHash: unknown }).stateHash;
    };
    const [first, second, other] = await Promise.all([hashOf('a'), hashOf('a'), hashOf('b')]);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(second).toBe(first);
    expect(other).not.toBe(first);
  });

  it('passes what is piped in to the guest, and ends although the pipe stays open', async () => {
    const { code, stdout } = await start(['run', '--kernel', kernel(ECHO)], { input: 'abcq' })
      .finished;
    expect({ code, stdout }).toEqual({ code: 0, stdout: '> abcq' });
  });

  it('types the lines of a script at the prompt', async () => {
    const args = ['--script', file('onq\n'), '--prompt', '> '];
    const { code, stdout } = await cordon('run', '--kernel', kernel(ECHO), ...args);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '> onq' });
  });

  it('stops at its time limit', async () => {
    const { code, stderr } = await cordon('run', '--kernel', kernel(SPIN), '--seconds', '0.1');
    expect(code).toBe(124);
    expect(stderr).toMatch(/time limit/);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('cleans up at %s', async (signal, expected) => {
    const { child, finished } = start(['run', '--kernel', kernel(SPIN), '--json']);
    // With --json that is where the console is.
    await new Promise<void>((resolve) => child.stderr?.once('data', () => resolve()));
    child.kill(signal);
    // Twice at once: a terminal tells the launcher and us.
    child.kill(signal);
    const { code, stdout } = await finished;
    expect(code).toBe(expected);
    expect(JSON.parse(stdout)).toMatchObject({ exit: { reason: 'interrupted' } });
  });

  it('cleans up at SIGINT in a deterministic run', async () => {
    const run = start(['run', '--kernel', kernel(SPIN), '--deterministic']);
    await run.printed('spinning');
    run.child.kill('SIGINT');
    expect((await run.finished).code).toBe(130);
  });

  it('ends when nobody reads its output any more', async () => {
    const run = start(['run', '--kernel', kernel(`loop:\n${print('x')}\nj loop`)]);
    await run.printed('x');
    run.child.stdout?.destroy();
    expect((await run.finished).code).toBe(130);
  });
});

describe('a command line that cannot be meant', () => {
  it.each([
    [['--harts', '65'], 2, /--harts.*1 to 64/s],
    [['--harts', '0'], 2, /--harts.*1 to 64/s],
    [['--memory', '3M'], 2, /--memory.*16M to 1G/s],
    [['--seconds', 'soon'], 2, /--seconds.*above 0/s],
    [['--mechanism', 'hope'], 2, /--mechanism.*vbit/s],
    [['--seed', '1'], 2, /--seed.*--deterministic/s],
    [['--mechanism', 'vbit'], 2, /--mechanism vbit/],
    [['--drive', '/no/such/disk'], 1, /--drive.*does not exist.*truncate/s],
    [['--script', '/no/such/script'], 1, /--script.*does not exist/s],
    [['--forward', 'tcp:80'], 2, /--forward.*such as tcp:8080:80/s],
    [['--forward', 'tcp:99999:80'], 2, /--forward.*such as tcp:8080:80/s],
    [['--expose', 'icmp:1'], 2, /--expose.*such as tcp:5000/s],
    [['--forward', 'tcp:8080:80', '--deterministic'], 2, /no seed repeats/],
    [['--no-such-flag'], 2, /--no-such-flag/],
    [['--firmware', '/no/such/firmware'], 1, /--firmware: .*does not exist/],
    [['--firmware', file('')], 1, /--firmware: .*is empty/],
    [['--firmware', file('x'), '--mechanism', 'vbit'], 2, /M-mode software of its own/],
    [['--initrd', '/no/such/initrd'], 1, /--initrd: .*does not exist/],
  ] as const)('%j is refused in words', async (args, expected, words) => {
    const { code, stdout, stderr } = await cordon('run', '--kernel', kernel(POWER_OFF), ...args);
    expect(stderr).toMatch(words);
    expect(stderr).not.toMatch(/ at .*:\d+/); // no stack
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
  });

  it.each(['--net', '--console=virtio'])('%s needs a kernel that drives it', async (flag) => {
    const { code, stderr } = await cordon('run', flag);
    expect(stderr).toMatch(/no driver for; name a kernel with --kernel/);
    expect(code).toBe(2);
  });

  it.each([
    [['--kernel', '/no/such/kernel'], 1, /--kernel: .*does not exist/],
    [['--kernel', file('#!/bin/sh')], 1, /--kernel: .*not an ELF file/],
  ] as const)('%j is no kernel to boot', async (args, expected, words) => {
    const { code, stderr } = await cordon('run', ...args);
    expect(stderr).toMatch(words);
    expect(code).toBe(expected);
  });
});

describe('cordon run with a kernel of one’s own', () => {
  it('says when nothing is there for firmware to start', async () => {
    const { code, stderr } = await cordon('run', '--firmware', 'none');
    expect(stderr).toMatch(/--firmware.*--kernel/);
    expect(code).toBe(2);
  });

  it('tells a reset from success', async () => {
    const reset = kernel('li t0, 0x100000\nli t1, 0x7777\nsw t1, 0(t0)\nspin:\nj spin');
    const { code, stderr } = await cordon('run', '--kernel', reset);
    expect(stderr).toMatch(/asked for a reset/);
    expect(code).toBe(3);
  });

  it('puts firmware from a file below it', async () => {
    // Neither looks at the other: that the firmware's code comes first is what is seen here.
    const firmware = file(program(exitWith(9)).segments[0]?.data ?? '');
    const image = assemble(exitWith(1), 0x8020_0000).bytes;
    const under = file(
      writeElf({
        entry: 0x8020_0000,
        segments: [{ physical: 0x8020_0000, data: image, sizeBytes: image.length }],
      }),
    );
    expect((await cordon('run', '--kernel', under, '--firmware', firmware)).code).toBe(9);
    expect((await cordon('run', '--kernel', under, '--firmware', 'none')).code).toBe(1);
  });
});

describe('cordon --help', () => {
  // physical-map.ts is a page of numbers, reservation-spec.ts one of names; they import nothing.
  const watch = file(
    `
    import { registerHooks } from 'node:module';
    registerHooks({
      resolve(specifier, context, next) {
        const resolved = next(specifier, context);
        if (/langium|blessed|piscina|src\\/machine\\/(?!physical-map|reservation-spec)/.test(resolved.url)) {
          process.stderr.write('HEAVY ' + resolved.url + '\\n');
        }
        return resolved;
      },
    });
  `,
    '.mjs',
  );
  const nodeArgs = ['--import', watch];

  it('loads nothing that help does not need', async () => {
    const { code, stdout, stderr } = await start(['--help'], { nodeArgs }).finished;
    expect(stdout).toMatch(/run \[options\]/);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('is watched: a run does load the machine', async () => {
    const { stderr } = await start(['run', '--kernel', kernel(POWER_OFF)], { nodeArgs }).finished;
    expect(stderr).toMatch(/HEAVY .*piscina/);
  });
});

describe('a reader that goes away', () => {
  it('ends what prints only, without a word', async () => {
    const { child, finished } = start(['bench', '--help']);
    child.stdout?.destroy();
    expect((await finished).stderr).toBe('');
  });
});
