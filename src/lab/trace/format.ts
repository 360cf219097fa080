/** What a trace file's format has to be able to do; the formats are chosen by the file's name. */
import type { TrackEvent } from './tracks.ts';

export interface TraceFormat {
  /** Writes what comes first. Bytes given to `write` are taken before it returns. */
  start(title: string, harts: number, write: (bytes: Uint8Array) => void): TraceBody;
}

export interface TraceBody {
  /** What takes the events of one hart, in order; the harts come one after the other. */
  hart(hart: number): (event: TrackEvent) => void;
  end(): void;
}
