// Whose request it is: a bearer credential of 256 random bits, known here by its SHA-256 alone.
import type { IncomingHttpHeaders } from 'node:http';
import { Failure } from '../../shared/failure.ts';
import type { Device, Enrolment } from '../catalogue/enrolment.ts';
import { sha256 } from '../sha256.ts';

const BEARER = /^Bearer +([A-Za-z0-9_-]{16,200})$/i;

/** The device that sent these headers. A Failure `unauthorized`, the same for a missing and for a wrong credential. */
export async function authenticate(headers: IncomingHttpHeaders, enrolment: Enrolment): Promise<Device> {
  const credential = BEARER.exec(headers.authorization ?? '')?.[1];
  const device = credential && (await enrolment.deviceOf(sha256(Buffer.from(credential))));
  if (!device) throw new Failure('unauthorized', 'The request carries no valid credential of a device.');
  return device;
}
