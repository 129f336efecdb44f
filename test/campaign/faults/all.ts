// Every kind of fault there is.
import type { Fault } from '../fault.ts';
import {
  damagedDatabase,
  damagedFingerprint,
  damagedStaging,
  damagedUpload,
  damagedVault,
} from './damage.ts';
import { failingCall, fullDisk } from './disks.ts';
import { killAtCall, killDevice, killServer } from './kills.ts';
import { blackHole, lostReply, resets } from './line.ts';
import { cutDevice, cutServer } from './power-cuts.ts';
import { clockJump, suspend } from './sleep.ts';

export const FAULTS: readonly Fault[] = [
  killDevice,
  killServer,
  killAtCall,
  cutServer,
  cutDevice,
  resets,
  blackHole,
  lostReply,
  suspend,
  fullDisk,
  damagedStaging,
  damagedFingerprint,
  damagedUpload,
  damagedVault,
  damagedDatabase,
  clockJump,
  failingCall,
];
