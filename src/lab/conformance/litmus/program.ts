/**
 * Makes an image of a litmus test: each thread runs its code round after round, on fresh locations in
 * each, and leaves the registers that an outcome shows in memory.
 *
 * Before each round the threads count themselves in on a word and spin until all have, so that their
 * operations run as close together as can be; but not for ever, since on a host with fewer cores than
 * harts somebody is always asleep.
 */
import { FINISHER_PASS } from '../../../machine/devices/finisher.ts';
import { assemble } from '../../../machine/isa/assembler.ts';
import { FINISHER, RAM_BASE } from '../../../machine/physical-map.ts';
import type { KernelImage } from '../../session-image.ts';
import { LitmusError, type LitmusTest, type Observed } from './parse.ts';

/** Locations lie this far apart: never in one cache line, nor in two that are fetched together. */
const LOCATION_BYTES = 128;
const RESULT_BYTES = 4;
const PATIENCE = 1000;

const CODE_BYTES = 4096;
const BARRIER = RAM_BASE + 0x2_0000;
const FINISHED = BARRIER + 64;
const LOCATIONS = RAM_BASE + 0x10_0000;

export interface LitmusImage {
  readonly image: KernelImage;
  readonly ramBytes: number;
  /** Reads the outcome of a round from RAM. */
  outcome(ram: DataView, round: number): string;
}

/** @throws LitmusError, AssemblyError */
export function litmusImage(test: LitmusTest, rounds: number): LitmusImage {
  const names = [...test.locations.keys()];
  const roundBytes = Math.max(1, names.length) * LOCATION_BYTES;
  const results = LOCATIONS + rounds * roundBytes;
  const resultBytes = RESULT_BYTES * test.observed.length;
  const end = results + rounds * Math.max(1, resultBytes);
  const megabytes = Math.ceil((end - RAM_BASE + (4 << 20)) / 2 ** 20);

  const locations = new Uint8Array(rounds * roundBytes);
  const view = new DataView(locations.buffer);
  names.forEach((name, index) => {
    const value = test.locations.get(name) ?? 0;
    if (value === 0) return;
    for (let round = 0; round < rounds; round++)
      view.setInt32(round * roundBytes + index * LOCATION_BYTES, value, true);
  });

  const segments = [
    segment(RAM_BASE, assemble(START, RAM_BASE).bytes),
    ...test.threads.map((_, thread) => {
      const at = RAM_BASE + (thread + 1) * CODE_BYTES;
      const code = threadCode(test, thread, { names, roundBytes, results, resultBytes, rounds });
      return segment(at, assemble(code, at).bytes);
    }),
    segment(LOCATIONS, locations),
  ];
  return {
    image: { name: test.name, entry: RAM_BASE, segments },
    ramBytes: Math.max(32, megabytes) * 2 ** 20,
    outcome: (ram, round) =>
      test.observed
        .map((one, index) => {
          const at =
            'location' in one
              ? LOCATIONS + round * roundBytes + names.indexOf(one.location) * LOCATION_BYTES
              : results + round * resultBytes + index * RESULT_BYTES;
          return `${one.name}=${ram.getInt32(at - RAM_BASE, true)};`;
        })
        .join(' '),
  };
}

const segment = (physical: number, data: Uint8Array): KernelImage['segments'][number] => ({
  physical,
  data,
  sizeBytes: data.length,
});

/** Every hart goes to the page of its own number. */
const START = `
  csrr t0, mhartid
  addi t0, t0, 1
  slli t0, t0, 12
  li   t1, ${RAM_BASE}
  add  t0, t0, t1
  jr   t0
`;

interface Layout {
  readonly names: readonly string[];
  readonly roundBytes: number;
  readonly results: number;
  readonly resultBytes: number;
  readonly rounds: number;
}

function threadCode(test: LitmusTest, thread: number, layout: Layout): string {
  const body = test.threads[thread] as readonly string[];
  const registers = test.registers[thread] as Readonly<Record<string, number | string>>;
  const [cells, results, barrier, left, arrivals, a, b] = freeRegisters(body, registers, 7);
  const set = Object.entries(registers).map(([register, value]) =>
    typeof value === 'number'
      ? `li ${register}, ${value}`
      : `addi ${register}, ${cells}, ${layout.names.indexOf(value) * LOCATION_BYTES}`,
  );
  const isMine = (one: Observed): boolean => 'thread' in one && one.thread === thread;
  const unset = [...new Set(body.join(' ').match(/\bx\d+\b/g) ?? [])].filter(
    (register) => !(register in registers) && register !== 'x0',
  );
  const store = test.observed.flatMap((one, index) =>
    isMine(one) && 'register' in one
      ? [`sw ${one.register}, ${RESULT_BYTES * index}(${results})`]
      : [],
  );
  return `
  li   ${cells}, ${LOCATIONS}
  li   ${results}, ${layout.results}
  li   ${barrier}, ${BARRIER}
  li   ${left}, ${layout.rounds}
  li   ${arrivals}, 0
round$:
  ${[...unset.map((register) => `li ${register}, 0`), ...set].join('\n  ')}
  addi ${arrivals}, ${arrivals}, ${test.threads.length}
  li   ${a}, 1
  amoadd.w.aqrl zero, ${a}, (${barrier})
  li   ${a}, ${PATIENCE}
meet$:
  lw   ${b}, 0(${barrier})
  bge  ${b}, ${arrivals}, go$
  addi ${a}, ${a}, -1
  bnez ${a}, meet$
go$:
  ${body.join('\n  ')}
  ${store.join('\n  ')}
  li   ${a}, ${layout.roundBytes}
  add  ${cells}, ${cells}, ${a}
  addi ${results}, ${results}, ${layout.resultBytes}
  addi ${left}, ${left}, -1
  bnez ${left}, round$
  li   ${a}, 1
  li   ${b}, ${FINISHED}
  fence rw, rw
  amoadd.w.aqrl ${a}, ${a}, (${b})
  li   ${b}, ${test.threads.length - 1}
  bne  ${a}, ${b}, rest$
  li   ${a}, ${FINISHER.base}
  li   ${b}, ${FINISHER_PASS}
  sw   ${b}, 0(${a})
rest$:
  wfi
  j    rest$
`;
}

/** Registers that the thread does not use. @throws LitmusError if there are too few */
function freeRegisters(
  body: readonly string[],
  registers: Readonly<Record<string, unknown>>,
  count: number,
): string[] {
  const used = new Set([...(body.join(' ').match(/\bx\d+\b/g) ?? []), ...Object.keys(registers)]);
  const free = Array.from({ length: 31 }, (_, n) => `x${31 - n}`).filter((name) => !used.has(name));
  if (free.length < count) throw new LitmusError('a thread uses too many registers');
  return free.slice(0, count);
}
