// A pack file as any reader of the format takes it apart, every promise of the format checked on the way.
import { readFileSync } from 'node:fs';
import type { PlacedFrame } from '../../../shared/pack.ts';
import { framesOf, rawOf } from '../../shared/pack-file.ts';
import { sha256Hex } from '../../shared/sha256.ts';

export interface ReadPack {
  readonly id: string;
  readonly bytes: number;
  readonly frames: readonly PlacedFrame[];
  readonly raw: Buffer;
}

/** Throws where the file is no pack, or a frame is not what its hash says. */
export function readPack(path: string): ReadPack {
  const file = readFileSync(path);
  const frames = framesOf(file);
  return {
    id: sha256Hex(file),
    bytes: file.length,
    frames,
    raw: Buffer.concat(frames.map((frame) => rawOf(file, frame))),
  };
}
