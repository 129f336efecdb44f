// What Windows says when it makes no shadow copy, in one table: what it means, whether trying again helps, and the words for people.
import type { FailureCode } from '../../../shared/failure.ts';
import type { Problem } from './answer.ts';

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
}

const NO_RIGHT =
  'Windows refused to make a shadow copy of {volume}: this process has no administrator rights.';
const NO_ROOM =
  'There is no room for a shadow copy of {volume}: its shadow storage is full, or less than some 300 MB are free.';
const IN_PROGRESS = 'Another program is making a shadow copy just now, so none could be made of {volume}.';

/** Return values of Win32_ShadowCopy.Create (Microsoft, "Create method of the Win32_ShadowCopy class"). 0 is success. */
export const RETURN_CODES: Readonly<Record<number, ReturnCode>> = {
  1: { again: 'never', failure: 'snapshot_denied', sentence: NO_RIGHT },
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

/** A value that the table of Microsoft does not have. */
export function returnCode(value: number): ReturnCode {
  return (
    RETURN_CODES[value] ?? {
      again: 'never',
      failure: 'snapshot_failed',
      sentence: `Windows could not make a shadow copy of {volume} (return value ${value}).`,
    }
  );
}

/** HRESULTs in place of a return value: WBEM (wbemcli.h), COM and VSS (vsserror.h), as the id of PowerShell's error names them. */
const HRESULTS: Readonly<Record<string, number>> = {
  '0x80041003': 1, // WBEM_E_ACCESS_DENIED
  '0x80070005': 1, // E_ACCESSDENIED
  '0x80042308': 3, // VSS_E_OBJECT_NOT_FOUND
  '0x8004230c': 4, // VSS_E_VOLUME_NOT_SUPPORTED
  '0x8004231f': 6, // VSS_E_INSUFFICIENT_STORAGE
  '0x80042317': 8, // VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED
  '0x80042316': 9, // VSS_E_SNAPSHOT_SET_IN_PROGRESS
  '0x80042306': 10, // VSS_E_PROVIDER_VETO
  '0x80042304': 11, // VSS_E_PROVIDER_NOT_REGISTERED
};

/** The return code that an error stands for; undefined where it is none of these. */
export function codeOfProblem({ error, category }: Problem): number | undefined {
  const hresult = /0x[0-9a-f]{8}/i.exec(error)?.[0].toLowerCase();
  const known = hresult === undefined ? undefined : HRESULTS[hresult];
  return known ?? (category === 'PermissionDenied' ? 1 : undefined);
}
