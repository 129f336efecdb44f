// What Windows PowerShell wrote, made into an answer or into a sentence that says what went wrong. Pure.
import * as z from '../../../shared/schema.ts';

/** A shadow copy as the script tells it. */
export const Shadow = z.object({
  /** `{GUID}`. */
  id: z.string().regex(/^\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}$/i, 'no id of a shadow copy'),
  /** Of the volume: `\\?\Volume{GUID}\`. */
  volume: z.string(),
  device: z.string(),
  clientAccessible: z.boolean(),
  /** Made without asking the programs that write to the volume, as ours are, and those of System Restore are not. */
  noWriters: z.boolean(),
  /** ISO 8601, UTC. */
  installed: z.string(),
});
export type Shadow = z.infer<typeof Shadow>;

/** What the script says of an error: PowerShell's own id of it is the same in every language of Windows. */
const Problem = z.object({ error: z.string(), category: z.string(), message: z.string() });
export type Problem = z.infer<typeof Problem>;

const count = z.number().nullable();

export const Look = z.object({
  volumes: z.array(
    z.object({
      /** `\\?\Volume{GUID}\`. */
      device: z.string(),
      /** Its first mount point (`C:\`), or the device where it has none. */
      name: z.string().nullable(),
      fileSystem: z.string().nullable(),
      /** 3: a fixed disk (Win32_Volume.DriveType). */
      driveType: z.number(),
      /** Bytes. */
      free: count,
    }),
  ),
  mounts: z.array(z.object({ folder: z.string(), device: z.string() })),
  shadows: z.array(Shadow),
  /** Room for shadow copies, bytes. */
  storage: z.array(z.object({ device: z.string(), used: count, most: count })),
  /** Why shadow copies could not be listed. */
  problem: Problem.nullable(),
});
export type Look = z.infer<typeof Look>;

export const Created = z.object({
  /** Of Win32_ShadowCopy.Create: return-codes.ts. */
  returnValue: z.number(),
  /** Whether Outlook ran when it was made. */
  outlook: z.boolean(),
  id: Shadow.shape.id.nullable(),
  device: z.string().nullable(),
});
export const Found = z.object({ shadow: Shadow.nullable() });
export const Deleted = z.object({ deleted: z.boolean() });

/** How the process ended and what it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export type Answer<T> =
  | { readonly kind: 'result'; readonly result: T }
  /** The script ran, and something it called failed. */
  | { readonly kind: 'problem'; readonly problem: Problem }
  /**
   * There is no answer to go by: `why` is the end of a sentence. `policy`: a rule of this machine forbids the script, or stopped it
   * on its way, in which case it had `begun`.
   */
  | { readonly kind: 'silent'; readonly why: string; readonly policy: boolean; readonly begun?: true };

const FRAME = /<<mailferry:(.*?):mailferry>>/s;

/** The answer to `request` in what a process wrote; `silent` for everything else, an empty success above all. */
export function readAnswer<T>(ended: Ended, request: string, result: z.ZodType<T>): Answer<T> {
  const framed = FRAME.exec(ended.stdout)?.[1];
  if (framed === undefined) return { kind: 'silent', ...whySilent(ended) };
  // JSON in one line has no line break of its own; the console's width may have put some in.
  const Envelope = z.object({
    request: z.literal(request),
    result: result.optional(),
    error: Problem.optional(),
  });
  let parsed: z.ZodSafeParseResult<z.infer<typeof Envelope>>;
  try {
    parsed = Envelope.safeParse(JSON.parse(framed.replace(/[\r\n]/g, ''), plainLists));
  } catch {
    return { kind: 'silent', why: 'gave an answer that is no JSON', policy: false };
  }
  if (parsed.success && parsed.data.error) return { kind: 'problem', problem: parsed.data.error };
  if (parsed.success && parsed.data.result !== undefined) {
    return { kind: 'result', result: parsed.data.result as T };
  }
  return { kind: 'silent', why: 'gave an answer to something else', policy: false };
}

/** Windows PowerShell writes a list that went through a pipeline as {"value": [...], "Count": n}, depending on its version. */
function plainLists(_key: string, value: unknown): unknown {
  const { value: list, Count: count, ...rest } = Object(value) as Record<string, unknown>;
  const wrapped = Array.isArray(list) && count === list.length && Object.keys(rest).length === 0;
  return wrapped ? list : value;
}

function whySilent({ code, signal, stdout, stderr }: Ended): { why: string; policy: boolean; begun?: true } {
  const said = readableError(stderr) || readableError(stdout);
  const quoted = said ? `: ${said}` : '';
  // FullyQualifiedErrorId of a script that the execution policy, AppLocker or an antivirus keeps from running.
  if (/UnauthorizedAccess|PSSecurityException|ScriptContainedMaliciousContent/.test(stderr + stdout)) {
    return { why: `was not allowed to run the script${quoted}`, policy: true };
  }
  if (isLanguageMode(stderr) || isLanguageMode(stdout)) {
    const why = `runs in Constrained Language Mode and stopped the script; allow shadow-copy.ps1 in the rules of AppLocker or App Control${quoted}`;
    return { why, policy: true, begun: true };
  }
  if (signal !== null) return { why: `was ended by another program (${signal})`, policy: false };
  if (code !== 0) return { why: `ended with code ${code}${quoted}`, policy: false };
  if (said === '') return { why: 'said nothing although it claims success', policy: false };
  return { why: `gave no answer${quoted}`, policy: false };
}

/**
 * Whether an error of PowerShell is about its language mode (about_Language_Modes). Its ids are the same in every language of
 * Windows; the console breaks lines within them.
 */
export function isLanguageMode(written: string): boolean {
  return /ConstrainedLanguage|OnlyToCoreTypes|LanguageBoundar|DotSourceNotSupported|languagemode/i.test(
    written.replace(/\s+/g, ''),
  );
}

/** Most characters of foreign text in a sentence of ours. */
const QUOTED = 200;

/** Text for people in what PowerShell writes as an error; from CLIXML ([MS-PSRP] 2.2.5) the texts of its error stream. */
export function readableError(written: string): string {
  let text = written;
  if (text.includes('#< CLIXML')) {
    const errors = [...text.matchAll(/<S S="Error">(.*?)<\/S>/gs)].map(([, inner]) => inner!);
    text = errors
      .join('')
      .replace(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
      .replaceAll('&apos;', "'")
      .replaceAll('&amp;', '&');
  }
  // Control characters, and what a wrong code page leaves behind, are no words.
  const words = text
    .replace(/[\p{Cc}\ufffd]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return words.length > QUOTED ? `${words.slice(0, QUOTED)}...` : words;
}
