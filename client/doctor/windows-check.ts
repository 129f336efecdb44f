// Doctor, Windows alone: rights, PowerShell, volumes and their room for shadow copies.
import { win32 } from 'node:path';
import { asFailure } from '../../shared/failure.ts';
import type { Run } from '../service/step.ts';
import { Look } from '../snapshot/vss/answer.ts';
import { askPowerShell, type PowerShell } from '../snapshot/vss/powershell.ts';
import { reasonOf } from '../snapshot/vss/return-codes.ts';
import { bytesText } from '../terminal.ts';
import type { Finding } from './finding.ts';

/** Integrity levels in `whoami /groups` (well-known SIDs): high is an elevated administrator, system is LocalSystem. */
const ELEVATED = /S-1-16-(12288|16384)\b/;
const ANY_LEVEL = /S-1-16-\d+/;
/** Time for a look: ms. PowerShell itself takes seconds on a busy laptop. */
const LOOK_MS = 60_000;
/** Shadow copies need some hundred MB to begin with (Microsoft's figure is 320 MB for volumes above 500 MB). */
const LEAST_STORAGE = 320_000_000;
/** Win32_Volume.DriveType of a fixed disk. */
const FIXED = 3;

/** Whether this process may make shadow copies. */
export async function rightsFinding(run: Run, systemRoot = 'C:\\Windows'): Promise<Finding> {
  const { code, said } = await run(win32.join(systemRoot, 'System32', 'whoami.exe'), [
    '/groups',
    '/fo',
    'csv',
    '/nh',
  ]);
  if (code !== 0 || !ANY_LEVEL.test(said))
    return { check: 'rights', state: 'skipped', said: 'Which rights this process has can not be told here.' };
  if (ELEVATED.test(said))
    return { check: 'rights', state: 'ok', said: 'This process may make shadow copies.' };
  return {
    check: 'rights',
    state: 'warning',
    said: 'This process is not elevated, and only administrators and the service make shadow copies.',
    todo: 'Run the doctor from an elevated prompt to know what the service can.',
  };
}

/** Asks PowerShell through the script that makes shadow copies; what it answers about volumes. */
export async function powershellFindings(powershell: PowerShell): Promise<Finding[]> {
  try {
    const answer = await askPowerShell(powershell, { action: 'look' }, Look, LOOK_MS);
    if (answer.kind === 'problem') {
      return [
        {
          check: 'powershell',
          state: 'failed',
          said: `PowerShell said: ${reasonOf(answer.problem)}.`,
          todo: 'See what it said; run as administrator.',
        },
      ];
    }
    const ok: Finding = { check: 'powershell', state: 'ok', said: `${powershell.program} runs our script.` };
    return [ok, ...volumeFindings(answer.result)];
  } catch (error) {
    const { message, hint } = asFailure(error);
    return [{ check: 'powershell', state: 'failed', said: message, todo: hint }];
  }
}

/** One finding for each fixed volume, and one where shadow copies can't be listed. */
export function volumeFindings(look: Look): Finding[] {
  const findings: Finding[] = [];
  for (const { name, device, fileSystem, driveType, free } of look.volumes) {
    if (driveType !== FIXED || name === null) continue;
    if (fileSystem !== 'NTFS') {
      const said = `${name} has ${fileSystem ?? 'no file system that is known'}: Windows makes shadow copies of NTFS alone.`;
      findings.push({
        check: 'volume',
        state: 'warning',
        said,
        todo: 'Keep mail on an NTFS volume, or allow live reads.',
      });
      continue;
    }
    const room = look.storage.find((each) => each.device.toLowerCase() === device.toLowerCase());
    const most = room?.most ?? null;
    const there = most ?? free;
    const said = `${name} is NTFS; ${free === null ? 'its free space is not known' : `${bytesText(free)} are free`}, and shadow copies may take ${most === null ? 'what Windows gives them' : bytesText(most)}.`;
    if (there !== null && there < LEAST_STORAGE) {
      findings.push({
        check: 'shadow-storage',
        state: 'warning',
        said,
        todo: 'Give shadow copies more room in the system properties, or free space.',
      });
    } else findings.push({ check: 'volume', state: 'ok', said });
  }
  if (look.problem) {
    const said = `Shadow copies can't be listed: ${reasonOf(look.problem)}.`;
    findings.push({
      check: 'shadow-storage',
      state: 'failed',
      said,
      todo: 'Run as administrator or as the service.',
    });
  }
  return findings;
}
