/** What the host's floating point can do. */
import { encodeModule, FunctionBuilder } from '../wasm/encoder.ts';
import { f64, ret } from '../wasm/ir.ts';

let fuses: boolean | undefined;

/**
 * Whether the engine's relaxed multiply-add rounds once (WebAssembly Core Specification 3.0, "relaxed_madd": it
 * may round once or twice, but does the same throughout a run). It does where the processor has such an
 * instruction.
 */
export function hostFuses(): boolean {
  return (fuses ??= tryToFuse());
}

function tryToFuse(): boolean {
  const fn = new FunctionBuilder('fused', ['f64', 'f64', 'f64'], 'f64');
  fn.body = [ret(f64.fused(fn.param(0), fn.param(1), fn.param(2)))];
  const bytes = encodeModule({ memoryPages: 1, functions: [fn], exports: ['fused'] });
  // An engine without relaxed SIMD.
  if (!WebAssembly.validate(bytes)) return false;
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  const fused = exports['fused'] as (a: number, b: number, c: number) => number;
  // The square of 1 + 2^-30 needs 61 bits; rounded before the sum it has lost the last of them.
  const a = 1 + 2 ** -30;
  return fused(a, a, -(1 + 2 ** -29)) === 2 ** -60;
}
