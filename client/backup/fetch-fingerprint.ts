// The coarse hashes of a version from the server: kept as far as they came, so that a cut or a killed process costs only what is missing.
import { type FileHandle, open, rm } from 'node:fs/promises';
import { coarseCount } from '../../shared/block.ts';
import { toHex } from '../../shared/byte-codec.ts';
import { asFailure, Failure } from '../../shared/failure.ts';
import { RECORD_BYTES } from '../../shared/fingerprint.ts';
import { MerkleSum } from '../../shared/merkle.ts';
import type { VersionSummary } from '../../shared/protocol.ts';
import type { Device } from '../device.ts';
import { deviceFailure } from '../device-failure.ts';
import { FingerprintWriter, recordsOfHashes } from '../fingerprint/fingerprint-file.ts';
import type { HttpResponse } from '../http/http-client.ts';

/** Hashes turned into records at a time: those of 4 MiB of source. */
const AT_ONCE = 64;
/** Bytes of hashes read from this disk at a time; a multiple of 32 * AT_ONCE. */
const READ_BYTES = 262_144;

/** Hashes on this disk, and whether the server said that it has lost nothing of their version. */
interface Fetched {
  readonly isWhole: boolean;
  /** Whether some of them were here before. */
  readonly continued: boolean;
}

/**
 * Writes the coarse hashes of a version to a new fingerprint file: hashes only, tags and fine hashes come with the next read. Goes on
 * where an earlier fetch of the same version ended. Where the server has lost nothing, they sum up to the version's root, or it is a
 * Failure `fingerprint_damaged`. Other failures are the line's and the server's.
 */
export async function fetchFingerprint(
  device: Device,
  version: VersionSummary,
): Promise<{ file: string; fingerprint: string }> {
  const partial = device.staging.partialFingerprintPath(version.id);
  const fetched = await fetchAll(device, version, partial);
  const made = await writeFingerprint(device, version, partial);
  await rm(partial, { force: true });
  if (!fetched.isWhole || made.root === version.root) return made;
  await device.staging.dropFingerprint(made.file);
  // What was here may have been lost with the power.
  if (fetched.continued) return fetchFingerprint(device, version);
  throw new Failure(
    'fingerprint_damaged',
    `The fingerprint of version ${version.id} does not lead to its root.`,
  );
}

/** Brings all hashes to `path`. Asks again at once for as long as each answer brings some. */
async function fetchAll(device: Device, version: VersionSummary, path: string): Promise<Fetched> {
  const total = 32 * coarseCount(version.size);
  const file = await openPartial(path);
  try {
    const { size } = await file.stat();
    const fetch = new Fetch(device, version, file, total, size > total ? 0 : size);
    const continued = fetch.done > 0;
    for (;;) {
      const before = fetch.done;
      try {
        await fetch.more();
        if (fetch.done === total) return { isWhole: fetch.isWhole, continued };
        throw new Failure('unreachable', `A fingerprint ended after ${fetch.done} of ${total} bytes.`);
      } catch (error) {
        const failure = asFailure(error);
        const isCut = failure.code === 'unreachable' || failure.code === 'stalled';
        if (!isCut || fetch.done <= before || device.stop.aborted) throw failure;
      }
    }
  } finally {
    await file.close();
  }
}

/** What was fetched before, or a new file. */
async function openPartial(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return open(path, 'wx', 0o600);
  }
}

class Fetch {
  /** Bytes that are here. */
  done: number;
  isWhole: boolean;
  readonly #device: Device;
  readonly #version: VersionSummary;
  readonly #file: FileHandle;
  readonly #total: number;
  /** What was here came under this entity tag. */
  #tag: string;

  constructor(device: Device, version: VersionSummary, file: FileHandle, total: number, done: number) {
    this.#device = device;
    this.#version = version;
    this.#file = file;
    this.#total = total;
    this.done = done;
    this.#tag = `"${version.root}"`;
    this.isWhole = version.damaged === undefined;
  }

  /** One request for what is missing. */
  async more(): Promise<void> {
    const { server, stop } = this.#device;
    const from = this.done;
    if (from === this.#total && from > 0) return;
    const headers: Record<string, string> =
      from > 0 ? { range: `bytes=${from}-`, 'if-range': this.#tag } : {};
    const response = await server.fingerprint(this.#version.id, { signal: stop, headers });
    try {
      assertHashes(response, from, this.#total);
    } catch (error) {
      response.body.destroy();
      throw error;
    }
    const tag = response.headers.etag;
    if (tag !== undefined) this.isWhole = tag === `"${this.#version.root}"`;
    if (tag !== undefined) this.#tag = tag;
    if (!continuesAt(response, from)) {
      this.done = 0;
      await onDisk(this.#file.truncate(0));
    }
    try {
      for await (const part of response.body) await this.#take(part as Buffer);
    } catch (cause) {
      if (cause instanceof Failure) throw cause;
      throw new Failure('unreachable', 'The connection broke in the middle of a fingerprint.', { cause });
    }
  }

  async #take(bytes: Buffer): Promise<void> {
    if (this.done + bytes.length > this.#total)
      throw new Failure('malformed', 'The server answered with more than the fingerprint has.');
    for (let written = 0; written < bytes.length; ) {
      const { bytesWritten } = await onDisk(
        this.#file.write(bytes, written, bytes.length - written, this.done),
      );
      written += bytesWritten;
      this.done += bytesWritten;
    }
  }
}

/**
 * Failure `answer_refused` where an answer is not of `total` bytes of hashes: a page to log in, or a range that was not asked for. The
 * whole is no such failure where a part was asked for, since the server may have lost something meanwhile.
 */
function assertHashes({ status, headers }: HttpResponse, from: number, total: number): void {
  const isBytes = /^application\/octet-stream\b/i.test(headers['content-type'] ?? 'application/octet-stream');
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '');
  const fits =
    status === 206
      ? Number(range?.[1] ?? -1) === from && [String(total), '*'].includes(range?.[2] ?? '')
      : status === 200 && Number(headers['content-length'] ?? total) === total;
  if (isBytes && fits) return;
  throw new Failure('answer_refused', `What answered ${status} did not send the fingerprint of the version.`);
}

/** Whether an answer begins where what is here ends; otherwise it is the whole. */
function continuesAt({ status, headers }: HttpResponse, from: number): boolean {
  if (status !== 206) return from === 0;
  return headers['content-range']?.startsWith(`bytes ${from}-`) === true;
}

/** What this machine's disk does not take says nothing of the line. */
function onDisk<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw deviceFailure(error);
  });
}

/** Makes a fingerprint file of the hashes at `path`; and their root. */
async function writeFingerprint(
  { newId, staging, hashes }: Device,
  version: VersionSummary,
  path: string,
): Promise<{ file: string; fingerprint: string; root: string }> {
  const file = newId();
  const sum = new MerkleSum(hashes.sha256);
  const writer = await FingerprintWriter.create(staging.fingerprintPath(file));
  const source = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    const total = 32 * coarseCount(version.size);
    for (let at = 0; at < total; ) {
      const { bytesRead } = await source.read(buffer, 0, Math.min(READ_BYTES, total - at), at);
      const whole = bytesRead - (bytesRead % 32);
      if (whole === 0) throw new Failure('fingerprint_damaged', `The file ${path} became shorter.`);
      for (let from = 0; from < whole; from += 32) sum.push(buffer.subarray(from, from + 32));
      const records = recordsOfHashes(buffer.subarray(0, whole));
      for (let from = 0; from < records.length; from += AT_ONCE * RECORD_BYTES)
        await writer.append(records.subarray(from, from + AT_ONCE * RECORD_BYTES));
      at += whole;
    }
    const fingerprint = await writer.finish();
    await staging.syncFingerprints();
    return { file, fingerprint, root: toHex(sum.root()) };
  } catch (error) {
    await writer.abandon();
    await staging.dropFingerprint(file);
    throw error;
  } finally {
    await source.close();
  }
}
