/**
 * Who types at the guest's console. A typist sees what the guest has printed and what time it is on the
 * machine, and nothing else, so that in a deterministic run it types the same at the same tick.
 */

export interface Typist {
  /** Takes what the guest printed since the last call (perhaps nothing) and returns what to type now. */
  type(printed: Uint8Array, ticks: number): Uint8Array | undefined;
  /** The tick before which it will type nothing unless the guest prints; Infinity if it only reacts. */
  nextTick(): number;
  /** How far it has come, for a snapshot. */
  save(): TypistState;
}

/** A typist as plain data. */
export type TypistState =
  | { readonly kind: 'timed'; readonly inputs: readonly TimedInput[] }
  | {
      readonly kind: 'prompt';
      readonly lines: readonly string[];
      readonly prompt: string;
      /** The end of what was printed. */
      readonly tail: Uint8Array;
    };

/** The typist who goes on where another was. */
export const restoredTypist = (state: TypistState): Typist =>
  state.kind === 'timed'
    ? timedTypist(state.inputs)
    : promptTypist(state.lines, state.prompt, state.tail);

const encoder = new TextEncoder();

export interface TimedInput {
  readonly atTick: number;
  readonly text: string;
}

/** Types each text once its tick has come. */
export function timedTypist(inputs: readonly TimedInput[]): Typist {
  const waiting = inputs.toSorted((a, b) => a.atTick - b.atTick);
  let next = 0;
  return {
    type: (_printed, ticks) => {
      let text = '';
      for (; next < waiting.length; next++) {
        const input = waiting[next] as TimedInput;
        if (input.atTick > ticks) break;
        text += input.text;
      }
      return text === '' ? undefined : encoder.encode(text);
    },
    nextTick: () => waiting[next]?.atTick ?? Infinity,
    save: () => ({ kind: 'timed', inputs: waiting.slice(next) }),
  };
}

/**
 * Types the next line whenever the guest's output ends with the prompt at the start of a line. Anywhere
 * else the same characters are no prompt: they may be an echo, or part of what a program prints.
 */
export function promptTypist(
  lines: readonly string[],
  prompt: string,
  // The console begins with an empty line.
  printedBefore: Uint8Array = encoder.encode('\n'),
): Typist {
  const expected = encoder.encode(`\n${prompt}`);
  let tail = printedBefore;
  let next = 0;
  return {
    type: (printed) => {
      if (printed.length > 0) {
        const both = new Uint8Array(tail.length + printed.length);
        both.set(tail);
        both.set(printed, tail.length);
        tail = both.slice(-expected.length);
      }
      if (next >= lines.length || !sameBytes(tail, expected)) return undefined;
      // Answered: the same prompt is not seen twice.
      tail = new Uint8Array(0);
      return encoder.encode(`${lines[next++]}\n`);
    },
    nextTick: () => Infinity,
    save: () => ({ kind: 'prompt', lines: lines.slice(next), prompt, tail }),
  };
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
