/**
 * Readable words for what the lexer and the parser found. They name what could stand here, in the
 * reader's terms, and never a token type or an offset.
 */
import { compareText, suggestion } from '../diagnostics.ts';

const TOKEN_WORDS: Readonly<Record<string, string>> = {
  ID: 'a name',
  SIZE: 'a number',
  STRING: 'a text in "quotes"',
  EOF: 'the end of the file',
};

const word = (tokenName: string): string => TOKEN_WORDS[tokenName] ?? `'${keyword(tokenName)}'`;
const keyword = (tokenName: string): string => tokenName.replace(/:KW$/, '');
const found = (image: string): string => (image === '' ? 'the file ends' : `found '${image}'`);

/** What stands in a place, for the rules in which a name may be any of many words. */
const RULE_WORDS: Readonly<Record<string, string>> = {
  Name: 'a name',
  Size: 'a number',
  Parameter: 'a parameter, as in "n: size <= 4096"',
  ParameterType: 'a type: scalar, size, handle, flags, or in/out/inout bytes[n] or string',
  OnFault: "'fail EIO' or 'panic'",
  Owned: 'heap, stack or mmio',
  Assertion: "'no path from a to b' or 'only a reaches b.f'",
};

export function lexerMessage(text: string): string {
  if (text.startsWith('"')) return 'this text has no closing quote';
  return `'${text}' is no part of the policy language`;
}

const CLAUSES =
  'allow budget contains exports imports mechanism owns restart secret shares stack'.split(' ');

/** The words that may start an element of a list closed by '}', and what an element looks like. */
const LISTS: Readonly<Record<string, { starts: readonly string[]; element: string }>> = {
  Subsystem: {
    starts: CLAUSES,
    element: 'a clause',
  },
  Exports: { starts: [], element: "a function, as in 'f(n: size) -> status'," },
  Imports: { starts: [], element: 'a function name' },
};

export function mismatchMessage(expected: string, actual: string, ruleName: string): string {
  if (expected === 'EOF') return redundantMessage(actual);
  const list = keyword(expected) === '}' ? LISTS[ruleName] : undefined;
  if (list !== undefined) {
    const near = actual === '' ? '' : suggestion(actual, list.starts).text;
    if (near !== '') return `unknown clause '${actual}'${near}`;
    return `expected ${list.element} or '}', ${found(actual)}`;
  }
  return `expected ${word(expected)}, ${found(actual)}`;
}

export const redundantMessage = (image: string): string =>
  image === '}'
    ? "this '}' closes nothing"
    : `expected 'subsystem' or 'assert', ${found(image)}${suggestion(image, ['subsystem', 'assert']).text}`;

export function unexpectedMessage(
  image: string,
  expected: readonly (string | undefined)[],
  ruleName: string,
): string {
  const named = RULE_WORDS[ruleName];
  if (named !== undefined) return `expected ${named}, ${found(image)}`;
  const names = [...new Set(expected.filter((name) => name !== undefined))];
  const keywords = names.map(keyword).toSorted(compareText);
  const hint = image === '' ? '' : suggestion(image, keywords).text;
  if (hint !== '') return `${found(image).replace(/^found /, 'unexpected ')}${hint}`;
  if (names.includes('ID')) return `expected a name, ${found(image)}`;
  return `expected ${names.map(word).toSorted(compareText).join(', ')}, ${found(image)}`;
}

/** The message of an unresolved name. */
export function unknownName(
  kind: 'subsystem' | 'function' | 'parameter',
  name: string,
  owner: string | undefined,
  candidates: readonly string[],
): { message: string; fix?: string } {
  const { text, fix } = suggestion(name, candidates);
  const message = {
    subsystem: `unknown subsystem '${name}'`,
    function: `'${owner}' does not export '${name}'`,
    parameter: `'${owner}' has no parameter '${name}'`,
  }[kind];
  const otherwise = {
    subsystem: `write a policy for '${name}', or name one of: ${[...new Set(candidates)].join(', ')}`,
    function: `add '${name}(...)' to the exports of '${owner}', or drop it here`,
    parameter: `add a parameter '${name}: size <= 4096'`,
  }[kind];
  return { message: message + text, fix: fix?.startsWith('write') ? fix : otherwise };
}
