/*
 * mailferry-service.exe: what Windows needs a native program for, and nothing else.
 *
 *   mailferry-service.exe run LOG -- COMMAND...   started by the service control manager: runs COMMAND as a child, tells it what
 *                                                 happens to the machine as lines on its standard input (the protocol is in
 *                                                 client/triggers/host-lines.ts), and ends it within 5 s when the service stops.
 *                                                 COMMAND's output is appended to LOG.
 *   mailferry-service.exe protect | unprotect     standard input to standard output, under DPAPI with the machine's key.
 *
 * The child lives in a job that dies with this process, so that no agent is left behind. A child that ends by itself ends the
 * service with its exit code as the service-specific error, which makes the manager start it again as `sc failure` says.
 */
#define WIN32_LEAN_AND_MEAN
#define _WIN32_WINNT 0x0601
#include <windows.h>
#include <aclapi.h>
#include <sddl.h>
#include <wincrypt.h>
#include <wtsapi32.h>
#include <io.h>
#include <fcntl.h>
#include <stdio.h>
#include <wchar.h>

/* ms: how long the child may take after `stop`. The agent ends itself after 4.5 s, whatever it is doing. */
#define PATIENCE 4800
/* Bytes: a log of this size becomes LOG.1 at the next start. */
#define LOG_BYTES 4194304
/* Lines that wait for a child that does not read. More are dropped: they are reasons to look, and one is as good as many. */
#define LINES 64
#define LINE_BYTES 48
/* Bytes: far more than a credential. */
#define SECRET_BYTES 65536

static SERVICE_STATUS_HANDLE status_handle;
static SERVICE_STATUS status;
static HANDLE stop_event, child_input;
static wchar_t *log_path, *child_command;

/* Lines on their way to the child: written by the control handler, which must not block, sent by a thread that may. */
static CRITICAL_SECTION queue_lock;
static HANDLE queue_filled;
static char queue[LINES][LINE_BYTES];
static unsigned queue_first, queue_length;
static BOOL queue_closed;

static void push_line(const char *line, BOOL last) {
  EnterCriticalSection(&queue_lock);
  if (last && queue_length == LINES) queue_length--; /* A stop is never the one that is dropped. */
  if (!queue_closed && queue_length < LINES) {
    lstrcpynA(queue[(queue_first + queue_length) % LINES], line, LINE_BYTES);
    queue_length++;
  }
  if (last) queue_closed = TRUE;
  LeaveCriticalSection(&queue_lock);
  SetEvent(queue_filled);
}

static DWORD WINAPI send_lines(void *unused) {
  (void)unused;
  for (;;) {
    char line[LINE_BYTES];
    BOOL some = FALSE, closed;
    DWORD written;
    EnterCriticalSection(&queue_lock);
    if (queue_length > 0) {
      some = TRUE;
      memcpy(line, queue[queue_first], LINE_BYTES);
      queue_first = (queue_first + 1) % LINES;
      queue_length--;
    }
    closed = queue_closed;
    LeaveCriticalSection(&queue_lock);
    if (some) {
      if (!WriteFile(child_input, line, (DWORD)strlen(line), &written, NULL)) break;
    } else if (closed) {
      break;
    } else {
      WaitForSingleObject(queue_filled, INFINITE);
    }
  }
  CloseHandle(child_input);
  return 0;
}

static void report(DWORD state, DWORD wait_hint) {
  status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
  status.dwCurrentState = state;
  status.dwWaitHint = wait_hint;
  status.dwCheckPoint = state == SERVICE_RUNNING || state == SERVICE_STOPPED ? 0 : status.dwCheckPoint + 1;
  status.dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_PRESHUTDOWN |
                                                             SERVICE_ACCEPT_POWEREVENT | SERVICE_ACCEPT_SESSIONCHANGE
                                                       : 0;
  SetServiceStatus(status_handle, &status);
}

static DWORD WINAPI on_control(DWORD control, DWORD event, void *data, void *context) {
  char line[LINE_BYTES];
  (void)context;
  switch (control) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_PRESHUTDOWN:
      report(SERVICE_STOP_PENDING, PATIENCE + 2000);
      push_line(control == SERVICE_CONTROL_STOP ? "stop\n" : "preshutdown\n", TRUE);
      SetEvent(stop_event);
      return NO_ERROR;
    case SERVICE_CONTROL_POWEREVENT:
      snprintf(line, sizeof line, "power %lu\n", event);
      push_line(line, FALSE);
      return NO_ERROR;
    case SERVICE_CONTROL_SESSIONCHANGE:
      snprintf(line, sizeof line, "session %lu %lu\n", event, data ? ((WTSSESSION_NOTIFICATION *)data)->dwSessionId : 0);
      push_line(line, FALSE);
      return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE:
      return NO_ERROR;
    default:
      return ERROR_CALL_NOT_IMPLEMENTED;
  }
}

/* The folder of the log, which is also the agent's state: made where it is missing, and in either case LocalSystem's and the
 * administrators' alone. Anybody may make folders in ProgramData, so one that is there may be somebody else's. */
static void secure_folder(wchar_t *folder) {
  PSECURITY_DESCRIPTOR descriptor;
  PACL list;
  PSID owner;
  BOOL present, defaulted;
  CreateDirectoryW(folder, NULL);
  if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(L"O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", SDDL_REVISION_1,
                                                            &descriptor, NULL))
    return;
  if (GetSecurityDescriptorDacl(descriptor, &present, &list, &defaulted) && GetSecurityDescriptorOwner(descriptor, &owner, &defaulted))
    SetNamedSecurityInfoW(folder, SE_FILE_OBJECT,
                          OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION, owner, NULL,
                          list, NULL);
  LocalFree(descriptor);
}

/* The log, for appending; a full one is kept once as LOG.1. Handles that a child inherits must say so. */
static HANDLE open_log(SECURITY_ATTRIBUTES *inherited) {
  WIN32_FILE_ATTRIBUTE_DATA found;
  wchar_t folder[MAX_PATH];
  wchar_t *name = wcsrchr(lstrcpynW(folder, log_path, MAX_PATH), L'\\');
  if (name) {
    *name = 0;
    secure_folder(folder);
  }
  if (GetFileAttributesExW(log_path, GetFileExInfoStandard, &found) && (found.nFileSizeHigh || found.nFileSizeLow > LOG_BYTES)) {
    wchar_t older[MAX_PATH + 8];
    if (_snwprintf(older, MAX_PATH + 8, L"%ls.1", log_path) > 0) MoveFileExW(log_path, older, MOVEFILE_REPLACE_EXISTING);
  }
  return CreateFileW(log_path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, inherited, OPEN_ALWAYS,
                     FILE_ATTRIBUTE_NORMAL, NULL);
}

/* What an installer can't say: start after the others, and start again 1, 5 and then every 15 minutes after an end with an error. */
static void configure_itself(const wchar_t *name) {
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  SC_HANDLE service = manager ? OpenServiceW(manager, name, SERVICE_CHANGE_CONFIG | SERVICE_START) : NULL;
  if (service) {
    SC_ACTION actions[] = {{SC_ACTION_RESTART, 60000}, {SC_ACTION_RESTART, 300000}, {SC_ACTION_RESTART, 900000}};
    SERVICE_FAILURE_ACTIONSW failures = {86400, NULL, NULL, 3, actions};
    SERVICE_FAILURE_ACTIONS_FLAG errors_too = {TRUE};
    SERVICE_DELAYED_AUTO_START_INFO delayed = {TRUE};
    ChangeServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS, &failures);
    ChangeServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, &errors_too);
    ChangeServiceConfig2W(service, SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &delayed);
    CloseServiceHandle(service);
  }
  if (manager) CloseServiceHandle(manager);
}

/* Starts the child in a job that ends with this process; its process handle, or NULL with GetLastError(). */
static HANDLE start_child(HANDLE job) {
  SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
  STARTUPINFOW start = {0};
  PROCESS_INFORMATION child;
  HANDLE child_end, log;
  wchar_t folder[MAX_PATH];
  DWORD length = GetModuleFileNameW(NULL, folder, MAX_PATH);
  while (length > 0 && folder[length - 1] != L'\\') length--;
  folder[length] = 0;
  if (!CreatePipe(&child_end, &child_input, &inherited, 0)) return NULL;
  SetHandleInformation(child_input, HANDLE_FLAG_INHERIT, 0);
  log = open_log(&inherited);
  if (log == INVALID_HANDLE_VALUE) return NULL;
  start.cb = sizeof start;
  start.dwFlags = STARTF_USESTDHANDLES;
  start.hStdInput = child_end;
  start.hStdOutput = start.hStdError = log;
  if (!CreateProcessW(NULL, child_command, NULL, NULL, TRUE, CREATE_NO_WINDOW | CREATE_SUSPENDED, NULL, folder, &start, &child))
    return NULL;
  AssignProcessToJobObject(job, child.hProcess);
  ResumeThread(child.hThread);
  CloseHandle(child.hThread);
  CloseHandle(child_end);
  CloseHandle(log);
  return child.hProcess;
}

static void WINAPI service_main(DWORD count, wchar_t **words) {
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
  HANDLE job, waits[2];
  status_handle = RegisterServiceCtrlHandlerExW(L"", on_control, NULL);
  InitializeCriticalSection(&queue_lock);
  queue_filled = CreateEventW(NULL, FALSE, FALSE, NULL);
  stop_event = CreateEventW(NULL, TRUE, FALSE, NULL);
  report(SERVICE_START_PENDING, 10000);
  job = CreateJobObjectW(NULL, NULL);
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
  SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
  waits[0] = start_child(job);
  if (!waits[0]) {
    status.dwWin32ExitCode = GetLastError();
    report(SERVICE_STOPPED, 0);
    return;
  }
  if (count > 0) configure_itself(words[0]);
  waits[1] = stop_event;
  CreateThread(NULL, 0, send_lines, NULL, 0, NULL);
  report(SERVICE_RUNNING, 0);
  if (WaitForMultipleObjects(2, waits, FALSE, INFINITE) == WAIT_OBJECT_0) {
    status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
    GetExitCodeProcess(waits[0], &status.dwServiceSpecificExitCode);
  } else if (WaitForSingleObject(waits[0], PATIENCE) != WAIT_OBJECT_0) {
    TerminateJobObject(job, 1);
  }
  report(SERVICE_STOPPED, 0);
}

/* Standard input under DPAPI to standard output. The machine's key: a service has no user whose key would last. */
static int protect(BOOL unprotect) {
  static BYTE bytes[SECRET_BYTES];
  DATA_BLOB in = {0, bytes}, out = {0, NULL};
  BOOL done;
  _setmode(0, _O_BINARY);
  _setmode(1, _O_BINARY);
  in.cbData = (DWORD)fread(bytes, 1, SECRET_BYTES, stdin);
  if (in.cbData == 0 || in.cbData == SECRET_BYTES) {
    fprintf(stderr, "Nothing, or more than a secret, is on standard input.\n");
    return 1;
  }
  done = unprotect ? CryptUnprotectData(&in, NULL, NULL, NULL, NULL, CRYPTPROTECT_UI_FORBIDDEN, &out)
                   : CryptProtectData(&in, L"Mailferry", NULL, NULL, NULL,
                                      CRYPTPROTECT_LOCAL_MACHINE | CRYPTPROTECT_UI_FORBIDDEN, &out);
  SecureZeroMemory(bytes, SECRET_BYTES);
  if (!done) {
    fprintf(stderr, "DPAPI failed with error %lu.\n", GetLastError());
    return 1;
  }
  if (fwrite(out.pbData, 1, out.cbData, stdout) != out.cbData || fflush(stdout) != 0) return 1;
  SecureZeroMemory(out.pbData, out.cbData);
  LocalFree(out.pbData);
  return 0;
}

/* What stands behind ` -- `, as it is: quoting is the caller's, and is not done twice. */
static wchar_t *after_dashes(wchar_t *line) {
  wchar_t *dashes = wcsstr(line, L" -- ");
  return dashes ? dashes + 4 : NULL;
}

int wmain(int count, wchar_t **words) {
  if (count == 2 && wcscmp(words[1], L"protect") == 0) return protect(FALSE);
  if (count == 2 && wcscmp(words[1], L"unprotect") == 0) return protect(TRUE);
  if (count > 4 && wcscmp(words[1], L"run") == 0 && wcscmp(words[3], L"--") == 0) {
    SERVICE_TABLE_ENTRYW table[] = {{L"", service_main}, {NULL, NULL}};
    log_path = words[2];
    child_command = after_dashes(GetCommandLineW());
    if (child_command && StartServiceCtrlDispatcherW(table)) return 0;
  }
  fprintf(stderr, "mailferry-service is started by Windows; see `mailferry service install`.\n");
  return 2;
}
