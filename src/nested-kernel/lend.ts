/**
 * The ablated form of argument buffers (`copy-in` switched off): the caller's own pages appear in the
 * callee's window for the time of the call. What the paper's peers do to save the copy, and what lets
 * another hart change an argument that was checked. Test-only, so it fences more than it must.
 */
import type { Hart } from '../machine/hart.ts';
import { PTE } from '../machine/page-table.ts';
import { LAYOUT } from './abi.ts';
import { leafHigh, leafLow, vpn0, vpn1 } from './paging.ts';
import type { Shared } from './shared.ts';
import { windowBase } from './spaces.ts';

const WINDOW_PAGES = Number(LAYOUT.WINDOW_BYTES) / 4096;

/** Maps frames side by side at the end of a domain's window; -> the address, as halves. */
export function lend(
  shared: Shared,
  hart: Hart,
  domain: number,
  frames: readonly number[],
  writable: boolean,
): readonly [low: number, high: number] {
  const [base, high] = windowBase(domain);
  return shared.locked(hart, () => {
    const { paging, config, mechanism } = shared;
    const middle = config.windowTables[domain] as number;
    const isFree = (page: number): boolean => {
      const at = (base + page * 4096) | 0;
      const table = paging.next(middle, vpn1(at));
      return table === 0 || (paging.read(table, vpn0(at)) & PTE.V) === 0;
    };
    let first = WINDOW_PAGES - frames.length;
    while (!frames.every((_, n) => isFree(first + n))) first -= 1;
    const low = (base + first * 4096) | 0;
    frames.forEach((frame, n) => {
      const at = (low + n * 4096) | 0;
      const rights = PTE.R | (writable ? PTE.W : 0);
      const table = paging.nextOrMake(middle, vpn1(at));
      paging.write(
        table,
        vpn0(at),
        leafLow(frame, rights),
        leafHigh(frame, mechanism.keyOfDomain(domain)),
      );
    });
    fenceWindow(shared, hart, low, high, frames.length);
    return [low, high] as const;
  });
}

/** Ends the loan. */
export function takeBack(
  shared: Shared,
  hart: Hart,
  domain: number,
  low: number,
  pages: number,
): void {
  const [, high] = windowBase(domain);
  shared.locked(hart, () => {
    const middle = shared.config.windowTables[domain] as number;
    for (let n = 0; n < pages; n++) {
      const at = (low + n * 4096) | 0;
      shared.paging.write(shared.paging.next(middle, vpn1(at)), vpn0(at), 0, 0);
    }
    fenceWindow(shared, hart, low, high, pages);
  });
}

const fenceWindow = (shared: Shared, hart: Hart, low: number, high: number, pages: number): void =>
  shared.fence(hart, { low, high, pages, asid: -1, code: false }, () => true);
