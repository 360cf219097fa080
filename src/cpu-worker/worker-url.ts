/**
 * Where a worker's module is: next to its caller, as `.ts` in the sources and as `.js` once compiled
 * (the compiler rewrites import specifiers, but no strings).
 */
export function workerUrl(base: string, stem: string): string {
  const extension = /\.[cm]?[jt]s(?=$|\?)/.exec(base)?.[0] ?? '.js';
  return new URL(stem + extension, base).href;
}
