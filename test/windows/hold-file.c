/* hold-file.exe PATH SHARE MILLISECONDS: opens PATH for reading and writing, lets others at it only as SHARE says (0: not at all,
   1: reading, 3: reading and writing, 7: deleting too), says so on standard output, and lets go after the time. */
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

int wmain(int count, wchar_t **words) {
  if (count != 4) return 2;
  HANDLE file = CreateFileW(words[1], GENERIC_READ | GENERIC_WRITE, _wtoi(words[2]), NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
  if (file == INVALID_HANDLE_VALUE) {
    printf("error %lu\n", GetLastError());
    return 1;
  }
  printf("held\n");
  fflush(stdout);
  Sleep(_wtoi(words[3]));
  CloseHandle(file);
  return 0;
}
