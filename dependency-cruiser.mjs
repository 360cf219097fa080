/**
 * Which way imports point (cycles are the linter's business). `sharedarraybuffer-utils` is below everything; the command line is on top.
 *
 *   machine <- nested-kernel <- cpu-worker <- lab <- cli
 *   tui sees the probe only; the oracle sees the machine and the contexts, and nothing sees it but lab.
 */
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: '^src/', pathNot: allowed },
});

export default {
  forbidden: [
    only('machine-is-below', '^src/machine/', '^src/machine/'),
    only(
      'nested-kernel-knows-machine-and-contexts',
      '^src/nested-kernel/',
      '^src/(nested-kernel|machine)/|^src/policy/contexts',
    ),
    only(
      'policy-knows-elf-and-the-monitor-abi',
      '^src/policy/',
      '^src/policy/|^src/machine/(elf|physical-map)\\.ts|^src/nested-kernel/abi\\.ts|^src/cli/errors\\.ts',
    ),
    only('workers-load-little', '^src/cpu-worker/', '^src/(cpu-worker|machine|nested-kernel|oracle)/'),
    only('dashboard-reads-the-probe', '^src/tui/', '^src/tui/|^src/machine/probe\\.ts'),
    only('oracle-is-independent', '^src/oracle/', '^src/(oracle|machine)/|^src/policy/contexts'),
    only('lab-is-below-the-command-line', '^src/lab/', '^src/(lab|cpu-worker|machine|nested-kernel|policy|oracle|tui)/'),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'src/policy/language/generated' },
  },
};
