import { describe, expect, it } from 'vitest';
import { countSource, tcbPage } from '../../src/lab/tcb.ts';
import { RULES } from '../../src/nested-kernel/ledger.ts';

describe('docs/nested-kernel.md', () => {
  const { now, wanted } = tcbPage();

  it('counts the nested kernel as it is (node src/lab/tcb.ts writes it)', () => {
    expect(now).toBe(wanted);
  });

  it('states every invariant, and every rule that upholds one', () => {
    for (const { name, invariant } of RULES) {
      expect(now).toContain(`| ${invariant} |`);
      expect(now).toContain(`\`${name}\``);
    }
  });
});

describe('counting', () => {
  it('leaves comments and blank lines out, and sees every way the flow parts', () => {
    const text =
      "/** a\n if b */\n\nif (a && b) c(); // while\nfor (;;) d = e ? 'if' : f ?? g?.h;\n";
    expect(countSource(text)).toEqual({ lines: 2, branches: 5 });
  });
});
