/* Faults of a disk, for one program: gcc -O2 -shared -fPIC -o shim.so shim.c -ldl
 *
 *   LD_PRELOAD=./shim.so FAULTS='fdatasync .wav 30 1 errno=5 delay=60000' transcriber run ...
 *
 * FAULTS holds rules, separated by ';':  CALL PART FROM COUNT [errno=N] [delay=MILLISECONDS] [short=BYTES]
 * CALL is write, pwrite, fdatasync, fsync, open (for writing) or rename; PART is a part of the path. Calls FROM to
 * FROM + COUNT - 1 on such paths sleep first, then fail with errno N, or write no more than BYTES. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RULES 16
#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

struct rule { char call[16], part[256]; long from, count, error, delay, most, seen; };
static struct rule rules[RULES];
static int known = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void read_rules(void) {
    const char *given = getenv("FAULTS");
    char text[4096], *rest, *one;
    known = 0;
    if (!given) return;
    snprintf(text, sizeof text, "%s", given);
    for (one = strtok_r(text, ";", &rest); one && known < RULES; one = strtok_r(NULL, ";", &rest)) {
        struct rule *rule = &rules[known];
        char *more, *word;
        if (sscanf(one, " %15s %255s %ld %ld", rule->call, rule->part, &rule->from, &rule->count) != 4) continue;
        for (word = strtok_r(one, " ", &more); word; word = strtok_r(NULL, " ", &more)) {
            sscanf(word, "errno=%ld", &rule->error);
            sscanf(word, "delay=%ld", &rule->delay);
            sscanf(word, "short=%ld", &rule->most);
        }
        known++;
    }
}

/* Returns how many of `size` bytes may be written, or -1 with errno set. */
static ssize_t judge(const char *call, const char *path, ssize_t size) {
    long delay = 0, error = 0, most = 0;
    int at;
    pthread_mutex_lock(&lock);
    if (known < 0) read_rules();
    for (at = 0; at < known; at++) {
        struct rule *rule = &rules[at];
        if (strcmp(rule->call, call) || !strstr(path, rule->part)) continue;
        rule->seen++;
        if (rule->seen < rule->from || rule->seen >= rule->from + rule->count) continue;
        delay = rule->delay, error = rule->error, most = rule->most;
    }
    pthread_mutex_unlock(&lock);
    if (delay) {
        struct timespec time = {delay / 1000, delay % 1000 * 1000000L};
        nanosleep(&time, NULL);
    }
    if (error) { errno = (int)error; return -1; }
    return most && size > most ? most : size;
}

static ssize_t judge_descriptor(const char *call, int descriptor, ssize_t size) {
    char link[64], path[4096];
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0) return size;
    path[length] = 0;
    return judge(call, path, size);
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    ssize_t allowed = judge_descriptor("write", descriptor, (ssize_t)size);
    return allowed < 0 ? -1 : real(descriptor, bytes, (size_t)allowed);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    ssize_t allowed = judge_descriptor("pwrite", descriptor, (ssize_t)size);
    return allowed < 0 ? -1 : real(descriptor, bytes, (size_t)allowed, offset);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset) {
    return pwrite64(descriptor, bytes, size, offset);
}

int fdatasync(int descriptor) {
    REAL(int, "fdatasync", int);
    return judge_descriptor("fdatasync", descriptor, 0) < 0 ? -1 : real(descriptor);
}

int fsync(int descriptor) {
    REAL(int, "fsync", int);
    return judge_descriptor("fsync", descriptor, 0) < 0 ? -1 : real(descriptor);
}

static int open_path(const char *path, int flags, mode_t mode) {
    REAL(int, "open64", const char *, int, ...);
    if (flags & (O_WRONLY | O_RDWR) && judge("open", path, 0) < 0) return -1;
    return real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    mode_t mode;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
    return open_path(path, flags, mode);
}

int open(const char *path, int flags, ...) __attribute__((alias("open64")));

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return judge("rename", to, 0) < 0 ? -1 : real(from, to);
}
