/**
 * Random programs by the hundred, on two machines, and what is to be said about each that they disagree on.
 */
import { decode, isFourBytes } from '../../../machine/isa/decoder.ts';
import { compareMemories, type Difference } from './compare.ts';
import { RunAborted, type Engine } from './engines.ts';
import {
  contentsOf,
  listing,
  programSource,
  type GenerateOptions,
  type Kept,
  type Program,
} from './generate.ts';
import { buildImage, FRAME, SLOT, slotAddress, slotOffset, type Image } from './image.ts';
import { shrink } from './shrink.ts';

export interface CampaignSpec extends GenerateOptions {
  readonly seed: number;
  /** Number of the first program: with a count of 1, the one that is to be seen again. */
  readonly from: number;
  readonly count: number;
  readonly mine: Engine;
  readonly theirs: Engine;
  /** What both have; everything if left out. */
  readonly has?: (feature: string) => boolean;
  /** Failing programs to shrink and report; the rest are counted. */
  readonly most: number;
}

export interface Disagreement {
  readonly number: number;
  /** Assembly, the start of the registers that matter, and what differs. */
  readonly text: string;
}

export interface CampaignResult {
  readonly programs: number;
  readonly failed: number;
  readonly disagreements: readonly Disagreement[];
  /** Programs that needed each known difference. */
  readonly known: Readonly<Record<string, number>>;
  /** Instructions of the table that stand in some program. */
  readonly instructions: readonly string[];
}

const PROGRAMS_PER_IMAGE = 250;

/** @param progress called after each image with how many programs have run and failed */
export async function runCampaign(
  spec: CampaignSpec,
  progress: (programs: number, failed: number) => void = () => {},
): Promise<CampaignResult> {
  const generate = programSource(spec, spec.has ?? ((): boolean => true));
  const known: Record<string, number> = {};
  const instructions = new Set<string>();
  const disagreements: Disagreement[] = [];
  let failed = 0;
  for (let done = 0; done < spec.count; done += PROGRAMS_PER_IMAGE) {
    const first = spec.from + done;
    const programs = Array.from(
      { length: Math.min(PROGRAMS_PER_IMAGE, spec.count - done) },
      (_, n) => generate(`${spec.seed}-${first + n}`),
    );
    const image = buildImage(
      programs.map((program, slot) => contentsOf(program, slotAddress(slot))),
    );
    noteInstructions(image, instructions);
    const [theirs, mine] = await Promise.all(
      [spec.theirs, spec.mine].map((engine) => finish(engine(image))),
    );
    const { mismatches, known: settled } = compareMemories(
      (mine as Finished).memory,
      (theirs as Finished).memory,
      image.slots,
    );
    for (const [name, times] of settled) known[name] = (known[name] ?? 0) + times;
    failed += mismatches.length;
    const abort = [mine, theirs].find((run) => run?.failure !== undefined)?.failure;
    if (abort !== undefined) throw new RunAborted(atSlot(abort, image, first), abort.memory);
    for (const { slot, differences } of mismatches.slice(0, spec.most - disagreements.length)) {
      const program = programs[slot] as Program;
      const shrunk = await shrink(program, [spec.mine, spec.theirs]);
      disagreements.push({
        number: first + slot,
        text:
          shrunk === undefined
            ? `${describe(program)}\n(not when it runs alone)\n${describeDifferences(differences)}`
            : `${describe(program, shrunk.isKept)}\n${describeDifferences(shrunk.mismatch.differences)}`,
      });
    }
    progress(done + programs.length, failed);
  }
  return {
    programs: spec.count,
    failed,
    disagreements,
    known,
    instructions: [...instructions].toSorted(),
  };
}

interface Finished {
  readonly memory: Uint8Array;
  readonly failure?: RunAborted;
}

async function finish(run: Promise<Uint8Array>): Promise<Finished> {
  try {
    return { memory: await run };
  } catch (error) {
    if (error instanceof RunAborted) return { memory: error.memory, failure: error };
    throw error;
  }
}

/** Names the first program that has not come to its end. */
function atSlot({ message, memory }: RunAborted, { slots }: Image, first: number): string {
  const view = new DataView(memory.buffer, memory.byteOffset, memory.length);
  const traps = (slot: number): bigint =>
    view.getBigUint64(slotOffset(slot) + SLOT.machine + FRAME.traps, true);
  const stuck = Array.from({ length: slots }, (_, slot) => slot).find((slot) => traps(slot) === 0n);
  return stuck === undefined
    ? message
    : `${message}; the first program without an end is number ${first + stuck}`;
}

function noteInstructions({ bytes, slots }: Image, names: Set<string>): void {
  const view = new DataView(bytes.buffer);
  for (let slot = 0; slot < slots; slot++) {
    const start = slotOffset(slot) + SLOT.code;
    for (let at = start; at < start + SLOT.codeBytes;) {
      const raw = view.getUint32(at, true);
      if (raw === 0) break;
      const decoded = decode(raw);
      if (decoded !== undefined) names.add(decoded.instruction.name);
      at += isFourBytes(raw) ? 4 : 2;
    }
  }
}

const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`;

function describe(program: Program, isKept: Kept = () => true): string {
  const { start, items, x } = program;
  const lines = listing(items, isKept).split('\n');
  const isUsed = (label: string): boolean =>
    lines.some((line) => line !== `${label}:` && new RegExp(`\\b${label}\\b`).test(line));
  const code = lines.filter((line) => !line.endsWith(':') || isUsed(line.slice(0, -1)));
  const registers = x.flatMap((from, n) => {
    if ('slotOffset' in from)
      return [
        `x${n} = slot + 0x${from.slotOffset.toString(16)}${from.alias === true ? ' (physical)' : ''}`,
      ];
    return from.value !== 0n && isKept(`x${n}`) ? [`x${n} = ${hex(from.value)}`] : [];
  });
  const floats = start.f.flatMap((bits, n) => (isKept(`f${n}`) ? [`f${n} = ${hex(bits)}`] : []));
  return [
    ...code.map((line) => `    ${line}`),
    `  mstatus = ${hex(start.mstatus)}, medeleg = 0x${start.medeleg.toString(16)}, fcsr = 0x${start.fcsr.toString(16)}`,
    ...(start.leaves === undefined
      ? []
      : [`  pages at ${hex(start.base)}: ${start.leaves.map(hex).join(' ')}`]),
    `  ${[...registers, ...floats].join(', ')}`,
  ].join('\n');
}

const MOST_DIFFERENCES = 8;

const describeDifferences = (differences: readonly Difference[]): string =>
  differences
    .slice(0, MOST_DIFFERENCES)
    .map(({ what, mine, theirs }) => `  ${what}: ${hex(mine)}, and there ${hex(theirs)}`)
    .join('\n');
