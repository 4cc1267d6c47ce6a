/* Faults in the file operations of one process.
 *
 * Preloaded, this library counts the calls that change something under a folder and lets the
 * N-th of them go wrong: the process is killed before it or after it, a write is torn or cut
 * short, the disk gets full, or the call fails with an errno, once or from then on. Without `fault_arm` it only
 * passes calls on. Linux with glibc; not thread-safe, which the programs under test need not.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum mode { COUNT, KILL_BEFORE, KILL_AFTER, TORN, SHORT, ERRNO, FULL };
enum outcome { PASS, FAIL, DIE_AFTER, HALF, HALF_AND_DIE };

#define LOGGED 4096
#define LOG_WIDTH 160

static int armed, at, persistent, mode, error_number, count;
static char folder[PATH_MAX];
static size_t folder_length;
static char log_of[LOGGED][LOG_WIDTH];

/* Count from here on; at the n-th call do what `how` says, and at all later ones if `from_then_on`. */
void fault_arm(int n, int how, int number, int from_then_on, const char *where) {
    at = n, mode = how, error_number = number, persistent = from_then_on, count = 0;
    snprintf(folder, sizeof folder, "%s", where);
    folder_length = strlen(folder);
    armed = 1;
}

void fault_disarm(void) { armed = 0; }

int fault_count(void) { return count; }

/* The i-th call, from 1: its name and its path under the folder. */
const char *fault_log(int i) { return i >= 1 && i <= count && i <= LOGGED ? log_of[i - 1] : ""; }

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static const char *inside(const char *path) {
    if (strncmp(path, folder, folder_length) != 0) return NULL;
    if (path[folder_length] == '\0') return ".";
    return path[folder_length] == '/' ? path + folder_length + 1 : NULL;
}

static int path_of(int fd, char *out) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, PATH_MAX - 1);
    out[length < 0 ? 0 : length] = '\0';
    return length >= 0;
}

/* The path under the folder that a call means, or NULL when it lies elsewhere; ".." and links are not
 * resolved. `out` has 2 * PATH_MAX. */
static const char *target(int dirfd, const char *path, char *out) {
    int saved = errno;
    const char *found = NULL;
    if (path[0] == '/') {
        found = inside(strcpy(out, path));
    } else if (dirfd == AT_FDCWD ? getcwd(out, PATH_MAX) != NULL : path_of(dirfd, out)) {
        if (path[0] != '\0') strcat(strcat(out, "/"), path);
        found = inside(out);
    }
    errno = saved;
    return found;
}

/* Count one call and say what becomes of it. */
static enum outcome counted(const char *name, const char *path, int writes) {
    if (++count <= LOGGED) snprintf(log_of[count - 1], LOG_WIDTH, "%s %s", name, path);
    if (mode == COUNT || count < at || (count > at && !persistent)) return PASS;
    if (mode == KILL_BEFORE) die();
    if (mode == KILL_AFTER) return DIE_AFTER;
    if (mode == ERRNO) {
        errno = error_number;
        return FAIL;
    }
    if (!writes) return PASS;
    if (mode == FULL && count > at) {
        errno = ENOSPC;
        return FAIL;
    }
    return mode == TORN ? HALF_AND_DIE : HALF;
}

static enum outcome on_path(const char *name, int dirfd, const char *path) {
    char full[2 * PATH_MAX];
    const char *found = armed ? target(dirfd, path, full) : NULL;
    return found ? counted(name, found, 0) : PASS;
}

static enum outcome on_two(const char *name, int from, const char *old, int to, const char *new) {
    char full[2 * PATH_MAX], other[2 * PATH_MAX];
    if (!armed) return PASS;
    const char *source = target(from, old, full), *goal = target(to, new, other);
    return source || goal ? counted(name, goal ? goal : source, 0) : PASS;
}

static enum outcome on_fd(const char *name, int fd, int writes) {
    char full[2 * PATH_MAX];
    const char *found = armed ? target(fd, "", full) : NULL;
    return found ? counted(name, found, writes) : PASS;
}

static long ended(enum outcome what, long result) {
    if (what == DIE_AFTER || what == HALF_AND_DIE) die();
    return result;
}

static size_t share(enum outcome what, size_t size) {
    if (what == HALF_AND_DIE) return size / 2;
    return what == HALF && size > 1 ? size / 2 : size;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Opening: counted when the file may be made, emptied or written to. */

static int open_at(int dirfd, const char *path, int flags, mode_t bits) {
    static __typeof__(&openat) real;
    if (!real) real = REAL(openat);
    enum outcome what = flags & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR) ? on_path("open", dirfd, path) : PASS;
    return what == FAIL ? -1 : (int)ended(what, real(dirfd, path, flags, bits));
}

#define WITH_BITS(flags)                                                                                    \
    mode_t bits = 0;                                                                                        \
    if ((flags) & O_CREAT) {                                                                                \
        va_list rest;                                                                                       \
        va_start(rest, flags);                                                                              \
        bits = va_arg(rest, mode_t);                                                                        \
        va_end(rest);                                                                                       \
    }

int open(const char *path, int flags, ...) {
    WITH_BITS(flags)
    return open_at(AT_FDCWD, path, flags, bits);
}

int open64(const char *path, int flags, ...) {
    WITH_BITS(flags)
    return open_at(AT_FDCWD, path, flags | O_LARGEFILE, bits);
}

int openat(int dirfd, const char *path, int flags, ...) {
    WITH_BITS(flags)
    return open_at(dirfd, path, flags, bits);
}

int openat64(int dirfd, const char *path, int flags, ...) {
    WITH_BITS(flags)
    return open_at(dirfd, path, flags | O_LARGEFILE, bits);
}

/* Writing and cutting. */

ssize_t write(int fd, const void *data, size_t size) {
    static __typeof__(&write) real;
    if (!real) real = REAL(write);
    enum outcome what = on_fd("write", fd, 1);
    return what == FAIL ? -1 : ended(what, real(fd, data, share(what, size)));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    static __typeof__(&pwrite64) real;
    if (!real) real = REAL(pwrite64);
    enum outcome what = on_fd("pwrite", fd, 1);
    return what == FAIL ? -1 : ended(what, real(fd, data, share(what, size), offset));
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

int ftruncate64(int fd, off64_t size) {
    static __typeof__(&ftruncate64) real;
    if (!real) real = REAL(ftruncate64);
    enum outcome what = on_fd("ftruncate", fd, 0);
    return what == FAIL ? -1 : (int)ended(what, real(fd, size));
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int truncate64(const char *path, off64_t size) {
    static __typeof__(&truncate64) real;
    if (!real) real = REAL(truncate64);
    enum outcome what = on_path("truncate", AT_FDCWD, path);
    return what == FAIL ? -1 : (int)ended(what, real(path, size));
}

int truncate(const char *path, off_t size) { return truncate64(path, size); }

/* Syncing. */

int fsync(int fd) {
    static __typeof__(&fsync) real;
    if (!real) real = REAL(fsync);
    enum outcome what = on_fd("fsync", fd, 0);
    return what == FAIL ? -1 : (int)ended(what, real(fd));
}

int fdatasync(int fd) {
    static __typeof__(&fdatasync) real;
    if (!real) real = REAL(fdatasync);
    enum outcome what = on_fd("fdatasync", fd, 0);
    return what == FAIL ? -1 : (int)ended(what, real(fd));
}

/* Names. */

int renameat(int from, const char *old, int to, const char *new) {
    static __typeof__(&renameat) real;
    if (!real) real = REAL(renameat);
    enum outcome what = on_two("rename", from, old, to, new);
    return what == FAIL ? -1 : (int)ended(what, real(from, old, to, new));
}

int rename(const char *old, const char *new) { return renameat(AT_FDCWD, old, AT_FDCWD, new); }

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    static __typeof__(&renameat2) real;
    if (!real) real = REAL(renameat2);
    enum outcome what = on_two("rename", from, old, to, new);
    return what == FAIL ? -1 : (int)ended(what, real(from, old, to, new, flags));
}

int linkat(int from, const char *old, int to, const char *new, int flags) {
    static __typeof__(&linkat) real;
    if (!real) real = REAL(linkat);
    enum outcome what = on_two("link", from, old, to, new);
    return what == FAIL ? -1 : (int)ended(what, real(from, old, to, new, flags));
}

int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int unlinkat(int dirfd, const char *path, int flags) {
    static __typeof__(&unlinkat) real;
    if (!real) real = REAL(unlinkat);
    enum outcome what = on_path("unlink", dirfd, path);
    return what == FAIL ? -1 : (int)ended(what, real(dirfd, path, flags));
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int dirfd, const char *path, mode_t bits) {
    static __typeof__(&mkdirat) real;
    if (!real) real = REAL(mkdirat);
    enum outcome what = on_path("mkdir", dirfd, path);
    return what == FAIL ? -1 : (int)ended(what, real(dirfd, path, bits));
}

int mkdir(const char *path, mode_t bits) { return mkdirat(AT_FDCWD, path, bits); }
