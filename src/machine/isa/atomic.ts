/** A: vol. I (20250508) §14; and Zawrs, "Wait-on-Reservation-Set instructions", ibid. */
import { choose, i32, i64, operand, type AtomicRmw, type Expr } from '../wasm/ir.ts';
import { EXIT, type Instruction } from './instruction.ts';
import { full } from './formats.ts';

/** A-extension encodings ignore aq and rl: every atomic access of the host is sequentially consistent. */
const MASK_AMO = 0xf800707f;
const MASK_LR = 0xf9f0707f;
const amoCode = (funct5: number, bytes: 4 | 8): number =>
  (funct5 << 27) | ((bytes === 4 ? 2 : 3) << 12) | 0x2f;
const suffix = (bytes: 4 | 8): string => (bytes === 4 ? '.w' : '.d');
const amo = (name: string, funct5: number, op: AtomicRmw): Instruction[] =>
  ([4, 8] as const).map((bytes) =>
    full(name + suffix(bytes), 'R', 'rd,rs2,(rs1)', amoCode(funct5, bytes), MASK_AMO, {
      kind: 'amo',
      bytes,
      op,
    }),
  );
type Compare = (a: Expr, b: Expr) => Expr;
const amoSelect = (
  name: string,
  funct5: number,
  keepOld32: Compare,
  keepOld64: Compare,
): Instruction[] =>
  ([4, 8] as const).map((bytes) => {
    const t = bytes === 4 ? 'i32' : 'i64';
    const old = operand('old', t);
    const value = operand('value', t);
    const result = choose((bytes === 4 ? keepOld32 : keepOld64)(old, value), old, value);
    return full(name + suffix(bytes), 'R', 'rd,rs2,(rs1)', amoCode(funct5, bytes), MASK_AMO, {
      kind: 'amoLoop',
      bytes,
      result,
    });
  });

/** Encodings: whoever waits tells them apart by them. */
export const WRS_NTO = 0x00d00073;
const WRS_STO = 0x01d00073;

export const ATOMIC: readonly Instruction[] = [
  ...([4, 8] as const).flatMap((bytes) => [
    full('lr' + suffix(bytes), 'LOAD_RESERVED', 'rd,(rs1)', amoCode(0x02, bytes), MASK_LR, {
      kind: 'lr',
      bytes,
    }),
    full('sc' + suffix(bytes), 'R', 'rd,rs2,(rs1)', amoCode(0x03, bytes), MASK_AMO, {
      kind: 'sc',
      bytes,
    }),
  ]),
  ...amo('amoswap', 0x01, 'xchg'),
  ...amo('amoadd', 0x00, 'add'),
  ...amo('amoxor', 0x04, 'xor'),
  ...amo('amoand', 0x0c, 'and'),
  ...amo('amoor', 0x08, 'or'),
  ...amoSelect('amomin', 0x10, i32.lt_s, i64.lt_s),
  ...amoSelect(
    'amomax',
    0x14,
    (a, b) => i32.lt_s(b, a),
    (a, b) => i64.lt_s(b, a),
  ),
  ...amoSelect('amominu', 0x18, i32.lt_u, i64.lt_u),
  ...amoSelect(
    'amomaxu',
    0x1c,
    (a, b) => i32.lt_u(b, a),
    (a, b) => i64.lt_u(b, a),
  ),

  // Zawrs: without a time-out, and with a short one.
  ...[
    ['wrs.nto', WRS_NTO],
    ['wrs.sto', WRS_STO],
  ].map(([name, match]) =>
    full(
      name as string,
      'NONE',
      'none',
      match as number,
      0xffffffff,
      { kind: 'exit', reason: EXIT.WRS },
      { raw: true },
    ),
  ),
];
