// Definitions of scheduled tasks for Windows, as `schtasks /create /xml` takes them: UTF-16LE with a byte order mark.

export type TaskTrigger =
  | { readonly on: 'boot' | 'logon' | 'unlock' }
  /** `log` and `select` (XPath) of an event of the system's log. */
  | { readonly on: 'event'; readonly log: string; readonly select: string }
  /** Again and again, every so many minutes, without end. */
  | { readonly on: 'every'; readonly minutes: number };

export interface TaskDefinition {
  readonly description: string;
  readonly triggers: readonly TaskTrigger[];
  /** Absolute path of the program. */
  readonly program: string;
  /** Its words as one command line. */
  readonly words: string;
}

/**
 * The machine woke: Power-Troubleshooter 1 after S3 and S4, Kernel-Power 507 when Modern Standby ends. The second from general
 * knowledge, not seen on a machine.
 */
export const RESUME_EVENTS: readonly TaskTrigger[] = [
  {
    on: 'event',
    log: 'System',
    select: "*[System[Provider[@Name='Microsoft-Windows-Power-Troubleshooter'] and EventID=1]]",
  },
  {
    on: 'event',
    log: 'System',
    select: "*[System[Provider[@Name='Microsoft-Windows-Kernel-Power'] and EventID=507]]",
  },
];

/** A network came up, VPNs among them: NetworkProfile 10000. From general knowledge, not seen on a machine. */
export const NETWORK_UP_EVENT: TaskTrigger = {
  on: 'event',
  log: 'Microsoft-Windows-NetworkProfile/Operational',
  select: '*[System[EventID=10000]]',
};

/** A time in the past: with StartWhenAvailable a repetition without end needs only some beginning. */
const LONG_AGO = '2020-01-01T00:00:00';

/**
 * The definition as XML. Order of elements as the schema in [MS-TSCH] 2.5 has it. Every setting whose default would hurt is
 * written out: by default a task does not start on battery, is stopped when the machine goes on battery or is in use, and is
 * ended after three days. It runs as LocalSystem (S-1-5-18), which is who may make shadow copies; one at a time.
 */
export function taskXml({ description, triggers, program, words }: TaskDefinition): string {
  return `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Author>Mailferry</Author>
    <Description>${escaped(description)}</Description>
  </RegistrationInfo>
  <Triggers>
${triggers.map(triggerXml).join('\n')}
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>S-1-5-18</UserId>
      <RunLevel>HighestAvailable</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <IdleSettings>
      <StopOnIdleEnd>false</StopOnIdleEnd>
      <RestartOnIdle>false</RestartOnIdle>
    </IdleSettings>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
    <WakeToRun>false</WakeToRun>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>7</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>${escaped(program)}</Command>
      <Arguments>${escaped(words)}</Arguments>
    </Exec>
  </Actions>
</Task>
`.replaceAll('\n', '\r\n');
}

function triggerXml(trigger: TaskTrigger): string {
  const enabled = '<Enabled>true</Enabled>';
  switch (trigger.on) {
    case 'boot':
      return `    <BootTrigger>${enabled}</BootTrigger>`;
    case 'logon':
      return `    <LogonTrigger>${enabled}</LogonTrigger>`;
    case 'unlock':
      return `    <SessionStateChangeTrigger>${enabled}<StateChange>SessionUnlock</StateChange></SessionStateChangeTrigger>`;
    case 'every':
      return `    <TimeTrigger>${enabled}<StartBoundary>${LONG_AGO}</StartBoundary><Repetition><Interval>PT${trigger.minutes}M</Interval></Repetition></TimeTrigger>`;
    case 'event': {
      const path = escaped(trigger.log);
      const query = `<QueryList><Query Id="0" Path="${path}"><Select Path="${path}">${escaped(trigger.select)}</Select></Query></QueryList>`;
      return `    <EventTrigger>${enabled}<Subscription>${escaped(query)}</Subscription></EventTrigger>`;
    }
  }
}

/** Text as XML content or as an attribute in double quotes. Characters that XML can't hold are left out. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** The bytes of the file: schtasks refuses a declaration of UTF-16 over other bytes. */
export function taskFile(task: TaskDefinition): Buffer {
  return Buffer.from(`\uFEFF${taskXml(task)}`, 'utf16le');
}
