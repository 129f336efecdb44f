// The live adapter freezes nothing, and keeps the contract otherwise.
import { liveFiles } from '../../../client/snapshot/live.ts';
import { testSnapshotProvider } from '../../contracts/snapshot.ts';
import { tempDir } from '../../support/temp-dir.ts';

testSnapshotProvider('live files', { provider: liveFiles, place: tempDir, left: () => 0, frozen: false });
