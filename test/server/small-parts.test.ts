// The small parts that everything leans on: turns, the bounded cache, spans of time, file names, ids, problems.
import { describe, expect, it } from 'vitest';
import { BoundedCache } from '../../server/bounded-cache.ts';
import { isFatal, serverFailure } from '../../server/disk-failure.ts';
import { parseDuration } from '../../server/duration.ts';
import { attachment } from '../../server/http/content-disposition.ts';
import { problemOf, problemOfTus, STATUS } from '../../server/http/problem.ts';
import { Turns } from '../../server/turns.ts';
import { kindOf, uuidOf } from '../../server/upload/take-file.ts';
import { FAILURES, Failure, type FailureCode } from '../../shared/failure.ts';
import { Problem, VersionId } from '../../shared/protocol.ts';

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

describe('Turns', () => {
  it('lets one work at a time under a name, in order, also after a failure', async () => {
    const turns = new Turns();
    const events: string[] = [];
    const work =
      (name: string, fails = false) =>
      async () => {
        events.push(`+${name}`);
        await soon();
        events.push(`-${name}`);
        if (fails) throw new Error(name);
      };
    const results = await Promise.allSettled([
      turns.take('d', work('1')),
      turns.take('d', work('2', true)),
      turns.take('d', work('3')),
    ]);
    expect(events).toEqual(['+1', '-1', '+2', '-2', '+3', '-3']);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('does not hold up other names', async () => {
    const turns = new Turns();
    let isDone = false;
    void turns.take('a', () => new Promise(() => undefined));
    await turns.take('b', async () => {
      isDone = true;
    });
    expect(isDone).toBe(true);
  });
});

describe('BoundedCache', () => {
  it('drops what was used longest ago, loads once for many, and forgets failures', async () => {
    const cache = new BoundedCache<string>(6, (text) => text.length);
    let loads = 0;
    const load = (text: string) => async () => {
      loads++;
      await soon();
      return text;
    };
    await Promise.all([cache.get('a', load('aaa')), cache.get('a', load('never'))]);
    await cache.get('b', load('bbb'));
    await cache.get('a', load('never'));
    await cache.get('c', load('ccc'));
    expect(loads).toBe(3);
    expect(await cache.get('a', load('never'))).toBe('aaa');
    expect(await cache.get('b', load('bb'))).toBe('bb');
    await expect(cache.get('d', () => Promise.reject(new Error('x')))).rejects.toThrow('x');
    expect(await cache.get('d', load('d'))).toBe('d');
    expect(cache.weight).toBeLessThanOrEqual(6);
  });
});

describe('parseDuration', () => {
  it('reads spans and refuses everything else', () => {
    expect(['90s', '15m', '12h', '30d'].map(parseDuration)).toEqual([
      90_000, 900_000, 43_200_000, 2_592_000_000,
    ]);
    for (const text of ['', '0s', '-1d', '1', 'd', '1w', '1.5h', '99999d', '1d ', '9'.repeat(30)]) {
      expect(() => parseDuration(text)).toThrow(Failure);
    }
  });
});

describe('attachment', () => {
  it('is one harmless line for any name, and keeps the name', () => {
    const names = [
      'a.pst',
      'Füße.pst',
      '"; rm -rf',
      '\r\nSet-Cookie: x',
      '😀.ost',
      "it's (1)*.pst",
      '\ud800.pst',
      '…',
    ];
    for (const name of names) {
      for (const path of [name, `C:\\x\\${name}`, `/home/x/${name}`]) {
        const header = attachment(path);
        expect(header).toMatch(/^[\x20-\x7e]+$/);
        expect(decodeURIComponent(header.split("UTF-8''")[1]!)).toBe(name.replace('\ud800', '\ufffd'));
      }
    }
    expect(attachment('///')).toContain('download');
  });
});

describe('names of uploads', () => {
  it('give the same UUID each time, and the kind by the ending', () => {
    const id = uuidOf('0123456789abcdef0123456789abcdef');
    expect(id).toBe(uuidOf('0123456789abcdef0123456789abcdef'));
    for (const digit of '0123456789abcdef')
      expect(VersionId.parse(uuidOf(digit.repeat(32)))).toHaveLength(36);
    expect(['a.PST', 'b.ost', 'c.nk2', 'd.pst.bak', 'pst'].map(kindOf)).toEqual([
      'pst',
      'ost',
      'nk2',
      'file',
      'file',
    ]);
  });
});

describe('problems', () => {
  it('are well formed for every failure, with an HTTP error status', () => {
    for (const code of Object.keys(FAILURES) as FailureCode[]) {
      const { status, body } = problemOf(new Failure(code, 'A sentence.'));
      expect(Problem.parse(body)).toMatchObject({ code, status: STATUS[code], hint: FAILURES[code].hint });
      expect(status).toBeGreaterThanOrEqual(400);
    }
  });

  it('say nothing of an unknown cause', () => {
    const secret = new Error('/srv/data/secret');
    expect(JSON.stringify(problemOf(serverFailure(secret)))).not.toContain('secret');
    expect(problemOfTus(500, 'ENOENT /srv/data').body.title).not.toContain('/srv');
  });

  it('tell a full disk from a broken one', () => {
    const full = Object.assign(new Error('x'), { code: 'ENOSPC', syscall: 'write' });
    expect(problemOf(serverFailure(full))).toMatchObject({ status: 507, headers: { 'retry-after': '60' } });
    expect(isFatal(serverFailure(full))).toBe(false);
    const broken = Object.assign(new Error('x'), { code: 'EIO', syscall: 'fsync' });
    expect(isFatal(serverFailure(broken))).toBe(true);
    expect(isFatal(serverFailure(Object.assign(new Error('x'), { code: 'SQLITE_IOERR_FSYNC' })))).toBe(true);
    expect(isFatal(serverFailure(Object.assign(new Error('x'), { code: 'EIO', syscall: 'read' })))).toBe(
      false,
    );
  });
});
