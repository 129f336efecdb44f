// Builds dist/ once before the tests: workers and real processes run what a user runs.
import { execSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export default function build(): void {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  execSync('npm run --silent build', { cwd: root, stdio: 'inherit' });
}
