// What the commands of a server say: lines for people, or JSON lines with one object as the last.
import { printable } from '../../shared/printable.ts';

export interface Console {
  readonly out: { write(text: string): unknown };
  readonly err: { write(text: string): unknown; readonly isTTY?: boolean };
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly json: boolean;
}

/** Progress is shown at most this often. */
const SHOWN_MS = 500;

/** Shows how far long work on a device is. The last call of each device is always shown. */
export function progressOf(
  { out, err, now, json }: Console,
  phase: string,
): (device: string, done: number, total: number) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (device, done, total) => {
    const at = now();
    if (at - last < SHOWN_MS && done < total) return;
    last = at;
    if (json) out.write(`${JSON.stringify({ progress: { phase, device, done, total } })}\n`);
    else if (err.isTTY)
      err.write(`\r${phase}: device ${device}, ${done} of ${total}${done < total ? '' : '\n'}`);
  };
}

/** The result: each of `lines` for people, `value` for machines. */
export function result({ out, json }: Console, lines: readonly string[], value: object): void {
  out.write(json ? `${JSON.stringify(value)}\n` : lines.map((line) => `${printable(line)}\n`).join(''));
}
