import { describe, expect, it } from 'vitest';

import * as uart from '../../../src/machine/devices/uart.ts';
import type { ConsoleEnd } from '../../../src/machine/devices/uart.ts';
import { RecordedSources } from './fixtures.ts';

const { FCR, IER, IIR, LCR, LSR, MCR, MSR, RBR, SCR, THR } = uart;

interface Port {
  readonly sources: RecordedSources;
  readonly console: ConsoleEnd;
  read(register: number): number;
  write(register: number, value: number): void;
  isRaised(): boolean;
}

function port(): Port {
  const sources = new RecordedSources();
  const memory = new SharedArrayBuffer(uart.UartState.sizeBytes);
  const attach = (): uart.Uart => new uart.Uart(memory, 0, { interrupts: sources });
  const device = attach();
  device.reset();
  return {
    sources,
    // Built apart, as in another thread.
    console: attach().consoleEnd(),
    read: (register) => device.load(register),
    write: (register, value) => device.store(register, 1, value),
    isRaised: () => sources.high.has(10),
  };
}

const ascii = (string: string): Uint8Array => new TextEncoder().encode(string);
const shown = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe('the transmitter', () => {
  it('hands the console every byte in order', () => {
    const { console, write } = port();
    for (const byte of ascii('hello')) write(THR, byte);
    expect(shown(console.readOutput())).toBe('hello');
    expect(shown(console.readOutput())).toBe('');
  });

  it('is empty at reset', () => {
    expect(port().read(LSR)).toBe(uart.LSR_THRE | uart.LSR_TEMT);
  });

  it('interrupts when its interrupt is enabled while it is empty, until IIR is read', () => {
    const { read, write, isRaised } = port();
    write(IER, uart.IER_THRE);
    expect(isRaised()).toBe(true);
    expect(read(IIR)).toBe(uart.IIR_THRE);
    expect(isRaised()).toBe(false);
    expect(read(IIR)).toBe(uart.IIR_NONE);
    write(THR, 65);
    expect(isRaised()).toBe(true);
  });

  it('is not empty while a slow console leaves no room, and loses nothing of a guest that looks', () => {
    const { console, read, write, isRaised } = port();
    write(FCR, uart.FCR_ENABLE);
    let sent = 0;
    while ((read(LSR) & uart.LSR_THRE) !== 0) {
      for (let i = 0; i < 16; i++) write(THR, sent++ & 0xff);
    }
    write(IER, uart.IER_THRE);
    expect(isRaised()).toBe(false);
    const output = console.readOutput();
    expect(output).toHaveLength(sent);
    expect(output.every((byte, index) => byte === (index & 0xff))).toBe(true);
    expect(console.dropped()).toBe(0);
    expect(isRaised()).toBe(true);
    expect(read(LSR) & uart.LSR_THRE).not.toBe(0);
  });

  it('counts what a guest that does not look has lost', () => {
    const { console, write } = port();
    for (let i = 0; i < (1 << 16) + 5; i++) write(THR, 65);
    expect(console.dropped()).toBe(5);
    expect(console.readOutput()).toHaveLength(1 << 16);
  });
});

describe('the receiver', () => {
  it('interrupts while a byte waits', () => {
    const { console, read, write, isRaised } = port();
    write(IER, uart.IER_RX);
    console.writeInput(ascii('x'));
    expect(isRaised()).toBe(true);
    expect(read(IIR)).toBe(uart.IIR_RX);
    expect(read(LSR) & uart.LSR_DR).toBe(uart.LSR_DR);
    expect(read(RBR)).toBe('x'.charCodeAt(0));
    expect(isRaised()).toBe(false);
    expect(read(LSR) & uart.LSR_DR).toBe(0);
    expect(read(RBR)).toBe(0);
  });

  it('delivers far more than a FIFO in order', () => {
    const { console, read, write } = port();
    write(FCR, uart.FCR_ENABLE);
    const sent = Uint8Array.from({ length: 4000 }, (_, index) => index * 7);
    expect(console.writeInput(sent)).toBe(4000);
    const received: number[] = [];
    // Whoever looks once may only be setting the port up.
    expect(read(LSR) & uart.LSR_DR).toBe(0);
    while ((read(LSR) & uart.LSR_DR) !== 0) received.push(read(RBR));
    expect(received).toEqual([...sent]);
  });

  it('takes only what the line holds, and says how much', () => {
    const { console, read, write } = port();
    write(IER, uart.IER_RX);
    // One byte of it waits in the receive buffer.
    expect(console.writeInput(new Uint8Array(5000))).toBe(4096);
    expect(console.writeInput(new Uint8Array(5))).toBe(1);
    read(RBR);
    expect(console.writeInput(new Uint8Array(5))).toBe(1);
  });

  it('tells a full trigger level from a few bytes that wait', () => {
    const { console, read, write } = port();
    write(FCR, uart.FCR_ENABLE | 0x80); // level 8
    write(IER, uart.IER_RX);
    console.writeInput(new Uint8Array(8));
    expect(read(IIR)).toBe(0xc0 | uart.IIR_RX);
    read(RBR);
    expect(read(IIR)).toBe(0xc0 | uart.IIR_RX_TIMEOUT);
  });

  it('forgets what is in its FIFO when told to, and not what is still on the line', () => {
    const { console, read, write } = port();
    write(FCR, uart.FCR_ENABLE);
    write(IER, uart.IER_RX);
    console.writeInput(Uint8Array.from({ length: 20 }, (_, index) => index));
    write(FCR, uart.FCR_ENABLE | uart.FCR_CLEAR_RX);
    expect(read(RBR)).toBe(16);
  });

  it('leaves on the line what comes before a driver listens', () => {
    const { console, read, write } = port();
    console.writeInput(Uint8Array.of(1, 2, 3));
    // "Clear the interrupt registers", as Linux's 8250 driver has it, twice.
    for (let round = 0; round < 2; round++) {
      for (const register of [LSR, RBR, IIR, MSR]) read(register);
      write(FCR, uart.FCR_ENABLE | uart.FCR_CLEAR_RX);
    }
    write(IER, uart.IER_RX);
    expect([read(RBR), read(RBR), read(RBR)]).toEqual([1, 2, 3]);
  });
});

describe('the registers', () => {
  it('put the divisor in place of data and interrupt enable while DLAB is set', () => {
    const { console, read, write } = port();
    write(LCR, uart.LCR_DLAB | 3);
    write(0, 0x34);
    write(1, 0x12);
    expect([read(0), read(1)]).toEqual([0x34, 0x12]);
    write(LCR, 3);
    expect(read(IER)).toBe(0);
    expect(console.readOutput()).toHaveLength(0);
  });

  it('look like a 16550A to a driver that probes: IER, SCR and the FIFO bits of IIR', () => {
    const { read, write } = port();
    write(IER, 0xff);
    expect(read(IER)).toBe(0x0f);
    write(IER, 0);
    write(SCR, 0xa5);
    expect(read(SCR)).toBe(0xa5);
    write(FCR, uart.FCR_ENABLE);
    expect(read(IIR) >>> 6).toBe(3);
    write(FCR, 0);
    expect(read(IIR) >>> 6).toBe(0);
  });

  it('connect outputs to inputs in loopback, and report the change once', () => {
    const { console, read, write, isRaised } = port();
    expect(read(MSR)).toBe(uart.MSR_CTS | uart.MSR_DSR | uart.MSR_DCD);
    write(IER, uart.IER_MODEM);
    write(MCR, uart.MCR_LOOP | 0x0a); // RTS and OUT2, the pattern of Linux's test
    expect(isRaised()).toBe(true);
    expect(read(MSR) & 0xf0).toBe(uart.MSR_CTS | uart.MSR_DCD);
    expect(isRaised()).toBe(false);
    write(THR, 0x55);
    expect(read(RBR)).toBe(0x55);
    expect(console.readOutput()).toHaveLength(0);
  });

  it('report an overrun once, first of all interrupts', () => {
    const { read, write } = port();
    write(MCR, uart.MCR_LOOP);
    write(IER, 0x0f);
    write(THR, 1);
    write(THR, 2);
    expect(read(IIR)).toBe(uart.IIR_LINE);
    expect(read(LSR) & uart.LSR_OE).toBe(uart.LSR_OE);
    expect(read(LSR) & uart.LSR_OE).toBe(0);
    expect(read(RBR)).toBe(1);
  });
});
