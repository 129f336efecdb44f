// The bench's command line: what it means without options, with them, and what it says to a wrong one.
import { expect, it } from 'vitest';
import { parseOptions } from './options.ts';

it('asks all peers for a GiB of a fresh and of an aged store by default', () => {
  expect(parseOptions([])).toMatchObject({
    size: 2 ** 30,
    policies: ['dense', 'frag'],
    days: 3,
    rounds: 1,
    peers: ['mailferry', 'mailferry-direct', 'restic', 'rsync', 'rsync8k', 'tus', 'least'],
  });
});

it('takes sizes, one policy and some of the peers', () => {
  const options = parseOptions(['--size', '1.5MiB', '--policy', 'frag', '--peers', 'restic,least', '--json']);
  expect(options).toMatchObject({
    size: 1_572_864,
    policies: ['frag'],
    peers: ['restic', 'least'],
    json: true,
  });
});

it.each([
  [['--size', '1GB'], '--size 1GB'],
  [['--policy', 'sparse'], '--policy sparse'],
  [['--peers', 'borg'], '--peers borg'],
  [['--days', 'three'], '--days three'],
  [['--rounds', '0'], '--rounds 0'],
  [['--rounds', '2', '--scale'], '--scale'],
  [['--sise', '1GiB'], '--sise'],
])('says what is wrong with %j', (args, message) => {
  expect(() => parseOptions(args)).toThrow(message);
});
