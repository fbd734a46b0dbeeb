/* A disk that fails when asked to, for LD_PRELOAD.
 *
 * Watches calls on files below one folder and makes some of them fail, wait, or
 * kill the process. Nothing happens outside that folder. Environment:
 *   POINTSMAN_SHIM_UNDER   the folder, as the program names it; unset: do nothing
 *   POINTSMAN_SHIM_CALLS   which calls: names joined by commas (open, read, write,
 *                          sync, rename, unlink, size, mkdir); unset: all
 *   POINTSMAN_SHIM_NTH     the n-th such call fails, from 1; unset: every one
 *   POINTSMAN_SHIM_ARMED   counts and fails only while this file exists
 *   POINTSMAN_SHIM_ERRNO   the error's number; unset: none
 *   POINTSMAN_SHIM_SLEEP   milliseconds to wait in each call that is met, instead
 *   POINTSMAN_SHIM_KILL    set: SIGKILL instead
 *   POINTSMAN_SHIM_HIT     a file that is made when the first call is met
 *   POINTSMAN_SHIM_SHADOW  a folder that holds what a power failure would leave: of
 *                          each file the bytes that a sync of the file has seen,
 *                          under the names that a sync of the folder has seen.
 *                          "<it>.inodes" holds the bytes by inode number
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { kFdsMax = 4096 };
static atomic_bool ours[kFdsMax];
static atomic_long met;

static const char *under, *calls, *armed, *hit, *shadow;
static long nth, error_number, sleep_ms;
static int kills;

static long number_of(const char *name) {
  const char *text = getenv(name);
  return text == NULL ? 0 : atol(text);
}

__attribute__((constructor)) static void read_environment(void) {
  under = getenv("POINTSMAN_SHIM_UNDER");
  calls = getenv("POINTSMAN_SHIM_CALLS");
  armed = getenv("POINTSMAN_SHIM_ARMED");
  hit = getenv("POINTSMAN_SHIM_HIT");
  nth = number_of("POINTSMAN_SHIM_NTH");
  error_number = number_of("POINTSMAN_SHIM_ERRNO");
  sleep_ms = number_of("POINTSMAN_SHIM_SLEEP");
  shadow = getenv("POINTSMAN_SHIM_SHADOW");
  kills = getenv("POINTSMAN_SHIM_KILL") != NULL;
}

#define REAL(result, name, ...)                                    \
  static result (*real)(__VA_ARGS__);                              \
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, name)

static int is_under(const char *path) { return under != NULL && path != NULL && strncmp(path, under, strlen(under)) == 0; }
static int is_ours(int fd) { return fd >= 0 && fd < kFdsMax && atomic_load(&ours[fd]); }

static int is_listed(const char *call) {
  if (calls == NULL) return 1;
  const char *at = strstr(calls, call);
  const size_t length = strlen(call);
  return at != NULL && (at == calls || at[-1] == ',') && (at[length] == '\0' || at[length] == ',');
}

static void make_file(const char *path) {
  REAL(int, "open", const char *, int, ...);
  const int fd = real(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) {
    static int (*real_close)(int);
    if (real_close == NULL) *(void **)&real_close = dlsym(RTLD_NEXT, "close");
    real_close(fd);
  }
}

/* True when this call is to fail; errno is set then. */
static int fails(const char *call) {
  if (!is_listed(call)) return 0;
  if (armed != NULL && access(armed, F_OK) != 0) return 0;
  const long now = atomic_fetch_add(&met, 1) + 1;
  if (nth != 0 && now != nth) return 0;
  if (hit != NULL && (nth != 0 || now == 1)) make_file(hit);
  if (kills) raise(SIGKILL);
  if (sleep_ms > 0) {
    struct timespec pause = {sleep_ms / 1000, (sleep_ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
    return 0;
  }
  errno = (int)error_number;
  return error_number != 0;
}

static int remember(int fd, int is_watched) {
  if (fd >= 0 && fd < kFdsMax) atomic_store(&ours[fd], is_watched != 0);
  return fd;
}

/* ---- the shadow ---- */

static pthread_mutex_t shadow_lock = PTHREAD_MUTEX_INITIALIZER;

static void name_inode(char *out, size_t size, unsigned long long inode) {
  snprintf(out, size, "%s.inodes/%llu", shadow, inode);
}

/* The bytes of `fd` as they are now become what survives. In place: a kill in the
 * middle leaves old bytes or the same ones again. */
static void keep_bytes(int fd, unsigned long long inode) {
  char from[64], to[4096], piece[65536];
  snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
  name_inode(to, sizeof to, inode);
  const int source = open(from, O_RDONLY | O_CLOEXEC);
  const int target = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  off_t at = 0;
  ssize_t got = 0;
  while (source >= 0 && target >= 0 && (got = pread(source, piece, sizeof piece, at)) > 0) {
    if (pwrite(target, piece, (size_t)got, at) != got) abort();
    at += got;
  }
  if (target >= 0 && ftruncate(target, at) != 0) abort();
  if (source >= 0) close(source);
  if (target >= 0) close(target);
}

/* The names in the folder as they are now become what survives. */
static void keep_names(void) {
  char path[4096], inode[4096], temporary[4096];
  struct stat info;
  struct dirent *entry;
  DIR *folder = opendir(under);
  while (folder != NULL && (entry = readdir(folder)) != NULL) {
    snprintf(path, sizeof path, "%s/%s", under, entry->d_name);
    if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode)) continue;
    name_inode(inode, sizeof inode, (unsigned long long)info.st_ino);
    snprintf(path, sizeof path, "%s/%s", shadow, entry->d_name);
    snprintf(temporary, sizeof temporary, "%s.inodes/link", shadow);
    if (access(inode, F_OK) != 0) close(open(inode, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); /* never synced: empty */
    unlink(temporary);
    if (link(inode, temporary) == 0 && rename(temporary, path) != 0) abort();
    unlink(temporary);
  }
  if (folder != NULL) closedir(folder);
  folder = opendir(shadow);
  while (folder != NULL && (entry = readdir(folder)) != NULL) {
    snprintf(path, sizeof path, "%s/%s", under, entry->d_name);
    if (lstat(path, &info) == 0 || entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", shadow, entry->d_name);
    unlink(path);
  }
  if (folder != NULL) closedir(folder);
}

static void keep_synced(int fd) {
  struct stat info;
  if (shadow == NULL || fstat(fd, &info) != 0) return;
  const int is_folder = S_ISDIR(info.st_mode);
  const unsigned long long inode = info.st_ino;
  pthread_mutex_lock(&shadow_lock);
  if (is_folder) {
    keep_names();
  } else {
    keep_bytes(fd, inode);
  }
  pthread_mutex_unlock(&shadow_lock);
}

/* The file at `path` goes: its inode's number may come back for another file. */
static void forget_inode(const char *path) {
  char inode[4096];
  struct stat info;
  if (shadow == NULL || lstat(path, &info) != 0 || info.st_nlink > 1) return;
  pthread_mutex_lock(&shadow_lock);
  name_inode(inode, sizeof inode, (unsigned long long)info.st_ino);
  unlink(inode);
  pthread_mutex_unlock(&shadow_lock);
}

#define OPEN(name)                                                          \
  int name(const char *path, int flags, ...) {                              \
    REAL(int, #name, const char *, int, ...);                               \
    mode_t mode = 0;                                                        \
    if ((flags & (O_CREAT | O_TMPFILE)) != 0) {                             \
      va_list arguments;                                                    \
      va_start(arguments, flags);                                           \
      mode = va_arg(arguments, mode_t);                                     \
      va_end(arguments);                                                    \
    }                                                                       \
    if (is_under(path) && fails("open")) return -1;                         \
    return remember(real(path, flags, mode), is_under(path));               \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                        \
  int name(int folder, const char *path, int flags, ...) {                  \
    REAL(int, #name, int, const char *, int, ...);                          \
    mode_t mode = 0;                                                        \
    if ((flags & (O_CREAT | O_TMPFILE)) != 0) {                             \
      va_list arguments;                                                    \
      va_start(arguments, flags);                                           \
      mode = va_arg(arguments, mode_t);                                     \
      va_end(arguments);                                                    \
    }                                                                       \
    if (is_under(path) && fails("open")) return -1;                         \
    return remember(real(folder, path, flags, mode), is_under(path));       \
  }
OPENAT(openat)
OPENAT(openat64)

#define STREAM(name)                                                        \
  FILE *name(const char *path, const char *mode) {                          \
    REAL(FILE *, #name, const char *, const char *);                        \
    if (is_under(path) && fails("open")) return NULL;                       \
    FILE *file = real(path, mode);                                          \
    if (file != NULL) remember(fileno(file), is_under(path));               \
    return file;                                                            \
  }
STREAM(fopen)
STREAM(fopen64)

int close(int fd) {
  REAL(int, "close", int);
  remember(fd, 0);
  return real(fd);
}

ssize_t read(int fd, void *bytes, size_t count) {
  REAL(ssize_t, "read", int, void *, size_t);
  return is_ours(fd) && fails("read") ? -1 : real(fd, bytes, count);
}
ssize_t write(int fd, const void *bytes, size_t count) {
  REAL(ssize_t, "write", int, const void *, size_t);
  return is_ours(fd) && fails("write") ? -1 : real(fd, bytes, count);
}

#define AT(name, call, pointer)                                             \
  ssize_t name(int fd, pointer bytes, size_t count, off_t at) {             \
    REAL(ssize_t, #name, int, pointer, size_t, off_t);                      \
    return is_ours(fd) && fails(call) ? -1 : real(fd, bytes, count, at);    \
  }
AT(pread, "read", void *)
AT(pread64, "read", void *)
AT(pwrite, "write", const void *)
AT(pwrite64, "write", const void *)

int fsync(int fd) {
  REAL(int, "fsync", int);
  if (is_ours(fd) && fails("sync")) return -1;
  if (is_ours(fd)) keep_synced(fd);
  return real(fd);
}
int fdatasync(int fd) {
  REAL(int, "fdatasync", int);
  if (is_ours(fd) && fails("sync")) return -1;
  if (is_ours(fd)) keep_synced(fd);
  return real(fd);
}

int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  if (is_under(to) && fails("rename")) return -1;
  if (is_under(to)) forget_inode(to);
  return real(from, to);
}
int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  if (is_under(path) && fails("unlink")) return -1;
  if (is_under(path)) forget_inode(path);
  return real(path);
}
int mkdir(const char *path, mode_t mode) {
  REAL(int, "mkdir", const char *, mode_t);
  return is_under(path) && fails("mkdir") ? -1 : real(path, mode);
}

#define TRUNCATE(name)                                                      \
  int name(int fd, off_t size) {                                            \
    REAL(int, #name, int, off_t);                                           \
    return is_ours(fd) && fails("size") ? -1 : real(fd, size);              \
  }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define ALLOCATE(name)                                                      \
  int name(int fd, int mode, off_t at, off_t size) {                        \
    REAL(int, #name, int, int, off_t, off_t);                               \
    return is_ours(fd) && fails("size") ? -1 : real(fd, mode, at, size);    \
  }
ALLOCATE(fallocate)
ALLOCATE(fallocate64)
