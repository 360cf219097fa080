import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'cordon-layers-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const cruise = (cwd: string): { status: number | null; text: string } => {
  const bin = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const { status, stdout } = spawnSync(
    process.execPath,
    [bin, '--config', 'dependency-cruiser.mjs', 'src'],
    {
      cwd,
      encoding: 'utf8',
    },
  );
  return { status, text: stdout };
};

describe('the direction of imports', () => {
  it('holds in the sources', () => {
    const { status, text } = cruise(ROOT);
    expect(text).toMatch(/no dependency violations found/);
    expect(status).toBe(0);
  });

  it('is looked at: a machine that imports the lab is reported', () => {
    mkdirSync(join(scratch, 'src/machine'), { recursive: true });
    mkdirSync(join(scratch, 'src/lab'), { recursive: true });
    for (const file of ['dependency-cruiser.mjs', 'tsconfig.json', 'package.json']) {
      cpSync(join(ROOT, file), join(scratch, file));
    }
    symlinkSync(join(ROOT, 'node_modules'), join(scratch, 'node_modules'));
    writeFileSync(join(scratch, 'src/lab/session.ts'), 'export const session = 1;\n');
    writeFileSync(
      join(scratch, 'src/machine/hart.ts'),
      "export { session } from '../lab/session.ts';\n",
    );
    const { status, text } = cruise(scratch);
    expect(text).toMatch(/machine-is-below: src\/machine\/hart\.ts/);
    expect(status).not.toBe(0);
  });
});
