import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  framePacket,
  fromHex,
  fromLittleEndian,
  littleEndian,
  PACKET_BYTES,
  PacketReader,
  parseNumber,
} from '../../../src/lab/gdb/packets.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

describe('packets', () => {
  it('are framed with their checksum', () => {
    expect(Buffer.from(framePacket('OK')).toString()).toBe('$OK#9a');
  });

  it('escape what would end them', () => {
    expect(Buffer.from(framePacket('a#b}')).toString('latin1')).toContain('$a}\x03b}]#');
  });

  it('come back as they were sent, however the bytes are cut', () => {
    const anyByte = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 200 });
    fc.assert(
      fc.property(anyByte, fc.integer({ min: 1, max: 9 }), (data, step) => {
        const text = String.fromCharCode(...data);
        const framed = framePacket(text);
        const reader = new PacketReader();
        const seen = [];
        for (let at = 0; at < framed.length; at += step)
          seen.push(...reader.read(framed.subarray(at, at + step)));
        expect(seen).toEqual([{ kind: 'packet', data: text }]);
      }),
    );
  });

  it('are refused if the checksum is wrong, and the next is read', () => {
    const reader = new PacketReader();
    expect(reader.read(bytes('$g#00$g#zz$g#67'))).toEqual([
      { kind: 'damaged' },
      { kind: 'damaged' },
      { kind: 'packet', data: 'g' },
    ]);
  });

  it('survive any garbage: nothing throws, and a packet after it is found', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (garbage) => {
        const reader = new PacketReader();
        reader.read(garbage);
        // At worst the first is taken for the end of a broken one.
        reader.read(bytes('#00$g#67'));
        expect(reader.read(bytes('$g#67'))).toContainEqual({ kind: 'packet', data: 'g' });
      }),
    );
  });

  it('that never end take no memory', () => {
    const reader = new PacketReader();
    const seen = reader.read(bytes(`$${'a'.repeat(PACKET_BYTES + 100)}`));
    expect(seen).toEqual([{ kind: 'damaged' }]);
  });

  it('between them are acknowledgements and Ctrl-C; inside, 03 is data', () => {
    const reader = new PacketReader();
    expect(reader.read(bytes('+-\x03$a\x03b#c6'))).toEqual([
      { kind: 'nak' },
      { kind: 'interrupt' },
      { kind: 'packet', data: 'a\x03b' },
    ]);
  });
});

describe('the words of packets', () => {
  it('are read strictly', () => {
    expect(parseNumber('fFf')).toBe(0xfffn);
    for (const text of ['', '0x1', '-1', 'g', '1'.repeat(17)])
      expect(parseNumber(text)).toBeUndefined();
    for (const text of ['0', 'zz', '0g']) expect(fromHex(text)).toBeUndefined();
    expect(fromLittleEndian('00')).toBeUndefined();
  });

  it('hold registers with their lowest byte first', () => {
    expect(littleEndian(0x0403_0201, -1)).toBe('01020304ffffffff');
    expect(fromLittleEndian('01020304ffffffff')).toEqual([0x0403_0201, -1]);
  });
});
