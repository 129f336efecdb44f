// The edge where what a client sent becomes a typed value, or a Failure `malformed` that lists every mistake.

import { Failure } from '../../shared/failure.ts';
import { PackId, VersionId } from '../../shared/protocol.ts';
import type * as z from '../../shared/schema.ts';
import { notFound } from './problem.ts';

/** Mistakes named in an answer. */
const MOST_MISTAKES = 20;

/** `value` as the schema has it. */
export function parseRequest<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues
    .slice(0, MOST_MISTAKES)
    .map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message));
  throw new Failure('malformed', 'The request is not as the protocol describes it.', {
    detail: { mistakes },
  });
}

/** A version id out of a URL; what can't be one is not found, like one that is not there. */
export function versionIdIn(params: unknown): string {
  const parsed = VersionId.safeParse((params as { id?: unknown }).id);
  if (!parsed.success) throw notFound();
  return parsed.data;
}

/** A pack id out of a URL; see versionIdIn. */
export function packIdIn(params: unknown): string {
  const parsed = PackId.safeParse((params as { id?: unknown }).id);
  if (!parsed.success) throw notFound();
  return parsed.data;
}
