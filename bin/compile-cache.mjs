// Where compiled sources are kept. Every worker thread that starts later finds them by the variable, and loads
// them instead of the text; for this thread the variable comes too late.
import * as nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL('../build/compile-cache', import.meta.url),
);
nodeModule.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
