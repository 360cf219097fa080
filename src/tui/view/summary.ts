/** The run in figures without looks: one line of it, and the table at its end. */
import type { HartCounts, Model } from '../model.ts';
import { clockTime, count, duration } from '../scale.ts';
import { fit, safeText } from '../text.ts';

/** Heads the rates of TLB misses, so that nobody takes the emulator's for the machine's. */
export const tlbRateTitle = ({ summary }: Model): string =>
  summary.tlb === 'model' ? 'tlbm/s' : 'soft/s';

const tlbTitle = ({ summary }: Model): string =>
  summary.tlb === 'model' ? 'TLB misses' : 'soft TLB misses';

/** The run in one line. */
export function statusLine(model: Model): string {
  const { eventCounts } = model;
  return [
    `${clockTime(model.elapsedMs)} |`,
    `${model.harts.length} harts`,
    `${count(model.total('rates', 'instructions'))} ins/s`,
    `${count(model.total('rates', 'gates'))} gate/s`,
    `${count(model.total('rates', 'tlbMisses'))} ${tlbRateTitle(model)}`,
    `${duration(model.total('rates', 'shootdownWaitNs'))} wait/s`,
    `${eventCounts.denial} denied`,
    `${eventCounts.restart} restarts`,
  ].join(' ');
}

/** The whole run: a row a hart, the gates that were crossed, what happened to the domains. */
export function finalTable(model: Model): string[] {
  const { summary, domains, gates, eventCounts, harts } = model;
  const about = [summary.title, summary.mechanism, summary.schedule].filter((part) => part !== '');
  const seconds = model.elapsedMs / 1000;
  const crossings = gates.totals
    .entries()
    .filter(([, total]) => total > 0)
    .map(([cell, total]) => ({
      caller: model.domainName(Math.floor(cell / gates.size)),
      callee: model.domainName(cell % gates.size),
      total,
    }))
    .toArray()
    .sort((a, b) => b.total - a.total);
  const lines = [
    `Cordon: ${about.join(', ')}${summary.finished === null ? '' : `: ${summary.finished}`}`,
    '',
    row(['hart', 'instructions', 'ins/s', 'gates', tlbTitle(model), 'shootdown wait']),
    ...harts.map((hart) => hartRow(`h${hart.id}`, hart.totals, seconds)),
    ...(harts.length > 1 ? [hartRow('all', sum(model), seconds)] : []),
  ];
  if (domains.length > 0) {
    lines.push('', row(['domain', 'state', 'generation', 'restarts']));
    for (const { name, state, generation, restarts } of domains) {
      lines.push(row([name, state, String(generation), String(restarts)]));
    }
  }
  if (crossings.length > 0) {
    lines.push('', row(['from', 'to', 'crossings']));
    for (const { caller, callee, total } of crossings) {
      lines.push(row([caller, callee, total.toLocaleString('en')]));
    }
  }
  lines.push(
    '',
    `${eventCounts.denial} denials, ${eventCounts.fault} faults, ${eventCounts.restart} restarts, ` +
      `${eventCounts.quarantine} quarantines in ${clockTime(model.elapsedMs)}`,
  );
  return lines.map((line) => safeText(line).trimEnd());
}

const NAME_CELLS = 12;
const FIGURE_CELLS = 16;

const row = ([name = '', ...figures]: readonly string[]): string =>
  fit(name, NAME_CELLS) + figures.map((figure) => fit(figure, FIGURE_CELLS, 'right')).join('');

const hartRow = (name: string, totals: HartCounts, seconds: number): string =>
  row([
    name,
    totals.instructions.toLocaleString('en'),
    seconds > 0 ? count(totals.instructions / seconds) : '-',
    totals.gates.toLocaleString('en'),
    totals.tlbMisses.toLocaleString('en'),
    duration(totals.shootdownWaitNs),
  ]);

const sum = (model: Model): HartCounts => ({
  instructions: model.total('totals', 'instructions'),
  gates: model.total('totals', 'gates'),
  tlbMisses: model.total('totals', 'tlbMisses'),
  shootdownWaitNs: model.total('totals', 'shootdownWaitNs'),
});
