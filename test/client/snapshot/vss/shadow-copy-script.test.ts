// The PowerShell script as text: it parses, and uses nothing that Constrained Language Mode, a policy or an antivirus would stop.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { Language, type Node, Parser } from 'web-tree-sitter';

const SCRIPT = fileURLToPath(new URL('../../../../client/snapshot/vss/shadow-copy.ps1', import.meta.url));
const GRAMMAR = createRequire(import.meta.url).resolve('tree-sitter-powershell/tree-sitter-powershell.wasm');
const text = readFileSync(SCRIPT, 'utf8');

/** Cmdlets of Windows PowerShell 5.1 that the script may call, and no others. */
const CMDLETS = [
  ...[
    'Set-StrictMode',
    'ConvertTo-Json',
    'ConvertFrom-Json',
    'Write-Output',
    'ForEach-Object',
    'Get-Process',
  ],
  ...['Get-CimInstance', 'Invoke-CimMethod', 'Remove-CimInstance'],
];
/** Core types, which Constrained Language Mode leaves alone (Microsoft, about_Language_Modes). */
const TYPES = ['int', 'long', 'bool', 'string'];
/** Methods of core types: string and DateTime. */
const METHODS = ['ToCharArray', 'ToUniversalTime', 'ToString'];

let parser: Parser;
beforeAll(async () => {
  await Parser.init();
  parser = new Parser();
  parser.setLanguage(await Language.load(GRAMMAR));
});

const rootOf = (source: string): Node => parser.parse(source)!.rootNode;
const textsOf = (source: string, type: string) => [
  ...new Set(
    rootOf(source)
      .descendantsOfType(type)
      .map((node) => node!.text),
  ),
];

test('is the only one: no other script of the product goes unseen', () => {
  const client = fileURLToPath(new URL('../../../../client', import.meta.url));
  const scripts = readdirSync(client, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(ps1|psm1|bat|cmd|vbs)$/i.test(name),
  );
  expect(scripts).toEqual([join('snapshot', 'vss', 'shadow-copy.ps1')]);
});

test('parses, and the parser can tell', () => {
  expect(rootOf(text).hasError).toBe(false);
  expect(rootOf(text.slice(0, text.lastIndexOf('}'))).hasError).toBe(true);
  expect(
    rootOf(text.replace('@{ request = $id; result = $result }', '@{ request = $id; result = ')).hasError,
  ).toBe(true);
});

test('is ASCII without a byte order mark: every version reads it the same', () => {
  expect(text).toMatch(/^[\n\x20-\x7e]*$/);
});

test('calls cmdlets and its own functions, nothing else', () => {
  const own = textsOf(text, 'function_name');
  const called = textsOf(text, 'command_name');
  expect(called.filter((name) => !CMDLETS.includes(name) && !own.includes(name))).toEqual([]);
  expect(called).toEqual(expect.arrayContaining(['Invoke-CimMethod', 'Remove-CimInstance']));
});

// A script with parameters is what Constrained Language Mode and policies stop first; requests come on standard input alone.
test('C22: has no param block and no attribute; the parser would see one', () => {
  for (const type of ['param_block', 'attribute']) expect(textsOf(text, type)).toEqual([]);
  expect(text).not.toMatch(/\b(param|dynamicparam)\b|CmdletBinding/i);
  expect(textsOf('param([string]$request)\n', 'param_block')).toHaveLength(1);
});

test('names core types alone, and calls methods of those alone', () => {
  expect(textsOf(text, 'type_spec').filter((name) => !TYPES.includes(name))).toEqual([]);
  const methods = rootOf(text)
    .descendantsOfType('invokation_expression')
    .map((node) => node!.children.find((child) => child!.type === 'member_name')!.text);
  expect(methods.filter((name) => !METHODS.includes(name))).toEqual([]);
  expect(text).not.toMatch(/::/);
});

test.each([
  /\[Console\]/i,
  /-ComObject/i,
  /Add-Type/i,
  /Get-WmiObject/i,
  /vssadmin|diskshadow|wmic/i,
  /Invoke-Expression|\biex\b/i,
  /EncodedCommand/i,
  /Start-Process|Invoke-WebRequest|DownloadString/i,
])('does not hold %s', (forbidden) => {
  expect(text).not.toMatch(forbidden);
});

test('deletes one shadow copy by its id, never what a list gave', () => {
  const deletions = rootOf(text)
    .descendantsOfType('command')
    .map((node) => node!.text)
    .filter((command) => command.startsWith('Remove-CimInstance'));
  expect(deletions).toEqual(['Remove-CimInstance -InputObject $shadow']);
  const remove = rootOf(text)
    .descendantsOfType('function_statement')
    .find((node) => node!.text.startsWith('function Remove-ShadowCopy'))!.text;
  expect(remove).toContain('$shadow = Get-ShadowCopy $id');
});
