import { expect, it } from 'vitest';

import { readGuestReport } from '../../../src/lab/stress/guest-report.ts';

it('reads what the stressors say, even where the kernel interrupts them', () => {
  const output = [
    'pipering: ok rounds=7 sum=00ff\r',
    'filechurcore: restarted buggy, generation 12\r',
    'n: ok rounds=36 sum=beef\r',
    'mmapstorm: FAILED round 3: a page changed\r',
    'stress: FAILED 2 of 3 passed, seed=1\r',
    '',
  ].join('\n');
  expect(readGuestReport(output)).toEqual({
    stressors: [
      { name: 'pipering', ok: true, rounds: 7, why: null },
      { name: 'filechurn', ok: true, rounds: 36, why: null },
      { name: 'mmapstorm', ok: false, rounds: 0, why: 'round 3: a page changed' },
    ],
    panics: [],
  });
});

it('hears the kernel give up', () => {
  expect(readGuestReport('panic: frame 80200000 is free already\n').panics).toHaveLength(1);
});
