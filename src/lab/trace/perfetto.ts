/**
 * A trace as Perfetto's protobuf: TrackEvents on a track for each hart, counters on tracks of their own. Field numbers are
 * those of `protos/perfetto/trace/trace_packet.proto` and of the messages under `track_event/`; the format is described in
 * "Converting arbitrary timestamped data to Perfetto" (perfetto.dev). Each hart is a packet sequence with names of its own,
 * so that a name is written once.
 */
import { ProtoWriter } from './protobuf.ts';
import type { TraceFormat } from './format.ts';
import { COUNTER_NAMES, type CounterName, type Notes, type TrackEvent } from './tracks.ts';

/** The only field of a trace file. */
const TRACE_PACKET = 1;
const PACKET = {
  TIMESTAMP: 8,
  SEQUENCE_ID: 10,
  TRACK_EVENT: 11,
  INTERNED: 12,
  SEQUENCE_FLAGS: 13,
  TRACK_DESCRIPTOR: 60,
} as const;
const SEQUENCE_CLEARED = 1;
const SEQUENCE_NEEDED = 2;
const TRACK = { UUID: 1, NAME: 2, PROCESS: 3, THREAD: 4, PARENT: 5, COUNTER: 8 } as const;
const PROCESS = { PID: 1, NAME: 6 } as const;
const THREAD = { PID: 1, TID: 2, NAME: 5 } as const;
const EVENT = {
  CATEGORY_IDS: 3,
  NOTES: 4,
  TYPE: 9,
  NAME_ID: 10,
  TRACK: 11,
  DOUBLE_COUNTER: 44,
  FLOWS: 47,
  ENDING_FLOWS: 48,
} as const;
const EVENT_TYPE = { BEGIN: 1, END: 2, INSTANT: 3, COUNTER: 4 } as const;
const INTERNED = { CATEGORIES: 1, EVENT_NAMES: 2, NOTE_NAMES: 3 } as const;
const INTERNED_ENTRY = { ID: 1, NAME: 2 } as const;
const NOTE = { NAME_ID: 1, INTEGER: 4, TEXT: 6 } as const;

/** One process, the machine; its harts are threads. */
const PID = 1;
const PROCESS_TRACK = 1;
const TRACKS_PER_HART = 1 + COUNTER_NAMES.length;
const hartTrack = (hart: number): number => 2 + hart * TRACKS_PER_HART;
const counterTrack = (hart: number, counter: CounterName): number =>
  hartTrack(hart) + 1 + COUNTER_NAMES.indexOf(counter);
/** 0 is invalid; 1 is for what belongs to no hart. */
const sequenceOf = (hart: number): number => 2 + hart;

class Names {
  readonly #ids = new Map<string, number>();
  readonly #field: number;

  constructor(field: number) {
    this.#field = field;
  }

  /** The name's number; one that is new is noted in `fresh`. */
  id(name: string, fresh: ProtoWriter): number {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const id = this.#ids.size + 1;
    this.#ids.set(name, id);
    fresh.message(this.#field, (entry) =>
      entry.uint(INTERNED_ENTRY.ID, id).text(INTERNED_ENTRY.NAME, name),
    );
    return id;
  }
}

export const perfettoFormat: TraceFormat = {
  start: (title, harts, write) => {
    const writer = new ProtoWriter();
    const packet = (fill: (packet: ProtoWriter) => void): void => {
      writer.clear();
      write(writer.message(TRACE_PACKET, fill).written);
    };
    const track = (fill: (track: ProtoWriter) => void): void =>
      packet((writer) => writer.uint(PACKET.SEQUENCE_ID, 1).message(PACKET.TRACK_DESCRIPTOR, fill));
    track((process) =>
      process
        .uint(TRACK.UUID, PROCESS_TRACK)
        .message(TRACK.PROCESS, (process) =>
          process.uint(PROCESS.PID, PID).text(PROCESS.NAME, title),
        ),
    );
    for (let hart = 0; hart < harts; hart++) {
      track((writer) =>
        writer
          .uint(TRACK.UUID, hartTrack(hart))
          .uint(TRACK.PARENT, PROCESS_TRACK)
          .message(TRACK.THREAD, (thread) =>
            thread
              .uint(THREAD.PID, PID)
              .uint(THREAD.TID, hart + 1)
              .text(THREAD.NAME, `hart ${hart}`),
          ),
      );
      for (const counter of COUNTER_NAMES)
        track((writer) =>
          writer
            .uint(TRACK.UUID, counterTrack(hart, counter))
            .uint(TRACK.PARENT, PROCESS_TRACK)
            .text(TRACK.NAME, `hart ${hart} ${counter}`)
            .message(TRACK.COUNTER, () => {}),
        );
    }
    return {
      hart: (hart) => hartSequence(hart, packet),
      end: () => {},
    };
  },
};

function hartSequence(
  hart: number,
  packet: (fill: (packet: ProtoWriter) => void) => void,
): (event: TrackEvent) => void {
  const events = new Names(INTERNED.EVENT_NAMES);
  const categories = new Names(INTERNED.CATEGORIES);
  const noteNames = new Names(INTERNED.NOTE_NAMES);
  let flags = SEQUENCE_CLEARED | SEQUENCE_NEEDED;
  const fresh = new ProtoWriter();
  return (event) =>
    packet((writer) => {
      fresh.clear();
      writer.uint(PACKET.TIMESTAMP, Math.round(event.time));
      writer.uint(PACKET.SEQUENCE_ID, sequenceOf(hart)).uint(PACKET.SEQUENCE_FLAGS, flags);
      flags = SEQUENCE_NEEDED;
      writer.message(PACKET.TRACK_EVENT, (body) => {
        if (event.type === 'counter') {
          body
            .uint(EVENT.TYPE, EVENT_TYPE.COUNTER)
            .uint(EVENT.TRACK, counterTrack(hart, event.counter));
          body.double(EVENT.DOUBLE_COUNTER, event.value);
          return;
        }
        body.uint(EVENT.TRACK, hartTrack(hart));
        if (event.type === 'end') {
          body.uint(EVENT.TYPE, EVENT_TYPE.END);
          return;
        }
        const isInstant = event.type === 'instant';
        body.uint(EVENT.TYPE, isInstant ? EVENT_TYPE.INSTANT : EVENT_TYPE.BEGIN);
        body.uint(EVENT.NAME_ID, events.id(event.name, fresh));
        body.uint(EVENT.CATEGORY_IDS, categories.id(isInstant ? event.category : 'domain', fresh));
        writeNotes(body, event.notes, (name) => noteNames.id(name, fresh));
        if (event.flow !== undefined)
          body.fixed64(isInstant ? EVENT.FLOWS : EVENT.ENDING_FLOWS, event.flow);
      });
      if (fresh.length > 0) writer.bytes(PACKET.INTERNED, fresh.written);
    });
}

function writeNotes(body: ProtoWriter, notes: Notes, idOf: (name: string) => number): void {
  for (const [name, value] of Object.entries(notes)) {
    body.message(EVENT.NOTES, (note) => {
      note.uint(NOTE.NAME_ID, idOf(name));
      if (typeof value === 'number') note.uint(NOTE.INTEGER, value);
      else note.text(NOTE.TEXT, value);
    });
  }
}
