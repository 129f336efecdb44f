// What this machine must have for a campaign.
import { lacks, lacksRoot } from '../support/programs.ts';

/** null where a campaign can run here, else why not. */
export function lacksCampaign(): string | null {
  return lacksRoot() ?? lacks('losetup', 'mkfs.ext4', 'mkfs.xfs', 'gcc', 'perl', 'fallocate');
}
