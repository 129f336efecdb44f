// A server that moves to another address: the device follows once the key there is the one that it enrolled with.
import { randomBytes } from 'node:crypto';
import { asFailure, Failure } from '../shared/failure.ts';
import { ServerProof } from '../shared/protocol.ts';
import { ROUTES } from '../shared/routes.ts';
import { serverProofText } from '../shared/server-proof.ts';
import type { Context } from './cli.ts';
import { receiptVerifier } from './healing/receipts-held.ts';
import { failureOf, isOurs } from './http/failure-of-answer.ts';
import { HttpClient, readText } from './http/http-client.ts';
import { assertEncrypted } from './http/plain-http.ts';
import { isRedirect, movedTo } from './http/redirect.ts';
import { MOST_HOPS } from './http/server-client.ts';
import type { Way } from './http/way.ts';
import {
  type Identity,
  loadIdentity,
  ownServerData,
  type StatePaths,
  saveIdentity,
} from './state/state-directory.ts';

/** Far more than a proof takes. */
const PROOF_BYTES = 4_096;

/**
 * The address at which the server proves that it holds `receiptKey`: `server`, or where it leads for good. Nothing of the device is sent:
 * no credential, no name. Failures: `server_differs` where it has another key, or can't prove it; `answer_refused` where a page or
 * another program answers; those of the line. It proves that no wrong server was named; who could hand question and answer on to the
 * right one is kept out by TLS. `detail.isOld`: a server of 0.1, which proves nothing.
 */
export async function provenServer(http: HttpClient, server: string, receiptKey: string): Promise<string> {
  let at = server;
  for (let hops = 0; ; hops++) {
    const nonce = randomBytes(32).toString('hex');
    const route = `${ROUTES.server}?nonce=${nonce}`;
    const answer = await http.send({ method: 'GET', url: at + route });
    const { status, headers } = answer;
    const text = await readText(answer, PROOF_BYTES);
    if (isRedirect(status) && hops < MOST_HOPS) {
      at = movedTo(at, route, status, headers.location);
      continue;
    }
    if (status === 404 && isOurs(headers))
      throw differs(
        at,
        'It is a Mailferry server of 0.1, which can not prove its key: update it before it moves.',
        { isOld: true },
      );
    if (status !== 200) throw failureOf(status, headers, text);
    const signature = signatureIn(text);
    if (signature === null)
      throw new Failure(
        'answer_refused',
        `What answers at ${at} is not Mailferry; perhaps the network wants you to log in.`,
      );
    if (receiptVerifier(receiptKey)(serverProofText(nonce), signature)) return at;
    throw differs(at, 'It has another key than the server that this device enrolled with.');
  }
}

function differs(server: string, why: string, detail: Record<string, unknown> = {}): Failure {
  return new Failure('server_differs', `${server} is not followed. ${why}`, { detail });
}

function signatureIn(text: string): string | null {
  try {
    return ServerProof.parse(JSON.parse(text)).signature;
  } catch {
    return null;
  }
}

/** An address as it is kept: without the slash that people put behind it. Failure `usage` where it is none. */
export function addressOf(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new Failure('usage', `${text} is no address of a server, such as https://backup.example.org.`);
  return text.replace(/\/+$/, '');
}

interface Mover {
  readonly paths: StatePaths;
  readonly http: HttpClient;
  readonly say: (sentence: string) => void;
}

/**
 * Makes `server` the address of the device, or where it leads for good, once it has proven its key, and keeps it with what else is
 * `said` of it. Failures are those of provenServer() and of the state; the device keeps its old address then.
 */
export async function moveTo(
  { paths, http, say }: Mover,
  server: string,
  said: Pick<Identity, 'allowHttp' | 'settingsServer'> = {},
): Promise<string> {
  const identity = await loadIdentity(paths);
  const to = await provenServer(http, server, identity.receiptKey);
  await saveIdentity(paths, { ...identity, server: to, ...said });
  if (to !== identity.server)
    say(`The server has moved from ${identity.server} to ${to}, and proved its key; this device follows.`);
  return to;
}

/** For ServerClient.whenMoved(). */
export function followed(mover: Mover): (to: string) => Promise<string> {
  return (to) => moveTo(mover, to);
}

/**
 * Follows the settings where they name an address that they did not name before, as a policy does for many: not where it was followed
 * already, since the server or a person may have said another one after that. `up`'s own server is not meant. Where it does not prove its
 * key, or can't be reached, that is told, and the device goes on as it is.
 */
export async function followSettings(
  { paths, http, say }: Mover,
  { server, allowHttp }: { readonly server?: string | undefined; readonly allowHttp: boolean },
): Promise<void> {
  if (!server || ownServerData(paths) !== null) return;
  const { server: now, settingsServer } = await loadIdentity(paths);
  try {
    const to = addressOf(server);
    if (to === now || to === settingsServer) return;
    assertEncrypted(to, allowHttp);
    await moveTo({ paths, http, say }, to, { allowHttp, settingsServer: to });
  } catch (error) {
    const { message, hint } = asFailure(error);
    say(`The settings name ${server}, and this device goes on with ${now}: ${message} ${hint}`);
  }
}

/** The same before a device is opened, on connections of its own. */
export async function followSettingsFirst(
  { paths, terminal }: Pick<Context, 'paths' | 'terminal'>,
  settings: Parameters<typeof followSettings>[1],
  way: Way,
): Promise<void> {
  const http = new HttpClient({ way });
  try {
    await followSettings({ paths, http, say: (sentence) => terminal.say(sentence) }, settings);
  } finally {
    http.close();
  }
}
