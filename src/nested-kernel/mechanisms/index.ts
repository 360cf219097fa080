/** The mechanisms by name. `none` has no view to change: it never gets here with more than one domain. */
import type { MechanismName } from '../../policy/contexts.ts';
import { createAsid } from './asid.ts';
import type { Mechanism, MechanismEnvironment } from './mechanism.ts';
import { createPkey } from './pkey.ts';
import { createVbit } from './vbit.ts';

const FACTORIES: Record<MechanismName, (environment: MechanismEnvironment) => Mechanism> = {
  none: createAsid,
  vbit: createVbit,
  asid: createAsid,
  pkey: createPkey,
};

export const createMechanism = (environment: MechanismEnvironment): Mechanism =>
  FACTORIES[environment.config.mechanism](environment);
