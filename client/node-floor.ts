// Imported first by whatever is started: ends the process where its Node is too old, before anything is loaded that such a Node
// can't read, or crashes of (better-sqlite3 ends Node 20 by a segmentation fault). Plain enough to be read by Node 14.
import { writeSync } from 'node:fs';

/** The oldest Node that has all that is used, as `engines` in package.json. */
const LEAST = [22, 15] as const;

const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
if (major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1])) {
  // Not by process.stderr, whose pipes on Windows are written to after the process is gone.
  writeSync(
    2,
    `mailferry: This is Node ${process.versions.node}, and Mailferry needs Node ${LEAST.join('.')} or newer: ` +
      'start it through npm in its folder (`npx mailferry`), where `npm ci` put Node 24, or install Node 24.\n',
  );
  process.exit(1);
}
