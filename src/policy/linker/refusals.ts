/**
 * Collects what the linker refuses. A refusal names the C line if the object has line information,
 * else the section and the symbol; all are reported at once.
 */
import { sortDiagnostics, type Diagnostic } from '../diagnostics.ts';
import { readObjectInfo, type ObjectInfo } from './dwarf-info.ts';
import { LineTable } from './dwarf-line.ts';
import { symbolAt, type InputObject, type InputSection } from './input.ts';

export interface Reason {
  readonly message: string;
  readonly notes?: readonly string[];
  readonly fix: string;
}

/** The link was refused; `diagnostics` says everything that is wrong. */
export class LinkError extends Error {
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(({ file, line, message }) => `${file}:${line}: ${message}`).join('\n'));
    this.name = 'LinkError';
    this.diagnostics = diagnostics;
  }
}

export class Refusals {
  readonly #diagnostics: Diagnostic[] = [];
  readonly #lines = new Map<InputObject, LineTable>();
  readonly #info = new Map<InputObject, ObjectInfo>();

  /** Refuses a whole object. */
  object(object: InputObject, what: string, fix: string): void {
    const message = object.isLibrary ? `${what} (library, copy of '${object.owner}')` : what;
    this.add({ severity: 'error', file: object.file, line: 0, column: 0, length: 1, message, fix });
  }

  /** Refuses what happens at one place of a section. */
  at(input: InputSection, offset: number, reason: Reason): void {
    const { object, section } = input;
    const known = this.lineTable(object).find(section.index, offset);
    if (known !== undefined) {
      const { file, line, column } = known;
      this.add({ severity: 'error', file, line, column, length: 1, ...reason });
      return;
    }
    const symbol = symbolAt(object, section.index, offset);
    const variable = symbol === undefined ? undefined : this.#variables(object).get(symbol);
    if (variable !== undefined && variable.line > 0) {
      // Initialised data has no line table, but its variable has a declaration.
      const { file } = object;
      const { line } = variable;
      this.add({ severity: 'error', file, line, column: 0, length: 1, ...reason });
      return;
    }
    const where = `${section.name}+0x${offset.toString(16)}${symbol === undefined ? '' : ` in '${symbol}'`}`;
    this.add({
      severity: 'error',
      file: object.file,
      line: 0,
      column: 0,
      length: 1,
      ...reason,
      message: `${where}: ${reason.message}`,
    });
  }

  #variables(object: InputObject): ObjectInfo['variables'] {
    const known = this.#info.get(object) ?? readObjectInfo(object.elf);
    this.#info.set(object, known);
    return known.variables;
  }

  add(diagnostic: Diagnostic): void {
    this.#diagnostics.push(diagnostic);
  }

  lineTable(object: InputObject): LineTable {
    let table = this.#lines.get(object);
    if (table === undefined) {
      table = new LineTable(object.elf);
      this.#lines.set(object, table);
    }
    return table;
  }

  get warnings(): readonly Diagnostic[] {
    return sortDiagnostics(this.#diagnostics.filter(({ severity }) => severity === 'warning'));
  }

  /** Ends the link if anything was refused so far. */
  throwIfAny(): void {
    if (this.#diagnostics.some(({ severity }) => severity === 'error')) {
      throw new LinkError(sortDiagnostics(this.#diagnostics));
    }
  }
}
