// A small honest server: takes packs, versions and nothing else, checks everything, and may be restored from an old copy.
import { createHash, generateKeyPairSync, hash, sign } from 'node:crypto';
import { type Answer, notFound, problemOf, problemOfTus, uploadGone } from '../../server/http/problem.ts';
import { decodeFrame } from '../../server/pack/decode-frame.ts';
import { checkHashesGiven, touchedBlocks } from '../../server/version/version-map.ts';
import { COARSE, coarseCount } from '../../shared/block.ts';
import { toHex } from '../../shared/byte-codec.ts';
import { type ChangeList, decodeChangeList } from '../../shared/change-list.ts';
import { asFailure, Failure } from '../../shared/failure.ts';
import { MerkleSum } from '../../shared/merkle.ts';
import { frameHash, indexOffset, PACK_FOOTER_BYTES, parsePackTail } from '../../shared/pack.ts';
import { CommitRequest, type VersionSummary } from '../../shared/protocol.ts';
import { CHAIN_START, chainText, type Receipt, statementText } from '../../shared/receipt.ts';
import { RECEIPTS_HEADER, ROUTES } from '../../shared/routes.ts';
import { atOnce } from '../../shared/steps.ts';

/** One for all simulations: nothing that is decided by chance depends on it. */
const KEYS = generateKeyPairSync('ed25519');
export const RECEIPT_KEY = KEYS.publicKey.export({ type: 'spki', format: 'pem' }).toString();
export const DEVICE = 'simulated-device';

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');

interface Upload {
  readonly id: string;
  /** What it is to become, and the SHA-256 of that. */
  readonly kind: string;
  readonly pack: string;
  readonly length: number;
  readonly bytes: Buffer;
  readonly finished: boolean;
}

export interface HeldVersion {
  readonly id: string;
  readonly request: string;
  readonly path: string;
  readonly complete: boolean;
  readonly bytes: Buffer;
  readonly hashes: readonly Uint8Array[];
  readonly summary: VersionSummary;
}

/** What it holds. Values never change, so that a copy of the maps is a copy of it all. */
interface Held {
  readonly uploads: ReadonlyMap<string, Upload>;
  readonly packs: ReadonlyMap<string, Buffer>;
  /** Change lists that no commit has used yet. */
  readonly lists: ReadonlyMap<string, Buffer>;
  /** In the order of their receipts. */
  readonly versions: ReadonlyMap<string, HeldVersion>;
}

export interface ServerRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface ServerAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Who wants to know what it does. */
export interface ServerObserver {
  now(): number;
  newId(): string;
  committed(version: HeldVersion): void;
  /** An upload begins of a pack that is here already. */
  knownPackAgain(pack: string): void;
}

export class ServerModel {
  readonly #observer: ServerObserver;
  #held: Held = { uploads: new Map(), packs: new Map(), lists: new Map(), versions: new Map() };
  /** What it held before each pack and version: what a copy of it may hold. */
  readonly #past: Held[] = [];

  constructor(observer: ServerObserver) {
    this.#observer = observer;
  }

  version(id: string): HeldVersion | undefined {
    return this.#held.versions.get(id);
  }

  knows(pack: string): boolean {
    return this.#held.packs.has(pack);
  }

  /** Somebody restores it from an old copy: what it held `steps` packs and versions ago. False: that is the same. */
  restore(steps: number): boolean {
    const old = this.#past.splice(-steps)[0];
    if (!old) return false;
    this.#held = old;
    return true;
  }

  /** Its power goes: what it had of unfinished uploads may be lost, but nothing that it said to be done. */
  cutPower(keep: (length: number) => number): void {
    const uploads = [...this.#held.uploads].map(([id, upload]) => {
      const bytes = upload.finished ? upload.bytes : upload.bytes.subarray(0, keep(upload.bytes.length));
      return [id, { ...upload, bytes }] as const;
    });
    this.#held = { ...this.#held, uploads: new Map(uploads) };
  }

  /** It forgets uploads that were not finished. */
  forgetUploads(): void {
    const uploads = [...this.#held.uploads].filter(([, { finished }]) => finished);
    this.#held = { ...this.#held, uploads: new Map(uploads) };
  }

  /** It drops change lists that no commit used: too much time went by. */
  dropLists(): void {
    this.#held = { ...this.#held, lists: new Map() };
  }

  /** Takes bytes of an upload as they come; how many it has now. Failures as in an answer to PATCH. */
  append(id: string, offset: number, bytes: Buffer): number {
    const upload = this.#upload(id);
    if (upload.bytes.length !== offset) throw new Failure('offset_differs', 'The offsets differ.');
    this.#put({ ...upload, bytes: Buffer.concat([upload.bytes, bytes]) });
    return offset + bytes.length;
  }

  /** The answer to a PATCH whose body is all there, or broke. */
  patched(id: string): ServerAnswer {
    return this.#answering(() => {
      this.#finish(id);
      return {
        status: 204,
        headers: { 'upload-offset': String(this.#upload(id).bytes.length) },
        body: NOTHING,
      };
    });
  }

  handle(request: ServerRequest): ServerAnswer {
    return this.#answering(() => this.#handle(request));
  }

  #answering(answer: () => ServerAnswer): ServerAnswer {
    try {
      return answer();
    } catch (error) {
      return problem(asFailure(error));
    }
  }

  #handle({ method, path, headers, body }: ServerRequest): ServerAnswer {
    const url = new URL(path, 'http://server.invalid');
    const [, , kind, id, part] = url.pathname.split('/');
    const asked = `${method} ${kind}`;
    if (asked === 'POST uploads') return this.#create(headers);
    if (asked === 'HEAD uploads') return this.#offsetOf(id!);
    if (asked === 'GET packs') {
      if (!this.knows(id!)) throw notFound();
      return json({ id });
    }
    if (asked === 'PUT versions') return json(this.#commit(id!, body.toString()));
    if (asked === 'GET versions' && part === 'fingerprint') {
      const version = this.version(id!);
      if (!version) throw notFound();
      return { status: 200, headers: {}, body: Buffer.concat(version.hashes) };
    }
    if (asked === 'GET versions' && id === undefined) {
      const answer = json(this.#list(url.searchParams));
      const receipts = String(this.#held.versions.size);
      return { ...answer, headers: { ...answer.headers, [RECEIPTS_HEADER]: receipts } };
    }
    if (asked === 'GET receipts') return json(this.#receipts(Number(url.searchParams.get('after') ?? 0)));
    throw new Error(`the model has no ${method} ${path}`);
  }

  #upload(id: string): Upload {
    const upload = this.#held.uploads.get(id);
    if (!upload) throw uploadGone();
    return upload;
  }

  #put(upload: Upload): void {
    this.#held = { ...this.#held, uploads: new Map(this.#held.uploads).set(upload.id, upload) };
  }

  #create(headers: Readonly<Record<string, string>>): ServerAnswer {
    const words = headers['upload-metadata']!.split(',').map((pair) => pair.split(' ') as [string, string]);
    const metadata = new Map(words.map(([name, value]) => [name, Buffer.from(value, 'base64').toString()]));
    const pack = metadata.get('id')!;
    const kind = metadata.get('kind')!;
    if (kind === 'pack' && this.knows(pack)) this.#observer.knownPackAgain(pack);
    const id = this.#observer.newId();
    const length = Number(headers['upload-length']);
    this.#put({ id, kind, pack, length, bytes: NOTHING, finished: false });
    return {
      status: 201,
      headers: { location: `http://server.invalid${ROUTES.uploads}/${id}` },
      body: NOTHING,
    };
  }

  #offsetOf(id: string): ServerAnswer {
    this.#finish(id);
    const { bytes, length } = this.#upload(id);
    const headers = { 'upload-offset': String(bytes.length), 'upload-length': String(length) };
    return { status: 200, headers, body: NOTHING };
  }

  #finish(id: string): void {
    const upload = this.#upload(id);
    if (upload.finished || upload.bytes.length < upload.length) return;
    if (upload.kind === 'change-list') {
      this.#finishList(upload);
      return;
    }
    let raw: Buffer;
    try {
      raw = unpacked(upload.bytes, upload.pack);
    } catch (cause) {
      const uploads = new Map(this.#held.uploads);
      uploads.delete(id);
      this.#held = { ...this.#held, uploads };
      throw new Failure('pack_refused', 'The bytes of the pack do not match its id.', { cause });
    }
    this.#past.push(this.#held);
    this.#held = { ...this.#held, packs: new Map(this.#held.packs).set(upload.pack, raw) };
    this.#put({ ...upload, finished: true });
  }

  #finishList(upload: Upload): void {
    if (toHex(sha256(upload.bytes)) !== upload.pack) {
      const uploads = new Map(this.#held.uploads);
      uploads.delete(upload.id);
      this.#held = { ...this.#held, uploads };
      throw new Failure('change_list_refused', 'The bytes of the change list do not match its id.');
    }
    this.#held = { ...this.#held, lists: new Map(this.#held.lists).set(upload.pack, upload.bytes) };
    this.#put({ ...upload, finished: true });
  }

  #commit(id: string, text: string): VersionSummary {
    const known = this.version(id);
    if (known && known.request !== text)
      throw new Failure('version_conflict', 'This version id was used for another commit.');
    if (known) return known.summary;
    const body = CommitRequest.parse(JSON.parse(text));
    const base = body.base === null ? undefined : this.version(body.base);
    if (body.base !== null && !base) throw new Failure('base_unknown', 'The base is not known here.');
    const { bytes, hashes } = this.#laid(body, this.#listOf(body), base);
    const sum = new MerkleSum(sha256);
    for (const hash of hashes) sum.push(hash);
    if (toHex(sum.root()) !== body.root) throw new Failure('root_differs', 'The hashes do not sum up.');
    const { changes: _changes, changeList, base: _base, ...facts } = body;
    const receivedAt = new Date(this.#observer.now()).toISOString();
    const sequence = this.#held.versions.size + 1;
    const summary = { ...facts, id, sequence, receivedAt, receipt: this.#receipt(id, body, receivedAt) };
    const { path, complete } = body;
    const version: HeldVersion = { id, request: text, path, complete, bytes, hashes, summary };
    this.#past.push(this.#held);
    const lists = new Map(this.#held.lists);
    if (changeList !== undefined) lists.delete(changeList);
    this.#held = { ...this.#held, lists, versions: new Map(this.#held.versions).set(id, version) };
    this.#observer.committed(version);
    return summary;
  }

  #listOf({ changes, changeList }: CommitRequest): ChangeList {
    const bytes = changes === undefined ? this.#held.lists.get(changeList!) : Buffer.from(changes, 'base64');
    if (!bytes) throw new Failure('change_list_unknown', 'The change list of this commit is not here.');
    return decodeChangeList(bytes, sha256);
  }

  /** The bytes and hashes of a version: its base with the changes laid over it, every block that they touch compared. */
  #laid(
    body: CommitRequest,
    list: ChangeList,
    base: HeldVersion | undefined,
  ): { bytes: Buffer; hashes: Uint8Array[] } {
    const missing = [...new Set(list.runs.map(({ pack }) => pack))].filter((pack) => !this.knows(pack));
    if (missing.length > 0) {
      const detail = { missing };
      throw new Failure('packs_missing', 'Packs of this commit are not here.', { detail });
    }
    atOnce(checkHashesGiven(list.coarse, touchedBlocks(list.runs, base?.bytes.length ?? 0, body.size)));
    const bytes = Buffer.alloc(body.size);
    base?.bytes.copy(bytes);
    for (const { at, length, pack, offset } of list.runs)
      this.#held.packs.get(pack)!.copy(bytes, at, offset, offset + length);
    const hashes = (base?.hashes ?? []).slice(0, coarseCount(body.size));
    for (const { index, hash } of list.coarse) {
      const block = bytes.subarray(index * COARSE, (index + 1) * COARSE);
      if (!Buffer.from(hash).equals(sha256(block)))
        throw new Failure('blocks_differ', `Block ${index} differs.`, { detail: { blocks: [index] } });
      hashes[index] = hash;
    }
    return { bytes, hashes };
  }

  #receipt(id: string, body: CommitRequest, committedAt: string): Receipt {
    const last = [...this.#held.versions.values()].at(-1)?.summary.receipt;
    const { complete, path, size, sha256: whole, root } = body;
    const statement = statementText({
      format: 'mailferry-receipt-1',
      device: DEVICE,
      sequence: this.#held.versions.size + 1,
      version: id,
      complete,
      path,
      size,
      sha256: whole ?? '',
      root,
      committedAt,
      previous: last ? createHash('sha256').update(chainText(last)).digest('hex') : CHAIN_START,
    });
    return { statement, signature: sign(null, Buffer.from(statement), KEYS.privateKey).toString('hex') };
  }

  /** As server/catalogue/version-pages.ts lists them, with pages of PAGE. */
  #list(query: URLSearchParams): object {
    const each = query.get('newest') === 'each';
    const before = Number(query.get('cursor') ?? Number.MAX_SAFE_INTEGER);
    const seen = new Set<string>();
    const versions = [...this.#held.versions.values()]
      .reverse()
      .filter(({ path }) => !query.has('path') || path === query.get('path'))
      .filter(({ complete }) => complete || (query.get('partial') === 'true' && !each))
      .filter(() => query.get('damaged') !== 'true')
      .filter(({ path }) => !each || (!seen.has(path) && seen.add(path)))
      .filter(({ summary }) => summary.sequence < before)
      .map(({ summary }) => summary);
    const page = versions.slice(0, Math.min(PAGE, Number(query.get('limit') ?? PAGE)));
    const next = page.length < versions.length ? { next: String(page.at(-1)!.sequence) } : {};
    return { versions: page, ...next };
  }

  #receipts(after: number): object {
    const all = [...this.#held.versions.values()].map(({ summary }) => summary);
    const receipts = all.filter(({ sequence }) => sequence > after);
    const page = receipts.slice(0, PAGE);
    const next = page.length < receipts.length ? { next: String(page.at(-1)!.sequence) } : {};
    return { receipts: page.map(({ receipt }) => receipt), ...next };
  }
}

/** Small, so that lists have several pages. */
const PAGE = 8;

const NOTHING = Buffer.alloc(0);

/** The raw bytes of a pack that is what its id says. */
function unpacked(pack: Buffer, id: string): Buffer {
  if (toHex(sha256(pack)) !== id) throw new Failure('malformed', 'The bytes do not match the id.');
  const offset = indexOffset(pack.subarray(-PACK_FOOTER_BYTES), pack.length);
  const frames = parsePackTail(pack.subarray(offset), offset, sha256);
  const raw = frames.map((frame) => {
    const end = frame.storedOffset + frame.storedLength;
    const bytes = decodeFrame(frame, pack.subarray(frame.storedOffset, end));
    if (!Buffer.from(frame.hash).equals(frameHash(bytes, sha256)))
      throw new Failure('malformed', 'A frame does not match its hash.');
    return bytes;
  });
  return Buffer.concat(raw);
}

function json(value: unknown): ServerAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(value)),
  };
}

/** As server/http/app.ts writes it. */
export function problem(failure: Failure): ServerAnswer {
  const answer: Answer =
    failure.code === 'offset_differs' ? problemOfTus(409, failure.message) : problemOf(failure);
  const headers = { 'content-type': 'application/problem+json; charset=utf-8', ...answer.headers };
  return { status: answer.status, headers, body: Buffer.from(JSON.stringify(answer.body)) };
}
