// Every kind of fault there is.
import type { Fault } from '../fault.ts';
import {
  damagedCatalogue,
  damagedDatabase,
  damagedFingerprint,
  damagedStaging,
  damagedUpload,
  damagedVault,
} from './damage.ts';
import { failingCall, fullDisk } from './disks.ts';
import { killAtDecisiveCall, killAtOtherCall, killDevice, killServer } from './kills.ts';
import { blackHole, lostCommitReply, lostUploadReply, resets } from './line.ts';
import { cutDevice, cutServer } from './power-cuts.ts';
import { clockJump, suspend } from './sleep.ts';

export const FAULTS: readonly Fault[] = [
  killDevice,
  killServer,
  killAtDecisiveCall,
  killAtOtherCall,
  cutServer,
  cutDevice,
  resets,
  blackHole,
  lostCommitReply,
  lostUploadReply,
  suspend,
  fullDisk,
  damagedStaging,
  damagedFingerprint,
  damagedUpload,
  damagedVault,
  damagedDatabase,
  damagedCatalogue,
  clockJump,
  failingCall,
];
