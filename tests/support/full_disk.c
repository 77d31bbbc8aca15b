// Preloaded into a PostgreSQL server (LD_PRELOAD) it makes the disk full for tables and indexes while
// the file that LYCEUM_TEST_FULL_DISK names is there: what would lengthen a file under base/ gets
// ENOSPC from the system call, as on a disk without room. Everything else passes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_full(int fd, off_t end) {
  const char* flag = getenv("LYCEUM_TEST_FULL_DISK");
  if (flag == NULL || access(flag, F_OK) != 0) return 0;
  char link[64];
  char path[4096];
  struct stat file;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0 || fstat(fd, &file) != 0) return 0;
  path[length] = '\0';
  if (strstr(path, "/base/") == NULL || end <= file.st_size) return 0;
  errno = ENOSPC;
  return 1;
}

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  static ssize_t (*next)(int, const void*, size_t, off_t);
  if (next == NULL) next = (ssize_t(*)(int, const void*, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
  return is_full(fd, offset + (off_t)count) ? -1 : next(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
  return pwrite(fd, bytes, count, offset);
}

int posix_fallocate(int fd, off_t offset, off_t count) {
  static int (*next)(int, off_t, off_t);
  if (next == NULL) next = (int (*)(int, off_t, off_t))dlsym(RTLD_NEXT, "posix_fallocate");
  return is_full(fd, offset + count) ? ENOSPC : next(fd, offset, count);
}

int posix_fallocate64(int fd, off64_t offset, off64_t count) {
  return posix_fallocate(fd, offset, count);
}
