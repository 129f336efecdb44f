// The part of zod that Mailferry uses. A build puts just that into this module (package.json): loading all of zod, with its messages
// in fifty languages, takes a fifth of a run that finds nothing to do.
export type { core, infer, output, ZodSafeParseResult, ZodType } from 'zod';
export {
  array,
  base64,
  boolean,
  coerce,
  discriminatedUnion,
  enum,
  int,
  iso,
  literal,
  number,
  object,
  record,
  strictObject,
  string,
  unknown,
  url,
  uuid,
} from 'zod';
