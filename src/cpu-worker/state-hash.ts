/**
 * A machine's state as one SHA-256: what a guest could ever find out about it, and nothing that
 * depends on how the emulator remembers things. Only while no hart runs.
 */
import { createHash, type Hash } from 'node:crypto';

import { HartBlock } from '../machine/core/hart-block.ts';
import { BoardState } from '../machine/devices/board.ts';
import type { Hart } from '../machine/hart.ts';
import type { Machine } from '../machine/machine.ts';
import { PMP_ENTRIES } from '../machine/pmp.ts';

/** Architectural fields of the hart block; the others are caches, mailboxes and statistics. */
const ARCHITECTURAL = [
  'f',
  'fflags',
  'frm',
  'pc',
  'instret',
  'reservedValue',
  'mode',
  'mip',
  'csr',
] as const;

/** Without the cell that swallows what is written to x0. */
const X_REGISTERS_BYTES = 32 * 8;

/** RAM, the harts' architectural state, the devices' state, a drive in memory, and the time. */
export function stateHash(machine: Machine, harts: readonly Hart[]): string {
  const { plan, spec } = machine.parts;
  const hash = createHash('sha256');
  addBytes(hash, machine.bytes, plan.ram, plan.ramBytes);
  for (const hart of harts) addHart(hash, machine, hart);
  addBytes(hash, machine.bytes, plan.devices, BoardState.sizeBytes);
  if (spec.drive?.kind === 'memory') {
    const { buffer, byteOffset, sizeBytes } = spec.drive;
    addBytes(hash, new Uint8Array(buffer), byteOffset, sizeBytes);
  }
  hash.update(String(machine.clock.now()));
  return hash.digest('hex');
}

function addHart(hash: Hash, machine: Machine, hart: Hart): void {
  addBytes(hash, machine.bytes, hart.base + HartBlock.offset.x, X_REGISTERS_BYTES);
  for (const field of ARCHITECTURAL) {
    addBytes(
      hash,
      machine.bytes,
      hart.base + HartBlock.offset[field],
      HartBlock.fields[field].sizeBytes,
    );
  }
  // A reservation is kept as a place in our memory; the guest knows it as a place in RAM.
  const reserved = hart.get('reservedAddress');
  hash.update(String(reserved === 0 ? 0 : reserved - machine.parts.plan.ram));
  const { pmp } = hart.translation;
  hash.update(`${pmp.mseccfg};`);
  for (let entry = 0; entry < PMP_ENTRIES; entry++) {
    hash.update(`${pmp.config(entry)},${pmp.addressHigh(entry)},${pmp.addressLow(entry)};`);
  }
}

const CHUNK_BYTES = 1 << 20;

/** Shared memory goes in by way of a private copy: the hash may read its input outside of this thread. */
function addBytes(hash: Hash, bytes: Uint8Array, start: number, sizeBytes: number): void {
  for (let at = start; at < start + sizeBytes; at += CHUNK_BYTES) {
    hash.update(bytes.slice(at, Math.min(at + CHUNK_BYTES, start + sizeBytes)));
  }
}
