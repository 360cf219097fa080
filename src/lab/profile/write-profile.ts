/** From the harts' samples to a profile: a flame graph or tables. */
import { existsSync } from 'node:fs';

import type { Session } from '../session.ts';
import { flameGraph } from './flame-graph.ts';
import { DETERMINISTIC_PERIOD_NS, PERIOD_NS } from './hart-sampler.ts';
import { profileText } from './profile-text.ts';
import { readSamples, sampleFile } from './samples.ts';
import { namedStack, treeOf, type NamedStack } from './stacks.ts';
import { FunctionTable, kernelFunctions, programsOf } from './symbols.ts';

/** The named stacks of a run that has ended. */
export function stacksOf(session: Session, folder: string): NamedStack[] {
  const { spec } = session;
  const functions = kernelFunctions(spec);
  const naming = {
    kernel: functions === undefined ? undefined : new FunctionTable(functions),
    programs: programsOf(spec.initrd),
    contexts: spec.firmware?.contexts,
  };
  return Array.from({ length: spec.harts }, (_, hart) => sampleFile(folder, hart))
    .filter((file) => existsSync(file))
    .flatMap((file) => readSamples(file).map((sample) => namedStack(sample, naming)));
}

/** What a path's ending asks for. */
export function renderProfile(session: Session, folder: string, path: string): string {
  const stacks = stacksOf(session, folder);
  if (path.endsWith('.svg')) return flameGraph(treeOf(stacks), session.spec.image.name);
  const isDeterministic = session.spec.mode.kind === 'deterministic';
  const ns = isDeterministic ? DETERMINISTIC_PERIOD_NS : PERIOD_NS;
  return profileText(stacks, `${ns / 1e6} ms`);
}
