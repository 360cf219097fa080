/** Every example of the README is a program that runs to its end; its assertions hold. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readme } from './documented.ts';

const examples = [...readme.matchAll(/^## (.+?)$|```ts\n(.+?)```/gms)].reduce<
  { title: string; code: string }[]
>((found, [, title, code]) => {
  if (title !== undefined) return [...found, { title, code: '' }];
  const section = found.at(-1) ?? { title: 'introduction', code: '' };
  return [...found.slice(0, -1), { ...section, code: section.code + code }];
}, []);
const runnable = examples.filter(({ code }) => code !== '');

describe('the example of', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sharedarraybuffer-utils-'));
    const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url));
    await symlink(modules, join(folder, 'node_modules'));
  });

  afterAll(() => rm(folder, { recursive: true }));

  it.each(runnable)('$title', async ({ title, code }) => {
    const file = join(folder, `${title.replaceAll(/\W+/g, '-')}.ts`);
    await writeFile(file, code);
    const { stderr } = await promisify(execFile)(process.execPath, [file], { timeout: 5000 });
    expect(stderr).toBe('');
  });

  it('each section that describes a structure is there', () => {
    expect(runnable.length).toBeGreaterThanOrEqual(9);
  });
});
