/**
 * The shape of the contexts as a schema, for reading them from an image nobody vouches for.
 * `contexts.ts` owns the meaning; the type of this schema is checked against it below.
 */
import * as v from 'valibot';
import { CONTEXTS_VERSION, MECHANISMS, type Address, type Contexts } from './contexts.ts';

const count: v.GenericSchema<number> = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text: v.GenericSchema<string> = v.pipe(v.string(), v.minLength(1));
const address: v.GenericSchema<Address> = v.custom<Address>(
  (value) => typeof value === 'string' && /^0x[0-9a-f]{16}$/.test(value),
  'an address is 0x and 16 hexadecimal digits',
);
const sha256: v.GenericSchema<string> = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const place = v.strictObject({ file: text, line: count });
const region = v.strictObject({ start: address, sizeBytes: count, startPhys: address });
const window = v.strictObject({ start: address, sizeBytes: count });

const domain = v.strictObject({
  id: count,
  name: text,
  text: v.nullable(region),
  rodata: v.nullable(region),
  data: v.nullable(region),
  dataInitBytes: count,
  stacks: v.nullable(region),
  stackBytes: count,
  window: v.nullable(window),
  mmio: v.array(v.strictObject({ device: text, region })),
  secrets: v.array(v.strictObject({ symbol: text, start: address, sizeBytes: count })),
  budget: count,
  restarts: count,
  place,
});

const projection = v.variant('kind', [
  v.strictObject({
    kind: v.literal('scalar'),
    index: count,
    name: text,
    max: v.exactOptional(count),
  }),
  v.strictObject({
    kind: v.picklist(['in', 'out', 'inout']),
    index: count,
    name: text,
    type: v.picklist(['bytes', 'string']),
    lengthArg: v.exactOptional(count),
    fixedBytes: v.exactOptional(count),
    max: count,
  }),
]);

const gate = v.strictObject({
  id: count,
  start: address,
  caller: count,
  callee: count,
  function: text,
  target: address,
  args: v.array(projection),
  onFault: v.variant('action', [
    v.strictObject({ action: v.literal('fail'), value: v.pipe(v.number(), v.safeInteger()) }),
    v.strictObject({ action: v.literal('panic') }),
  ]),
  place,
});

const share = v.strictObject({
  name: text,
  owner: count,
  region,
  grants: v.array(v.strictObject({ domain: count, access: v.picklist(['r', 'rw']) })),
  place,
});

/** Of the current version only. */
export const contextsSchema: v.GenericSchema<unknown, Contexts> = v.strictObject({
  version: v.literal(CONTEXTS_VERSION),
  entry: address,
  entryPhys: address,
  defaultMechanism: v.picklist(MECHANISMS),
  threads: count,
  domains: v.array(domain),
  gateRegion: region,
  gateBytes: count,
  returnGate: address,
  resumeGate: address,
  gates: v.array(gate),
  shares: v.array(share),
  segmentHashes: v.array(sha256),
});

export type Parsed =
  | { readonly contexts: Contexts }
  /** Where in the structure, and what is wrong there. */
  | { readonly problem: string };

export function parseContexts(value: unknown): Parsed {
  const result = v.safeParse(contextsSchema, value);
  if (result.success) return { contexts: result.output };
  const [issue] = result.issues;
  return { problem: `${v.getDotPath(issue) ?? 'contexts'}: ${issue.message}` };
}
