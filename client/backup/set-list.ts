// The list of a set, kept as a source of its own: which files were there together, so that a restore brings back one state of them.
import * as z from '../../shared/schema.ts';

/**
 * JSON, versions of a source whose path is `set:` and the set's name:
 *
 *   {"set": name, "members": [{"path", "size", "mtime"}], "gone": [path]}
 *
 * Size (bytes) and time of last writing are those in the snapshot, as the members' versions have them; gone were in the set once.
 */
export const SetList = z.object({
  set: z.string(),
  members: z.array(z.object({ path: z.string(), size: z.int(), mtime: z.string() })),
  gone: z.array(z.string()),
});
export type SetList = z.infer<typeof SetList>;

const PREFIX = 'set:';

/** The path of the source that lists a set. */
export const setPath = (name: string) => `${PREFIX}${name}`;

export const isSetPath = (path: string) => path.startsWith(PREFIX);

/** The set that the source at `path` lists. */
export const setName = (path: string) => path.slice(PREFIX.length);
