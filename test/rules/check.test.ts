// npm run check is green, and a planted mistake of each kind makes it red: rules that can't fail are no rules.
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What git would check out and what is new, in a folder of its own; the same installed packages. */
function copyOfTree(): string {
  const copy = join(tempDir(), 'tree');
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
  });
  for (const name of listed.split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(copy, name)), { recursive: true });
    cpSync(join(root, name), join(copy, name), { force: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  // Biome asks git what to leave out.
  execFileSync('git', ['init', '-q'], { cwd: copy });
  return copy;
}

function run(tree: string, program: string, ...words: string[]): { status: number | null; said: string } {
  const PATH = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`;
  const options = { cwd: tree, encoding: 'utf8', env: { ...process.env, PATH } } as const;
  const { status, stdout, stderr } = spawnSync(program, words, options);
  return { status, said: stdout + stderr };
}

/** The programs of `npm run check`, one after another: where one of them ends red, all of it does. */
const STEPS = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts.check as string)
  .split(' && ')
  .map((step) => step.split(' '));

test('the tree as it is', () => {
  const { status, said } = run(copyOfTree(), 'npm', 'run', '--silent', 'check');
  expect(said).not.toMatch(/error TS|━━━ ?$/m);
  expect(status).toBe(0);
}, 120_000);

test('every step stands for itself, and a mistake is planted for each', () => {
  for (const step of STEPS) expect(step.join(' ')).toMatch(/^[\w. -]+$/);
  const seen = new Set(PLANTED.map(({ by }) => by));
  expect(STEPS.map((step) => step.slice(0, 2).join(' ')).filter((step) => !seen.has(step))).toEqual([]);
});

/** `by`: the beginning of the step that has to see it. */
const PLANTED: { what: string; by: string; plant: (tree: string) => void; sign: RegExp }[] = [
  {
    what: 'a wrong type',
    by: 'tsc --noEmit',
    plant: (tree) =>
      appendFileSync(join(tree, 'client/upload/backoff.ts'), "\nexport const planted: number = 'text';\n"),
    sign: /TS2322/,
  },
  {
    what: 'Node in shared/',
    by: 'tsc -p',
    plant: (tree) =>
      writeFileSync(
        join(tree, 'shared/planted.ts'),
        "// Planted.\nimport { readFileSync } from 'node:fs';\n\nexport const planted = readFileSync;\n",
      ),
    sign: /node:fs/,
  },
  {
    what: 'a clock in shared/',
    by: 'biome ci',
    plant: (tree) =>
      appendFileSync(join(tree, 'shared/merkle.ts'), '\nexport const planted = (): number => Date.now();\n'),
    sign: /noRestrictedGlobals/,
  },
  ...['client/upload/backoff.ts', 'server/http/problem.ts', 'test/support/temp-dir.ts'].map((from) => ({
    what: `shared/ importing ${from}`,
    by: 'biome ci',
    plant: (tree: string) =>
      writeFileSync(join(tree, 'shared/planted.ts'), `// Planted.\nexport * as planted from '../${from}';\n`),
    sign: /noRestrictedImports/,
  })),
  {
    what: 'the device importing the server',
    by: 'biome ci',
    plant: (tree) =>
      appendFileSync(
        join(tree, 'client/upload/backoff.ts'),
        "\nexport { STATUS as planted } from '../server/problem.ts';\n",
      ),
    sign: /noRestrictedImports/,
  },
  {
    what: 'the server importing the device',
    by: 'biome ci',
    plant: (tree) =>
      appendFileSync(
        join(tree, 'server/http/problem.ts'),
        "\nexport { backoffMs as planted } from '../client/backoff.ts';\n",
      ),
    sign: /noRestrictedImports/,
  },
  {
    what: 'all of zod',
    by: 'biome ci',
    plant: (tree) =>
      appendFileSync(join(tree, 'client/upload/backoff.ts'), "\nexport { object as planted } from 'zod';\n"),
    sign: /noRestrictedImports/,
  },
  {
    what: 'a cycle',
    by: 'biome ci',
    plant: (tree) => {
      writeFileSync(
        join(tree, 'client/planted-a.ts'),
        "// Planted.\nimport { b } from './planted-b.ts';\n\nexport const a = (): number => b();\n",
      );
      writeFileSync(
        join(tree, 'client/planted-b.ts'),
        "// Planted.\nimport { a } from './planted-a.ts';\n\nexport const b = (): number => a();\n",
      );
    },
    sign: /noImportCycles/,
  },
  {
    what: 'code that nothing uses',
    by: 'knip',
    plant: (tree) =>
      writeFileSync(join(tree, 'client/planted.ts'), '// Planted.\nexport const planted = 1;\n'),
    sign: /planted\.ts/,
  },
  {
    what: 'another format',
    by: 'biome ci',
    plant: (tree) => appendFileSync(join(tree, 'client/upload/backoff.ts'), '\nexport   const planted = 1\n'),
    sign: /format/i,
  },
];

test.each(PLANTED)(
  '$what makes it red',
  ({ by, plant, sign }) => {
    const [program, ...words] = STEPS.find((step) => step.slice(0, 2).join(' ') === by)!;
    const tree = copyOfTree();
    plant(tree);
    const { status, said } = run(tree, program!, ...words);
    expect(status).not.toBe(0);
    expect(said).toMatch(sign);
  },
  120_000,
);
