#!/usr/bin/env node
// Stands in for powershell.exe: hands its words and its standard input to the shadow host of the test, and does what that answers.
// It says nothing of PowerShell itself: only of what Mailferry does with what PowerShell may write.
import { request } from 'node:http';
import { text } from 'node:stream/consumers';

const asked = JSON.stringify({ words: process.argv.slice(2), input: await text(process.stdin) });
const answer = await new Promise((resolve, reject) => {
  request(process.env.MAILFERRY_SHADOW_HOST, { method: 'POST' }, (response) => resolve(text(response)))
    .on('error', reject)
    .end(asked);
});
const { stdout = '', stderr = '', code = 0, hang = false, kill = null } = JSON.parse(answer);
process.stderr.write(stderr);
process.stdout.write(stdout, () => {
  if (kill) process.kill(process.pid, kill);
  else if (hang) setTimeout(() => {}, 600_000);
  else process.exitCode = code;
});
