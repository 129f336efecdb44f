// Task definitions: the settings whose defaults would hurt, the triggers, the encoding; valid by a schema of their own.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type TaskDefinition, taskFile, taskXml } from '../../../client/service/task-xml.ts';
import { agentTask, wakeTask } from '../../../client/service/windows-task.ts';
import { lacks, named } from '../../support/programs.ts';
import { tempDir } from '../../support/temp-dir.ts';

const agent = {
  self: ['C:\\Program Files\\Mail & ferry\\mailferry.exe'] as const,
  stateRoot: 'C:\\ProgramData\\Żółć <邮件>',
};
const TASKS: [string, TaskDefinition][] = [
  ['the agent', agentTask(agent)],
  ['the wake', wakeTask(agent)],
];

describe.each(TASKS)('%s', (_, task) => {
  test('is UTF-16LE with a mark, as it declares', () => {
    const bytes = taskFile(task);
    expect([...bytes.subarray(0, 4)]).toEqual([0xff, 0xfe, 0x3c, 0x00]);
    expect(bytes.toString('utf16le')).toMatch(/^\uFEFF<\?xml version="1.0" encoding="UTF-16"\?>\r\n/);
  });

  test.each([
    ['MultipleInstancesPolicy', 'IgnoreNew'],
    ['DisallowStartIfOnBatteries', 'false'],
    ['StopIfGoingOnBatteries', 'false'],
    ['StartWhenAvailable', 'true'],
    ['RunOnlyIfNetworkAvailable', 'false'],
    ['RunOnlyIfIdle', 'false'],
    ['StopOnIdleEnd', 'false'],
    ['ExecutionTimeLimit', 'PT0S'],
    ['UserId', 'S-1-5-18'],
    ['RunLevel', 'HighestAvailable'],
    ['Command', 'C:\\Program Files\\Mail &amp; ferry\\mailferry.exe'],
  ])('%s is %s', (name, value) => {
    expect(
      [...taskXml(task).matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'g'))].map((found) => found[1]),
    ).toEqual([value]);
  });

  const xmllint = lacks('xmllint');
  test.skipIf(xmllint !== null)(named('is valid by the schema', xmllint), () => {
    const path = join(tempDir(), 'task.xml');
    writeFileSync(path, taskFile(task));
    const schema = fileURLToPath(new URL('./task.xsd', import.meta.url));
    const { status, stderr } = spawnSync('xmllint', ['--noout', '--schema', schema, path], {
      encoding: 'utf8',
    });
    expect(stderr.trim()).toBe(`${path} validates`);
    expect(status).toBe(0);
  });
});

test('a subscription is XML within XML: an XPath that a parser gives back whole', () => {
  const xml = taskXml(wakeTask(agent));
  const inner = /<Subscription>(.*?)<\/Subscription>/.exec(xml)![1]!;
  const unescaped = inner
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&');
  expect(unescaped).toBe(
    `<QueryList><Query Id="0" Path="System"><Select Path="System">*[System[Provider[@Name='Microsoft-Windows-Power-Troubleshooter'] and EventID=1]]</Select></Query></QueryList>`,
  );
});

const kinds = (task: TaskDefinition) =>
  [...taskXml(task).matchAll(/<(\w+Trigger)>/g)].map((found) => found[1]);

test('the agent starts at boot, at a logon, and again within an hour should it have ended', () => {
  expect(kinds(agentTask(agent))).toEqual(['BootTrigger', 'LogonTrigger', 'TimeTrigger']);
  expect(taskXml(agentTask(agent))).toContain('<Interval>PT60M</Interval>');
});

test('it is woken by logon, unlock, resume from either sleep, and a network', () => {
  expect(kinds(wakeTask(agent))).toEqual([
    'LogonTrigger',
    'SessionStateChangeTrigger',
    'EventTrigger',
    'EventTrigger',
    'EventTrigger',
  ]);
});
