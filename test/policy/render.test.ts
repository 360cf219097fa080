import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { checkPolicies } from '../../src/policy/check.ts';
import type { Policies } from '../../src/policy/model.ts';
import { renderDot, renderSvg } from '../../src/policy/render.ts';

/** A core that calls every one of n subsystems, which all call it. */
async function star(n: number): Promise<Policies> {
  const names = Array.from({ length: n }, (_, i) => `sub${i}`);
  const text = [
    `subsystem core { exports { kalloc() } ${names.map((s) => `imports ${s} { f_${s} }`).join(' ')} }`,
    ...names.map(
      (s) =>
        `subsystem ${s} { exports { f_${s}() } imports core { kalloc } shares object o_${s} with core ro }`,
    ),
  ].join('\n');
  const { policies } = await checkPolicies([{ file: 'a.policy', text }]);
  if (policies === null) throw new Error('policies');
  return policies;
}

describe('the graph', () => {
  it('in dot names every subsystem, call and share', async () => {
    expect(renderDot(await star(1))).toBe(`digraph policies {
  node [shape=box, fontname="sans-serif"];
  edge [fontname="sans-serif", fontsize=10];
  "core" [label="core\\nstack 8K", style=bold];
  "sub0" [label="sub0\\nstack 8K"];
  "core" -> "sub0" [label="f_sub0"];
  "sub0" -> "core" [label="kalloc"];
  "sub0" -> "core" [label="o_sub0 ro", style=dashed, arrowhead=none];
}
`);
  });

  it.each([1, 3, 9, 20])(
    'in SVG keeps the boxes of a core and %i subsystems apart and inside',
    async (n) => {
      const { document } = parseHTML(renderSvg(await star(n)));
      const svg = document.querySelector('svg');
      const [left = 0, top = 0, width = 0, height = 0] = (svg?.getAttribute('viewBox') ?? '')
        .split(' ')
        .map(Number);
      const boxes = [...document.querySelectorAll('rect[rx]')].map((rect) => {
        const [x = 0, y = 0, w = 0, h = 0] = ['x', 'y', 'width', 'height'].map((a) =>
          Number(rect.getAttribute(a)),
        );
        return { x, y, right: x + w, bottom: y + h };
      });
      expect(boxes).toHaveLength(n + 1);
      for (const [i, a] of boxes.entries()) {
        expect(
          a.x >= left && a.y >= top && a.right <= left + width && a.bottom <= top + height,
        ).toBe(true);
        for (const b of boxes.slice(i + 1)) {
          const isApart = a.right < b.x || b.right < a.x || a.bottom < b.y || b.bottom < a.y;
          expect(isApart).toBe(true);
        }
      }
      expect(document.querySelectorAll('path[marker-end]')).toHaveLength(2 * n);
      expect(document.querySelectorAll('path[stroke-dasharray]')).toHaveLength(n);
    },
  );
});
