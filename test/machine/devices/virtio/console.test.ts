import { describe, expect, it } from 'vitest';

import type { ConsoleEnd } from '../../../../src/machine/devices/uart.ts';
import { REG } from '../../../../src/machine/devices/virtio/mmio.ts';
import { PLIC, VIRTIO_SLOT, virtioSource } from '../../../../src/machine/physical-map.ts';
import { createMachine, type TestMachine } from '../fixtures.ts';
import { BUFFER_BYTES, TwoQueues } from './two-queues.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (words: string): Uint8Array => new TextEncoder().encode(words);

function rig(): { machine: TestMachine; guest: TwoQueues; terminal: ConsoleEnd } {
  const machine = createMachine({ hasVirtioConsole: true });
  const guest = new TwoQueues(machine, VIRTIO_SLOT.CONSOLE).start();
  return { machine, guest, terminal: machine.board.virtioConsole as ConsoleEnd };
}

describe('the virtio console', () => {
  it('is device 3 and has a port of its own beside the serial one', () => {
    const { machine, guest, terminal } = rig();
    expect(guest.read(REG.DEVICE_ID)).toBe(3);
    guest.send(bytes('hello'));
    expect(text(terminal.readOutput())).toBe('hello');
    expect(machine.board.uart.consoleEnd().readOutput()).toHaveLength(0);
  });

  it('gives what is typed to a buffer that waits, with an interrupt', () => {
    const { machine, guest, terminal } = rig();
    guest.offer();
    expect(guest.received()).toHaveLength(0);
    terminal.writeInput(bytes('ls\n'));
    expect(guest.received().map(text)).toEqual(['ls\n']);
    const pending = machine.board.bus.load(PLIC.base + 0x1000, 4, 0);
    expect(pending & (1 << virtioSource(VIRTIO_SLOT.CONSOLE))).not.toBe(0);
  });

  it('keeps what is typed until there is a buffer, and cuts it to size', () => {
    const { guest, terminal } = rig();
    terminal.writeInput(bytes('abcdef'));
    guest.offer(4);
    guest.offer(4);
    expect(guest.received().map(text)).toEqual(['abcd', 'ef']);
  });

  it('lets output wait in its queue while nobody reads, and loses none of it', () => {
    const { guest, terminal } = rig();
    let sent = '';
    for (let n = 0; n < 40; n++) {
      const line = String.fromCharCode(97 + (n % 26)).repeat(BUFFER_BYTES);
      // The ring holds 32 of them, the queue eight more.
      guest.send(bytes(line));
      sent += line;
    }
    expect(guest.sentCount).toBe(32);
    let got = text(terminal.readOutput());
    expect(guest.sentCount).toBe(40);
    got += text(terminal.readOutput());
    expect(got).toBe(sent);
  });
});
