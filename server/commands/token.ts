// mailferry server token: what lets a machine become a device, or a device have a new credential. Beside a running server, too.
import { Failure } from '../../shared/failure.ts';
import type { Capabilities } from '../capabilities.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { parseDuration } from '../duration.ts';
import { createToken } from '../enrol.ts';
import { type Console, result } from './console.ts';
import { findDevice } from './device.ts';

export interface TokenOptions {
  readonly uses?: string;
  readonly expires?: string;
  /** The id of a device, or its beginning: the token is good for a new credential of that one, once. */
  readonly renew?: string;
}

const MOST_USES = 1_000_000;
/** How long a token is good for: for many machines a month, for the vault of one a day. */
const LIFE = { enrol: '30d', renew: '1d' };

/** The options as they are meant; a Failure `usage` names what is not. */
export function tokenUse({ uses = '1', expires, renew }: TokenOptions): { uses: number; lifeMs: number } {
  const count = /^\d{1,7}$/.test(uses) ? Number(uses) : 0;
  if (count < 1 || count > MOST_USES) throw new Failure('usage', `"${uses}" is no number of uses.`);
  if (renew !== undefined && count !== 1)
    throw new Failure('usage', 'A token that renews a credential is good for one use.');
  return { uses: count, lifeMs: parseDuration(expires ?? (renew === undefined ? LIFE.enrol : LIFE.renew)) };
}

/** Prints a new token. A Failure `not_found` where it is for a device that there is not. */
export async function printToken(
  console: Console,
  catalogue: Catalogue,
  options: TokenOptions,
  capabilities: Pick<Capabilities, 'now' | 'randomBytes'>,
): Promise<void> {
  const { enrolment } = catalogue;
  const use = tokenUse(options);
  const device = options.renew === undefined ? undefined : (await findDevice(enrolment, options.renew)).id;
  const token = await createToken(enrolment, capabilities, { ...use, ...(device ? { device } : {}) });
  result(console, [token], { token, ...(device ? { device } : {}) });
}
