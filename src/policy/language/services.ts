/**
 * The policy language as a Langium language without an editor: parser, scopes, messages.
 *
 * Importing this file loads Langium (about 150 ms); only `check.ts` does, and lazily.
 */
import {
  createDefaultCoreModule,
  createDefaultSharedCoreModule,
  DefaultLexerErrorMessageProvider,
  DefaultScopeProvider,
  EmptyFileSystem,
  inject,
  LangiumParserErrorMessageProvider,
  type LangiumCoreServices,
  type LangiumSharedCoreServices,
  type ReferenceInfo,
  type Scope,
} from 'langium';
import type { ExportedFunction, Subsystem } from './generated/ast.ts';
import {
  isAllow,
  isAllowed,
  isExports,
  isImport,
  isImports,
  isSubsystem,
} from './generated/ast.ts';
import { PolicyGeneratedModule, PolicyGeneratedSharedModule } from './generated/module.ts';
import { lexerMessage, mismatchMessage, redundantMessage, unexpectedMessage } from './messages.ts';

export interface PolicyServices {
  readonly shared: LangiumSharedCoreServices;
  readonly policy: LangiumCoreServices;
}

/** All functions that a subsystem exports, over all its `exports` clauses. */
export const exportedFunctions = (subsystem: Subsystem): ExportedFunction[] =>
  subsystem.clauses.filter(isExports).flatMap(({ functions }) => functions);

/** A function name means one of the subsystem it is imported from, or of the one that narrows it. */
class PolicyScopeProvider extends DefaultScopeProvider {
  override getScope(context: ReferenceInfo): Scope {
    const { container } = context;
    if (isImport(container) && isImports(container.$container)) {
      // After a syntax error a tree may lack what the grammar requires.
      const from = container.$container.from?.ref;
      return this.createScopeForNodes(from === undefined ? [] : exportedFunctions(from));
    }
    if (isAllowed(container) && isAllow(container.$container)) {
      const subsystem = container.$container.$container;
      return this.createScopeForNodes(isSubsystem(subsystem) ? exportedFunctions(subsystem) : []);
    }
    return super.getScope(context);
  }
}

class PolicyLexerMessages extends DefaultLexerErrorMessageProvider {
  override buildUnexpectedCharactersMessage(text: string, start: number, length: number): string {
    return lexerMessage(text.slice(start, start + length));
  }
}

type Mismatch = Parameters<LangiumParserErrorMessageProvider['buildMismatchTokenMessage']>[0];
type Redundant = Parameters<LangiumParserErrorMessageProvider['buildNotAllInputParsedMessage']>[0];
type NoViable = Parameters<LangiumParserErrorMessageProvider['buildNoViableAltMessage']>[0];
type EarlyExit = Parameters<LangiumParserErrorMessageProvider['buildEarlyExitMessage']>[0];

/** Langium ends its rule names in an invisible character. */
const plainRule = (ruleName: string): string => ruleName.replaceAll('\u200B', '');

class PolicyParserMessages extends LangiumParserErrorMessageProvider {
  override buildMismatchTokenMessage(options: Mismatch): string {
    const { expected, actual, ruleName } = options;
    return mismatchMessage(expected.name, actual.image, plainRule(ruleName));
  }

  override buildNotAllInputParsedMessage(options: Redundant): string {
    return redundantMessage(options.firstRedundant.image);
  }

  override buildNoViableAltMessage(options: NoViable): string {
    const firsts = options.expectedPathsPerAlt.flatMap((paths) =>
      paths.map((path) => path[0]?.name),
    );
    return unexpectedMessage(options.actual[0]?.image ?? '', firsts, plainRule(options.ruleName));
  }

  override buildEarlyExitMessage(options: EarlyExit): string {
    const firsts = options.expectedIterationPaths.map((path) => path[0]?.name);
    return unexpectedMessage(options.actual[0]?.image ?? '', firsts, plainRule(options.ruleName));
  }
}

export function createPolicyServices(): PolicyServices {
  const shared = inject(
    createDefaultSharedCoreModule(EmptyFileSystem),
    PolicyGeneratedSharedModule,
  );
  const policy = inject(createDefaultCoreModule({ shared }), PolicyGeneratedModule, {
    parser: {
      LexerErrorMessageProvider: () => new PolicyLexerMessages(),
      ParserErrorMessageProvider: () => new PolicyParserMessages(),
    },
    references: {
      ScopeProvider: (services: LangiumCoreServices) => new PolicyScopeProvider(services),
    },
  });
  shared.ServiceRegistry.register(policy);
  return { shared, policy };
}
