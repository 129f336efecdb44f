// A look into a file whose beginning is zeros: whether the rest of it, where it is looked at, is zeros too.
import type { OpenFile } from '../far/file-asks.ts';

const PLACES = 64;
const PLACE_BYTES = 4_096;

/** False as soon as anything else is seen, or can't be read. */
export async function readsAsZeros(
  file: OpenFile,
  { head, size }: { readonly head: Uint8Array; readonly size: number },
): Promise<boolean> {
  if (size === 0 || head.some((byte) => byte !== 0)) return false;
  const bytes = Buffer.alloc(PLACE_BYTES);
  try {
    for (let place = 1; place <= PLACES; place++) {
      const at = Math.max(0, Math.floor((size * place) / PLACES) - PLACE_BYTES);
      const { bytesRead } = await file.read(bytes, 0, PLACE_BYTES, at);
      if (bytes.subarray(0, bytesRead).some((byte) => byte !== 0)) return false;
    }
    return true;
  } catch {
    return false;
  }
}
