// What Windows says when it makes no shadow copy, in one table: what it means, whether trying again helps, and the words for people.
import type { FailureCode } from '../../../shared/failure.ts';
import { isLanguageMode, type Problem, readableError } from './answer.ts';

/**
 * soon: another program makes one just now; again after some seconds, until the deadline.
 * once: something inside Windows failed that often passes; once more after half a minute.
 * never: nothing changes by itself within a run.
 */
export type Again = 'soon' | 'once' | 'never';

export interface ReturnCode {
  readonly again: Again;
  readonly failure: FailureCode;
  /** What happened; `{volume}` is put in. */
  readonly sentence: string;
  /** The end of a sentence: the same where no volume was asked for. */
  readonly reason?: string;
  /** A shadow copy may have been made all the same: what failed may have come after it. */
  readonly unsure?: true;
}

const NO_RIGHT =
  'Windows refused to make a shadow copy of {volume}: this process has no administrator rights.';
const NO_RIGHT_REASON = 'this process has no administrator rights';
const NO_ROOM =
  'There is no room for a shadow copy of {volume}: its shadow storage is full, or less than some 300 MB are free.';
const IN_PROGRESS = 'Another program is making a shadow copy just now, so none could be made of {volume}.';

/** Return values of Win32_ShadowCopy.Create (Microsoft, "Create method of the Win32_ShadowCopy class"). 0 is success. */
export const RETURN_CODES: Readonly<Record<number, ReturnCode>> = {
  1: { again: 'never', failure: 'snapshot_denied', sentence: NO_RIGHT, reason: NO_RIGHT_REASON },
  2: {
    again: 'never',
    failure: 'snapshot_failed',
    sentence: 'Windows took the request for a shadow copy of {volume} for a mistake.',
  },
  3: {
    again: 'never',
    failure: 'snapshot_unavailable',
    sentence: 'Windows does not find the volume {volume}.',
  },
  4: {
    again: 'never',
    failure: 'snapshot_unavailable',
    sentence: "Windows can't make shadow copies of the volume {volume}.",
  },
  5: {
    again: 'never',
    failure: 'snapshot_unavailable',
    sentence: 'This Windows makes no client-accessible shadow copies, so none could be made of {volume}.',
  },
  6: { again: 'never', failure: 'snapshot_storage', sentence: NO_ROOM },
  7: {
    again: 'once',
    failure: 'snapshot_failed',
    sentence: 'The volume {volume} is in use in a way that allows no shadow copy.',
  },
  8: {
    again: 'never',
    failure: 'snapshot_storage',
    sentence: 'The volume {volume} has as many shadow copies as Windows allows.',
  },
  9: { again: 'soon', failure: 'snapshot_failed', sentence: IN_PROGRESS },
  10: {
    again: 'once',
    failure: 'snapshot_failed',
    sentence: 'The provider of shadow copies refused one of {volume}.',
  },
  11: {
    again: 'never',
    failure: 'snapshot_failed',
    sentence: 'The provider of shadow copies is not registered, so none could be made of {volume}.',
  },
  12: {
    again: 'once',
    failure: 'snapshot_failed',
    sentence: 'The provider of shadow copies failed at {volume}.',
  },
  13: {
    again: 'once',
    failure: 'snapshot_failed',
    sentence: 'Windows could not make a shadow copy of {volume} and did not say why.',
  },
};

/** What a value that Create returned means; some versions of Windows return an HRESULT, as a number with or without its sign. */
export function returnCode(value: number): ReturnCode {
  return (
    RETURN_CODES[value] ??
    hresultCode(value) ?? {
      again: 'never',
      failure: 'snapshot_failed',
      sentence: `Windows could not make a shadow copy of {volume} (return value ${value}).`,
    }
  );
}

const BUSY_REASON = 'programs wrote to the disk for longer than Windows waits';
const busy: ReturnCode = {
  again: 'once',
  failure: 'snapshot_failed',
  sentence: `No shadow copy of {volume} could be made: ${BUSY_REASON}.`,
  reason: BUSY_REASON,
};

/** `service`: what is wrong with the service, and what puts it right. */
function withoutService(service: string): ReturnCode {
  return {
    again: 'never',
    failure: 'snapshot_unavailable',
    sentence: `No shadow copy of {volume} could be made: ${service}.`,
    reason: service,
  };
}

const LANGUAGE_MODE_REASON =
  'PowerShell runs in Constrained Language Mode and stopped the script; allow shadow-copy.ps1 in the rules of AppLocker or App Control';
const languageMode: ReturnCode = {
  again: 'never',
  failure: 'snapshot_denied',
  sentence: `No shadow copy of {volume} could be made: ${LANGUAGE_MODE_REASON}.`,
  reason: LANGUAGE_MODE_REASON,
  unsure: true,
};

/**
 * HRESULTs in place of a return value: WBEM (wbemcli.h), COM, Windows (winerror.h) and VSS (vsserror.h), as the id or the message
 * of PowerShell's error names them. A number: the return value that means the same.
 */
const HRESULTS: Readonly<Record<string, number | ReturnCode>> = {
  '80041003': 1, // WBEM_E_ACCESS_DENIED
  '80070005': 1, // E_ACCESSDENIED
  '80042308': 3, // VSS_E_OBJECT_NOT_FOUND
  '8004230c': 4, // VSS_E_VOLUME_NOT_SUPPORTED
  '8004230e': 4, // VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER
  '8004231b': 5, // VSS_E_UNSUPPORTED_CONTEXT
  '8004231f': 6, // VSS_E_INSUFFICIENT_STORAGE
  '8004231d': 7, // VSS_E_VOLUME_IN_USE
  '80042317': 8, // VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED
  '80042316': 9, // VSS_E_SNAPSHOT_SET_IN_PROGRESS
  '80042306': 10, // VSS_E_PROVIDER_VETO
  '80042304': 11, // VSS_E_PROVIDER_NOT_REGISTERED
  '8004230f': 12, // VSS_E_UNEXPECTED_PROVIDER_ERROR
  '80042313': busy, // VSS_E_FLUSH_WRITES_TIMEOUT
  '80042314': busy, // VSS_E_HOLD_WRITES_TIMEOUT
  '80070422': withoutService(
    'the Windows service "Volume Shadow Copy" is disabled; set its start type to Manual', // ERROR_SERVICE_DISABLED
  ),
  '80070424': withoutService('the Windows service "Volume Shadow Copy" is not installed'), // ERROR_SERVICE_DOES_NOT_EXIST
  '8007043c': withoutService('Windows runs in safe mode; start it normally'), // ERROR_NOT_SAFEBOOT_SERVICE
};

/** Numbers of 32 bits alone are HRESULTs. */
function hresultCode(value: number): ReturnCode | undefined {
  if (!Number.isInteger(value) || value < -0x8000_0000 || value > 0xffff_ffff) return undefined;
  return codeOf((value >>> 0).toString(16));
}

function codeOf(hresult: string): ReturnCode | undefined {
  const known = HRESULTS[hresult];
  return typeof known === 'number' ? RETURN_CODES[known] : known;
}

const HRESULT = /(?<![0-9a-f{-])(?:0x)?(8[0-9a-f]{7})(?![0-9a-f-])/gi;

/** What an error means; undefined where the table has none of its codes. Generic codes are passed over: a message may name a better one. */
export function codeOfProblem({ error, category, message }: Problem): ReturnCode | undefined {
  if (isLanguageMode(error) || isLanguageMode(message)) return languageMode;
  for (const [, hresult] of `${error} ${message}`.matchAll(HRESULT)) {
    const known = codeOf(hresult!.toLowerCase());
    if (known) return known;
  }
  return category === 'PermissionDenied' ? RETURN_CODES[1] : undefined;
}

/** Why, as the end of a sentence without its full stop, where no volume was asked for. */
export function reasonOf(problem: Problem): string {
  const reason = codeOfProblem(problem)?.reason;
  return reason ?? (readableError(problem.message) || problem.error).replace(/\.+$/, '');
}
