/**
 * A root per hart and domain, told apart by ASIDs: entering a domain is one write to satp, and no
 * translation is lost by it.
 *
 * No mapping is global: a global translation is good for every ASID, so it would be good in the view
 * that must not have it.
 */
import type { Hart } from '../../machine/hart.ts';
import { vpn2, pointerHigh, pointerLow } from '../paging.ts';
import { LAYOUT } from '../abi.ts';
import { domainAsid, satpHigh, type Mechanism, type MechanismEnvironment } from './mechanism.ts';

const USER_ENTRY = vpn2(Number(LAYOUT.USER_TOP) - 1, 0);

export function createAsid({ config, paging, domains }: MechanismEnvironment): Mechanism {
  const rootOf = (hart: Hart, domain: number): number =>
    config.roots[hart.id * domains + domain] as number;
  return {
    config,
    usesKeys: false,
    userKey: 0,
    keyOfDomain: () => 0,
    keysOf: () => undefined,
    install: (hart) => hart.setSatp(rootOf(hart, 0), satpHigh(0)),
    enter: (hart, _from, to, _thread, space) =>
      hart.setSatp(rootOf(hart, to), satpHigh(to === 0 ? space : domainAsid(to))),
    activate: (hart, space, userTable) => {
      const root = rootOf(hart, 0);
      if (userTable === 0) paging.write(root, USER_ENTRY, 0, 0);
      else paging.write(root, USER_ENTRY, pointerLow(userTable), pointerHigh(userTable));
      hart.setSatp(root, satpHigh(space));
    },
  };
}
