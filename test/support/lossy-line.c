/*
 * A line between two network interfaces (tun(4) of Linux) that delays each packet and loses some, for kernels without netem.
 *
 *   lossy-line NEAR FAR DELAY_MS LOSS_PERCENT SEED
 *
 * Makes both interfaces, says "ready", and hands each packet from one to the other DELAY_MS later, or never: one in 100 / LOSS_PERCENT,
 * by a generator that SEED starts. Ends with its input. Prints packets handed on and lost at the end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { MOST_BYTES = 65536, MOST_PACKETS = 1 << 16 };

struct packet {
  double due;
  int to;
  int length;
  unsigned char *bytes;
};

/* All packets have the same delay, so that the first that came is the first that is due. */
static struct packet queue[MOST_PACKETS];
static unsigned first, last;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static int interface(const char *name) {
  struct ifreq request;
  int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  memset(&request, 0, sizeof request);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (file < 0 || ioctl(file, TUNSETIFF, &request) < 0) {
    perror(name);
    exit(1);
  }
  return file;
}

/* splitmix64: the same losses for the same seed and the same packets. */
static uint64_t state;
static double chance(void) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

int main(int count, char **words) {
  if (count != 6) return 2;
  int ends[2] = {interface(words[1]), interface(words[2])};
  double delay = atof(words[3]), loss = atof(words[4]) / 100;
  state = strtoull(words[5], NULL, 10);
  unsigned long handed = 0, lost = 0;
  puts("ready");
  fflush(stdout);
  for (;;) {
    double wait = first == last ? 1000 : queue[first % MOST_PACKETS].due - now();
    struct timespec most = {(time_t)(wait > 0 ? wait / 1e3 : 0),
                            wait > 0 ? (long)((wait - 1e3 * (long)(wait / 1e3)) * 1e6) : 0};
    struct pollfd asked[3] = {{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}, {0, POLLIN, 0}};
    ppoll(asked, 3, &most, NULL);
    if (asked[2].revents) {
      char byte;
      if (read(0, &byte, 1) <= 0) break;
    }
    for (int from = 0; from < 2; from++) {
      static unsigned char bytes[MOST_BYTES];
      int length;
      while (last - first < MOST_PACKETS && (length = read(ends[from], bytes, sizeof bytes)) > 0) {
        if (chance() < loss) {
          lost++;
          continue;
        }
        struct packet *packet = &queue[last++ % MOST_PACKETS];
        packet->due = now() + delay;
        packet->to = ends[1 - from];
        packet->length = length;
        packet->bytes = malloc(length);
        memcpy(packet->bytes, bytes, length);
      }
    }
    while (first != last && queue[first % MOST_PACKETS].due <= now()) {
      struct packet *packet = &queue[first++ % MOST_PACKETS];
      if (write(packet->to, packet->bytes, packet->length) == packet->length) handed++;
      free(packet->bytes);
    }
  }
  printf("%lu handed on, %lu lost\n", handed, lost);
  return 0;
}
