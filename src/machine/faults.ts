/** The kinds of access to memory, and the exceptions that refuse them. */
import { CAUSE } from './csr-numbers.ts';

export type AccessKind = 'load' | 'store' | 'fetch';

/** In the place of an exception code: there is none. */
export const NO_FAULT = -1;

export const PAGE_FAULT: Readonly<Record<AccessKind, number>> = {
  fetch: CAUSE.FETCH_PAGE,
  load: CAUSE.LOAD_PAGE,
  store: CAUSE.STORE_PAGE,
};
export const ACCESS_FAULT: Readonly<Record<AccessKind, number>> = {
  fetch: CAUSE.FETCH_ACCESS,
  load: CAUSE.LOAD_ACCESS,
  store: CAUSE.STORE_ACCESS,
};
