/**
 * What only a hart's own thread knows of it, for a debugger: CSRs as the hart computes them, protection
 * registers, and the soft TLB. Asked of a hart at rest; plain data, so that it can cross threads.
 */
import { PRIVILEGE } from '../core/hart-block.ts';
import { PMP, PMP_ENTRIES } from '../pmp.ts';
import type { Hart, HartState } from '../hart.ts';

/** Values in two signed halves. */
export type Halves = readonly [low: number, high: number];

export interface Questions {
  /** Null: there is none of that number. */
  csr: { ask: { number: number }; answer: Halves | null };
  /** False: there is none, or it is read-only. */
  setCsr: { ask: { number: number; value: Halves }; answer: boolean };
  pmp: { ask: object; answer: readonly { entry: number; config: number; address: Halves }[] };
  /** What a snapshot has to keep of it besides shared memory. */
  save: { ask: object; answer: HartState };
  /** At most so many translations, and how many there are. */
  tlb: {
    ask: { most: number };
    answer: {
      entries: readonly { address: Halves; page: number; rights: number; asid: number }[];
      count: number;
    };
  };
}

export type QuestionKind = keyof Questions;
export type Ask = <K extends QuestionKind>(
  kind: K,
  question: Questions[K]['ask'],
) => Questions[K]['answer'];

type Answers = {
  [K in QuestionKind]: (hart: Hart, ask: Questions[K]['ask']) => Questions[K]['answer'];
};

const ANSWERS: Answers = {
  csr: (hart, { number }) =>
    asMachine(hart, () => (hart.readCsr(number) ? [hart.low, hart.high] : null)),
  setCsr: (hart, { number, value }) =>
    asMachine(hart, () => {
      if (number >> 10 === 3 || !hart.readCsr(number)) return false;
      hart.writeCsr(number, value[0], value[1]);
      return true;
    }),
  pmp: ({ translation: { pmp } }) =>
    Array.from({ length: PMP_ENTRIES }, (_, entry) => ({
      entry,
      config: pmp.config(entry),
      address: [pmp.addressLow(entry), pmp.addressHigh(entry)] as const,
    })).filter(({ config }) => ((config >> PMP.A_SHIFT) & 3) !== 0),
  save: (hart) => hart.save(),
  tlb: ({ translation }, { most }) => {
    const entries = [];
    let count = 0;
    for (const { low, high, page, rights, asid } of translation.tlb.entries()) {
      if (count++ < most) entries.push({ address: [low, high] as const, page, rights, asid });
    }
    return { entries, count };
  },
};

/** A debugger sees what M-mode sees. The hart chooses its tables anew before it goes on. */
function asMachine<Result>(hart: Hart, look: () => Result): Result {
  const { mode } = hart;
  hart.set('mode', PRIVILEGE.M);
  try {
    return look();
  } finally {
    hart.set('mode', mode);
  }
}

/** Answers on the hart's own thread. */
export function answerHere<K extends QuestionKind>(
  hart: Hart,
  kind: K,
  ask: Questions[K]['ask'],
): Questions[K]['answer'] {
  return ANSWERS[kind](hart, ask);
}

/** The same for a question that came as text. */
export function answerText(hart: Hart, text: string): string {
  const { kind, ask } = JSON.parse(text) as { kind: QuestionKind; ask: never };
  return JSON.stringify(answerHere(hart, kind, ask));
}
