/**
 * The serial port: a 16550 with its FIFOs, wired to two byte rings in shared memory.
 *
 * Register names and bits: National Semiconductor PC16550D data sheet (June 1995), "Registers",
 * cited by title. The line has no speed: a byte that the guest transmits is in the output ring at
 * once, and a byte of the input ring enters the receive FIFO as soon as there is room for it.
 *
 * The console never makes a hart wait. When its ring is nearly full the transmitter simply does not
 * become empty (LSR.THRE stays 0), as on a slow line, until the console has taken something. Only
 * a guest that transmits without looking at THRE loses bytes; they are counted.
 */
import {
  bytes,
  i32,
  layout,
  type Field,
  type Layout,
  type View,
  type Word32,
} from 'sharedarraybuffer-utils';

import type { Device, Width } from '../bus.ts';
import { UART, UART_SOURCE } from '../physical-map.ts';
import { ByteRing, byteRing, type ByteRingFields } from './byte-ring.ts';
import { acquire, release } from './lock.ts';
import type { InterruptSink } from './plic.ts';

/** Registers; RBR, THR, IER give way to DLL, DLM while LCR.DLAB is set. */
export const RBR = 0;
export const THR = 0;
export const DLL = 0;
export const IER = 1;
export const DLM = 1;
export const IIR = 2;
export const FCR = 2;
export const LCR = 3;
export const MCR = 4;
export const LSR = 5;
export const MSR = 6;
export const SCR = 7;

export const IER_RX = 1;
export const IER_THRE = 2;
export const IER_LINE = 4;
export const IER_MODEM = 8;

export const IIR_NONE = 0x01;
export const IIR_LINE = 0x06;
export const IIR_RX = 0x04;
/** Bytes below the trigger level wait and none came for a while. Our line makes no pauses: at once. */
export const IIR_RX_TIMEOUT = 0x0c;
export const IIR_THRE = 0x02;
export const IIR_MODEM = 0x00;
const IIR_FIFOS = 0xc0;

export const FCR_ENABLE = 1;
export const FCR_CLEAR_RX = 2;
/** The bits of FCR that last: the enable and the trigger level. */
const FCR_KEPT = 0xc1;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

export const LCR_DLAB = 0x80;

export const MCR_LOOP = 0x10;
const MCR_MASK = 0x1f;

export const LSR_DR = 0x01;
export const LSR_OE = 0x02;
export const LSR_THRE = 0x20;
export const LSR_TEMT = 0x40;

export const MSR_CTS = 0x10;
export const MSR_DSR = 0x20;
export const MSR_RI = 0x40;
export const MSR_DCD = 0x80;

const FIFO_BYTES = 16;
const INPUT_BYTES = 1 << 12;
const OUTPUT_BYTES = 1 << 16;

const inputRing: Layout<ByteRingFields> = byteRing(INPUT_BYTES);
const outputRing: Layout<ByteRingFields> = byteRing(OUTPUT_BYTES);

type UartFields = {
  lock: Field<Word32>;
  dll: Field<Word32>;
  dlm: Field<Word32>;
  ier: Field<Word32>;
  fcr: Field<Word32>;
  lcr: Field<Word32>;
  mcr: Field<Word32>;
  scr: Field<Word32>;
  overrun: Field<Word32>;
  modemDelta: Field<Word32>;
  thrInterrupt: Field<Word32>;
  stalled: Field<Word32>;
  dropped: Field<Word32>;
  raised: Field<Word32>;
  rxFirst: Field<Word32>;
  rxCount: Field<Word32>;
  polls: Field<Word32>;
  rxFifo: Field<Uint8Array>;
  input: Field<View<ByteRingFields>>;
  output: Field<View<ByteRingFields>>;
};

export const UartState: Layout<UartFields> = layout('UartState', {
  lock: i32.doc('Guards every field but the rings’ console ends.'),
  dll: i32,
  dlm: i32,
  ier: i32,
  fcr: i32,
  lcr: i32,
  mcr: i32,
  scr: i32,
  overrun: i32.doc('LSR.OE.'),
  modemDelta: i32.doc('The low four bits of MSR.'),
  thrInterrupt: i32.doc('The transmitter became empty and IIR has not told yet.'),
  stalled: i32.doc(
    '1 if the guest found the transmitter full: the console’s next take reopens it.',
  ),
  dropped: i32.doc('Bytes transmitted into a full ring. Read by anyone.'),
  raised: i32.doc('The level last given to the PLIC.'),
  rxFirst: i32,
  rxCount: i32,
  polls: i32.doc('1 if the last access was a look at LSR or took a byte: somebody polls.'),
  rxFifo: bytes(FIFO_BYTES),
  input: inputRing.doc('Produced by the console, consumed by the UART.'),
  output: outputRing.doc('Produced by the UART, consumed by the console.'),
});

export interface UartDeps {
  readonly interrupts: InterruptSink;
}

/** The other end of the line. One thread uses it, usually the one that owns the terminal. */
export interface ConsoleEnd {
  /** All bytes that the guest has transmitted since the last call. */
  readOutput(): Uint8Array;
  /** Sends bytes to the guest; returns how many the line took. The rest is the caller's to resend. */
  writeInput(source: Uint8Array): number;
  /** Bytes that a guest which ignored THRE has lost so far. */
  dropped(): number;
}

export class Uart implements Device {
  readonly name = 'uart';
  readonly base: number = UART.base;
  readonly sizeBytes: number = UART.sizeBytes;
  readonly widths = 1;
  readonly #state: View<UartFields>;
  readonly #interrupts: InterruptSink;
  readonly #input: ByteRing;
  readonly #output: ByteRing;

  constructor(memory: SharedArrayBuffer, byteOffset: number, deps: UartDeps) {
    this.#state = UartState.at(memory, byteOffset);
    this.#interrupts = deps.interrupts;
    this.#input = new ByteRing(this.#state.input);
    this.#output = new ByteRing(this.#state.output);
  }

  /** Before any hart runs. The divisor starts as 115200 baud would be set. */
  reset(): void {
    const { lock, ier, fcr, lcr, mcr, scr, overrun, modemDelta, ...state } = this.#state;
    for (const word of [lock, ier, fcr, lcr, mcr, scr, overrun, modemDelta]) word.store(0);
    const { thrInterrupt, stalled, dropped, raised, rxFirst, rxCount, polls, dll, dlm } = state;
    for (const word of [thrInterrupt, stalled, dropped, raised, rxFirst, rxCount, polls])
      word.store(0);
    dll.store(2);
    dlm.store(0);
    this.#input.reset();
    this.#output.reset();
  }

  consoleEnd(): ConsoleEnd {
    return {
      readOutput: () => {
        const taken = this.#output.takeAll();
        if (taken.length > 0) this.#exclusive(() => this.#reopenTransmitter());
        return taken;
      },
      writeInput: (source) => {
        const count = this.#input.push(source);
        // Leaving the lock refills the FIFO and raises the interrupt.
        this.#exclusive(() => {});
        return count;
      },
      dropped: () => this.#state.dropped.load(),
    };
  }

  /**
   * A byte that firmware puts on the line, whatever a driver has done to the registers; false if there
   * is no room.
   */
  put(byte: number): boolean {
    return this.#exclusive(() => this.#output.put(byte));
  }

  /** A byte that has come over the line, for firmware; -1 if there is none. */
  take(): number {
    return this.#exclusive(() =>
      this.#state.rxCount.load() > 0 ? this.#receive() : this.#input.take(),
    );
  }

  load(offset: number): number {
    const { polls, rxCount } = this.#state;
    return this.#exclusive(
      () => {
        const takes = offset === RBR && rxCount.load() > 0;
        const value = this.#read(offset);
        polls.store(takes || offset === LSR ? 1 : 0);
        return value;
      },
      () => offset === LSR && polls.load() === 1,
    );
  }

  store(offset: number, _sizeBytes: Width, value: number): void {
    this.#exclusive(() => {
      this.#write(offset, value);
      this.#state.polls.store(0);
    });
  }

  #read(offset: number): number {
    const state = this.#state;
    const isDivisor = (state.lcr.load() & LCR_DLAB) !== 0;
    switch (offset) {
      case RBR:
        return isDivisor ? state.dll.load() : this.#receive();
      case IER:
        return isDivisor ? state.dlm.load() : state.ier.load();
      case IIR:
        return this.#identifyInterrupt();
      case LCR:
        return state.lcr.load();
      case MCR:
        return state.mcr.load();
      case LSR:
        return this.#lineStatus();
      case MSR:
        return this.#modemStatus() | state.modemDelta.exchange(0);
      case SCR:
        return state.scr.load();
      default:
        return 0;
    }
  }

  #write(offset: number, value: number): void {
    const state = this.#state;
    const isDivisor = (state.lcr.load() & LCR_DLAB) !== 0;
    switch (offset) {
      case THR:
        if (isDivisor) state.dll.store(value);
        else this.#transmit(value);
        return;
      case IER:
        if (isDivisor) state.dlm.store(value);
        else this.#enableInterrupts(value & 0x0f);
        return;
      case FCR:
        this.#controlFifos(value);
        return;
      case LCR:
        state.lcr.store(value);
        return;
      case MCR:
        this.#controlModem(value & MCR_MASK);
        return;
      case SCR:
        state.scr.store(value);
        return;
      default: // LSR and MSR are read-only; beyond SCR there is nothing.
    }
  }

  // Receiver

  #receive(): number {
    const { rxFirst, rxCount, rxFifo } = this.#state;
    const count = rxCount.load();
    if (count === 0) return 0;
    const first = rxFirst.load();
    rxFirst.store((first + 1) % FIFO_BYTES);
    rxCount.store(count - 1);
    return rxFifo[first] as number;
  }

  #appendReceived(byte: number): void {
    const { rxFirst, rxCount, rxFifo } = this.#state;
    const count = rxCount.load();
    rxFifo[(rxFirst.load() + count) % FIFO_BYTES] = byte;
    rxCount.store(count + 1);
  }

  /** Without FIFOs there is one receive buffer. */
  #rxCapacity(): number {
    return this.#hasFifos() ? FIFO_BYTES : 1;
  }

  #hasFifos(): boolean {
    return (this.#state.fcr.load() & FCR_ENABLE) !== 0;
  }

  /** The receiver is cut off from the line, which waits ("Modem Control Register", bit 4). */
  #isLooped(): boolean {
    return (this.#state.mcr.load() & MCR_LOOP) !== 0;
  }

  /**
   * Lets the line deliver, but only to somebody who listens, by interrupt or by looking again and again:
   * what is typed before a driver is ready would be lost when it sets its FIFOs up and, as Linux does,
   * looks at LSR and reads RBR once for luck.
   */
  #refill(polls: boolean): void {
    if (this.#isLooped()) return;
    if (!polls && (this.#state.ier.load() & IER_RX) === 0) return;
    const capacity = this.#rxCapacity();
    while (this.#state.rxCount.load() < capacity) {
      const byte = this.#input.take();
      if (byte < 0) return;
      this.#appendReceived(byte);
    }
  }

  // Transmitter

  /** THRE promises room for a whole FIFO: drivers then write 16 bytes without looking again. */
  #isTransmitterEmpty(): boolean {
    return this.#output.free >= FIFO_BYTES;
  }

  #transmit(byte: number): void {
    const state = this.#state;
    if (this.#isLooped()) {
      if (state.rxCount.load() < this.#rxCapacity()) this.#appendReceived(byte);
      else state.overrun.store(1);
    } else if (!this.#output.put(byte)) {
      state.dropped.add(1);
    }
    this.#tellTransmitterEmpty();
  }

  #tellTransmitterEmpty(): void {
    const isEmpty = this.#isTransmitterEmpty();
    this.#state.thrInterrupt.store(isEmpty ? 1 : 0);
    this.#state.stalled.store(isEmpty ? 0 : 1);
  }

  #reopenTransmitter(): void {
    if (this.#state.stalled.load() === 1) this.#tellTransmitterEmpty();
  }

  // Control and status

  #lineStatus(): number {
    const received = this.#state.rxCount.load() > 0 ? LSR_DR : 0;
    const overrun = this.#state.overrun.exchange(0) === 1 ? LSR_OE : 0;
    return received | overrun | (this.#isTransmitterEmpty() ? LSR_THRE | LSR_TEMT : 0);
  }

  #enableInterrupts(enabled: number): void {
    const before = this.#state.ier.exchange(enabled);
    // Enabling the interrupt of an empty transmitter raises it.
    if ((enabled & ~before & IER_THRE) !== 0) this.#tellTransmitterEmpty();
  }

  /**
   * Changing the enable clears both FIFOs ("FIFO Control Register"); the transmitter's holds nothing
   * that could be lost.
   */
  #controlFifos(value: number): void {
    const before = this.#state.fcr.exchange(value & FCR_KEPT);
    if (((before ^ value) & FCR_ENABLE) !== 0 || (value & FCR_CLEAR_RX) !== 0) {
      this.#state.rxCount.store(0);
    }
  }

  #controlModem(value: number): void {
    const before = this.#modemStatus();
    this.#state.mcr.store(value);
    const after = this.#modemStatus();
    // CTS, DSR and DCD report any change, RI only its end ("Modem Status Register").
    const delta = ((before ^ after) & ~MSR_RI) | (before & ~after & MSR_RI);
    this.#state.modemDelta.or(delta >>> 4);
  }

  /** The line has a carrier and is ready; in loopback its inputs are our own outputs. */
  #modemStatus(): number {
    if (!this.#isLooped()) return MSR_CTS | MSR_DSR | MSR_DCD;
    const outputs = this.#state.mcr.load();
    const [dtr, rts, out1, out2] = [outputs & 1, outputs & 2, outputs & 4, outputs & 8];
    return (rts ? MSR_CTS : 0) | (dtr ? MSR_DSR : 0) | (out1 ? MSR_RI : 0) | (out2 ? MSR_DCD : 0);
  }

  // Interrupts

  /** The most urgent enabled interrupt, in the order of the data sheet's Table IV. */
  #interrupt(): number {
    const state = this.#state;
    const enabled = state.ier.load();
    if ((enabled & IER_LINE) !== 0 && state.overrun.load() === 1) return IIR_LINE;
    const received = state.rxCount.load();
    if ((enabled & IER_RX) !== 0 && received > 0) {
      const trigger = TRIGGER_LEVELS[state.fcr.load() >>> 6] as number;
      return this.#hasFifos() && received < trigger ? IIR_RX_TIMEOUT : IIR_RX;
    }
    if ((enabled & IER_THRE) !== 0 && state.thrInterrupt.load() === 1) return IIR_THRE;
    if ((enabled & IER_MODEM) !== 0 && state.modemDelta.load() !== 0) return IIR_MODEM;
    return IIR_NONE;
  }

  /** Reading IIR acknowledges THRE and nothing else. */
  #identifyInterrupt(): number {
    const interrupt = this.#interrupt();
    if (interrupt === IIR_THRE) this.#state.thrInterrupt.store(0);
    return interrupt | (this.#hasFifos() ? IIR_FIFOS : 0);
  }

  /** Runs a register access under the lock; then lets the line deliver and drives the interrupt. */
  #exclusive<Result>(access: () => Result, isPoll = (): boolean => false): Result {
    acquire(this.#state.lock);
    try {
      this.#refill(isPoll());
      const result = access();
      this.#refill(false);
      const level = this.#interrupt() === IIR_NONE ? 0 : 1;
      if (this.#state.raised.exchange(level) !== level) {
        if (level === 1) this.#interrupts.raise(UART_SOURCE);
        else this.#interrupts.lower(UART_SOURCE);
      }
      return result;
    } finally {
      release(this.#state.lock);
    }
  }
}
