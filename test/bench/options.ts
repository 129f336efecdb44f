// The bench's command line, parsed once.
import { parseArgs } from 'node:util';
import type { Policy } from './outlook/space.ts';

const PEER_NAMES = ['mailferry', 'mailferry-direct', 'restic', 'rsync', 'rsync8k', 'tus', 'least'] as const;
type PeerName = (typeof PEER_NAMES)[number];

export type Options = {
  readonly size: number;
  readonly seed: number;
  readonly policies: readonly Policy[];
  /** A directory of day0.pst, day1.pst ... made elsewhere; then nothing is generated. */
  readonly files: string | undefined;
  readonly make: string | undefined;
  readonly peers: readonly PeerName[];
  readonly days: number;
  /** Whole runs, each in stores of its own. */
  readonly rounds: number;
  readonly keep: boolean;
  readonly json: boolean;
  readonly scale: boolean;
  /** Another checkout that is built, to run beside this one. */
  readonly against: string | undefined;
  /** The Node that it runs on. */
  readonly againstNode: string | undefined;
  readonly help: boolean;
};

export const USAGE = `npm run bench -- [options]      (after npm run build)

  --size SIZE          of the generated PST: 1GiB (default), 64MiB ...
  --policy POLICY      dense (a fresh store), frag (an aged one, writes scatter) or both (default)
  --seed N             of the generator (default 1): the same seed makes the same files
  --days N             how many days follow the first backup (default 3)
  --rounds N           all of it so many times (default 1), each in new stores; the summary gives medians and ranges
  --files DIR          DIR/day0.pst, day1.pst ... made elsewhere, such as by pstgen.py
  --peers LIST         of ${PEER_NAMES.join(',')} (default: all of them)
  --scale              Mailferry alone, at SIZE and four times SIZE, with the same changes
  --against DIR        the build in another checkout beside mailferry-direct, and what this one takes as a share of it
  --against-node FILE  the Node that it runs on (default: its own of node_modules, or else this one)
  --make DIR           only generate the files, into DIR (with --policy both: DIR/dense, DIR/frag)
  --keep               leave the days, the working file and the peers' stores, and say where
  --json               one JSON object on standard output instead of the table

Work is done in a new directory under TMPDIR and needs about 16 times SIZE there, for each round that --keep leaves.`;

export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      size: { type: 'string', default: '1GiB' },
      policy: { type: 'string', default: 'both' },
      seed: { type: 'string', default: '1' },
      days: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '1' },
      files: { type: 'string' },
      make: { type: 'string' },
      peers: { type: 'string', default: PEER_NAMES.join(',') },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      scale: { type: 'boolean', default: false },
      against: { type: 'string' },
      'against-node': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = parseRounds(values.rounds);
  if (values.scale && rounds > 1) throw new Error('--scale is of one round: leave --rounds out');
  return {
    size: parseSize(values.size),
    seed: parseCount('seed', values.seed),
    policies: parsePolicy(values.policy),
    files: values.files,
    make: values.make,
    peers: values.peers.split(',').map(parsePeer),
    days: parseCount('days', values.days),
    rounds,
    keep: values.keep,
    json: values.json,
    scale: values.scale,
    against: values.against,
    againstNode: values['against-node'],
    help: values.help,
  };
}

const UNITS: Readonly<Record<string, number>> = { KiB: 1 << 10, MiB: 1 << 20, GiB: 1 << 30 };

function parseSize(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(KiB|MiB|GiB)$/.exec(text) ?? [];
  if (number === undefined || unit === undefined) throw new Error(`--size ${text}: say it as 64MiB or 1GiB`);
  return Math.floor(Number(number) * UNITS[unit]!);
}

function parseCount(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} ${text}: a whole number`);
  return Number(text);
}

function parseRounds(text: string): number {
  const rounds = parseCount('rounds', text);
  if (rounds === 0) throw new Error('--rounds 0: at least one');
  return rounds;
}

function parsePolicy(text: string): readonly Policy[] {
  if (text === 'both') return ['dense', 'frag'];
  if (text === 'dense' || text === 'frag') return [text];
  throw new Error(`--policy ${text}: dense, frag or both`);
}

function parsePeer(text: string): PeerName {
  const name = PEER_NAMES.find((known) => known === text);
  if (name === undefined) throw new Error(`--peers ${text}: there are ${PEER_NAMES.join(', ')}`);
  return name;
}
