// The sources of a device, and what is known of them.
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openDeviceDb } from '../../../client/state/device-db.ts';
import { isTaken, SourceRegistry } from '../../../client/state/source-registry.ts';
import { tempDir } from '../../support/temp-dir.ts';

function registry(): SourceRegistry {
  const db = openDeviceDb(join(tempDir(), 'device.db'));
  onTestFinished(() => void db.close());
  return new SourceRegistry(db);
}

const BASE = { version: 'v', size: 0, root: 'r', complete: true, fingerprint: 'f', file: 'n' };

test('a new source: nothing is known of it', () => {
  expect(registry().register('/a', 'pst')).toEqual({
    id: 1,
    path: '/a',
    kind: 'pst',
    base: null,
    mark: null,
    askServer: true,
    lastReceiptAt: null,
    lastSnapshot: null,
    set: null,
    checkedAt: null,
    goneSince: null,
    goneTold: false,
    forgottenAt: null,
    suspect: null,
    lastGood: null,
    lastFailure: null,
  });
});

test('what was learnt in part is not learnt again, and still asked for', () => {
  const sources = registry();
  expect(sources.learntVault).toBe(false);
  sources.vaultIsLearnt();
  expect(sources).toMatchObject({ learntVault: true, knowsVault: false });
  expect(sources.register('/a', 'pst').askServer).toBe(true);
  sources.vaultIsKnown();
  expect(sources).toMatchObject({ learntVault: true, knowsVault: true });
});

test('the server is asked what it holds of a source unless that is known', () => {
  const sources = registry();
  expect(sources.knowsVault).toBe(false);
  const old = sources.register('/old', 'pst').id;
  sources.vaultIsKnown();
  sources.vaultIsKnown();
  expect(sources.knowsVault).toBe(true);
  const { id, askServer } = sources.register('/a', 'pst');
  expect(askServer).toBe(false);
  expect(sources.get(old).askServer).toBe(true);
  sources.nothingHeld(old);
  expect(sources.get(old).askServer).toBe(false);
  sources.promote(id, BASE, 'mark', null);
  sources.forgetBase(id);
  expect(sources.get(id)).toMatchObject({ base: null, askServer: true });
});

test('registered again it is the same, with all that is known', () => {
  const sources = registry();
  const { id } = sources.register('/a', 'pst');
  sources.promote(id, BASE, 'mark', '2026-01-01T00:00:00.000Z');
  expect(sources.register('/a', 'file')).toMatchObject({ id, kind: 'pst', base: BASE, mark: 'mark' });
  expect(sources.all()).toHaveLength(1);
});

test('paths are data: any text is one, and case counts', () => {
  const sources = registry();
  const paths = ['/a', '/A', "/it's", '/%', '/a\nb', 'C:\\mail.pst', '/ü', '/u\u0308'];
  for (const path of paths) sources.register(path, 'file');
  expect(
    sources
      .all()
      .map(({ path }) => path)
      .sort(),
  ).toEqual([...paths].sort());
});

test('a promotion says what the server holds, and that trouble is over', () => {
  const sources = registry();
  const { id } = sources.register('/a', 'pst');
  sources.failed(id, 'busy', 'Wait.');
  expect(sources.get(id).lastFailure).toEqual({ code: 'busy', message: 'Wait.' });
  sources.promote(id, { ...BASE, complete: false }, null, null);
  expect(sources.get(id)).toMatchObject({
    base: { ...BASE, complete: false },
    mark: null,
    lastReceiptAt: null,
    lastFailure: null,
  });
});

test('a checkpoint does not move the time of the last receipt, nor keep the mark', () => {
  const sources = registry();
  const { id } = sources.register('/a', 'pst');
  sources.promote(id, BASE, 'mark', '2026-01-01T00:00:00.000Z');
  sources.promote(id, { ...BASE, version: 'w', complete: false }, null, null);
  expect(sources.get(id)).toMatchObject({ mark: null, lastReceiptAt: '2026-01-01T00:00:00.000Z' });
});

test('taken is what this device read and the server holds: not what the server alone tells of', () => {
  const sources = registry();
  const { id } = sources.register('/a', 'pst');
  expect(isTaken(sources.get(id))).toBe(false);
  sources.promote(id, BASE, null, null);
  expect(isTaken(sources.get(id))).toBe(false);
  // Read, and found to be what the server holds, after the database was lost.
  sources.promote(id, BASE, 'mark', null);
  expect(isTaken(sources.get(id))).toBe(true);
  sources.promote(id, BASE, null, '2026-01-01T00:00:00.000Z');
  expect(isTaken(sources.get(id))).toBe(true);
});

test('a base that is forgotten takes the mark with it, so that the next run reads the source', () => {
  const sources = registry();
  const a = sources.register('/a', 'pst').id;
  const b = sources.register('/b', 'pst').id;
  for (const id of [a, b]) sources.promote(id, BASE, 'mark', '2026-01-01T00:00:00.000Z');
  sources.forgetBase(a);
  expect(sources.get(a)).toMatchObject({
    base: null,
    mark: null,
    lastReceiptAt: '2026-01-01T00:00:00.000Z',
  });
  expect(sources.get(b)).toMatchObject({ base: BASE, mark: 'mark' });
});

test('a failure touches nothing else', () => {
  const sources = registry();
  const { id } = sources.register('/a', 'pst');
  sources.promote(id, BASE, 'mark', '2026-01-01T00:00:00.000Z');
  sources.failed(id, 'source_changed', 'It changed.');
  expect(sources.get(id)).toMatchObject({
    base: BASE,
    mark: 'mark',
    lastFailure: { code: 'source_changed', message: 'It changed.' },
  });
});

test('C8: that a source changes while it is read is over with a complete version alone', () => {
  const sources = registry();
  const { id } = sources.register('/a', 'pst');
  sources.failed(id, 'source_changed', 'It changed.');
  sources.promote(id, { ...BASE, complete: false }, null, null);
  expect(sources.get(id).lastFailure).toEqual({ code: 'source_changed', message: 'It changed.' });
  sources.promote(id, BASE, null, null);
  expect(sources.get(id).lastFailure).toBeNull();
});
