/** Denials, faults and restarts, newest last. */
import type { Choices } from '../interface.ts';
import type { Model } from '../model.ts';
import { clockTime } from '../scale.ts';
import type { DashboardEvent, EventKind } from '../source.ts';
import { clip, fit, safeText, span, type Line, type Role } from '../text.ts';
import type { PaneView } from './pane.ts';

const EVENT_WORDS: Readonly<Record<EventKind, string>> = {
  denial: 'denied',
  fault: 'fault',
  restart: 'restart',
  quarantine: 'quarant.',
  note: 'note',
};
const ROLES: Readonly<Record<EventKind, Role>> = {
  denial: 'bad',
  fault: 'bad',
  restart: 'good',
  quarantine: 'warn',
  note: 'dim',
};

/** Below this many cells an event is its time, its sign, its domain and its text. */
const NARROW = 56;

/** Events whose line contains the filter, in any case. */
export function filteredEvents(model: Model, choices: Choices): readonly DashboardEvent[] {
  const wanted = choices.filter.toLowerCase();
  if (wanted === '') return model.events;
  return model.events.filter((event) => eventText(event).toLowerCase().includes(wanted));
}

/** An event as one line without looks; also what the filter searches. */
export function eventText(event: DashboardEvent): string {
  const hart = event.hart >= 0 ? `h${event.hart} ` : '';
  const domain = event.domain === '' ? '' : `${event.domain}: `;
  return safeText(`${hart}${EVENT_WORDS[event.kind]} ${domain}${event.text.replaceAll('\n', ' ')}`);
}

export const eventsView: PaneView = (model, choices, size, glyphs) => {
  const events = filteredEvents(model, choices);
  const back = Math.min(choices.back.events, Math.max(0, events.length - size.height));
  const end = events.length - back;
  const shown = events.slice(Math.max(0, end - size.height), end);
  const notes = [
    `${model.eventCounts.denial} denied, ${model.eventCounts.restart} restarts`,
    ...(choices.filter === '' ? [] : [`/${choices.filter}`]),
    ...(back > 0 ? [`${back} below`] : []),
    ...(model.eventsLost > 0 ? [`${model.eventsLost} lost`] : []),
  ];
  const isNarrow = size.width < NARROW;
  const line = (event: DashboardEvent): Line => [
    span(`${fit(clockTime(event.timeMs), 6, 'right')} `, 'dim'),
    span(`${glyphs.event[event.kind]} `, ROLES[event.kind]),
    span(isNarrow ? '' : `${fit(EVENT_WORDS[event.kind], 8)} `, ROLES[event.kind]),
    span(event.hart >= 0 && !isNarrow ? `h${event.hart} ` : '', 'dim'),
    span(event.domain === '' ? '' : safeText(`${event.domain}: `), 'accent'),
    span(safeText(event.text.replaceAll('\n', ' '))),
  ];
  const empty = choices.filter === '' ? 'Nothing was denied so far.' : 'No event matches.';
  return {
    note: notes.join(', '),
    lines:
      shown.length === 0
        ? [[span(empty, 'dim')]]
        : shown.map((event) => clip(line(event), size.width)),
  };
};
