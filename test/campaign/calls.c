/*
 * Preloaded into a process: at the n-th of one kind of call that makes something durable, visible or gone, the process dies, before
 * or after the call, or the call fails. Counted over all threads, unlike what strace can do, and as fast as the process is without.
 *
 * CAMPAIGN_CALL    name of the call; "write" is also writev
 * CAMPAIGN_BELOW   a folder: of write only what goes to files below it counts, since sockets and standard output are written to as well
 * CAMPAIGN_NTH     which one, from 1
 * CAMPAIGN_EFFECT   before (dies instead of the call), after (dies behind it), or the number of an error the call fails with
 * CAMPAIGN_EVER    1: every later one fails, too
 * CAMPAIGN_MARK    path of a file that is made when the call is met
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *wanted = "";
static const char *below;
static long nth;
static int ever;
static int error;
static int dies;
static atomic_long seen;
static const char *mark;

__attribute__((constructor)) static void configure(void) {
  const char *call = getenv("CAMPAIGN_CALL");
  const char *number = getenv("CAMPAIGN_NTH");
  const char *effect = getenv("CAMPAIGN_EFFECT");
  const char *repeat = getenv("CAMPAIGN_EVER");
  if (!call || !number || !effect) return;
  wanted = call;
  below = getenv("CAMPAIGN_BELOW");
  mark = getenv("CAMPAIGN_MARK");
  nth = atol(number);
  ever = repeat && repeat[0] == '1';
  dies = strcmp(effect, "before") == 0 ? 1 : strcmp(effect, "after") == 0 ? 2 : 0;
  error = dies ? 0 : atoi(effect);
}

static int hit(const char *call) {
  if (strcmp(wanted, call) != 0) return 0;
  long at = atomic_fetch_add(&seen, 1) + 1;
  if (at == nth && mark) {
    int file = open(mark, O_WRONLY | O_CREAT, 0600);
    if (file >= 0) close(file);
  }
  return at == nth || (ever && at > nth);
}

static int is_below(int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (!below || length < 0) return 0;
  path[length] = 0;
  size_t prefix = strlen(below);
  return strncmp(path, below, prefix) == 0 && path[prefix] == '/';
}

static int hit_file(const char *call, int fd) {
  return strcmp(wanted, call) == 0 && is_below(fd) && hit(call);
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

#define WRAPPED(name, symbol, type, parameters, arguments) WRAPPED_IF(hit(name), symbol, type, parameters, arguments)

#define WRAPPED_IF(condition, symbol, type, parameters, arguments)               \
  type symbol parameters {                                                       \
    static type(*next) parameters;                                               \
    if (!next) next = (type(*) parameters)dlsym(RTLD_NEXT, #symbol);             \
    int now = condition;                                                         \
    if (now && dies == 1) die();                                                 \
    if (now && !dies) {                                                          \
      errno = error;                                                             \
      return -1;                                                                 \
    }                                                                            \
    type result = next arguments;                                                \
    if (now && dies == 2) die();                                                 \
    return result;                                                               \
  }

WRAPPED("fsync", fsync, int, (int fd), (fd))
WRAPPED("fdatasync", fdatasync, int, (int fd), (fd))
WRAPPED("rename", rename, int, (const char *from, const char *to), (from, to))
WRAPPED("unlink", unlink, int, (const char *path), (path))
WRAPPED("rmdir", rmdir, int, (const char *path), (path))
WRAPPED("mkdir", mkdir, int, (const char *path, mode_t mode), (path, mode))
WRAPPED("ftruncate", ftruncate, int, (int fd, off_t length), (fd, length))
WRAPPED("ftruncate", ftruncate64, int, (int fd, off64_t length), (fd, length))
WRAPPED("pwrite", pwrite, ssize_t, (int fd, const void *bytes, size_t count, off_t at), (fd, bytes, count, at))
WRAPPED("pwrite", pwrite64, ssize_t, (int fd, const void *bytes, size_t count, off64_t at), (fd, bytes, count, at))
WRAPPED("pwritev", pwritev, ssize_t, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at))
WRAPPED("pwritev", pwritev64, ssize_t, (int fd, const struct iovec *parts, int count, off64_t at), (fd, parts, count, at))
WRAPPED_IF(hit_file("write", fd), write, ssize_t, (int fd, const void *bytes, size_t count), (fd, bytes, count))
WRAPPED_IF(hit_file("write", fd), writev, ssize_t, (int fd, const struct iovec *parts, int count), (fd, parts, count))
