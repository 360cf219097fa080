/**
 * What the user has chosen, and the keys that choose. One table gives the bindings, the footer of
 * each pane and the help page.
 */
import { PANES, type PaneName } from './layout.ts';

export const MIN_FPS = 1;
export const MAX_FPS = 20;

export interface Choices {
  focus: PaneName;
  isExpanded: boolean;
  isPaused: boolean;
  isHelpShown: boolean;
  /** First line shown of the help page. */
  helpLine: number;
  fps: number;
  /** Events that do not contain it are hidden. */
  filter: string;
  isFilterEdited: boolean;
  /** Keys go to the guest. */
  isTyping: boolean;
  selectedHart: number;
  showsTotals: boolean;
  /** First row and column of the matrix. */
  gateRow: number;
  gateColumn: number;
  /** Rows that events and console are scrolled back. */
  back: { events: number; console: number };
}

export const initialChoices = (fps: number): Choices => ({
  focus: 'harts',
  isExpanded: false,
  isPaused: false,
  isHelpShown: false,
  helpLine: 0,
  fps,
  filter: '',
  isFilterEdited: false,
  isTyping: false,
  selectedHart: 0,
  showsTotals: false,
  gateRow: 0,
  gateColumn: 0,
  back: { events: 0, console: 0 },
});

/** What keys need to know of what is shown. */
export interface Surroundings {
  readonly harts: number;
  /** Harts from one row of the hart pane to the next. */
  readonly hartStep: number;
  readonly domains: number;
  /** Rows that events and console could be scrolled back, at most. */
  readonly maxBack: { readonly events: number; readonly console: number };
  /** Rows of the focused pane. */
  readonly pageRows: number;
  readonly canType: boolean;
}

type Effect = 'quit' | 'interrupt' | undefined;

interface Binding {
  /** Names as blessed gives them. */
  readonly keys: readonly string[];
  /** As the footer and the help page call them. */
  readonly label: string;
  readonly does: string;
  /** Where it holds; everywhere if left out. */
  readonly panes?: readonly PaneName[];
  readonly run: (choices: Choices, around: Surroundings, key: string) => Effect | void;
}

const clamp = (value: number, low: number, high: number): number =>
  Math.max(low, Math.min(high, value));

/** Moves in the focused pane: to other harts, over the matrix, back in time. */
function move(choices: Choices, around: Surroundings, columns: number, rows: number): void {
  switch (choices.focus) {
    case 'harts':
      choices.selectedHart = clamp(
        choices.selectedHart + columns + rows * around.hartStep,
        0,
        Math.max(0, around.harts - 1),
      );
      return;
    case 'gates':
      choices.gateRow = clamp(choices.gateRow + rows, 0, Math.max(0, around.domains - 1));
      choices.gateColumn = clamp(choices.gateColumn + columns, 0, Math.max(0, around.domains - 1));
      return;
    case 'events':
    case 'console': {
      const { focus, back } = choices;
      back[focus] = clamp(back[focus] - rows, 0, around.maxBack[focus]);
    }
  }
}

const BINDINGS: readonly Binding[] = [
  {
    keys: ['up', 'down', 'left', 'right', 'k', 'j', 'h', 'l'],
    label: 'arrows hjkl',
    does: 'select a hart',
    panes: ['harts'],
    run: arrows,
  },
  {
    keys: ['up', 'down', 'left', 'right', 'k', 'j', 'h', 'l'],
    label: 'arrows hjkl',
    does: 'move over the matrix',
    panes: ['gates'],
    run: arrows,
  },
  {
    keys: ['t'],
    label: 't',
    does: 'rates/totals',
    panes: ['gates'],
    run: (choices) => void (choices.showsTotals = !choices.showsTotals),
  },
  {
    keys: ['up', 'down', 'k', 'j'],
    label: 'arrows jk',
    does: 'scroll',
    panes: ['events', 'console'],
    run: arrows,
  },
  {
    keys: ['pageup', 'pagedown'],
    label: 'PgUp PgDn',
    does: 'a page',
    run: (choices, around, key) =>
      move(choices, around, 0, (key === 'pageup' ? -1 : 1) * around.pageRows),
  },
  {
    keys: ['home', 'end', 'g', 'S-g'],
    label: 'Home End',
    does: 'first, last',
    run: (choices, around, key) => {
      const far = key === 'home' || key === 'g' ? -1e9 : 1e9;
      move(choices, around, 0, far);
      if (choices.focus === 'gates') move(choices, around, far, 0);
    },
  },
  {
    keys: ['/'],
    label: '/',
    does: 'filter',
    panes: ['events'],
    run: (choices) => void (choices.isFilterEdited = true),
  },
  {
    keys: ['i'],
    label: 'i',
    does: 'type to the guest',
    panes: ['console'],
    run: (choices, around) => {
      if (!around.canType) return;
      choices.isTyping = true;
      choices.isPaused = false;
      choices.back.console = 0;
    },
  },
  {
    keys: ['enter', 'linefeed'],
    label: 'Enter',
    does: 'expand',
    run: (choices) => void (choices.isExpanded = !choices.isExpanded),
  },
  { keys: ['escape'], label: 'Esc', does: 'back', run: goBack },
  {
    keys: ['tab', 'S-tab'],
    label: 'Tab',
    does: 'next pane',
    run: (choices, _around, key) => {
      const next = PANES.indexOf(choices.focus) + (key === 'tab' ? 1 : -1);
      choices.focus = PANES[(next + PANES.length) % PANES.length] as PaneName;
    },
  },
  {
    keys: PANES.map((_, index) => String(index + 1)),
    label: `1-${PANES.length}`,
    does: 'go to a pane',
    run: (choices, _around, key) => void (choices.focus = PANES[Number(key) - 1] as PaneName),
  },
  {
    keys: ['space'],
    label: 'space',
    does: 'pause',
    run: (choices) => void (choices.isPaused = !choices.isPaused),
  },
  {
    keys: ['+', '=', '-'],
    label: '+ -',
    does: 'frames a second',
    run: (choices, _around, key) =>
      void (choices.fps = clamp(choices.fps + (key === '-' ? -1 : 1), MIN_FPS, MAX_FPS)),
  },
  {
    keys: ['?', 'f1'],
    label: '?',
    does: 'help',
    run: (choices) => {
      choices.isHelpShown = !choices.isHelpShown;
      choices.helpLine = 0;
    },
  },
  { keys: ['q'], label: 'q', does: 'quit', run: () => 'quit' },
  { keys: ['C-c'], label: 'Ctrl-C', does: 'quit', run: () => 'interrupt' },
];

const STEPS: Readonly<Record<string, readonly [columns: number, rows: number]>> = {
  ...{ up: [0, -1], down: [0, 1], left: [-1, 0], right: [1, 0] },
  ...{ k: [0, -1], j: [0, 1], h: [-1, 0], l: [1, 0] },
};

function arrows(choices: Choices, around: Surroundings, key: string): void {
  const [columns, rows] = STEPS[key] ?? [0, 0];
  move(choices, around, columns, rows);
}

/** Esc undoes one thing: the help page, else the expansion, else a scroll, else the filter. */
function goBack(choices: Choices): void {
  const { focus } = choices;
  if (choices.isHelpShown) choices.isHelpShown = false;
  else if (choices.isExpanded) choices.isExpanded = false;
  else if ((focus === 'events' || focus === 'console') && choices.back[focus] > 0) {
    choices.back[focus] = 0;
  } else if (focus === 'events') choices.filter = '';
}

const holds = (binding: Binding, focus: PaneName): boolean =>
  binding.panes === undefined || binding.panes.includes(focus);

/** A key while no text is typed. @param key blessed's full name, `S-tab`, `C-c` */
export function press(choices: Choices, around: Surroundings, key: string): Effect {
  if (choices.isHelpShown && !HELP_KEYS.includes(key)) {
    readHelp(choices, key);
    return undefined;
  }
  const binding = BINDINGS.find((b) => b.keys.includes(key) && holds(b, choices.focus));
  return binding?.run(choices, around, key) ?? undefined;
}

/** Keys that mean on the help page what they mean elsewhere. */
const HELP_KEYS: readonly string[] = ['escape', '?', 'f1', 'q', 'C-c'];

/** Moves over the help page; any other key puts it away. The view clamps the line. */
function readHelp(choices: Choices, key: string): void {
  if (key === 'up' || key === 'k') choices.helpLine = Math.max(0, choices.helpLine - 1);
  else if (key === 'down' || key === 'j') choices.helpLine++;
  else if (key === 'pageup') choices.helpLine = Math.max(0, choices.helpLine - 5);
  else if (key === 'pagedown') choices.helpLine += 5;
  else choices.isHelpShown = false;
}

/** A key while the filter is typed. @param character what it types, if anything */
export function pressInFilter(choices: Choices, key: string, character: string): Effect {
  choices.back.events = 0;
  if (key === 'enter' || key === 'linefeed') choices.isFilterEdited = false;
  else if (key === 'escape') {
    choices.isFilterEdited = false;
    choices.filter = '';
  } else if (key === 'backspace') choices.filter = choices.filter.slice(0, -1);
  else if (key === 'C-u') choices.filter = '';
  else if (key === 'C-c') return 'interrupt';
  else if (character >= ' ' && character !== '\x7f' && choices.filter.length < 60) {
    choices.filter += character;
  }
  return undefined;
}

/** The wheel over the focused pane. */
export function turnWheel(choices: Choices, around: Surroundings, rows: number): void {
  move(choices, around, 0, choices.focus === 'harts' ? Math.sign(rows) : rows);
}

export interface KeyHint {
  readonly label: string;
  readonly does: string;
}

/** Keys of a pane in the order of the table: its own first. */
export function hints(focus: PaneName): readonly KeyHint[] {
  const all = BINDINGS.filter((binding) => holds(binding, focus) && binding.label !== 'Ctrl-C');
  const own = all.filter(({ panes }) => panes !== undefined);
  const essential = ['?', 'q', 'space', 'Tab', 'Enter'].flatMap((label) =>
    all.filter((binding) => binding.label === label),
  );
  const rest = all.filter((binding) => !own.includes(binding) && !essential.includes(binding));
  return [...own, ...essential, ...rest];
}

/** All keys, once each: those of every pane, then those of one. */
export function helpTable(): readonly { readonly where: string; readonly hints: KeyHint[] }[] {
  const everywhere = BINDINGS.filter(({ panes }) => panes === undefined);
  return [
    { where: 'everywhere', hints: everywhere.map(({ label, does }) => ({ label, does })) },
    ...PANES.map((pane) => ({
      where: pane,
      hints: BINDINGS.filter(({ panes }) => panes?.includes(pane)).map(({ label, does }) => ({
        label,
        does,
      })),
    })),
  ];
}
