// The list of failures is closed, its codes stay, and nothing that was thrown gets lost.
import { describe, expect, it, vi } from 'vitest';
import { asFailure, FAILURES, Failure, type FailureCode, isFailureCode } from '../../shared/failure.ts';

const codes = Object.keys(FAILURES) as FailureCode[];

describe('the list', () => {
  it('keeps the codes that machines were told; new ones may come', () => {
    expect(codes).toEqual(
      expect.arrayContaining([
        ...['malformed', 'pack_refused', 'pack_damaged', 'blocks_differ', 'root_differs', 'packs_missing'],
        ...['base_unknown', 'version_conflict', 'receipt_invalid', 'fingerprint_damaged'],
        ...['unauthorized', 'token_refused', 'not_found', 'not_enrolled', 'state_locked', 'state_unusable'],
        ...['too_large', 'server_full', 'staging_full'],
        ...['unreachable', 'stalled', 'upload_gone', 'busy', 'internal'],
        ...['tls_untrusted', 'tls_failed', 'proxy_failed'],
        ...[
          'source_missing',
          'source_unreadable',
          'source_changed',
          'snapshot_unavailable',
          'snapshot_failed',
        ],
        ...['target_exists', 'restore_differs', 'usage'],
      ]),
    );
  });

  it.each(codes)('%s has a plain code, a retry class and a hint in whole sentences', (code) => {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(['now', 'later', 'never']).toContain(FAILURES[code].retry);
    expect(FAILURES[code].hint).toMatch(/^[A-Z].*[.]$/);
  });

  it('does not give up on what passes by itself', () => {
    for (const code of [
      'unreachable',
      'tls_untrusted',
      'tls_failed',
      'proxy_failed',
      'stalled',
      'busy',
      'server_full',
      'internal',
    ] as const) {
      expect(FAILURES[code].retry).not.toBe('never');
    }
  });

  it('says where only a person helps: a device that is refused keeps its queue, but nobody waits for it', () => {
    for (const code of ['unauthorized', 'receipt_invalid', 'not_enrolled'] as const) {
      expect(FAILURES[code].retry).toBe('never');
    }
  });
});

describe('a Failure', () => {
  it('knows its code, retry class, hint, detail and cause', () => {
    const cause = new Error('disk');
    const failure = new Failure('packs_missing', 'Two packs are missing.', {
      cause,
      detail: { ids: ['a', 'b'] },
    });
    expect(failure).toBeInstanceOf(Error);
    expect(failure).toMatchObject({
      name: 'Failure',
      code: 'packs_missing',
      message: 'Two packs are missing.',
      retry: 'now',
      hint: FAILURES.packs_missing.hint,
      detail: { ids: ['a', 'b'] },
      cause,
    });
  });

  it('has no cause where none was given, and keeps one that is undefined', () => {
    expect(new Failure('usage', 'x')).not.toHaveProperty('cause');
    expect(new Failure('usage', 'x').detail).toEqual({});
    expect(new Failure('usage', 'x', { cause: undefined })).toHaveProperty('cause', undefined);
  });
});

describe('isFailureCode', () => {
  it.each(codes)('knows %s', (code) => {
    expect(isFailureCode(code)).toBe(true);
  });

  it.each(['', 'MALFORMED', 'toString', 'constructor', '__proto__', 0, null, undefined, ['malformed'], {}])(
    'does not know %j',
    (text) => {
      expect(isFailureCode(text)).toBe(false);
    },
  );
});

describe('asFailure', () => {
  it('leaves a Failure as it is', () => {
    const failure = new Failure('busy', 'x');
    expect(asFailure(failure)).toBe(failure);
  });

  it('knows one of another copy of this module, as a bundle and what it loads have', async () => {
    vi.resetModules();
    const copy = await import('../../shared/failure.ts');
    const foreign = new copy.Failure('packs_missing', 'Two packs are missing.', {
      detail: { packs: [1, 2] },
    });
    expect(foreign).not.toBeInstanceOf(Failure);
    expect(asFailure(foreign)).toBeInstanceOf(Failure);
    const { code, message, detail } = foreign;
    expect(asFailure(foreign)).toMatchObject({ code, message, detail, cause: foreign });
    const odd = Object.assign(new Error('x'), { name: 'Failure', code: 'ENOSPC' });
    expect(asFailure(odd).code).toBe('internal');
  });

  it.each([
    [new TypeError('odd'), 'odd'],
    ['text', 'text'],
    [null, 'null'],
    [undefined, 'undefined'],
    [7, '7'],
  ])('makes `internal` of %j, with it as the cause', (thrown, message) => {
    expect(asFailure(thrown)).toMatchObject({ code: 'internal', message });
    expect(asFailure(thrown).cause).toBe(thrown);
  });
});
