// The length of a file's name: what every file system that we write to takes. Pure.

/** ext4, XFS, btrfs and APFS take 255 bytes of UTF-8, NTFS and FAT 255 units of UTF-16, which are never more. */
export const NAME_BYTES = 255;

/** The beginning of `name` that has `bytes` bytes of UTF-8 at most; no character is cut in two. */
export function cutName(name: string, bytes: number): string {
  let length = 0;
  let cut = '';
  for (const character of name) {
    length += Buffer.byteLength(character);
    if (length > bytes) break;
    cut += character;
  }
  return cut;
}
