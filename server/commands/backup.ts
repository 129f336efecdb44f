// mailferry server backup: a copy of all that a server has, taken while it runs.
import { type BackUpPhase, backUp } from '../backup/back-up.ts';
import { type Console, result } from './console.ts';

/** 3 where something could not be copied: all else was. */
const PARTIAL = 3;
/** Progress is shown at most this often. */
const SHOWN_MS = 500;

export async function backup(
  console: Console,
  options: { readonly source: string; readonly target: string; readonly check: boolean },
): Promise<number> {
  const { devices, versions, packs, bytes, copied, copiedBytes, skipped, lost, failed, catalogueBytes } =
    await backUp({ ...options, progress: progressOf(console) });
  const lines = [
    `${options.target} is a copy of ${devices} devices, ${versions} versions and ${packs} packs (${megabytes(bytes)}): ${copied} files (${megabytes(copiedBytes)}) were copied, ${skipped} were there`,
    ...lost.map((pack) => `  pack ${pack} is lost on the server, too; its device is asked for its bytes`),
    ...failed.map(({ device, message }) => `  device ${device}: ${message}`),
    ...(failed.length > 0 ? ['What is missing is marked as damaged in the copy.'] : []),
  ];
  result(console, lines, {
    to: options.target,
    devices,
    versions,
    packs,
    bytes,
    catalogueBytes,
    copied,
    copiedBytes,
    skipped,
    lost,
    failed,
  });
  return failed.length > 0 ? PARTIAL : 0;
}

function progressOf({
  out,
  err,
  now,
  json,
}: Console): (phase: BackUpPhase, done: number, total: number) => void {
  let last = Number.NEGATIVE_INFINITY;
  let phaseBefore: BackUpPhase | undefined;
  let start = 0;
  return (phase, done, total) => {
    const at = now();
    if (phase !== phaseBefore) [phaseBefore, start, last] = [phase, at, Number.NEGATIVE_INFINITY];
    if (at - last < SHOWN_MS && done < total) return;
    last = at;
    const seconds = (at - start) / 1_000;
    const rate = seconds > 0 ? Math.round(done / seconds) : 0;
    const secondsLeft = rate > 0 ? Math.round((total - done) / rate) : null;
    if (json) {
      out.write(`${JSON.stringify({ progress: { phase, done, total, rate, secondsLeft } })}\n`);
    } else if (err.isTTY) {
      const text =
        phase === 'catalogue'
          ? `catalogue: ${total === 0 ? 100 : Math.floor((100 * done) / total)} %`
          : `objects: ${megabytes(done)} of ${megabytes(total)}, ${megabytes(rate)}/s${secondsLeft === null ? '' : `, ${timeOf(secondsLeft)} left`}`;
      err.write(`\r\x1b[K${text}${done < total ? '' : '\n'}`);
    }
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function timeOf(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  return seconds < 3_600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}
