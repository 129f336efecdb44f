// Variables of Windows (%NAME%) in paths and patterns of settings. Pure: the environment is handed in.

type Environment = Readonly<Record<string, string | undefined>>;

/** The text with the values of its variables, or the variable that has none. */
export type Expanded = { readonly text: string } | { readonly unknown: string };

/** Variables that differ between users. A service has values for them which are no person's. */
const OF_A_USER = new Set([
  ...['userprofile', 'appdata', 'localappdata', 'homedrive', 'homepath', 'homeshare', 'username'],
  ...['userdomain', 'temp', 'tmp', 'onedrive', 'onedriveconsumer', 'onedrivecommercial'],
]);
/** The home of LocalSystem, LocalService and NetworkService. */
const SERVICE_HOME = /\\(config\\systemprofile|serviceprofiles\\[^\\]+)\\?$/i;

/**
 * Expands once, as Windows does: names without case, a lone % stays, and a value is not expanded again. A name holds no separator of
 * paths, so that two folders with a % in their names are not taken for a variable. Variables of a user are unknown to a service.
 */
export function expandVariables(text: string, env: Environment): Expanded {
  const values = new Map(
    Object.entries(env).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), value] as const],
    ),
  );
  if (SERVICE_HOME.test(values.get('userprofile') ?? '')) for (const name of OF_A_USER) values.delete(name);
  let unknown: string | undefined;
  const expanded = text.replace(/%([^%\\/:*?]+)%/g, (whole, name: string) => {
    const value = values.get(name.toLowerCase());
    if (value === undefined || value === '') unknown ??= whole;
    return value ?? '';
  });
  return unknown === undefined ? { text: expanded } : { unknown };
}
