/*
 * What Wine's programs for services lack, by the name this is started under:
 *   takeown.exe   Wine has none: appends its command line to C:\asked.txt
 *   sc.exe        `sc config NAME binPath= COMMAND ...` with the real service manager; all else is Wine's own, in C:\wine
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <stdio.h>
#include <wchar.h>

static int configure(const wchar_t *name, const wchar_t *command) {
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  SC_HANDLE service = OpenServiceW(manager, name, SERVICE_CHANGE_CONFIG);
  if (!service) return (int)GetLastError();
  return ChangeServiceConfigW(service, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE, command, NULL, NULL, NULL, NULL, NULL,
                              NULL)
             ? 0
             : (int)GetLastError();
}

int wmain(int count, wchar_t **words) {
  const wchar_t *line = GetCommandLineW();
  wchar_t real[4096];
  STARTUPINFOW start = {sizeof start};
  PROCESS_INFORMATION child;
  DWORD code = 1;
  if (wcsstr(words[0], L"takeown")) {
    FILE *file = fopen("C:\\asked.txt", "a");
    if (!file) return 1;
    fprintf(file, "%ls\n", line);
    return fclose(file);
  }
  if (count > 4 && wcscmp(words[1], L"config") == 0) return configure(words[2], words[4]);
  while (*line && *line != L' ') line++;
  _snwprintf(real, 4096, L"C:\\wine\\sc.exe%ls", line);
  if (!CreateProcessW(NULL, real, NULL, NULL, TRUE, 0, NULL, NULL, &start, &child)) return (int)GetLastError();
  WaitForSingleObject(child.hProcess, INFINITE);
  GetExitCodeProcess(child.hProcess, &code);
  return (int)code;
}
