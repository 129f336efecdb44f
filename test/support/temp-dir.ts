// Temporary directories that are gone after the test, whatever became of it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A new directory, removed when the running test is over. */
export function tempDir(): string {
  const path = mkdtempSync(join(tmpdir(), 'mailferry-test-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
