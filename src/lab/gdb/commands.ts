/**
 * GDB's `monitor` commands: what this machine has and GDB has no word for. Each gets the hart that is
 * selected and answers with text.
 */
import { HART_STATE } from '../../machine/core/hart-block.ts';
import { PMP } from '../../machine/pmp.ts';
import { PTE } from '../../machine/page-table.ts';
import { RAM_BASE } from '../../machine/physical-map.ts';
import { DOMAIN_STATE, FRAME_KIND, MonitorBlock } from '../../nested-kernel/tables.ts';
import { AT, Threads } from '../../nested-kernel/threads.ts';
import { MODE_NAMES, type HaltedMachine } from './halted-machine.ts';
import { hex64, joined } from './packets.ts';
import { describeFlags } from './walk.ts';

/** A command that was not meant as it was typed; the message says how. */
export class CommandMistake extends Error {}

interface MonitorCommand {
  readonly usage: string;
  readonly what: string;
  run(machine: HaltedMachine, hart: number, words: readonly string[]): string[];
}

const hexOf = (value: bigint): string => `0x${value.toString(16)}`;
const rights = (bits: number): string =>
  `${(bits & PTE.R) === 0 ? '-' : 'r'}${(bits & PTE.W) === 0 ? '-' : 'w'}${(bits & PTE.X) === 0 ? '-' : 'x'}`;

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths?.[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** A number in C's notation. */
function numberOf(text: string | undefined, what: string): bigint {
  if (text === undefined || !/^(?:0x[0-9a-f]{1,16}|\d{1,19})$/i.test(text))
    throw new CommandMistake(`give ${what}, such as 0x80200000`);
  return BigInt(text);
}

// --- harts ---

const STATE_NAMES: Readonly<Record<number, string>> = {
  [HART_STATE.STOPPED]: 'stopped',
  [HART_STATE.RUNNING]: 'running',
  [HART_STATE.PARKED]: 'ready',
};

function harts(machine: HaltedMachine, selected: number): string[] {
  const rows = Array.from({ length: machine.harts }, (_, hart) => [
    `${hart === selected ? '*' : ' '} ${hart}`,
    STATE_NAMES[machine.word(hart, 'state')] ?? '?',
    MODE_NAMES[machine.word(hart, 'mode')] ?? '?',
    machine.domain(hart) ?? '-',
    String(machine.word(hart, 'thread')),
    hex64(machine.pc(hart)),
    hex64(machine.satp(hart)),
    String(joined(...machine.cell(hart, 'instret'))),
  ]);
  return table([['  hart', 'state', 'mode', 'domain', 'thread', 'pc', 'satp', 'instret'], ...rows]);
}

// --- domains ---

const DOMAIN_STATES: Readonly<Record<number, string>> = {
  [DOMAIN_STATE.RUNNING]: 'running',
  [DOMAIN_STATE.STOPPED]: 'stopped',
  [DOMAIN_STATE.QUARANTINED]: 'quarantined',
  [DOMAIN_STATE.STARTING]: 'starting',
};

function separationOf(machine: HaltedMachine) {
  const { separation } = machine.session;
  if (separation === undefined)
    throw new CommandMistake('this kernel has no domains, or nothing separates them');
  const { memory, parts } = machine.session.machine;
  return { contexts: separation, tables: MonitorBlock.at(memory, parts.plan.monitor) };
}

/**
 * A hart that was named, else `selected`. GDB tells us which one its user means only when it reads something of
 * it: after `info threads` that is the last of the list.
 */
function namedHart(machine: HaltedMachine, word: string | undefined, selected: number): number {
  if (word === undefined) return selected;
  const { harts } = machine.session.machine.parts.plan;
  const hart = /^\d+$/.test(word) ? Number(word) : NaN;
  if (!(hart < harts)) throw new CommandMistake(`'${word}' is no hart: give 0 to ${harts - 1}`);
  return hart;
}

/** A command about one hart, as one that may name it. */
const ofHart =
  (run: (machine: HaltedMachine, hart: number) => string[]): MonitorCommand['run'] =>
  (machine, selected, [word]) =>
    run(machine, namedHart(machine, word, selected));

/** Where every hart is, or one. */
function domain(machine: HaltedMachine, selected: number, [word]: readonly string[]): string[] {
  if (word !== undefined) return domainOf(machine, namedHart(machine, word, selected));
  return Array.from({ length: machine.session.machine.parts.plan.harts }, (_, hart) =>
    domainOf(machine, hart),
  ).flat();
}

/** The domain that a hart is in, and the calls that led there, the last one first. */
function domainOf(machine: HaltedMachine, hart: number): string[] {
  const { contexts, tables } = separationOf(machine);
  const nameOf = (id: number): string => contexts.domains[id]?.name ?? String(id);
  const id = machine.word(hart, 'domain');
  const thread = machine.word(hart, 'thread');
  if (thread < 0) return [`hart ${hart} has not started`];
  const state = DOMAIN_STATES[tables.domainState[id] ?? 0] ?? '?';
  const threads = new Threads(tables, contexts.threads);
  const lines = [
    `hart ${hart} is in domain ${id} (${nameOf(id)}), ${state}, generation ${tables.domainGeneration[id]}`,
    `domain stack of thread ${thread}:`,
  ];
  for (let depth = threads.depth(thread) - 1; depth >= 0; depth--) {
    const frame = threads.frame(thread, depth);
    const at = (offset: number): number => threads.words[frame + offset] as number;
    const back = hex64(joined(at(AT.pc), at(AT.pc + 1)));
    const gate = contexts.gates[at(AT.gate)]?.function;
    const how =
      at(AT.kind) === FRAME_KIND.CALL ? `called ${gate ?? 'a gate'} in` : 'was interrupted by';
    lines.push(`  #${depth} ${nameOf(at(AT.caller))} at ${back} ${how} ${nameOf(at(AT.callee))}`);
  }
  if (threads.depth(thread) === 0) lines.push('  empty: the thread is in the core');
  return lines;
}

function domains(machine: HaltedMachine): string[] {
  const { contexts, tables } = separationOf(machine);
  return table([
    ['id', 'domain', 'state', 'generation', 'restarts', 'faults', 'policy'],
    ...contexts.domains.map(({ id, name, place }) => [
      String(id),
      name,
      DOMAIN_STATES[tables.domainState[id] ?? 0] ?? '?',
      String(tables.domainGeneration[id]),
      String(tables.domainRestarts[id]),
      String(tables.domainFaults[id]),
      `${place.file}:${place.line}`,
    ]),
  ]);
}

// --- views ---

function view(machine: HaltedMachine, hart: number): string[] {
  const satp = machine.satp(hart);
  const { mode } = machine.walk(hart, 0n);
  const lines = [
    `hart ${hart}: ${mode}, root ${hexOf((satp & ((1n << 44n) - 1n)) << 12n)}, ` +
      `ASID ${(satp >> 44n) & 0xffffn}, ${MODE_NAMES[machine.word(hart, 'mode')]}-mode`,
  ];
  const config = machine.session.monitorConfig;
  const { separation } = machine.session;
  const id = machine.word(hart, 'domain');
  if (config === null || separation === undefined || id < 0) return lines;
  lines.push(
    `mechanism ${config.mechanism}; regions in the view of ${separation.domains[id]?.name}:`,
  );
  const rows = config.regions
    .filter((region) => (region.rights[id] ?? 0) !== 0)
    .map(({ name, kind, low, high, pages, frame, rights: all }) => [
      hex64(joined(low, high)),
      `${pages * 4}K`,
      rights(all[id] ?? 0),
      kind,
      name,
      `at ${hexOf(BigInt(frame) << 12n)}`,
    ]);
  return [...lines, ...table(rows).map((row) => `  ${row}`)];
}

function walk(machine: HaltedMachine, hart: number, [address]: readonly string[]): string[] {
  const va = address === undefined ? machine.pc(hart) : numberOf(address, 'a virtual address');
  const { mode, steps, end } = machine.walk(hart, va);
  const lines = steps.map(({ level, index, at, entry }) =>
    entry === undefined
      ? `  level ${level}  index ${index} at ${hexOf(at)}: no RAM`
      : `  level ${level}  index ${String(index).padStart(3)} at ${hexOf(at)}: ` +
        `${hex64(entry)} ${describeFlags(entry)}`,
  );
  const result =
    end.kind === 'fault'
      ? `no translation: ${end.why}`
      : `${hex64(va)} is physical ${hexOf(end.physical)}` +
        (end.kind === 'leaf' ? `, in a page of ${end.pageBytes / 1024n}K` : '');
  return [`hart ${hart}, ${mode}`, ...lines, result];
}

const MOST_TLB = 512;

function tlb(machine: HaltedMachine, hart: number): string[] {
  const answer = machine.ask(hart)('tlb', { most: MOST_TLB });
  if (answer === undefined) return [`hart ${hart} has not started`];
  const rows = answer.entries.map(({ address, page, rights: bits, asid }) => [
    hex64(joined(...address)),
    hexOf(BigInt(RAM_BASE) + (BigInt(page) << 12n)),
    rights(bits),
    String(asid),
  ]);
  const more =
    answer.count > rows.length ? [`and ${answer.count - rows.length} more translations`] : [];
  return [
    "the emulator's own TLB (no hardware's): translated regimes of all modes",
    ...table([['address', 'physical', 'rights', 'ASID'], ...rows]),
    ...more,
  ];
}

const PMP_MODES = ['off', 'TOR', 'NA4', 'NAPOT'];

function pmp(machine: HaltedMachine, hart: number): string[] {
  const entries = machine.ask(hart)('pmp', {});
  if (entries === undefined) return [`hart ${hart} has not started`];
  if (entries.length === 0) return ['every entry is off'];
  return table([
    ['entry', 'mode', 'rights', 'locked', 'pmpaddr', 'address'],
    ...entries.map(({ entry, config, address }) => [
      String(entry),
      PMP_MODES[(config >> PMP.A_SHIFT) & 3] ?? '?',
      `${(config & PMP.R) === 0 ? '-' : 'r'}${(config & PMP.W) === 0 ? '-' : 'w'}${(config & PMP.X) === 0 ? '-' : 'x'}`,
      (config & PMP.L) === 0 ? 'no' : 'yes',
      hex64(joined(...address)),
      hexOf(joined(...address) << 2n),
    ]),
  ]);
}

// --- memory, events, steps ---

const MOST_BYTES = 4096n;

function physical(machine: HaltedMachine, _hart: number, words: readonly string[]): string[] {
  const start = numberOf(words[0], 'a physical address');
  const length = words[1] === undefined ? 64n : numberOf(words[1], 'a length');
  if (length > MOST_BYTES) throw new CommandMistake(`at most ${MOST_BYTES} bytes at a time`);
  const bytes = machine.readPhysical(start, Number(length));
  if (bytes.length === 0) throw new CommandMistake(`${hexOf(start)} is not in RAM`);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = bytes.subarray(at, at + 16);
    const hex = Array.from(line, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = Array.from(line, (byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
    ).join('');
    lines.push(`${hexOf(start + BigInt(at))}: ${hex.padEnd(47)}  ${text}`);
  }
  return lines;
}

const LAST_EVENTS = 20;

function events(machine: HaltedMachine): string[] {
  const { contexts } = separationOf(machine);
  const all = machine.session.events();
  if (all.length === 0) return ['nothing was denied and nothing failed'];
  return all
    .slice(-LAST_EVENTS)
    .map(
      ({ sequence, kind, hart, domain: id, rule, invariant, pc, address }) =>
        `${sequence} ${kind} hart ${hart} ${contexts.domains[id]?.name ?? id}: ${rule} (${invariant}), at ${pc}, address ${address}`,
    );
}

function save(machine: HaltedMachine, _hart: number, words: readonly string[]): string[] {
  const path = words.join(' ');
  if (path === '') throw new CommandMistake('give a file');
  try {
    return [`${machine.session.saveHalted(path)} bytes`];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new CommandMistake(`'${path}' cannot be written (${code})`, { cause: error });
  }
}

function interrupts(machine: HaltedMachine, _hart: number, [word]: readonly string[]): string[] {
  const { debugger: port } = machine.session;
  if (word === 'on' || word === 'off') port.stepsTakeInterrupts = word === 'on';
  else if (word !== undefined) throw new CommandMistake('give on or off');
  return [`a step ${port.stepsTakeInterrupts ? 'takes' : 'does not take'} interrupts`];
}

const COMMANDS: Readonly<Record<string, MonitorCommand>> = {
  harts: { usage: 'harts', what: 'all harts: state, mode, domain, pc', run: harts },
  domain: {
    usage: 'domain [HART]',
    what: 'domain of every hart or one, and the calls into it',
    run: domain,
  },
  domains: { usage: 'domains', what: 'all domains and how they are', run: domains },
  view: {
    usage: 'view [HART]',
    what: 'root, ASID, and the regions in the present view',
    run: ofHart(view),
  },
  walk: { usage: 'walk [ADDR]', what: 'walk of the page tables for an address, or pc', run: walk },
  tlb: { usage: 'tlb [HART]', what: 'translations that the hart remembers', run: ofHart(tlb) },
  pmp: { usage: 'pmp [HART]', what: 'physical memory protection of the hart', run: ofHart(pmp) },
  phys: { usage: 'phys ADDR [BYTES]', what: 'physical memory', run: physical },
  events: { usage: 'events', what: 'the last denials, faults and restarts', run: events },
  save: {
    usage: 'save FILE',
    what: 'a snapshot of the machine, for cordon run --restore',
    run: save,
  },
  'step-interrupts': {
    usage: 'step-interrupts [on|off]',
    what: 'whether a single step takes interrupts',
    run: interrupts,
  },
  help: { usage: 'help', what: 'this list', run: help },
};

function help(): string[] {
  return table(Object.values(COMMANDS).map(({ usage, what }) => [`monitor ${usage}`, what]));
}

/** Runs what was typed after `monitor`; the answer ends with a newline. */
export function runMonitorCommand(machine: HaltedMachine, hart: number, line: string): string {
  const [name = 'help', ...words] = line
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) return `no command '${name}'; monitor help lists them\n`;
  try {
    return `${command.run(machine, hart, words).join('\n')}\n`;
  } catch (error) {
    if (error instanceof CommandMistake) return `monitor ${name}: ${error.message}\n`;
    throw error;
  }
}
