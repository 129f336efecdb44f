// Files of which a sync program keeps the name here and the bytes elsewhere (OneDrive's "online-only", the placeholders of others).
import { Failure } from '../../shared/failure.ts';

/**
 * NTFS keeps a file of some hundred bytes in its own record, with nothing allotted; a larger one without a single cluster is a
 * placeholder, or all hole, of which nothing would be lost.
 */
const RESIDENT_BYTES = 4_096;

/**
 * Whether nothing of a file lies on this disk. Node tells no file attributes of Windows (FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS), but
 * what is allotted: `blocks`, in units of 512 bytes, is AllocationSize there. To ask for it recalls nothing.
 */
export function isCloudOnly({ size, blocks }: { size: number; blocks: number }, platform: string): boolean {
  return platform === 'win32' && size > RESIDENT_BYTES && blocks === 0;
}

export function cloudOnly(path: string): Failure {
  return new Failure('source_cloud_only', `${path} lies in the cloud alone: nothing of it is on this disk.`);
}
