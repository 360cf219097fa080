/** A benchmark that cannot be run or believed; the message says what to do. */
export class HostBenchError extends Error {}
