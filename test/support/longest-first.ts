// The order of test files: those that take minutes begin first, so that none of them runs alone at the end.
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Longest first. What is not named takes less than half a minute. */
const LONG = [
  'test/e2e/long-histories.test.ts',
  'test/simulation/simulation.test.ts',
  'test/campaign/slice.test.ts',
  'test/e2e/on-the-road.test.ts',
  'test/windows/shadow-copies.test.ts',
  'test/e2e/kills.test.ts',
  'test/windows/restore.test.ts',
  'test/e2e/agent-on-the-road.test.ts',
  'test/hostile/names.test.ts',
  'test/e2e/faulty-reads.test.ts',
  'test/rules/check.test.ts',
  'test/e2e/bad-lines.test.ts',
  'test/windows/doctor.test.ts',
  'test/e2e/main-job.test.ts',
  'test/windows/service.test.ts',
  'test/windows/finders.test.ts',
  'test/e2e/restore.test.ts',
  'test/e2e/busy-source.test.ts',
  'test/e2e/restore-kind.test.ts',
  'test/client/snapshot/vss.test.ts',
  'test/windows/package.test.ts',
  'test/e2e/renewal.test.ts',
  'test/e2e/rebuild.test.ts',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = LONG.indexOf(relative(this.ctx.config.root, moduleId));
      return at === -1 ? LONG.length : at;
    };
    return files.toSorted((a, b) => place(a) - place(b));
  }
}
