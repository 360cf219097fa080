/**
 * Floating-point arithmetic, exact to IEEE 754-2008 and to "F" and "D", Version 2.2 (vol. I, 20250508):
 * results, flags, all five rounding modes.
 *
 * Functions of the core module, generated from the same trees as everything in it. `hart` is the address
 * of a hart block, whose fflags they or into (making mstatus.FS Dirty where that changes anything);
 * operands and results are bits, i32 for binary32 and i64 for binary64; `rm` is a resolved rounding
 * mode, 0 to 4.
 *
 * For F in f32 and f64, with b of the type of its bits:
 *
 *   F_add, F_mul, F_div  (hart, b, b, rm) -> b
 *   F_sqrt               (hart, b, rm) -> b
 *   F_muladd             (hart, b, b, b, rm) -> b        first times second plus third, rounded once
 *   F_min, F_max         (hart, b, b) -> b
 *   F_eq, F_lt, F_le     (hart, b, b) -> i64             0 or 1
 *   F_class              (b) -> i64                      the mask of FCLASS
 *   F_from_i64, F_from_u64  (hart, i64, rm) -> b
 *
 * and `f64_to_integer`, `f32_from_f64`, `f64_from_f32` as convert.ts says. Subtraction is addition of
 * the negated operand, and so on: the sign of a NaN operand never shows.
 */
import type { FunctionBuilder } from '../wasm/encoder.ts';
import { arithmeticFunctions } from './arithmetic.ts';
import { comparisonFunctions } from './compare.ts';
import { conversionFunctions } from './convert.ts';
import { BINARY32, BINARY64 } from './format.ts';
import { roundFunctions } from './round.ts';

const FORMATS = [BINARY32, BINARY64];

const PUBLIC = (): FunctionBuilder[] => [
  ...FORMATS.flatMap((format) => [...arithmeticFunctions(format), ...comparisonFunctions(format)]),
  ...conversionFunctions(),
];

/** The functions that a module needs; they call `mulhu`, which it must have. */
export const floatFunctions = (): FunctionBuilder[] => [...roundFunctions(FORMATS), ...PUBLIC()];

/** What the core exports of them, for modules that translate instructions. */
export const FLOAT_EXPORTS: readonly string[] = PUBLIC().map(({ name }) => name);
