import { describe, expect, it } from 'vitest';

import { runCampaign } from '../../../src/lab/conformance/random/campaign.ts';
import { cordon, findQemu, type Engine } from '../../../src/lab/conformance/random/engines.ts';
import { contentsOf, programSource } from '../../../src/lab/conformance/random/generate.ts';
import { instructionNamed } from '../../../src/machine/isa/assembler.ts';
import { INSTRUCTIONS } from '../../../src/machine/isa/table.ts';

const all = { items: 25, modes: ['M', 'S', 'U'] } as const;
const fast = cordon('fast');
const campaign = { ...all, seed: 7, from: 0, most: 3, mine: fast };
const qemu = await findQemu();

describe('random programs', { timeout: 60_000 }, () => {
  it('are the same for the same seed, and others for another', () => {
    const make = (seed: string): unknown =>
      contentsOf(programSource(all, () => true)(seed), 0x8001_0000);
    expect(make('a')).toEqual(make('a'));
    expect(make('a')).not.toEqual(make('b'));
  });

  it('have no instruction that the other machine lacks', async () => {
    const { instructions } = await runCampaign({
      ...campaign,
      theirs: fast,
      count: 60,
      has: (feature) => !/^(c\.|amo|mul)/.test(feature),
    });
    // Three that a program overwrites others with, and two that end it or jump.
    expect(instructions.filter((name) => /^(c\.|amo|mul)/.test(name))).toEqual(
      instructions.filter((name) => /^(mul|c\.jr|c\.jalr)$/.test(name)),
    );
  });

  it('end alike on the fast and the exact core, with nothing forgiven, and try the whole table', async () => {
    const result = await runCampaign({ ...campaign, theirs: cordon('exact'), count: 500 });
    expect(result).toMatchObject({ failed: 0, disagreements: [], known: {} });
    const missing = INSTRUCTIONS.filter(({ name }) => !result.instructions.includes(name));
    // Rare ones may be missing, but no more than rare ones.
    expect(missing.length).toBeLessThan(INSTRUCTIONS.length / 20);
  });

  it('end alike with translated code, with nothing forgiven', async () => {
    const result = await runCampaign({ ...campaign, theirs: cordon('jit'), count: 40 });
    expect(result).toMatchObject({ failed: 0, disagreements: [], known: {} });
  });

  it.skipIf(qemu === undefined)('end alike on QEMU (needs qemu-system-riscv64)', async () => {
    const { run: theirs, has } = qemu as NonNullable<typeof qemu>;
    const result = await runCampaign({ ...campaign, theirs, has, count: 500 });
    expect(result).toMatchObject({ failed: 0, disagreements: [] });
  });

  it('find a machine that does one instruction wrong, and shrink to it', async () => {
    // Code is data to this one: every mulh is a mulhu.
    const mulh = instructionNamed('mulh');
    const difference = mulh.match ^ instructionNamed('mulhu').match;
    const theirs: Engine = (image) => {
      const bytes = image.bytes.slice();
      const view = new DataView(bytes.buffer);
      for (let at = 0x1_0000; at + 4 <= bytes.length; at += 2) {
        const raw = view.getUint32(at, true);
        if ((raw & mulh.mask) === mulh.match && at % 0x1_0000 < 0x800)
          view.setUint32(at, raw ^ difference, true);
      }
      return fast({ ...image, bytes });
    };
    const result = await runCampaign({ ...campaign, theirs, count: 150, most: 1 });
    expect(result.failed).toBeGreaterThan(0);
    const [found] = result.disagreements;
    expect(found?.text.split('\n')[0]).toMatch(/# mulh /);
  });
});
