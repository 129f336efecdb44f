// The limits of a server as options of its command line.
import type { Command } from 'commander';
import { Failure } from '../../shared/failure.ts';
import { parseBytes } from '../bytes-count.ts';
import { parseDuration } from '../duration.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';

export interface LimitOptions {
  readonly quota?: string;
  readonly maxFile?: string;
  readonly maxUploads?: string;
  readonly maxRequests?: string;
  readonly maxConnections?: string;
  readonly maxConnectionsPerAddress?: string;
  readonly stall?: string;
  readonly expireUploads?: string;
}

const { openUploads, requestsPerDevice, connections, connectionsPerAddress } = DEFAULT_LIMITS;

export function addLimitOptions(command: Command): Command {
  return command
    .option('--quota <bytes>', 'most bytes of one device, such as 200G (default: no limit)')
    .option('--max-file <bytes>', 'most bytes of a plain file sent by a tus client (default: 16 TiB)')
    .option('--max-uploads <n>', `unfinished uploads of one device (default: ${openUploads})`)
    .option('--max-requests <n>', `requests of one device at once (default: ${requestsPerDevice})`)
    .option('--max-connections <n>', `connections (default: ${connections})`)
    .option(
      '--max-connections-per-address <n>',
      `connections from one address but this machine's own (default: ${connectionsPerAddress})`,
    )
    .option('--stall <span>', 'a connection that moves nothing for so long is cut (default: 60s)')
    .option(
      '--expire-uploads <span>',
      'an unfinished upload that rests for so long is forgotten (default: 14d)',
    );
}

/** The limits given; a Failure `usage` names what is none. */
export function limitsOf(options: LimitOptions): Partial<Limits> {
  const { quota, maxFile, maxUploads, maxRequests, maxConnections, maxConnectionsPerAddress } = options;
  const { stall, expireUploads } = options;
  return {
    ...(quota === undefined ? {} : { quotaBytes: parseBytes(quota) }),
    ...(maxFile === undefined ? {} : { fileBytes: parseBytes(maxFile) }),
    ...(maxUploads === undefined ? {} : { openUploads: count(maxUploads) }),
    ...(maxRequests === undefined ? {} : { requestsPerDevice: count(maxRequests) }),
    ...(maxConnections === undefined ? {} : { connections: count(maxConnections) }),
    ...(maxConnectionsPerAddress === undefined
      ? {}
      : { connectionsPerAddress: count(maxConnectionsPerAddress) }),
    ...(stall === undefined ? {} : { stallMs: parseDuration(stall) }),
    ...(expireUploads === undefined ? {} : { uploadLifeMs: parseDuration(expireUploads) }),
  };
}

function count(text: string): number {
  const value = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new Failure('usage', `"${text}" is no number from 1 on.`);
  return value;
}
