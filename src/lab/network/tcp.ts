/**
 * The gateway's end of one TCP connection with the guest.
 *
 * RFC 9293, as much of it as a wire needs that keeps order and loses frames only when it is full:
 * segments out of order are dropped and asked for again, lost ones are sent again from the first
 * unacknowledged byte, and there is no congestion to avoid. Sequence numbers are unsigned and wrap.
 */
import { MTU_BYTES, TCP_FLAG, type TcpSegment } from '../../machine/net/packets.ts';

/** What the connection needs of its surroundings. */
export interface TcpSurroundings {
  /** Puts a segment on the wire, which may lose it. */
  send(segment: Omit<TcpSegment, 'sourcePort' | 'destinationPort'>): void;
  /** Milliseconds of any clock that does not go back. */
  now(): number;
  /** The guest's bytes, in order. */
  received(bytes: Uint8Array): void;
  /** How many of the guest's bytes can be taken now. */
  room(): number;
  /** The guest will send no more. */
  ended(): void;
  /** The connection is over. `reset` also if the guest no longer answers. */
  closed(how: 'done' | 'reset'): void;
  /** Everything that was written is on the wire: more is welcome. */
  drained(): void;
}

const HEADER_BYTES = 40;
const OUR_MAX_SEGMENT = MTU_BYTES - HEADER_BYTES;
/** What a peer takes that does not say (RFC 9293 §3.7.1). */
const DEFAULT_MAX_SEGMENT = 536;
const WINDOW_MAX = 0xffff;
const FIRST_TIMEOUT_MS = 200;
const LAST_TIMEOUT_MS = 3000;
const TRIES = 8;

const NOTHING = new Uint8Array(0);
/** How far `a` is after `b`, negative if before. */
const distance = (a: number, b: number): number => (a - b) | 0;
const advance = (sequence: number, by: number): number => (sequence + by) >>> 0;

export class TcpConnection {
  readonly #around: TcpSurroundings;
  #state: 'opening' | 'accepting' | 'open' | 'closed' = 'closed';
  /** Oldest unacknowledged, next to send, and the furthest ever sent. */
  #unacknowledged: number;
  #next: number;
  #furthest: number;
  #guestWindow = 0;
  #expected = 0;
  #maxSegment = DEFAULT_MAX_SEGMENT;
  /** What the guest has not acknowledged; its first byte has the number `#bufferAt`. */
  #buffer: Uint8Array = NOTHING;
  #bufferAt: number;
  #isFinished = false;
  #hasGuestFinished = false;
  #deadline = Infinity;
  #timeoutMs = FIRST_TIMEOUT_MS;
  #tries = 0;

  constructor(around: TcpSurroundings, initialSequence: number) {
    this.#around = around;
    this.#unacknowledged = initialSequence >>> 0;
    this.#next = this.#unacknowledged;
    this.#furthest = this.#next;
    this.#bufferAt = advance(this.#next, 1);
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Bytes written and not yet acknowledged. */
  get pendingBytes(): number {
    return this.#buffer.length;
  }

  /** Opens a connection to the guest. */
  connect(): void {
    this.#state = 'opening';
    this.#sendSyn();
  }

  /** Answers a SYN of the guest's. */
  accept(syn: TcpSegment): void {
    this.#state = 'accepting';
    this.#learn(syn);
    this.#sendSyn();
  }

  write(bytes: Uint8Array): void {
    if (this.isClosed || this.#isFinished) return;
    const both = new Uint8Array(this.#buffer.length + bytes.length);
    both.set(this.#buffer);
    both.set(bytes, this.#buffer.length);
    this.#buffer = both;
    if (this.#state === 'open') this.#flush(false);
  }

  /** No more will be written. */
  finish(): void {
    if (this.isClosed || this.#isFinished) return;
    this.#isFinished = true;
    if (this.#state === 'open') this.#flush(false);
  }

  /** Gives the connection up; the guest is told. */
  abort(): void {
    if (this.isClosed) return;
    this.#emit(this.#next, TCP_FLAG.RST | TCP_FLAG.ACK, NOTHING);
    this.#close('reset');
  }

  /** More of the guest's bytes can be taken than before. */
  roomGrew(): void {
    if (this.#state === 'open') this.#acknowledge();
  }

  /** Sends again what has waited too long. */
  tick(): void {
    if (this.isClosed || this.#around.now() < this.#deadline) return;
    if (++this.#tries > TRIES) {
      this.abort();
      return;
    }
    this.#timeoutMs = Math.min(2 * this.#timeoutMs, LAST_TIMEOUT_MS);
    if (this.#state === 'open') {
      this.#next = this.#unacknowledged;
      this.#flush(true);
    } else this.#sendSyn();
  }

  /** Takes a segment of the guest's. */
  segment(segment: TcpSegment): void {
    if (this.isClosed) return;
    const { flags } = segment;
    if ((flags & TCP_FLAG.RST) !== 0) {
      const isMeant =
        this.#state === 'opening'
          ? segment.acknowledgment === this.#next
          : segment.sequence === this.#expected;
      if (isMeant) this.#close('reset');
      return;
    }
    if (this.#state === 'opening') {
      if ((flags & (TCP_FLAG.SYN | TCP_FLAG.ACK)) !== (TCP_FLAG.SYN | TCP_FLAG.ACK)) return;
      if (segment.acknowledgment !== this.#furthest) return;
      this.#learn(segment);
      this.#opened(segment);
      this.#acknowledge();
      return;
    }
    if ((flags & TCP_FLAG.SYN) !== 0) {
      if (this.#state === 'accepting') this.#sendSyn();
      else this.#acknowledge();
      return;
    }
    if ((flags & TCP_FLAG.ACK) === 0) return;
    if (this.#state === 'accepting') {
      if (segment.acknowledgment !== this.#furthest) return;
      this.#opened(segment);
    } else this.#acknowledged(segment);
    if (!this.isClosed) this.#take(segment);
    this.#closeIfDone();
  }

  #learn(syn: TcpSegment): void {
    this.#expected = advance(syn.sequence, 1);
    this.#maxSegment = Math.min(syn.maxSegmentBytes ?? DEFAULT_MAX_SEGMENT, OUR_MAX_SEGMENT);
  }

  #opened({ acknowledgment, window }: TcpSegment): void {
    this.#state = 'open';
    this.#unacknowledged = acknowledgment;
    this.#next = acknowledgment;
    this.#guestWindow = window;
    this.#progress();
    this.#flush(false);
  }

  #acknowledged({ acknowledgment, window }: TcpSegment): void {
    const isNew =
      distance(acknowledgment, this.#unacknowledged) > 0 &&
      distance(acknowledgment, this.#furthest) <= 0;
    this.#guestWindow = window;
    if (isNew) {
      const bytes = Math.min(distance(acknowledgment, this.#bufferAt), this.#buffer.length);
      this.#buffer = this.#buffer.slice(bytes);
      this.#bufferAt = advance(this.#bufferAt, bytes);
      this.#unacknowledged = acknowledgment;
      if (distance(acknowledgment, this.#next) > 0) this.#next = acknowledgment;
      this.#progress();
    }
    this.#flush(false);
    if (isNew && this.#buffer.length === 0 && !this.#isFinished) this.#around.drained();
  }

  /** The segment's bytes from the expected one on, as many as there is room for. */
  #take(segment: TcpSegment): void {
    const { payload, sequence, flags } = segment;
    const isFin = (flags & TCP_FLAG.FIN) !== 0;
    if (payload.length === 0 && !isFin) return;
    const known = distance(this.#expected, sequence);
    if (known >= 0 && known <= payload.length && !this.#hasGuestFinished) {
      const fresh = payload.subarray(known);
      const taken = fresh.subarray(0, this.#around.room());
      this.#expected = advance(this.#expected, taken.length);
      if (taken.length > 0) this.#around.received(taken);
      if (isFin && taken.length === fresh.length) {
        this.#expected = advance(this.#expected, 1);
        this.#hasGuestFinished = true;
        this.#around.ended();
      }
    }
    if (!this.isClosed) this.#acknowledge();
  }

  #hasSentFin(): boolean {
    return this.#isFinished && distance(this.#next, this.#bufferAt) > this.#buffer.length;
  }

  #closeIfDone(): void {
    const isFinAcknowledged =
      this.#isFinished && this.#buffer.length === 0 && this.#unacknowledged !== this.#bufferAt;
    if (this.#state === 'open' && isFinAcknowledged && this.#hasGuestFinished) this.#close('done');
  }

  /** Sends what the guest's window has room for; `isProbe`: at least one byte, if it has none. */
  #flush(isProbe: boolean): void {
    let mayProbe = isProbe;
    while (!this.#hasSentFin()) {
      const sent = distance(this.#next, this.#bufferAt);
      const inFlight = distance(this.#next, this.#unacknowledged);
      const room = Math.max(this.#guestWindow - inFlight, mayProbe ? 1 : 0);
      const length = Math.min(this.#buffer.length - sent, this.#maxSegment, Math.max(room, 0));
      const isFin = this.#isFinished && sent + length === this.#buffer.length;
      if (length === 0 && !isFin) break;
      mayProbe = false;
      const flags = TCP_FLAG.ACK | (length > 0 ? TCP_FLAG.PSH : 0) | (isFin ? TCP_FLAG.FIN : 0);
      this.#emit(this.#next, flags, this.#buffer.subarray(sent, sent + length));
      this.#next = advance(this.#next, length + (isFin ? 1 : 0));
      if (distance(this.#next, this.#furthest) > 0) this.#furthest = this.#next;
    }
    const isWaiting = this.#next !== this.#unacknowledged || this.#buffer.length > 0;
    if (!isWaiting) this.#deadline = Infinity;
    else if (this.#deadline === Infinity || isProbe)
      this.#deadline = this.#around.now() + this.#timeoutMs;
  }

  #progress(): void {
    this.#deadline = Infinity;
    this.#timeoutMs = FIRST_TIMEOUT_MS;
    this.#tries = 0;
  }

  #sendSyn(): void {
    const flags = TCP_FLAG.SYN | (this.#state === 'accepting' ? TCP_FLAG.ACK : 0);
    const first = this.#unacknowledged;
    this.#emit(first, flags, NOTHING, OUR_MAX_SEGMENT);
    this.#next = advance(first, 1);
    this.#furthest = this.#next;
    this.#deadline = this.#around.now() + this.#timeoutMs;
  }

  #acknowledge(): void {
    this.#emit(this.#next, TCP_FLAG.ACK, NOTHING);
  }

  #emit(sequence: number, flags: number, payload: Uint8Array, maxSegmentBytes?: number): void {
    this.#around.send({
      sequence,
      acknowledgment: (flags & TCP_FLAG.ACK) === 0 ? 0 : this.#expected,
      flags,
      window: Math.min(this.#around.room(), WINDOW_MAX),
      payload,
      ...(maxSegmentBytes === undefined ? {} : { maxSegmentBytes }),
    });
  }

  #close(how: 'done' | 'reset'): void {
    this.#state = 'closed';
    this.#deadline = Infinity;
    this.#around.closed(how);
  }
}
