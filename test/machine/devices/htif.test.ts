import { describe, expect, it } from 'vitest';

import { Htif, type HtifCells } from '../../../src/machine/devices/htif.ts';
import { ImageError } from '../../../src/machine/loader.ts';

const RAM_BASE = 0x8000_0000;
const RAM_AT = 8192;
const RAM_BYTES = 8192;
const TOHOST = RAM_BASE + 0x1040;
const FROMHOST = RAM_BASE + 0x1080;

interface Host {
  readonly htif: Htif;
  readonly view: DataView;
  readonly exits: { code: number; hart: number }[];
  printed(): string;
}

function host(
  cells: HtifCells = { tohost: TOHOST, fromhost: FROMHOST },
  roomBytes = Infinity,
): Host {
  const memory = new SharedArrayBuffer(RAM_AT + RAM_BYTES);
  const exits: { code: number; hart: number }[] = [];
  let printed = '';
  const htif = new Htif({
    cells,
    ram: { memory, byteOffset: RAM_AT, sizeBytes: RAM_BYTES },
    ramBase: RAM_BASE,
    put: (byte) => {
      if (printed.length >= roomBytes) return false;
      printed += String.fromCharCode(byte);
      return true;
    },
    onExit: (code, hart) => exits.push({ code, hart }),
  });
  return { htif, view: new DataView(memory, RAM_AT), exits, printed: () => printed };
}

const read = ({ view }: Host, address: number): bigint =>
  view.getBigInt64(address - RAM_BASE, true);

const write = ({ view }: Host, address: number, ...values: bigint[]): void =>
  values.forEach((value, n) => view.setBigInt64(address - RAM_BASE + 8 * n, value, true));

function command(to: Host, value: bigint): void {
  write(to, TOHOST, value);
  to.htif.stored(3);
}

describe('the host-target interface', () => {
  it('watches the page of tohost', () => {
    expect(host().htif.page).toBe(RAM_AT + 0x1000);
  });

  it.each([
    [1n, 0],
    [(5n << 1n) | 1n, 5],
    [0xffffffn, 0x7fffff],
  ])('takes %i for an end with code %i', (value, code) => {
    const it = host();
    command(it, value);
    expect(it.exits).toEqual([{ code, hart: 3 }]);
  });

  it('does nothing when another word of the page was stored', () => {
    const it = host();
    it.htif.stored(0);
    expect({ exits: it.exits, fromhost: read(it, FROMHOST) }).toEqual({ exits: [], fromhost: 0n });
  });

  it('prints a character and clears tohost, so that the next can come', () => {
    const it = host();
    for (const character of 'ok') {
      command(it, (1n << 56n) | (1n << 48n) | BigInt(character.charCodeAt(0)));
      expect(read(it, TOHOST)).toBe(0n);
    }
    expect(it.printed()).toBe('ok');
    expect(it.exits).toEqual([]);
  });

  const CALL = RAM_BASE + 0x100;
  const TEXT = RAM_BASE + 0x200;
  const call = (it: Host, ...words: bigint[]): bigint => {
    write(it, CALL, ...words, 0n);
    command(it, BigInt(CALL));
    return read(it, CALL);
  };

  it('carries out write, gives what it wrote and answers', () => {
    const it = host();
    new Uint8Array(it.view.buffer, RAM_AT + 0x200).set(new TextEncoder().encode('hello'));
    expect(call(it, 64n, 1n, BigInt(TEXT), 5n)).toBe(5n);
    expect(it.printed()).toBe('hello');
    expect(read(it, FROMHOST)).toBe(1n);
  });

  it('writes what the console has room for', () => {
    const it = host({ tohost: TOHOST, fromhost: FROMHOST }, 2);
    expect(call(it, 64n, 2n, BigInt(TEXT), 5n)).toBe(2n);
  });

  it.each([
    ['another call', [17n, 0n, 0n, 0n], -38n],
    ['a file that is none', [64n, 5n, BigInt(TEXT), 1n], -9n],
    ['a buffer outside of RAM', [64n, 1n, 0x1000n, 1n], -14n],
    ['a buffer that ends outside of RAM', [64n, 1n, BigInt(TEXT), 1n << 40n], -14n],
    ['a negative length', [64n, 1n, BigInt(TEXT), -1n], -14n],
  ])('refuses %s', (_, words, result) => {
    const it = host();
    expect(call(it, ...words)).toBe(result);
    expect(it.printed()).toBe('');
  });

  it('ends with the status of exit', () => {
    const it = host();
    call(it, 93n, 4n);
    expect(it.exits).toEqual([{ code: 4, hart: 3 }]);
  });

  it('ignores a call that does not lie in RAM', () => {
    const it = host();
    command(it, 0x1000n);
    command(it, BigInt(RAM_BASE + RAM_BYTES - 8));
    expect(it.exits).toEqual([]);
    expect(read(it, FROMHOST)).toBe(0n);
  });

  it.each([
    ['outside of RAM', { tohost: 0x1000 }],
    ['not aligned', { tohost: TOHOST + 4 }],
    ['whose answer is outside of RAM', { tohost: TOHOST, fromhost: RAM_BASE + RAM_BYTES }],
  ])('is refused a cell %s', (_, cells) => {
    expect(() => host(cells)).toThrow(ImageError);
  });
});
