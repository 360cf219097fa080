import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCUMENTS = [
  'README.md',
  'ARCHITECTURE.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** Command lines of ours in a document: in shell blocks, and in help texts as `$ cordon ...`. */
function commandLines(text: string): string[] {
  return [...text.matchAll(/^\s*(?:\$ )?(?:npx )?cordon ([a-z][^\n#|<]*)/gm)].map(([, line]) =>
    (line as string).trim(),
  );
}

/** What is wrong with a command line, or nothing. */
function mistake(line: string): string | undefined {
  let command: Command = createProgram();
  const words = line.split(/\s+/);
  while (words[0] !== undefined && !words[0].startsWith('-')) {
    const next = command.commands.find((candidate) => candidate.name() === words[0]);
    if (next === undefined) break;
    command = next;
    words.shift();
  }
  if (command.parent === null) return `no command '${words[0] ?? ''}'`;
  const known = new Set(['--help', ...command.options.map(({ long }) => long)]);
  const unknown = words
    .filter((word) => word.startsWith('--'))
    .find((word) => !known.has(word.split('=')[0] as string));
  return unknown === undefined ? undefined : `'${command.name()}' has no ${unknown}`;
}

describe.each(DOCUMENTS)('%s', (document) => {
  const text = readFileSync(join(ROOT, document), 'utf8');

  it('names commands and flags that exist', () => {
    const wrong = commandLines(text).flatMap((line) => mistake(line) ?? []);
    expect(wrong).toEqual([]);
  });

  it('links to files that are there', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
      ([, path]) => path as string,
    );
    const here = join(ROOT, document, '..');
    const missing = links.filter((path) => {
      try {
        readFileSync(join(here, path));
        return false;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code !== 'EISDIR';
      }
    });
    expect(missing).toEqual([]);
  });

  it('names npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name as string);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});

it('a flag that does not exist is noticed', () => {
  expect(mistake('run --hartz 4')).toBe("'run' has no --hartz");
  expect(mistake('rum')).toBe("no command 'rum'");
});
