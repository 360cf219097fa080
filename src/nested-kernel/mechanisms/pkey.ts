/**
 * One view per hart in which every page carries a key, and a register that says which keys count:
 * entering a domain is one write to `mkeys`. The key is in PTE bits 58 to 54, the register is a custom
 * CSR of M-mode: neither is part of the RISC-V ISA (prior art: Donky, SealPK).
 *
 * The rights of a key hold for loads, stores and fetches, unlike those of x86: a domain can neither
 * read nor jump into what it has no key for.
 */
import type { Hart } from '../../machine/hart.ts';
import { LAYOUT } from '../abi.ts';
import { pointerHigh, pointerLow, vpn2 } from '../paging.ts';
import { satpHigh, type Mechanism, type MechanismEnvironment } from './mechanism.ts';
import { PTE } from '../../machine/page-table.ts';

/** Pages that every view has: the gates. */
export const COMMON_KEY = 0;
export const USER_KEY = 31;
export const keyOfDomain = (domain: number): number => 1 + domain;
/** Shares come after the domains. */
export const keyOfShare = (domains: number, share: number): number => 1 + domains + share;
/** Highest key of a share. */
export const LAST_SHARE_KEY = 30;

const USER_ENTRY = vpn2(Number(LAYOUT.USER_TOP) - 1, 0);

export function createPkey({ config, paging, domains }: MechanismEnvironment): Mechanism {
  const rootOf = (hart: Hart): number => config.roots[hart.id * domains] as number;
  const isUnseparated = config.ablate.includes('views');
  const keys: readonly [number, number][] = Array.from({ length: domains }, (_, domain) => {
    if (isUnseparated) return [-1, -1];
    const pair: [number, number] = [0, 0];
    const allow = (key: number, write: boolean): void => {
      const half = key >> 4;
      pair[half as 0 | 1] |= (write ? 3 : 1) << (2 * (key & 15));
    };
    allow(COMMON_KEY, false);
    allow(keyOfDomain(domain), true);
    if (domain === 0) allow(USER_KEY, true);
    for (const region of config.regions) {
      const rights = region.rights[domain] as number;
      if (rights !== 0 && region.kind === 'share') allow(region.key, (rights & PTE.W) !== 0);
    }
    return pair;
  });
  const setKeys = (hart: Hart, domain: number): void => {
    const pair = keys[domain] as readonly [number, number];
    hart.setKeys(pair[0], pair[1]);
  };
  return {
    config,
    usesKeys: true,
    userKey: USER_KEY,
    keyOfDomain,
    keysOf: (domain) => keys[domain],
    install: (hart) => {
      setKeys(hart, 0);
      hart.setSatp(rootOf(hart), satpHigh(0));
    },
    enter: (hart, _from, to) => setKeys(hart, to),
    activate: (hart, space, userTable) => {
      const root = rootOf(hart);
      if (userTable === 0) paging.write(root, USER_ENTRY, 0, 0);
      else paging.write(root, USER_ENTRY, pointerLow(userTable), pointerHigh(userTable));
      hart.setSatp(root, satpHigh(space));
    },
  };
}
