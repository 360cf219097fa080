/** Collects small pieces into large writes. */
import { closeSync, openSync, writeSync } from 'node:fs';

const BUFFER_BYTES = 1 << 20;

export class OutputFile {
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  /** Undefined: stdout, which is the process's and may be a pipe that takes its time. */
  readonly #file: number | undefined;
  #filled = 0;

  /**
   * @param path `-` for stdout
   * @throws what the operating system says about a file that cannot be made
   */
  constructor(path: string) {
    this.#file = path === '-' ? undefined : openSync(path, 'w');
  }

  readonly write = (bytes: Uint8Array): void => {
    if (this.#filled + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) this.#out(bytes);
    else {
      this.#buffer.set(bytes, this.#filled);
      this.#filled += bytes.length;
    }
  };

  close(): void {
    try {
      this.#flush();
    } finally {
      if (this.#file !== undefined) closeSync(this.#file);
    }
  }

  #flush(): void {
    this.#out(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }

  #out(bytes: Uint8Array): void {
    if (this.#file === undefined) {
      process.stdout.write(bytes.slice());
      return;
    }
    for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at);
  }
}
