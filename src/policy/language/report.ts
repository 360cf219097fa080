/**
 * Collects the diagnostics of one set of policies; turns AST nodes into places.
 */
import { AstUtils, GrammarUtils, type AstNode, type CstNode } from 'langium';
import type { Diagnostic, Severity } from '../diagnostics.ts';
import type { PolicyPlace } from '../model.ts';

export interface Advice {
  readonly fix?: string;
  readonly notes?: readonly string[];
}

export class Report {
  readonly diagnostics: Diagnostic[] = [];
  readonly #fileOf: (uri: string) => string;

  constructor(fileOf: (uri: string) => string) {
    this.#fileOf = fileOf;
  }

  /** The place of a property of a node (the n-th value of a list), or of the whole node. */
  place(node: AstNode, property?: string, index?: number): PolicyPlace {
    const uri = AstUtils.getDocument(node).uri.toString();
    const part =
      property === undefined
        ? undefined
        : GrammarUtils.findNodeForProperty(node.$cstNode, property, index);
    return placeOf(this.#fileOf(uri), part ?? node.$cstNode);
  }

  error(place: PolicyPlace, message: string, advice: Advice = {}): void {
    this.#add('error', place, message, advice);
  }

  warn(place: PolicyPlace, message: string, advice: Advice = {}): void {
    this.#add('warning', place, message, advice);
  }

  #add(severity: Severity, place: PolicyPlace, message: string, advice: Advice): void {
    this.diagnostics.push({ severity, ...place, message, ...advice, rank: 3 });
  }
}

function placeOf(file: string, node: CstNode | undefined): PolicyPlace {
  if (node === undefined) return { file, line: 1, column: 1, length: 1 };
  const { start, end } = node.range;
  return {
    file,
    line: start.line + 1,
    column: start.character + 1,
    length: end.line === start.line ? Math.max(1, end.character - start.character) : 1,
  };
}
