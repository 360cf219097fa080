/** `cordon run`: what it takes. What it does is loaded when it is asked for. */
import { Option, type Command } from 'commander';

import { MECHANISMS, type MechanismName } from '../policy/contexts.ts';
import type { RunPoint } from '../lab/debug/debugger.ts';
import type { Exposure, Forward } from '../lab/network/user-network.ts';
import { CommandError } from './errors.ts';
import {
  detectAbaOption,
  jitOption,
  parseCount,
  parseExposure,
  parseForward,
  parseHarts,
  parseMemory,
  parsePoint,
  parsePort,
  parseSeconds,
  profileOption,
  reservationsOption,
  traceOption,
  type OnOff,
  type ReservationOptions,
} from './option-values.ts';

export interface RunOptions extends ReservationOptions {
  readonly harts: number;
  readonly mechanism?: MechanismName;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly firmware?: string;
  readonly drive?: string;
  readonly script?: string;
  readonly prompt: string;
  readonly net?: boolean;
  readonly forward?: readonly Forward[];
  readonly expose?: readonly Exposure[];
  readonly console: 'uart' | 'virtio';
  readonly append?: string;
  readonly deterministic?: boolean;
  readonly jit: OnOff;
  readonly seed?: string;
  readonly memory: number;
  readonly seconds?: number;
  readonly plain?: boolean;
  readonly tui?: boolean;
  readonly record?: string;
  readonly save?: string;
  readonly saveAt?: RunPoint;
  readonly restore?: string;
  readonly trace?: string;
  readonly traceTraps?: string;
  readonly traceInstructions?: string;
  readonly traceLimit?: number;
  readonly profile?: string;
  readonly gdb?: number;
  readonly wait?: boolean;
  readonly json?: boolean;
}

const MIB = 2 ** 20;

export function registerRunCommands(program: Command): void {
  program
    .command('run')
    .description('Boot a kernel on the machine and talk to its console.')
    .optionsGroup('What runs:')
    .option(
      '--kernel <file>',
      'ELF executable or Linux Image to boot (default: our own, built if need be)',
    )
    .option(
      '--firmware <what>',
      "what runs below a kernel of your own: 'none', 'sbi' (ours), or a file such as OpenSBI's " +
        'fw_dynamic.bin (default: none for a kernel that begins in M-mode, else sbi)',
    )
    .option('--initrd <file>', 'cpio archive that the kernel unpacks (default: our own programs)')
    .option('--append <text>', "the kernel's command line")
    .addOption(
      new Option(
        '--mechanism <name>',
        "how subsystems are kept apart (default: the image's own choice)",
      ).choices(MECHANISMS),
    )
    .optionsGroup('The machine:')
    .option('--harts <n>', 'number of harts, 1 to 64', parseHarts, 1)
    .addOption(
      new Option('--memory <size>', 'RAM, 16M to 1G')
        .argParser(parseMemory)
        .default(128 * MIB, '128M'),
    )
    .option('--drive <file>', 'disk image; a deterministic run works on a copy in memory')
    .option('--net', 'a network of its own: DHCP and a gateway at 10.0.2.2 that answers pings')
    .option(
      '--forward <protocol:port:port>',
      "lead a port of this machine, on loopback, to the guest's; again for more",
      parseForward,
    )
    .option(
      '--expose <protocol:port>',
      'let the guest reach a port of this machine at 10.0.2.2; again for more',
      parseExposure,
    )
    .optionsGroup('Who types, and for how long:')
    .option('--script <file>', 'type the lines of a file, one at each prompt')
    .option(
      '--prompt <text>',
      'what the guest prints, at the start of a line, when it is ready',
      '$ ',
    )
    .addOption(
      new Option('--console <device>', 'where what you type arrives')
        .choices(['uart', 'virtio'])
        .default('uart'),
    )
    .option('--seconds <t>', "stop after so many seconds of the machine's time", parseSeconds)
    .optionsGroup('How it runs:')
    .option('--deterministic', 'all harts on one thread: the same seed, the same run')
    .option('--seed <text>', 'seed of a deterministic run (default: "0")')
    .addOption(jitOption())
    .addOption(reservationsOption())
    .addOption(detectAbaOption())
    .optionsGroup('Snapshots:')
    .option(
      '--save <file>',
      'where a snapshot goes: at --save-at, and whenever cordon gets SIGUSR1; the run goes on',
    )
    .option(
      '--save-at <when>',
      'save after so many instructions of all harts together, or seconds such as 2.5s',
      parsePoint,
    )
    .option('--restore <file>', 'go on from a snapshot; what the machine is comes from there')
    .optionsGroup('Looking in:')
    .addOption(traceOption())
    .option('--trace-traps <file>', 'write every trap as a line of text; - for stdout')
    .option(
      '--trace-instructions <file>',
      'write every instruction of a deterministic run, with what it changed; - for stdout',
    )
    .option('--trace-limit <n>', 'stop that after so many instructions', parseCount)
    .addOption(profileOption())
    .option('--tui', 'show harts, gates, events and console on a dashboard')
    .option('--record <file>', 'write what the dashboard sees to a file, for cordon replay')
    .option('--gdb <port>', 'let gdb attach at a port of 127.0.0.1; 0 takes any', parsePort)
    .option('--wait', 'with --gdb: stand at the first instruction until gdb goes on')
    .optionsGroup('Output:')
    .option('--plain', 'leave the terminal as it is, even if there is one')
    .option('--json', 'print one JSON object on stdout; the console goes to stderr')
    .addHelpText(
      'after',
      `
Examples:
  $ cordon run --harts 4                          a shell on four harts
  $ echo 'ls /bin' | cordon run                   feed it from a pipe; it ends with its input
  $ cordon run --deterministic --seed 7 --json    a run that can be repeated bit for bit
  $ cordon run --harts 2 --json --trace run.pftrace --profile run.svg    look into it afterwards
  $ cordon run --deterministic --trace-instructions boot.txt --trace-limit 100000
  $ cordon run --kernel bare.elf --seconds 10     a kernel of your own, M-mode or S-mode
  $ cordon run --harts 2 --save run.snap --save-at 3s     save a booted machine
  $ cordon run --restore run.snap                 go on from there
  $ cordon run --harts 4 --gdb 1234 --wait        gdb-multiarch build/kernel.elf -ex 'target remote :1234'
  $ cordon run --kernel Image --initrd i.cpio.gz --append 'console=ttyS0'    Linux
  $ cordon run --kernel Image --forward tcp:8080:80   reach the guest's port 80 at localhost:8080

At a terminal every key goes to the guest; Ctrl-A X quits. With --json or --deterministic and no --script
nobody types: our own kernel then runs /etc/check.sh, a few seconds of everything, and powers off.

Exit code: the guest's own when it powers off or ends through tohost; 3 if it asked for a reset, as Linux does
after a panic; 124 at the time limit or when nothing can ever happen again, 130 after Ctrl-C, 70 if cordon
failed, 2 for a wrong command line, 1 for a file that cannot be used.`,
    )
    .action(async (options: RunOptions, command: Command) => {
      if (options.restore !== undefined) refuseMachineFlags(command);
      const { run } = await import('./run.ts');
      process.exitCode = await run(options);
    });
}

/** Flags that say what the machine is, which a snapshot knows. */
const MACHINE_FLAGS = [
  'kernel',
  'firmware',
  'initrd',
  'harts',
  'memory',
  'mechanism',
  'net',
  'console',
  'append',
  'deterministic',
  'seed',
  'reservations',
  'detectAba',
] as const satisfies (keyof RunOptions)[];

/** @throws CommandError */
function refuseMachineFlags(command: Command): void {
  const given = MACHINE_FLAGS.filter((flag) => command.getOptionValueSource(flag) === 'cli');
  if (given.length === 0) return;
  throw new CommandError(
    `--restore: the snapshot says what the machine is; leave ${given.map((flag) => `--${flag === 'detectAba' ? 'detect-aba' : flag}`).join(', ')} out`,
  );
}
