/**
 * The blessed screen with the settings that make blessed 0.1.81 behave on today's terminals, and
 * nothing of what is drawn on it.
 */
import blessed from 'blessed';
import type { Readable, Writable } from 'node:stream';

export interface TerminalStreams {
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable & {
    readonly isTTY?: boolean;
    readonly columns?: number;
    readonly rows?: number;
  };
}

/** What blessed reads from the environment, and only from there. */
const SETTINGS: Readonly<Record<string, string>> = {
  // Lines of boxes as Unicode, not by switching to the alternate character set.
  NCURSES_NO_UTF8_ACS: '1',
  // SGR mouse reports: the UTF-8 mode, blessed's own choice, is not understood everywhere.
  BLESSED_FORCE_MODES: 'SGRMOUSE=1,VT200MOUSE=1,CELLMOTION=1',
};

/** Runs `action` with SETTINGS in the environment, and puts it back. */
function withSettings<Result>(action: () => Result): Result {
  const before = Object.keys(SETTINGS).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, SETTINGS);
  try {
    return action();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

export function openScreen(
  streams: TerminalStreams,
  title: string,
  isUnicode: boolean,
): blessed.Widgets.Screen {
  return withSettings(() => {
    const screen = blessed.screen({
      // The types have the two the wrong way round.
      ...(streams as unknown as { input: Writable; output: Readable }),
      // Under TERM=screen-256color and some others blessed dumps a terminfo compile error; every
      // terminal that is not dumb knows these sequences.
      terminal: 'xterm-256color',
      title,
      smartCSR: true,
      fullUnicode: true,
      forceUnicode: isUnicode,
      warnings: false,
    });
    screen.enableMouse();
    return screen;
  });
}
