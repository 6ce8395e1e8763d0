/* Faults of a disk, for one program: gcc -O2 -shared -fPIC -o shim.so shim.c -ldl
 *
 *   LD_PRELOAD=./shim.so FAULTS='fdatasync .wav 30 1 errno=5 delay=60000' transcriber run ...
 *
 * FAULTS holds rules, separated by ';':  CALL PART FROM COUNT [WHEN] [EFFECT]...
 * CALL is write, pwrite, fdatasync, fsync, open (for writing), rename or any; PART is a part of the path, '*' for all.
 * Calls FROM to FROM + COUNT - 1 on such paths sleep first, then fail with errno N, or write no more than BYTES.
 * WHEN: after=MILLISECONDS since the first call of the rule, before which none is counted; for=MILLISECONDS since the
 *       first that is hit, after which none is.
 * EFFECT: errno=N, delay=MILLISECONDS, short=BYTES, forget. With forget, a sync that fails leaves zeros in the place of
 *       all that was written to the file since the last sync: the kernel may forget what it could not write. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RULES 16
#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

struct rule { char call[16], part[256]; long from, count, error, delay, most, seen, after, lasts, first, hit, forget; };
static struct rule rules[RULES];
static int known = -1;

/* What was written to each file since its last sync, for rules with `forget`. An entry that ends at 0 is free. */
#define RANGES 256
struct dirty { dev_t device; ino_t inode; off_t start, end; };
static struct dirty dirty[RANGES];
static int forgets;
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
            sscanf(word, "after=%ld", &rule->after);
            sscanf(word, "for=%ld", &rule->lasts);
            if (!strcmp(word, "forget")) rule->forget = forgets = 1;
        }
        known++;
    }
}

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int strikes(struct rule *rule, const char *call, const char *path) {
    if (strcmp(rule->call, call) && strcmp(rule->call, "any")) return 0;
    if (strcmp(rule->part, "*") && !strstr(path, rule->part)) return 0;
    if (!rule->first) rule->first = now();
    if (rule->after && now() - rule->first < rule->after) return 0;
    if (rule->lasts && rule->hit && now() - rule->hit >= rule->lasts) return 0;
    rule->seen++;
    if (rule->seen < rule->from || rule->seen >= rule->from + rule->count) return 0;
    if (!rule->hit) rule->hit = now();
    return 1;
}

/* Returns how many of `size` bytes may be written, or -1 with errno set; -2 where what was written is to be forgotten. */
static ssize_t judge(const char *call, const char *path, ssize_t size) {
    long delay = 0, error = 0, most = 0, forget = 0;
    int at;
    pthread_mutex_lock(&lock);
    if (known < 0) read_rules();
    for (at = 0; at < known; at++) {
        struct rule *rule = &rules[at];
        if (!strikes(rule, call, path)) continue;
        delay = rule->delay, error = rule->error, most = rule->most, forget = rule->forget;
    }
    pthread_mutex_unlock(&lock);
    if (delay) {
        struct timespec time = {delay / 1000, delay % 1000 * 1000000L};
        nanosleep(&time, NULL);
    }
    if (error) { errno = (int)error; return forget ? -2 : -1; }
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

static void note_written(int descriptor, off_t offset, ssize_t size) {
    struct dirty *range, *free = NULL;
    struct stat file;
    if (!forgets || size <= 0 || fstat(descriptor, &file)) return;
    pthread_mutex_lock(&lock);
    for (range = dirty; range < dirty + RANGES; range++) {
        if (!range->end) free = range;
        else if (range->inode == file.st_ino && range->device == file.st_dev && range->end == offset) break;
    }
    if (range < dirty + RANGES) range->end += size;
    else if (free) *free = (struct dirty){file.st_dev, file.st_ino, offset, offset + size};
    pthread_mutex_unlock(&lock);
}

static void note_synced(int descriptor, int forget) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    static const char zeros[4096];
    struct dirty *range;
    struct stat file;
    if (!forgets || fstat(descriptor, &file)) return;
    pthread_mutex_lock(&lock);
    for (range = dirty; range < dirty + RANGES; range++) {
        if (!range->end || range->inode != file.st_ino || range->device != file.st_dev) continue;
        for (; forget && range->start < range->end; range->start += 4096)
            real(descriptor, zeros, range->end - range->start < 4096 ? range->end - range->start : 4096, range->start);
        range->end = 0;
    }
    pthread_mutex_unlock(&lock);
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    ssize_t allowed = judge_descriptor("write", descriptor, (ssize_t)size), written;
    off_t offset = forgets ? lseek(descriptor, 0, SEEK_CUR) : 0;
    if (allowed < 0) return -1;
    written = real(descriptor, bytes, (size_t)allowed);
    note_written(descriptor, offset, written);
    return written;
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    ssize_t allowed = judge_descriptor("pwrite", descriptor, (ssize_t)size), written;
    if (allowed < 0) return -1;
    written = real(descriptor, bytes, (size_t)allowed, offset);
    note_written(descriptor, offset, written);
    return written;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset) {
    return pwrite64(descriptor, bytes, size, offset);
}

static int synced(int descriptor, ssize_t allowed, int (*real)(int)) {
    int result = allowed < 0 ? -1 : real(descriptor), error = errno;
    note_synced(descriptor, allowed == -2);
    errno = error;
    return result;
}

int fdatasync(int descriptor) {
    REAL(int, "fdatasync", int);
    return synced(descriptor, judge_descriptor("fdatasync", descriptor, 0), real);
}

int fsync(int descriptor) {
    REAL(int, "fsync", int);
    return synced(descriptor, judge_descriptor("fsync", descriptor, 0), real);
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
