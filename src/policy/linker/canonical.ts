/**
 * Canonical JSON: keys in order of their code units, no white space. Two equal values have equal text.
 */
import { createHash } from 'node:crypto';
import { compareText } from '../diagnostics.ts';

export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    const entries = Object.entries(inner).toSorted(([a], [b]) => compareText(a, b));
    return Object.fromEntries(entries);
  });
}

/** SHA-256 in hexadecimal. */
export const sha256 = (bytes: Uint8Array | string): string =>
  createHash('sha256').update(bytes).digest('hex');
