// The HTTP client as Node's own is: silence is no reason to end anything.
import { HttpClient as TrueClient } from '../../../client/http/http-client.ts';

export * from '../../../client/http/http-client.ts';

/** The longest that a timer of Node can be: 24 days. */
const FOR_EVER_MS = 2_147_483_647;

export class HttpClient extends TrueClient {
  constructor() {
    super({ stallMs: FOR_EVER_MS });
  }
}
