/** Harts as GDB's threads: thread n + 1 is hart n, because 0 means any. */
import { HART_STATE } from '../../machine/core/hart-block.ts';
import { MODE_NAMES, type HaltedMachine } from './halted-machine.ts';

export const threadOf = (hart: number): string => (hart + 1).toString(16);

/** A thread of a packet: a hart, or all (-1), or any (0); undefined if there is none of that name. */
export function parseThread(text: string, harts: number): number | 'all' | 'any' | undefined {
  // With the multiprocess syntax there is one process.
  const id = text.replace(/^p1\./, '');
  if (id === '-1') return 'all';
  if (!/^[0-9a-f]{1,8}$/i.test(id)) return undefined;
  const hart = parseInt(id, 16) - 1;
  if (hart === -1) return 'any';
  return hart < harts ? hart : undefined;
}

/** `hart 0 (vfs)`, or the mode for a kernel without domains, or what it does instead. */
export function nameOf(machine: HaltedMachine, hart: number): string {
  if (machine.isStopped(hart)) return `hart ${hart} (stopped)`;
  const mode = MODE_NAMES[machine.word(hart, 'mode')] ?? '?';
  const domain = mode === 'U' ? undefined : machine.domain(hart);
  return `hart ${hart} (${domain ?? mode})`;
}

/** The second column of `info threads`. */
export function describeThread(machine: HaltedMachine, hart: number): string {
  if (machine.word(hart, 'state') === HART_STATE.STOPPED) return 'not started';
  const mode = `${MODE_NAMES[machine.word(hart, 'mode')] ?? '?'}-mode`;
  const thread = machine.word(hart, 'thread');
  return thread < 0 ? mode : `${mode}, thread ${thread}`;
}

const escapeXml = (text: string): string =>
  text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);

export function threadsXml(machine: HaltedMachine): string {
  const threads = Array.from(
    { length: machine.harts },
    (_, hart) =>
      `<thread id="${threadOf(hart)}" core="${hart}" name="${escapeXml(nameOf(machine, hart))}">` +
      `${escapeXml(describeThread(machine, hart))}</thread>`,
  );
  return `<?xml version="1.0"?>\n<threads>\n${threads.join('\n')}\n</threads>\n`;
}
