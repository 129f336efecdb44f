/*
 * A file system of one file, over /dev/fuse alone: `one-file-fuse MOUNTPOINT FILE` shows FILE as MOUNTPOINT/known.pst and prints "ready".
 * After SIGUSR1 it takes what it is asked and never answers, so that who asks can't be killed; SIGSTOP makes it not even take it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char NAME[] = "known.pst";
static volatile sig_atomic_t silent;
static int fuse, backing;
static char request[1 << 20];

static void be_silent(int signal) { (void)signal; silent = 1; }

static void answer(unsigned long unique, int error, const void *body, size_t length) {
  struct fuse_out_header head = {sizeof head + (error ? 0 : length), -error, unique};
  struct iovec parts[] = {{&head, sizeof head}, {(void *)body, error ? 0 : length}};
  if (!silent && writev(fuse, parts, 2) < 0 && errno != ENOENT) perror("answer");
}

static struct fuse_attr attributes(unsigned long node) {
  struct fuse_attr attr;
  struct stat real;
  memset(&attr, 0, sizeof attr);
  attr.ino = node;
  attr.nlink = 1;
  attr.mode = node == 1 ? S_IFDIR | 0755 : S_IFREG | 0644;
  if (node == 2 && fstat(backing, &real) == 0) {
    attr.size = real.st_size;
    attr.mtime = real.st_mtime;
  }
  return attr;
}

int main(int count, char **words) {
  char options[128];
  struct sigaction action = {.sa_handler = be_silent, .sa_flags = SA_RESTART};
  if (count != 3) return 2;
  sigaction(SIGUSR1, &action, NULL);
  backing = open(words[2], O_RDONLY);
  fuse = open("/dev/fuse", O_RDWR);
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse);
  if (backing < 0 || fuse < 0 || mount("one-file", words[1], "fuse.one-file", MS_NOSUID | MS_NODEV, options)) {
    perror("mount");
    return 1;
  }
  puts("ready");
  fflush(stdout);
  for (;;) {
    ssize_t got = read(fuse, request, sizeof request);
    struct fuse_in_header *head = (void *)request;
    void *body = head + 1;
    if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
    if (got < (ssize_t)sizeof *head) return 0;
    switch (head->opcode) {
      case FUSE_INIT: {
        struct fuse_init_out out = {.major = 7, .minor = 31, .max_write = 65536};
        answer(head->unique, 0, &out, sizeof out);
        break;
      }
      case FUSE_LOOKUP: {
        struct fuse_entry_out out = {.nodeid = 2, .attr = attributes(2)};
        answer(head->unique, strcmp(body, NAME) ? ENOENT : 0, &out, sizeof out);
        break;
      }
      case FUSE_GETATTR: {
        struct fuse_attr_out out = {.attr = attributes(head->nodeid)};
        answer(head->unique, 0, &out, sizeof out);
        break;
      }
      case FUSE_OPENDIR:
      case FUSE_OPEN: {
        struct fuse_open_out out = {.open_flags = head->opcode == FUSE_OPEN ? FOPEN_DIRECT_IO : 0};
        answer(head->unique, 0, &out, sizeof out);
        break;
      }
      case FUSE_READDIR: {
        char entry[64] = {0};
        struct fuse_dirent *one = (void *)entry;
        one->ino = 2;
        one->off = 1;
        one->type = S_IFREG >> 12;
        one->namelen = sizeof NAME - 1;
        memcpy(one->name, NAME, sizeof NAME - 1);
        answer(head->unique, 0, entry, ((struct fuse_read_in *)body)->offset ? 0 : FUSE_DIRENT_SIZE(one));
        break;
      }
      case FUSE_READ: {
        static char bytes[1 << 20];
        struct fuse_read_in *in = body;
        ssize_t have = pread(backing, bytes, in->size, in->offset);
        answer(head->unique, have < 0 ? EIO : 0, bytes, have < 0 ? 0 : have);
        break;
      }
      case FUSE_RELEASE:
      case FUSE_RELEASEDIR:
      case FUSE_FLUSH:
        answer(head->unique, 0, NULL, 0);
        break;
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT:
        break;
      default:
        answer(head->unique, ENOSYS, NULL, 0);
    }
  }
}
