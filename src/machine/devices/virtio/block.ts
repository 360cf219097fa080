/**
 * The virtio block device: a drive's sectors behind one queue.
 *
 * "Block Device", VIRTIO 1.2 §5.2. A request is a header to read, data, and one status byte to
 * write; how these are cut into buffers is the driver's business (§2.7.4.1), so only their order
 * counts.
 */
import { SECTOR_BYTES, type Drive } from '../drive.ts';
import type { VirtioBackend } from './mmio.ts';
import { BROKEN, type Chain } from './split-queue.ts';

export const VIRTIO_ID_BLOCK = 2;

export const VIRTIO_BLK_F_SIZE_MAX: number = 1 << 1;
export const VIRTIO_BLK_F_SEG_MAX: number = 1 << 2;
export const VIRTIO_BLK_F_RO: number = 1 << 5;
export const VIRTIO_BLK_F_BLK_SIZE: number = 1 << 6;
export const VIRTIO_BLK_F_FLUSH: number = 1 << 9;

export const VIRTIO_BLK_T_IN = 0;
export const VIRTIO_BLK_T_OUT = 1;
export const VIRTIO_BLK_T_FLUSH = 4;
export const VIRTIO_BLK_T_GET_ID = 8;

export const VIRTIO_BLK_S_OK = 0;
export const VIRTIO_BLK_S_IOERR = 1;
export const VIRTIO_BLK_S_UNSUPP = 2;

const HEADER_BYTES = 16;
const STATUS_BYTES = 1;
const ID_BYTES = 20;

/** Offered limits: 64 segments of 64 KiB. Their product also bounds how long one request takes. */
const SEG_MAX = 64;
const SIZE_MAX = 1 << 16;
const REQUEST_MAX_BYTES = SEG_MAX * SIZE_MAX;

export function createBlockBackend(drive: Drive): VirtioBackend {
  const features =
    VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH;
  return {
    deviceId: VIRTIO_ID_BLOCK,
    features: drive.isReadOnly ? features | VIRTIO_BLK_F_RO : features,
    queues: 1,
    config: blockConfig(drive),
    serve: (_queue, chain) => serve(drive, chain),
  };
}

/** `struct virtio_blk_config` (§5.2.4) up to blk_size. */
function blockConfig(drive: Drive): DataView {
  const config = new DataView(new ArrayBuffer(24));
  config.setBigUint64(0, BigInt(drive.sizeBytes / SECTOR_BYTES), true);
  config.setUint32(8, SIZE_MAX, true);
  config.setUint32(12, SEG_MAX, true);
  config.setUint32(20, SECTOR_BYTES, true);
  return config;
}

function serve(drive: Drive, chain: Chain): number {
  // Nowhere to say what went wrong.
  if (chain.writable.length < STATUS_BYTES) return BROKEN;
  const dataBytes = chain.writable.length - STATUS_BYTES;
  const { status, filledBytes = 0 } = perform(drive, chain, dataBytes);
  chain.writable.fill(dataBytes, Uint8Array.of(status));
  // "Written" counts from the start without a gap (§2.7.8.2): short data leaves the status beyond it.
  return filledBytes === dataBytes ? dataBytes + STATUS_BYTES : filledBytes;
}

interface Outcome {
  readonly status: number;
  /** Bytes written to the data part; none if left out. */
  readonly filledBytes?: number;
}

const OK: Outcome = { status: VIRTIO_BLK_S_OK };
const IOERR: Outcome = { status: VIRTIO_BLK_S_IOERR };
const UNSUPP: Outcome = { status: VIRTIO_BLK_S_UNSUPP };

/** Does what the header asks. `dataBytes`: what the chain has to write to, before the status. */
function perform(drive: Drive, chain: Chain, dataBytes: number): Outcome {
  if (chain.readable.length < HEADER_BYTES) return IOERR;
  const header = new DataView(chain.readable.copy(0, HEADER_BYTES).buffer);
  const sector = header.getUint32(12, true) * 2 ** 32 + header.getUint32(8, true);
  switch (header.getUint32(0, true)) {
    case VIRTIO_BLK_T_IN:
      return readSectors(drive, sector, chain, dataBytes);
    case VIRTIO_BLK_T_OUT:
      return writeSectors(drive, sector, chain);
    case VIRTIO_BLK_T_FLUSH:
      return drive.flush() ? OK : IOERR;
    case VIRTIO_BLK_T_GET_ID:
      return getId(chain, dataBytes);
    default:
      return UNSUPP;
  }
}

function readSectors(drive: Drive, sector: number, chain: Chain, dataBytes: number): Outcome {
  if (!isOnDrive(drive, sector, dataBytes)) return IOERR;
  let at = sector * SECTOR_BYTES;
  for (const part of chain.writable.slice(0, dataBytes)) {
    if (!drive.read(at, part)) return IOERR;
    at += part.length;
  }
  return { status: VIRTIO_BLK_S_OK, filledBytes: dataBytes };
}

function writeSectors(drive: Drive, sector: number, chain: Chain): Outcome {
  const sizeBytes = chain.readable.length - HEADER_BYTES;
  if (drive.isReadOnly || !isOnDrive(drive, sector, sizeBytes)) return IOERR;
  let at = sector * SECTOR_BYTES;
  for (const part of chain.readable.slice(HEADER_BYTES, sizeBytes)) {
    if (!drive.write(at, part)) return IOERR;
    at += part.length;
  }
  return OK;
}

/** The drive's name, padded with zeros (§5.2.6). */
function getId(chain: Chain, dataBytes: number): Outcome {
  if (dataBytes < ID_BYTES) return IOERR;
  const id = new Uint8Array(ID_BYTES);
  id.set(new TextEncoder().encode('cordon-drive'));
  chain.writable.fill(0, id);
  return { status: VIRTIO_BLK_S_OK, filledBytes: ID_BYTES };
}

/** Whole sectors, all of them there, and no more than one request may move. */
const isOnDrive = (drive: Drive, sector: number, sizeBytes: number): boolean =>
  sizeBytes % SECTOR_BYTES === 0 &&
  sizeBytes <= REQUEST_MAX_BYTES &&
  sector * SECTOR_BYTES + sizeBytes <= drive.sizeBytes;
