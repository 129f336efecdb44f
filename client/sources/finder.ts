// The finder port: a finder knows one kind of mail on a machine, where it lies, why it is taken and how it is restored.
import type { SourceKind } from '../../shared/protocol.ts';
import type { Registry } from '../registry/registry.ts';
import type { FileView } from './file-view.ts';
import type { Skipped } from './walk.ts';

/** A row of the table of what is taken: one thing, told for people and for machines. README's table is made of these. */
export interface Take {
  /** Short and stable. */
  readonly id: string;
  readonly kind: SourceKind;
  readonly what: string;
  readonly where: string;
  /** Why it is taken, or, where `leftOut`, why it is not. */
  readonly why: string;
  readonly restored: string;
  /** Not taken unless asked for. */
  readonly leftOut?: boolean;
}

/** Something to protect. */
export interface FoundItem {
  /** A file's absolute path in the machine's form, or a registry key in full. */
  readonly path: string;
  readonly kind: SourceKind;
  /** The id of its row in the table. */
  readonly take: string;
  /** Whose it is. */
  readonly owner: string;
  /** Name of the set whose items are of use only together: they are taken out of one snapshot. Null: it stands alone. */
  readonly set: string | null;
  /** What it was found by, as a sentence. */
  readonly why: string;
}

/** Something that is not taken, and is said to be. */
export interface LeftOut {
  readonly path: string;
  readonly why: Skipped['why'] | 'cache' | 'network' | 'logged-off';
  /** In words; no full stop. */
  readonly text: string;
}

/** Reasons for which mail that may be there is not protected: a backup is then a partial one. */
const UNTAKEN: ReadonlySet<LeftOut['why']> = new Set([
  'unreadable',
  'network',
  'too-deep',
  'link',
  'name',
  'no-file',
]);

/** Whether what is left out makes a backup a partial one. */
export function isUntaken({ why }: Pick<LeftOut, 'why'>): boolean {
  return UNTAKEN.has(why);
}

/** What is said of a place that the registry (`where` in it) names by a variable of which no value is known. */
export function unresolved(text: string, where: string): LeftOut {
  return {
    path: text,
    why: 'unreadable',
    text: `${where} names this folder by a variable that has no value here; what is in it was not looked for`,
  };
}

/** A user of the machine, with the folders that are theirs. */
export interface SearchedUser {
  readonly name: string;
  /** Windows' name for them; null elsewhere, and where it is not known. */
  readonly sid: string | null;
  /** Their part of the registry, as it can be read now; null where it can't. */
  readonly key: string | null;
  /** False: their registry was read out of a copy of their hive, and only what finders ask(). */
  readonly loggedOn: boolean;
  readonly home: string;
  readonly roaming: string;
  readonly local: string;
  readonly documents: string;
  /** Folders that are named by variables without a value here: absent where there are none. */
  readonly lost?: readonly LeftOut[];
  /** Puts the user's own values for %NAMES% in a text; null where one is not known. */
  expand(text: string): string | null;
}

export interface Search {
  readonly files: FileView;
  /** Null where the machine has none. For a finder what it can't read is not there; that it can't is said elsewhere. */
  readonly registry: Pick<Registry, 'read' | 'children'> | null;
  readonly user: SearchedUser;
  /** Whether copies of what a server holds are taken too: OST files, IMAP folders. */
  readonly caches: boolean;
  /** Whether stores on network drives and shares are taken too. */
  readonly networkStores: boolean;
  readonly leaveOut: (left: LeftOut) => void;
}

export interface Finder {
  /** What it looks for, where it has to be said that it failed. */
  readonly name: string;
  readonly takes: readonly Take[];
  /** Asks the registry for all that find() will ask of the user's part. Absent: it asks nothing of it. */
  ask?(search: Pick<Search, 'registry' | 'user'>): Promise<unknown>;
  /** Yields what is there now. Changes nothing. What could not be looked into is left out, and said. */
  find(search: Search): AsyncIterable<FoundItem>;
}
