/**
 * The guest's console on our terminal: every key goes to the guest, Ctrl-C included, and Ctrl-A begins a
 * command for us, as in QEMU's `-nographic`.
 */
import type { ReadStream } from 'node:tty';

export const ESCAPE_HELP = 'Ctrl-A X quits, Ctrl-A Ctrl-A sends Ctrl-A, Ctrl-A H shows this';

const CTRL_A = 0x01;

export interface TerminalActions {
  write(bytes: Uint8Array): void;
  quit(): void;
  help(): void;
}

/** Splits what was typed into bytes for the guest and commands for us. */
export class EscapeFilter {
  readonly #actions: TerminalActions;
  #isEscaped = false;

  constructor(actions: TerminalActions) {
    this.#actions = actions;
  }

  type(bytes: Uint8Array): void {
    const forGuest: number[] = [];
    for (const byte of bytes) {
      if (!this.#isEscaped) {
        if (byte === CTRL_A) this.#isEscaped = true;
        else forGuest.push(byte);
        continue;
      }
      this.#isEscaped = false;
      switch (String.fromCharCode(byte).toLowerCase()) {
        case 'x':
          this.#actions.quit();
          break;
        case 'h':
        case '?':
          this.#actions.help();
          break;
        case String.fromCharCode(CTRL_A):
          forGuest.push(CTRL_A);
          break;
        default: // Not a command: swallowed, as a mistyped one should be.
      }
    }
    if (forGuest.length > 0) this.#actions.write(Uint8Array.from(forGuest));
  }
}

/** Takes the terminal over; returns what gives it back. It is given back at any exit, too. */
export function attachTerminal(input: ReadStream, actions: TerminalActions): () => void {
  const filter = new EscapeFilter(actions);
  const type = (bytes: Uint8Array): void => filter.type(bytes);
  const restore = (): void => {
    input.setRawMode(false);
  };
  input.setRawMode(true);
  process.on('exit', restore);
  input.on('data', type);
  return () => {
    input.off('data', type);
    input.pause();
    process.off('exit', restore);
    restore();
  };
}
