/**
 * Parses and links policy files with Langium; lexer, parser and name errors become diagnostics.
 */
import { AstUtils, URI, type AstNode, type LangiumDocument } from 'langium';
import type { Diagnostic } from '../diagnostics.ts';
import type { PolicyFile } from '../model.ts';
import {
  isAllowed,
  isBufferType,
  isExportedFunction,
  isImport,
  isSubsystem,
  type PolicyFile as PolicyTree,
} from './generated/ast.ts';
import { unknownName } from './messages.ts';
import { Report } from './report.ts';
import { createPolicyServices, exportedFunctions } from './services.ts';

export interface ParsedPolicies {
  /** Of the files without syntax errors; only they have every node that the grammar requires. */
  readonly trees: readonly PolicyTree[];
  readonly isComplete: boolean;
  readonly diagnostics: readonly Diagnostic[];
  readonly report: Report;
}

export async function parsePolicies(files: readonly PolicyFile[]): Promise<ParsedPolicies> {
  const { shared } = createPolicyServices();
  const fileOf = new Map<string, string>();
  const documents = files.map(({ file, text }, i) => {
    // The number keeps two files of one name apart; the URI is never shown.
    const uri = URI.parse(`memory:///${i}/${encodeURIComponent(file)}`);
    fileOf.set(uri.toString(), file);
    const document = shared.workspace.LangiumDocumentFactory.fromString<PolicyTree>(text, uri);
    shared.workspace.LangiumDocuments.addDocument(document);
    return document;
  });
  await shared.workspace.DocumentBuilder.build(documents, { validation: false });

  const report = new Report((uri) => fileOf.get(uri) ?? uri);
  const names = documents.flatMap((d) => d.parseResult.value.subsystems.map(({ name }) => name));
  const diagnostics: Diagnostic[] = [];
  const broken = new Set<LangiumDocument>();
  for (const [i, document] of documents.entries()) {
    const found = syntaxErrors(document, (files[i] as PolicyFile).file);
    if (found.length > 0) broken.add(document);
    diagnostics.push(...found);
  }
  for (const [i, document] of documents.entries()) {
    const { file } = files[i] as PolicyFile;
    const taken = new Set(diagnostics.filter((d) => d.file === file).map(({ line }) => line));
    const unknown = nameErrors(document, file, names, broken);
    diagnostics.push(...unknown.filter(({ line }) => !taken.has(line)));
  }
  const whole = documents.filter((d) => !broken.has(d));
  return {
    trees: whole.map((d) => d.parseResult.value),
    isComplete: broken.size === 0,
    diagnostics,
    report,
  };
}

function syntaxErrors(document: LangiumDocument, file: string): Diagnostic[] {
  const { lexerErrors, parserErrors } = document.parseResult;
  const result: Diagnostic[] = lexerErrors.map((e) => ({
    severity: 'error',
    file,
    line: e.line ?? 1,
    column: e.column ?? 1,
    length: Math.max(1, e.length),
    message: e.message,
    rank: 0,
  }));
  const taken = new Set(result.map(({ line }) => line));
  const end = document.textDocument.positionAt(document.textDocument.getText().trimEnd().length);
  for (const [i, { token, message, context }] of parserErrors.entries()) {
    // Once the parser has lost its way, what is left over at the end says nothing new.
    if (i > 0 && context.ruleStack.length <= 1) continue;
    const isAtEnd = Number.isNaN(token.startOffset) || token.startOffset < 0 || token.image === '';
    const line = isAtEnd ? end.line + 1 : (token.startLine ?? 1);
    // After one error the parser looks for its way, mostly in the rest of the same line.
    if (taken.has(line)) continue;
    taken.add(line);
    const column = isAtEnd ? end.character + 1 : (token.startColumn ?? 1);
    const length = isAtEnd ? 1 : token.image.length;
    result.push({ severity: 'error', file, line, column, length, message, rank: 1 });
  }
  return result;
}

/** Names that mean nothing; silent where a syntax error may have swallowed the declaration. */
function nameErrors(
  document: LangiumDocument,
  file: string,
  subsystemNames: readonly string[],
  broken: ReadonlySet<LangiumDocument>,
): Diagnostic[] {
  const result: Diagnostic[] = [];
  for (const { error, $refText: name, $refNode } of document.references) {
    if (error === undefined || $refNode === undefined || name === '') continue;
    const unknown = explain(error.info.container, name, subsystemNames, broken);
    if (unknown === undefined) continue;
    const { start } = $refNode.range;
    result.push({
      severity: 'error',
      file,
      line: start.line + 1,
      column: start.character + 1,
      length: name.length,
      rank: 2,
      ...unknown,
    });
  }
  return result;
}

function explain(
  container: AstNode,
  name: string,
  subsystemNames: readonly string[],
  broken: ReadonlySet<LangiumDocument>,
): ReturnType<typeof unknownName> | undefined {
  if (isImport(container) || isAllowed(container)) {
    const owner = isImport(container)
      ? container.$container.from?.ref
      : AstUtils.getContainerOfType(container, isSubsystem);
    // An unknown owner is reported by itself.
    if (owner === undefined || broken.has(AstUtils.getDocument(owner))) return undefined;
    const names = exportedFunctions(owner).map((f) => f.name);
    return unknownName('function', name, owner.name, names);
  }
  if (isBufferType(container)) {
    const f = AstUtils.getContainerOfType(container, isExportedFunction);
    const names = f?.parameters.filter((p) => !isBufferType(p.type)).map((p) => p.name) ?? [];
    return unknownName('parameter', name, f?.name, names);
  }
  const isSwallowed = [...broken].some((d) =>
    d.textDocument.getText().includes(`subsystem ${name}`),
  );
  return isSwallowed ? undefined : unknownName('subsystem', name, undefined, subsystemNames);
}
