// What a person or a machine sees: progress as a bar or as JSON lines, results as text or as one JSON object at the end.
import { printable } from '../shared/printable.ts';
import { Pacer, type Progress, type ProgressReport } from './progress.ts';

export interface Terminal extends Progress {
  readonly json: boolean;
  /** Characters in a line of the screen; undefined where results go to no screen. */
  readonly columns?: number | undefined;
  /** The result: `text` for people, `value` for machines. */
  result(text: string, value: object): void;
}

export interface Streams {
  readonly out: { write(text: string): unknown; readonly columns?: number };
  readonly err: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly now: () => number;
}

/** JSON progress lines are at least this far apart. */
const LINE_MS = 500;

const PHASES = { scan: 'reading', send: 'sending', restore: 'restoring', verify: 'verifying' } as const;

/** Progress lines and a last object on standard output; nothing else goes there. */
export function jsonTerminal({ out, now }: Streams): Terminal {
  const pacer = new Pacer();
  let last = Number.NEGATIVE_INFINITY;
  return {
    json: true,
    report(report) {
      const at = now();
      const pace = pacer.pace(report, at);
      if (at - last < LINE_MS && report.done < report.total) return;
      last = at;
      out.write(`${JSON.stringify({ progress: { ...report, ...pace } })}\n`);
    },
    say(sentence) {
      out.write(`${JSON.stringify({ progress: { message: sentence } })}\n`);
    },
    clear() {},
    result(_text, value) {
      out.write(`${JSON.stringify(value)}\n`);
    },
  };
}

/** Results on standard output; progress, where it is a terminal, and sentences on standard error. */
export function humanTerminal({ out, err, now }: Streams): Terminal {
  const pacer = new Pacer();
  const bar = err.isTTY ? liveBar(() => err.columns ?? 80) : null;
  return {
    json: false,
    columns: out.columns,
    report(report) {
      bar?.show(report, pacer.pace(report, now()));
    },
    say(sentence) {
      bar?.hide();
      err.write(`${printable(sentence)}\n`);
    },
    clear() {
      bar?.hide();
    },
    result(text) {
      bar?.hide();
      // Whatever was put into a line: a line is all that it can be.
      out.write(`${text.split('\n').map(printable).join('\n')}\n`);
    },
  };
}

interface LiveBar {
  show(report: ProgressReport, pace: { rate: number; secondsLeft: number | null }): void;
  hide(): void;
}

/** Characters of the bar itself, and of all that stands beside it but the name. */
const BAR = 14;
const BESIDE_NAME = 66;
/** Least characters of a name, however narrow the screen is. */
const MIN_NAME = 8;

/** One bar of cli-progress, which is loaded only when there is something to show; it takes one line of `columns()` characters. */
function liveBar(columns: () => number): LiveBar {
  type Bar = import('cli-progress').SingleBar;
  let bar: Bar | undefined;
  let key = '';
  /** Counts what was shown or hidden: what waits for cli-progress to be loaded is not shown after something newer. */
  let turn = 0;
  const loading = import('cli-progress');
  const hide = () => {
    turn++;
    bar?.stop();
    bar = undefined;
    key = '';
  };
  return {
    show(report, pace) {
      const mine = ++turn;
      void loading.then(({ default: { SingleBar, Presets } }) => {
        if (mine !== turn) return;
        const next = `${report.phase} ${report.path}`;
        const total = Math.max(1, report.total);
        const payload = {
          phase: PHASES[report.phase],
          done: bytesText(report.done),
          all: bytesText(report.total),
          speed: `${bytesText(pace.rate)}/s`,
          left: pace.secondsLeft === null ? '' : `${pace.secondsLeft} s left`,
          name: endOfPath(printable(report.path), Math.max(MIN_NAME, columns() - BESIDE_NAME)),
        };
        if (next !== key) {
          bar?.stop();
          key = next;
          const format = '{phase} {bar} {percentage}% {done} of {all} {speed} {left} {name}';
          bar = new SingleBar(
            { format, barsize: BAR, clearOnComplete: true, hideCursor: true },
            Presets.shades_classic,
          );
          bar.start(total, report.done, payload);
        }
        bar?.setTotal(total);
        bar?.update(report.done, payload);
      });
    },
    hide,
  };
}

/** `path`, or its end where it has more than `room` characters. */
export function endOfPath(path: string, room: number): string {
  return path.length <= room ? path : `…${path.slice(path.length - room + 1)}`;
}

/** Bytes as people read them, in decimal units: 4.3 MB. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  // What would be rounded to 1000 of a unit is 1.0 of the next.
  while (Math.round(value) >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const tenths = Math.round(value * 10) / 10;
  return `${unit === 0 || tenths >= 100 ? Math.round(value) : tenths.toFixed(1)} ${units[unit]}`;
}
