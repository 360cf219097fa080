import { describe, expect, it } from 'vitest';
import { PTE } from '../../src/machine/page-table.ts';
import { GroundTruth } from '../../src/oracle/ground-truth.ts';
import type { Contexts, DomainContext, Region } from '../../src/policy/contexts.ts';

const place = { file: 'test.policy', line: 1 };
const region = (frame: number, pages = 1): Region => ({
  start: `0x${(0xffffffff80000000n + BigInt(frame * 4096)).toString(16)}`,
  sizeBytes: pages * 4096,
  startPhys: `0x${(0x80000000 + frame * 4096).toString(16)}`,
});

const domain = (id: number, name: string, more: Partial<DomainContext> = {}): DomainContext => ({
  id,
  name,
  text: region(10 * id),
  rodata: region(10 * id + 1),
  data: region(10 * id + 2, 2),
  dataInitBytes: 0,
  stacks: region(10 * id + 4),
  stackBytes: 4096,
  window:
    id === 0
      ? null
      : { start: `0xffffffe0${(id << 24).toString(16).padStart(8, '0')}`, sizeBytes: 1 << 24 },
  mmio: [],
  secrets: [],
  budget: 0,
  restarts: 0,
  place,
  ...more,
});

const contexts: Contexts = {
  version: 1,
  entry: '0xffffffff80000000',
  entryPhys: '0x80000000',
  defaultMechanism: 'asid',
  threads: 1,
  domains: [
    domain(0, 'core'),
    domain(1, 'disk', {
      mmio: [{ device: 'disk0', region: { ...region(0), startPhys: '0x10001000' } }],
    }),
    domain(2, 'net'),
  ],
  gateRegion: region(40),
  gateBytes: 16,
  returnGate: '0xffffffff80028000',
  resumeGate: '0xffffffff80028010',
  gates: [
    {
      id: 0,
      start: '0xffffffff80028020',
      caller: 0,
      callee: 1,
      function: 'disk_read',
      target: '0xffffffff8000a000',
      args: [],
      onFault: { action: 'panic' },
      place,
    },
  ],
  shares: [
    {
      name: 'clock',
      owner: 0,
      region: region(41),
      grants: [
        { domain: 0, access: 'rw' },
        { domain: 1, access: 'r' },
      ],
      place,
    },
  ],
  segmentHashes: [],
};

const RW = PTE.R | PTE.W;
const truth = new GroundTruth(contexts, 100 * 4096, {
  base: 0x80000000 + 90 * 4096,
  sizeBytes: 10 * 4096,
});
const rightsOf = (frame: number): readonly number[] | undefined => truth.piece(frame)?.rights;

describe('the ground truth', () => {
  it('gives text, constants, data and stacks to their domain alone', () => {
    expect(rightsOf(10)).toEqual([0, PTE.R | PTE.X, 0]);
    expect(rightsOf(11)).toEqual([0, PTE.R, 0]);
    expect(rightsOf(13)).toEqual([0, RW, 0]);
    expect(rightsOf(24)).toEqual([0, 0, RW]);
  });

  it('lets everybody execute gates, and nobody read them', () => {
    expect(rightsOf(40)).toEqual([PTE.X, PTE.X, PTE.X]);
  });

  it('gives a share to those it was granted to, as it was', () => {
    expect(rightsOf(41)).toEqual([RW, PTE.R, 0]);
  });

  it("lets the core look at the monitor's tables, and no more", () => {
    expect(rightsOf(89)).toBeUndefined();
    expect(rightsOf(90)).toEqual([PTE.R, 0, 0]);
  });

  it('gives a device to its owner, to the last byte', () => {
    expect(truth.ownsDevice(1, 0x10001fff)).toBe(true);
    expect(truth.ownsDevice(1, 0x10002000)).toBe(false);
    expect(truth.ownsDevice(0, 0x10001000)).toBe(false);
  });

  it("knows a domain's window from its neighbour's", () => {
    expect(truth.isInWindow(1, 0x01fff000, 0xffffffe0 | 0)).toBe(true);
    expect(truth.isInWindow(1, 0x02000000, 0xffffffe0 | 0)).toBe(false);
    expect(truth.isInWindow(0, 0, 0xffffffe0 | 0)).toBe(false);
  });

  it('knows who may call whom, which is not who may be called by whom', () => {
    expect(truth.mayCall(0, 1)).toBe(true);
    expect(truth.mayCall(1, 0)).toBe(false);
    expect(truth.mayCall(1, 7)).toBe(false);
  });
});
