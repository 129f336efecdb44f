// Paths of Windows that name a place on another machine.

/** Whether `path` names a share: `\\server\share`, but no long form of a path here. */
export function isNetworkPath(path: string): boolean {
  return /^\\\\(?![?.]\\(?!UNC\\))/i.test(path);
}
