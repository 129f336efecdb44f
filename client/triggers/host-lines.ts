// Trigger: lines on standard input from the Windows service host, which hears of stops, power and sessions before anybody else.
import { createInterface } from 'node:readline';
import type { Reason } from './look-plan.ts';
import type { Trigger } from './lookout.ts';

/**
 * The protocol, one event a line, as service-host.c writes it:
 *
 *   stop | preshutdown           end now, within 5 s
 *   power <n>                    dbt of WM_POWERBROADCAST: 7 and 18 resume, 4 suspend, others (10: battery or line) are no reason
 *   session <n> <session id>     WTS_*: 5 logon, 8 unlock, others are no reason
 *
 * Numbers: winuser.h (PBT_APMRESUMESUSPEND 7, PBT_APMRESUMEAUTOMATIC 18), WTS_SESSION_LOGON 5, WTS_SESSION_UNLOCK 8. A line that
 * is none of these is left out, so that an older agent lives with a newer host.
 */
export function parseHostLine(line: string): Reason | 'stop' | null {
  const [word, number] = line.trim().split(' ');
  switch (word) {
    case 'stop':
    case 'preshutdown':
      return 'stop';
    case 'power':
      return number === '7' || number === '18' ? 'resume' : null;
    case 'session':
      if (number === '5') return 'logon';
      return number === '8' ? 'unlock' : null;
    default:
      return null;
  }
}

/** Reads `input` to its end. A stop line, and the end (the host is gone), call `onStop`. */
export function hostLineTrigger(input: NodeJS.ReadableStream, onStop: () => void): Trigger {
  return (tell, stop) => {
    const lines = createInterface({ input });
    lines.on('line', (line) => {
      const event = parseHostLine(line);
      if (event === 'stop') onStop();
      else if (event) tell(event);
    });
    lines.once('close', onStop);
    // An open pipe must not keep a process alive that is done.
    stop.addEventListener('abort', () => (input as { unref?: () => void }).unref?.(), { once: true });
  };
}
