/**
 * The host-target interface: two doublewords of the guest's own RAM, `tohost` and `fromhost`, by which
 * test programs and small runtimes end a run and print without any device.
 *
 * There is no specification; this is what the programs of riscv-software-src/riscv-tests and the front
 * end of riscv-software-src/riscv-isa-sim agree on. A value in `tohost` is a command of 8 bits of device,
 * 8 bits of command and 48 of payload:
 *
 * | device | command | meaning |
 * |---|---|---|
 * | 0 | 0 | odd payload: the run ends with code `payload >> 1` (of a test: the number of the check that failed) |
 * | 0 | 0 | even payload: address of eight doublewords, a system call's number and arguments |
 * | 1 | 1 | the payload's low byte goes to the console |
 *
 * The host takes a command by clearing `tohost` and answers in `fromhost`. A program may put a command
 * there with two stores of 4 bytes; as with a host that looks now and then, an odd low half by itself is
 * taken for an end.
 */
import { ImageError } from '../loader.ts';
import type { GuestRam } from './dma.ts';

/** Physical addresses, of an executable's symbols. */
export interface HtifCells {
  readonly tohost: number;
  /** Left out where the program has none: nothing is answered. */
  readonly fromhost?: number;
}

export const DEVICE_SYSCALL = 0;
export const DEVICE_CONSOLE = 1;
export const CONSOLE_PUT = 1;

/** System calls by their numbers on RISC-V Linux. */
export const SYS_WRITE = 64;
export const SYS_EXIT = 93;
const ENOSYS = -38;
const EBADF = -9;
const EFAULT = -14;

/** A call's doublewords: its number, then up to seven arguments. */
const CALL_BYTES = 64;

export interface HtifDeps {
  readonly cells: HtifCells;
  readonly ram: GuestRam;
  readonly ramBase: number;
  /** Puts a byte on the console; false if it has no room. */
  put(byte: number): boolean;
  /** The guest asked to stop. */
  onExit(code: number, hart: number): void;
}

/** One thread's hold on the cells; whichever hart's store completes a command carries it out. */
export class Htif {
  /** Linear-memory address of the page of `tohost`: stores to it must come to `stored`. */
  readonly page: number;
  readonly #deps: HtifDeps;
  readonly #cells: BigInt64Array;
  readonly #tohost: number;

  /** @throws ImageError if a cell is not an aligned doubleword of RAM */
  constructor(deps: HtifDeps) {
    const { memory, byteOffset } = deps.ram;
    this.#deps = deps;
    this.#cells = new BigInt64Array(memory);
    this.#tohost = this.#index(deps.cells.tohost, 'tohost');
    if (deps.cells.fromhost !== undefined) this.#index(deps.cells.fromhost, 'fromhost');
    const offset = deps.cells.tohost - deps.ramBase;
    this.page = byteOffset + Math.floor(offset / 4096) * 4096;
  }

  /** After a store to the page. Hart thread only. */
  stored(hart: number): void {
    // Two harts may have stored: one of them takes the command.
    const command = Atomics.load(this.#cells, this.#tohost);
    if (command === 0n) return;
    if (Atomics.compareExchange(this.#cells, this.#tohost, command, 0n) !== command) return;
    const device = Number((command >> 56n) & 0xffn);
    const action = Number((command >> 48n) & 0xffn);
    const payload = Number(command & 0xffff_ffff_ffffn);
    if (device === DEVICE_CONSOLE && action === CONSOLE_PUT) {
      this.#deps.put(payload & 0xff);
    } else if (device === DEVICE_SYSCALL && action === 0) {
      if (payload % 2 === 1) this.#deps.onExit(Math.floor(payload / 2), hart);
      else this.#systemCall(payload, hart);
    }
  }

  /** Runs the call described at an address, if that is RAM, and puts its result over its number. */
  #systemCall(address: number, hart: number): void {
    const offset = address - this.#deps.ramBase;
    const fits = offset >= 0 && offset + CALL_BYTES <= this.#deps.ram.sizeBytes;
    if (!fits || offset % 8 !== 0) return;
    const at = (this.#deps.ram.byteOffset + offset) / 8;
    const [number, first, second, third] = [0, 1, 2, 3].map((n) =>
      Number(this.#cells[at + n] as bigint),
    ) as [number, number, number, number];
    let result = ENOSYS;
    if (number === SYS_WRITE) result = this.#write(first, second, third);
    else if (number === SYS_EXIT) this.#deps.onExit(first & 0xffff_ffff, hart);
    Atomics.store(this.#cells, at, BigInt(result));
    const { fromhost } = this.#deps.cells;
    if (fromhost !== undefined) Atomics.store(this.#cells, this.#index(fromhost, 'fromhost'), 1n);
  }

  /** write(2) to standard output or error; as much of it as the console has room for. */
  #write(file: number, address: number, sizeBytes: number): number {
    if (file !== 1 && file !== 2) return EBADF;
    const { ram, ramBase } = this.#deps;
    const offset = address - ramBase;
    if (!(sizeBytes >= 0 && offset >= 0 && offset + sizeBytes <= ram.sizeBytes)) return EFAULT;
    const bytes = new Uint8Array(ram.memory, ram.byteOffset + offset, sizeBytes);
    let written = 0;
    while (written < sizeBytes && this.#deps.put(bytes[written] as number)) written++;
    return written;
  }

  /** Index of a cell in doublewords of the shared memory. */
  #index(physical: number, name: string): number {
    const offset = physical - this.#deps.ramBase;
    if (offset < 0 || offset + 8 > this.#deps.ram.sizeBytes || offset % 8 !== 0) {
      throw new ImageError(
        `'${name}' at 0x${physical.toString(16)} is no aligned doubleword of RAM; align its section`,
      );
    }
    return (this.#deps.ram.byteOffset + offset) / 8;
  }
}
