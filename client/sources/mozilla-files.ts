// Reads profiles.ini and prefs.js as Mozilla's programs write them. Pure, and in one pass: what lies in a user's folder may be anything,
// and must cost no more than its length.
import type { PlatformPath } from 'node:path';

export interface MozillaProfile {
  readonly name: string;
  readonly path: string;
}

/** The lines of a text, without what ends them. */
function* linesOf(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at);
    const stop = end < 0 ? text.length : end;
    yield text.slice(at, text[stop - 1] === '\r' ? stop - 1 : stop);
    at = stop + 1;
  }
}

/** The profiles of a profiles.ini: sections [ProfileN] with Name, Path and IsRelative (1: below the file's folder, with slashes). */
export function profilesOf(ini: string, folder: string, path: PlatformPath): MozillaProfile[] {
  const profiles: MozillaProfile[] = [];
  let values: Map<string, string> | null = null;
  const end = () => {
    const place = values?.get('path');
    if (!values || !place) return;
    const full =
      values.get('isrelative') === '1' ? path.join(folder, ...place.split('/')) : path.normalize(place);
    profiles.push({ name: values.get('name') ?? place, path: full });
  };
  for (const line of linesOf(ini)) {
    if (line.startsWith('[')) {
      end();
      values = /^\[Profile\d+\]/i.test(line) ? new Map() : null;
      continue;
    }
    const equals = line.indexOf('=');
    if (!values || equals < 0) continue;
    const key = line.slice(0, equals).toLowerCase();
    if (!values.has(key)) values.set(key, line.slice(equals + 1).trimEnd());
  }
  end();
  return profiles;
}

const PREFERENCE = 'user_pref("mail.server.';
/** Characters of a line that are looked at; a path has fewer. */
const MOST_LINE = 65_536;

/** What prefs.js says of each mail server, by its name (`server1` ...): `type`, `directory`, `directory-rel` and more. */
export function serversOf(prefs: string): Map<string, Map<string, string>> {
  const servers = new Map<string, Map<string, string>>();
  for (const line of linesOf(prefs)) {
    if (!line.startsWith(PREFERENCE) || line.length > MOST_LINE) continue;
    const nameEnd = line.indexOf('"', PREFERENCE.length);
    const [server = '', key, ...more] = line.slice(PREFERENCE.length, nameEnd).split('.');
    if (nameEnd < 0 || key === undefined || more.length > 0 || !/^server\d+$/.test(server)) continue;
    const text = stringIn(line.slice(nameEnd + 1));
    if (text === null) continue;
    const values = servers.get(server) ?? new Map<string, string>();
    servers.set(server, values.set(key, text));
  }
  return servers;
}

/** The string in `, "...");`, whose escapes are those of JSON here; null where it is none. */
function stringIn(rest: string): string | null {
  const trimmed = rest.trim();
  if (!trimmed.startsWith(',') || !trimmed.endsWith(');')) return null;
  const literal = trimmed.slice(1, -2).trim();
  if (literal.length < 2 || !literal.startsWith('"') || !literal.endsWith('"')) return null;
  try {
    return JSON.parse(literal) as string;
  } catch {
    return literal.slice(1, -1);
  }
}
