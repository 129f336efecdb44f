/* stop-service.exe NAME: asks a service to stop as `net stop` does, and writes how many milliseconds it took until the service
   manager had it as stopped, by this Windows' clock. Gives up after 30 s. */
#include <stdio.h>
#include <windows.h>

int wmain(int count, wchar_t **words) {
  SERVICE_STATUS status;
  if (count != 2) return 2;
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  SC_HANDLE service = manager ? OpenServiceW(manager, words[1], SERVICE_STOP | SERVICE_QUERY_STATUS) : NULL;
  ULONGLONG asked = GetTickCount64();
  if (!service || !ControlService(service, SERVICE_CONTROL_STOP, &status)) {
    printf("error %lu\n", GetLastError());
    return 1;
  }
  while (QueryServiceStatus(service, &status) && status.dwCurrentState != SERVICE_STOPPED) {
    if (GetTickCount64() - asked > 30000) break;
    Sleep(10);
  }
  printf("%llu\n", GetTickCount64() - asked);
  return status.dwCurrentState == SERVICE_STOPPED ? 0 : 1;
}
