/* A stand-in for powershell.exe under Wine, whose own says nothing and claims success: runs "%STANDIN_NODE%" "%STANDIN_SCRIPT%" with
   the words it was given, on its own standard streams, and ends as that does. When it is ended, so is that, as PowerShell's work is. */
#include <stdio.h>
#include <wchar.h>
#include <windows.h>

static const wchar_t *after_program(const wchar_t *line) {
  if (*line == L'"') {
    line++;
    while (*line && *line != L'"') line++;
    return *line ? line + 1 : line;
  }
  while (*line && *line != L' ') line++;
  return line;
}

int wmain(void) {
  wchar_t node[1024], script[1024];
  static wchar_t command[32768];
  if (!GetEnvironmentVariableW(L"STANDIN_NODE", node, 1024) || !GetEnvironmentVariableW(L"STANDIN_SCRIPT", script, 1024)) return 97;
  _snwprintf(command, 32767, L"\"%ls\" \"%ls\"%ls", node, script, after_program(GetCommandLineW()));

  STARTUPINFOW start = {sizeof start};
  PROCESS_INFORMATION made;
  start.dwFlags = STARTF_USESTDHANDLES;
  start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
  start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
  start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
  HANDLE job = CreateJobObjectW(NULL, NULL);
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
  SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
  if (!CreateProcessW(node, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &made)) return 98;
  AssignProcessToJobObject(job, made.hProcess);
  WaitForSingleObject(made.hProcess, INFINITE);
  DWORD code = 99;
  GetExitCodeProcess(made.hProcess, &code);
  return (int)code;
}
