/**
 * Writes down the layout and the policies as the contexts that the monitor reads.
 */
import { LAYOUT, MAX_THREADS } from '../../nested-kernel/abi.ts';
import {
  CONTEXTS_VERSION,
  formatAddress,
  type Address,
  type Contexts,
  type DomainContext,
  type GateContext,
  type Region,
  type ShareContext,
} from '../contexts.ts';
import { CORE, type Policies, type PolicyPlace, type SubsystemPolicy } from '../model.ts';
import { GATE_BYTES, type Layout, type Segment } from './layout.ts';
import type { Refusals } from './refusals.ts';
import type { Addresses } from './relocate.ts';
import { secretObjects, targetOf, type Gate, type Resolution } from './resolve.ts';
import type { Namespace } from './symbols.ts';

/** Device register blocks by the name that policies use; physical addresses. */
export type DeviceMap = Readonly<
  Record<string, { readonly base: number; readonly sizeBytes: number }>
>;

const IMAGE_OFFSET: number = Number(BigInt.asIntN(64, LAYOUT.IMAGE_OFFSET));

const address = (value: number): Address => formatAddress(BigInt(value));

const region = (start: number, sizeBytes: number): Region => ({
  start: address(start),
  sizeBytes,
  startPhys: address(start - IMAGE_OFFSET),
});

const regionOf = (segment: Segment | undefined): Region | null =>
  segment === undefined ? null : region(segment.address, segment.memBytes);

const placeOf = ({ file, line }: PolicyPlace): { file: string; line: number } => ({ file, line });

export interface ContextsInput {
  readonly policies: Policies;
  readonly namespaces: readonly Namespace[];
  readonly layout: Layout;
  readonly resolution: Resolution;
  readonly addresses: Addresses;
  readonly devices: DeviceMap;
  readonly entry: number;
  readonly segmentHashes: readonly string[];
}

export function makeContexts(input: ContextsInput): Contexts {
  const { policies, layout, resolution, entry } = input;
  const gates = layout.gates;
  if (gates === null) throw new Error('contexts of an image without gates');
  const idOf = (name: string): number => policies.subsystems.findIndex((s) => s.name === name);
  const returnGate = gates.segment.address + resolution.gates.length * GATE_BYTES;
  const core = policies.subsystems.find(({ name }) => name === CORE);
  return {
    version: CONTEXTS_VERSION,
    entry: address(entry),
    entryPhys: address(entry - IMAGE_OFFSET),
    defaultMechanism: core?.mechanism ?? 'asid',
    threads: MAX_THREADS,
    domains: policies.subsystems.map((policy, id) => domain(input, policy, id)),
    gateRegion: region(gates.segment.address, gates.segment.memBytes),
    gateBytes: GATE_BYTES,
    returnGate: address(returnGate),
    resumeGate: address(returnGate + GATE_BYTES),
    gates: resolution.gates.map((gate, id) => gateContext(input, gate, id, idOf)),
    shares: layout.shares.map(({ share, segment }): ShareContext => {
      const isConstant = share.input.kind === 'rodata';
      return {
        name: share.policy.symbol,
        owner: idOf(share.owner),
        region: region(segment.address, segment.memBytes),
        grants: [
          { domain: idOf(share.owner), access: isConstant ? 'r' : 'rw' },
          ...share.policy.partners.map(({ name, access }) => ({ domain: idOf(name), access })),
        ],
        place: placeOf(share.policy.place),
      };
    }),
    segmentHashes: input.segmentHashes,
  };
}

function domain(input: ContextsInput, policy: SubsystemPolicy, id: number): DomainContext {
  const { layout, devices, namespaces, addresses } = input;
  const place = layout.subsystems.find(({ name }) => name === policy.name);
  const namespace = namespaces.find(({ name }) => name === policy.name);
  if (place === undefined || namespace === undefined)
    throw new Error(`no layout of ${policy.name}`);
  const { text, rodata, data, stacks } = place.segments;
  const windowStart = LAYOUT.WINDOW_BASE + BigInt(id) * LAYOUT.WINDOW_BYTES;
  return {
    id,
    name: policy.name,
    text: regionOf(text),
    rodata: regionOf(rodata),
    data: regionOf(data),
    dataInitBytes: data?.fileBytes ?? 0,
    stacks: regionOf(stacks),
    stackBytes: policy.stackBytes,
    window:
      policy.name === CORE
        ? null
        : { start: formatAddress(windowStart), sizeBytes: Number(LAYOUT.WINDOW_BYTES) },
    mmio: policy.mmio.map(({ device, range }) => {
      const { base, sizeBytes } = range ?? devices[device] ?? { base: 0, sizeBytes: 0 };
      const start = formatAddress(LAYOUT.MMIO_BASE + BigInt(base));
      return { device, region: { start, sizeBytes, startPhys: formatAddress(BigInt(base)) } };
    }),
    secrets: policy.secrets.flatMap(({ symbol }) =>
      secretObjects(namespace, symbol).map((definition) => ({
        symbol,
        start: address(addresses.of(targetOf(definition))),
        sizeBytes: definition.sizeBytes,
      })),
    ),
    budget: policy.budget,
    restarts: policy.restarts,
    place: placeOf(policy.place),
  };
}

function gateContext(
  input: ContextsInput,
  gate: Gate,
  id: number,
  idOf: (name: string) => number,
): GateContext {
  const { policies, layout, addresses } = input;
  const callee = policies.subsystems[idOf(gate.callee)];
  const exported = callee?.exports.find(({ name }) => name === gate.definition.name);
  const start = layout.gates?.addressOf.get(gate);
  if (exported === undefined || start === undefined) throw new Error('a gate without a signature');
  return {
    id,
    start: address(start),
    caller: idOf(gate.caller),
    callee: idOf(gate.callee),
    function: gate.definition.name,
    target: address(addresses.of(targetOf(gate.definition))),
    args: exported.args,
    onFault: exported.onFault,
    place: placeOf(exported.place),
  };
}

/** Every device that a policy owns must be known, and device pages are granted whole. */
export function checkDevices(policies: Policies, devices: DeviceMap, refusals: Refusals): void {
  const pages = new Map<number, string>();
  for (const policy of policies.subsystems) {
    for (const { device, range, place } of policy.mmio) {
      const found = range ?? (Object.hasOwn(devices, device) ? devices[device] : undefined);
      if (found === undefined) {
        const names = Object.keys(devices).join(', ');
        refusals.add({
          severity: 'error',
          ...place,
          message: `the machine has no device '${device}'`,
          fix: `use one of: ${names}; or write 'mmio ${device} at 0x10000000 size 4K'`,
        });
        continue;
      }
      checkDevicePages(policy.name, device, found, place, pages, refusals);
    }
  }
}

function checkDevicePages(
  owner: string,
  device: string,
  range: { base: number; sizeBytes: number },
  place: PolicyPlace,
  pages: Map<number, string>,
  refusals: Refusals,
): void {
  if (range.base % 4096 !== 0 || range.sizeBytes % 4096 !== 0 || range.sizeBytes === 0) {
    refusals.add({
      severity: 'error',
      ...place,
      message: `device '${device}' does not fill whole pages`,
      fix: 'grant whole pages of 4K, as in "at 0x10000000 size 4K"',
    });
    return;
  }
  for (let page = range.base; page < range.base + range.sizeBytes; page += 4096) {
    const other = pages.get(page);
    if (other !== undefined && other !== owner) {
      refusals.add({
        severity: 'error',
        ...place,
        message: `device '${device}' lies on a page that '${other}' owns`,
        fix: 'let one subsystem own both',
      });
      return;
    }
    pages.set(page, owner);
  }
}
