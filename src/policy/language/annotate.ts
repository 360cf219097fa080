/**
 * Second step of `npm run policy:generate`: gives the exported constants of Langium's output the
 * explicit types that `isolatedDeclarations` asks for. Fails if the output no longer looks as it did.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const REWRITES: readonly (readonly [file: string, from: string, to: string])[] = [
  [
    'ast.ts',
    'export const PolicyTerminals = {',
    'export const PolicyTerminals: Record<string, RegExp> = {',
  ],
  ['ast.ts', 'override readonly types = {', 'override readonly types: langium.AstMetaData = {'],
  ['ast.ts', '} as const satisfies langium.AstMetaData', '};'],
  ['ast.ts', 'export const reflection = new', 'export const reflection: PolicyAstReflection = new'],
  [
    'module.ts',
    'export const PolicyLanguageMetaData = {',
    'export const PolicyLanguageMetaData: LanguageMetaData = {',
  ],
  ['module.ts', '} as const satisfies LanguageMetaData;', '};'],
];

for (const [file, from, to] of REWRITES) {
  const url = new URL(`generated/${file}`, import.meta.url);
  const text = readFileSync(url, 'utf8');
  if (text.split(from).length !== 2) throw new Error(`${file}: expected one '${from}'`);
  writeFileSync(url, text.replace(from, to));
}
