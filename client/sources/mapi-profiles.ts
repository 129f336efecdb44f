// Finder: Outlook's profiles in the registry: accounts, which stores they open, which signature is whose.
import type { Finder, Take } from './finder.ts';
import { outlookInRegistry } from './outlook-registry.ts';

const TAKES = [
  {
    id: 'mapi-profiles',
    kind: 'mapi-profiles',
    what: 'Outlook profiles (accounts and which stores they open)',
    where:
      'registry: `...\\Windows Messaging Subsystem\\Profiles` (2003 to 2010), `...\\Office\\15.0\\Outlook\\Profiles` and `16.0`',
    why: 'accounts that would have to be set up again. A secret: it holds passwords, encrypted for this user on this machine',
    restored:
      'by `reg import`, after what is there now was exported to a file that is named; passwords have to be typed again on another machine',
  },
] as const satisfies readonly Take[];

export const mapiProfiles: Finder = {
  name: 'Outlook profiles',
  takes: TAKES,
  ask: outlookInRegistry,
  async *find(search) {
    const { user, leaveOut } = search;
    for (const { key: path, profiles } of (await outlookInRegistry(search)).profileKeys) {
      if (!user.loggedOn) {
        leaveOut({ path, why: 'logged-off', text: 'profiles are exported when their user is logged on' });
        continue;
      }
      const names = profiles.map((name) => `"${name}"`).join(', ');
      yield {
        path,
        kind: 'mapi-profiles',
        take: 'mapi-profiles',
        owner: user.name,
        set: null,
        why: `holds ${names}`,
      };
    }
  },
};
