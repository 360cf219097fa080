import { defineConfig, type ViteUserConfig } from 'vitest/config';

/**
 * `unit`: one thread each, no clock. `concurrency`: real worker threads, one file at a time so that
 * two machines never compete for the two cores. `guest`: boots the C kernel.
 */
const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
          exclude: ['**/*.threads.test.ts', '**/*.guest.test.ts'],
          // Some start a tool (objdump, the layer check); on a busy host that takes its time.
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'concurrency',
          include: ['test/**/*.threads.test.ts', 'packages/*/test/**/*.threads.test.ts'],
          pool: 'forks',
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'guest',
          include: ['test/**/*.guest.test.ts'],
          pool: 'forks',
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 120_000,
          // The first hook may have to compile the kernel.
          hookTimeout: 180_000,
        },
      },
    ],
  },
});

export default config;
