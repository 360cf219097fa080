/**
 * A trace as JSON ("Trace Event Format", Chrome): for viewers and scripts that do not read protobuf. Times are microseconds.
 */
import type { TraceFormat } from './format.ts';
import type { TrackEvent } from './tracks.ts';

const PID = 1;

export const chromeJsonFormat: TraceFormat = {
  start: (title, harts, write) => {
    const encoder = new TextEncoder();
    let separator = '{"displayTimeUnit":"ns","traceEvents":[\n';
    const put = (event: object): void => {
      write(encoder.encode(separator + JSON.stringify(event)));
      separator = ',\n';
    };
    put({ ph: 'M', pid: PID, name: 'process_name', args: { name: title } });
    for (let hart = 0; hart < harts; hart++)
      put({
        ph: 'M',
        pid: PID,
        tid: hart + 1,
        name: 'thread_name',
        args: { name: `hart ${hart}` },
      });
    return {
      hart: (hart) => (event) => putEvent(hart, event, put),
      end: () => write(encoder.encode('\n]}\n')),
    };
  },
};

function putEvent(hart: number, event: TrackEvent, put: (event: object) => void): void {
  const at = { pid: PID, tid: hart + 1, ts: Math.round(event.time) / 1000 };
  switch (event.type) {
    case 'begin':
      put({ ph: 'B', ...at, cat: 'domain', name: event.name, args: event.notes });
      // Bound to the slice that has just begun.
      if (event.flow !== undefined)
        put({ ph: 'f', bp: 'e', ...at, cat: 'gate', name: 'gate', id: event.flow });
      break;
    case 'end':
      put({ ph: 'E', ...at });
      break;
    case 'instant':
      put({ ph: 'i', s: 't', ...at, cat: event.category, name: event.name, args: event.notes });
      if (event.flow !== undefined)
        put({ ph: 's', ...at, cat: 'gate', name: 'gate', id: event.flow });
      break;
    case 'counter':
      put({ ph: 'C', ...at, name: `hart ${hart} ${event.counter}`, args: { value: event.value } });
      break;
  }
}
