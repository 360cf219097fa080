/**
 * Which source file belongs to which subsystem.
 *
 * A subsystem is a folder with `<name>.policy`; its sources are the `*.c` and `*.S` next to it, or
 * what its `contains` says (patterns relative to the folder of all subsystems, `.o` standing for
 * either kind). Folders `lib` and `include` belong to everybody.
 */
import { readdirSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';
import { compareText, type Diagnostic } from './diagnostics.ts';
import type { Policies } from './model.ts';

export const LIBRARY = 'lib';
export const INCLUDE = 'include';

const isSource = (file: string): boolean => /\.[cS]$/.test(file);

/** Names in a folder, in a fixed order; none if it does not exist. */
export function listFiles(directory: string, isWanted: (name: string) => boolean): string[] {
  try {
    return readdirSync(directory).filter(isWanted).toSorted(compareText);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export const listSources = (directory: string): string[] => listFiles(directory, isSource);

/** All policy files, as paths relative to the root. */
export function findPolicyFiles(root: string, sourceDir: string): string[] {
  return listFiles(join(root, sourceDir), () => true).flatMap((name) =>
    listFiles(join(root, sourceDir, name), (file) => file === `${name}.policy`).map(
      (file) => `${sourceDir}/${name}/${file}`,
    ),
  );
}

/** Every source in a subsystem's folder, relative to `sourceDir`. */
export function listSubsystemSources(root: string, sourceDir: string): string[] {
  const folders = listFiles(join(root, sourceDir), (n) => n !== LIBRARY && n !== INCLUDE);
  return folders.flatMap((folder) =>
    listFolder(join(root, sourceDir, folder)).map((file) => `${folder}/${file}`),
  );
}

export interface SubsystemSources {
  readonly name: string;
  readonly sources: readonly string[];
}

export interface AssignedSources {
  readonly subsystems: readonly SubsystemSources[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Gives every source to one subsystem; refuses sources that none or several claim. */
export function assignSources(
  policies: Policies,
  root: string,
  sourceDir: string,
): AssignedSources {
  const all = listSubsystemSources(root, sourceDir);
  const owners = new Map<string, string>();
  const diagnostics: Diagnostic[] = [];
  const subsystems = policies.subsystems.map(({ name, file, place, contains }) => {
    const folder = file.slice(sourceDir.length + 1).split('/')[0] ?? name;
    const patterns = contains.length > 0 ? contains : [{ glob: `${folder}/*.o`, place }];
    const sources: string[] = [];
    for (const { glob, place: where } of patterns) {
      const matches = all.filter((source) => isMatch(source, glob));
      if (matches.length === 0) {
        diagnostics.push({
          severity: 'error',
          ...where,
          message: `no source of '${name}' matches "${glob}"`,
          fix: `patterns are relative to ${sourceDir}, as in contains "${name}/*.c"`,
        });
      }
      for (const source of matches) {
        const owner = owners.get(source);
        if (owner !== undefined && owner !== name) {
          diagnostics.push({
            severity: 'error',
            ...where,
            message: `${sourceDir}/${source} belongs to '${owner}' already`,
            fix: "narrow one of the two 'contains'",
          });
        }
        owners.set(source, name);
        if (!sources.includes(source)) sources.push(source);
      }
    }
    return { name, sources: sources.toSorted(compareText).map((s) => `${sourceDir}/${s}`) };
  });
  for (const source of all.filter((s) => !owners.has(s))) {
    const [folder] = source.split('/');
    diagnostics.push({
      severity: 'error',
      file: `${sourceDir}/${source}`,
      line: 0,
      column: 0,
      length: 1,
      message: 'this source belongs to no subsystem',
      fix: `write ${sourceDir}/${folder}/${folder}.policy, or name it in a 'contains'`,
    });
  }
  return { subsystems, diagnostics };
}

const listFolder = (directory: string): string[] => {
  try {
    return listSources(directory);
  } catch (error) {
    // A file next to the folders, such as a page of documentation.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return [];
    throw error;
  }
};

const isMatch = (source: string, glob: string): boolean =>
  matchesGlob(source, glob) || matchesGlob(source.replace(/\.[cS]$/, '.o'), glob);
