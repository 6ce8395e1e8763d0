/* Every step by which a program changes a disk, and its end at one of them: gcc -O2 -shared -fPIC -o steps.so steps.c -ldl
 *
 *   LD_PRELOAD=./steps.so STEPS=/sessions/ STEPS_LOG=log STEPS_KILL=17 transcriber run ...
 *
 * A step is a call that writes, syncs, cuts, makes, renames or removes something whose path has STEPS in it. Each is
 * written to the log, CALL PATH, when it is done. STEPS_KILL: SIGKILL after this step (1 is the first; 0 before it).
 * STEPS_HALF=1: the step, if it writes, writes half of its bytes before that. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH 4096
#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *part;
static long last = -1, half, done;
static int output = -1;

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("STEPS_LOG"), *at = getenv("STEPS_KILL");
    part = getenv("STEPS");
    if (at) last = atol(at);
    half = getenv("STEPS_HALF") != NULL;
    if (part && log) output = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void end(void) { syscall(SYS_kill, getpid(), SIGKILL); }

/* One step at a time, from `enter` to `leave`; `enter` says whether it counts. */
static int enter(const char *path) {
    if (!part || !strstr(path, part)) return 0;
    pthread_mutex_lock(&lock);
    if (last == 0) end();
    return 1;
}

static void leave(const char *call, const char *path) {
    char line[PATH + 32];
    int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    if (output >= 0) syscall(SYS_write, output, line, (size_t)length);
    if (++done == last) end();
    pthread_mutex_unlock(&lock);
}

static size_t amount(size_t size) { return half && done + 1 == last && size > 1 ? size / 2 : size; }

static const char *path_of(int descriptor, char *path) {
    char link[64];
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, PATH - 1);
    path[length < 0 ? 0 : length] = 0;
    return path;
}

static const char *path_at(int folder, const char *name, char *path) {
    if (folder == AT_FDCWD || *name == '/') return name;
    path_of(folder, path);
    strncat(path, "/", PATH - strlen(path) - 1);
    strncat(path, name, PATH - strlen(path) - 1);
    return path;
}

#define STEP(call, path, statement) \
    do { \
        const char *where = path; \
        int counts = enter(where); \
        statement; \
        if (counts) leave(call, where); \
    } while (0)

ssize_t write(int descriptor, const void *bytes, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    char path[PATH];
    ssize_t result;
    STEP("write", path_of(descriptor, path), result = real(descriptor, bytes, counts ? amount(size) : size));
    return result;
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    char path[PATH];
    ssize_t result;
    STEP("pwrite", path_of(descriptor, path), result = real(descriptor, bytes, counts ? amount(size) : size, offset));
    return result;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset) {
    return pwrite64(descriptor, bytes, size, offset);
}

#define ON_DESCRIPTOR(name, label, arguments, ...) \
    int name(int descriptor, ##__VA_ARGS__) { \
        static int (*real)(int, ##__VA_ARGS__); \
        char path[PATH]; \
        int result; \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name); \
        STEP(label, path_of(descriptor, path), result = real arguments); \
        return result; \
    }

#define ON_PATH(name, label, path, arguments, ...) \
    int name(__VA_ARGS__) { \
        static int (*real)(__VA_ARGS__); \
        char place[PATH]; \
        int result; \
        (void)place; \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name); \
        STEP(label, path, result = real arguments); \
        return result; \
    }

ON_DESCRIPTOR(fdatasync, "fdatasync", (descriptor))
ON_DESCRIPTOR(fsync, "fsync", (descriptor))
ON_DESCRIPTOR(ftruncate64, "ftruncate", (descriptor, size), off64_t size)
ON_DESCRIPTOR(posix_fallocate64, "fallocate", (descriptor, from, size), off64_t from, off64_t size)
ON_PATH(rename, "rename", to, (from, to), const char *from, const char *to)
ON_PATH(renameat, "rename", path_at(there, to, place), (here, from, there, to), int here, const char *from, int there, const char *to)
ON_PATH(unlink, "unlink", path, (path), const char *path)
ON_PATH(unlinkat, "unlink", path_at(folder, path, place), (folder, path, flags), int folder, const char *path, int flags)
ON_PATH(rmdir, "rmdir", path, (path), const char *path)
ON_PATH(mkdir, "mkdir", path, (path, mode), const char *path, mode_t mode)

int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }
int posix_fallocate(int descriptor, off_t from, off_t size) { return posix_fallocate64(descriptor, from, size); }

/* Opening is a step where it makes the file. */
static int open_path(const char *path, int flags, mode_t mode) {
    REAL(int, "open64", const char *, int, ...);
    int result, makes = flags & O_CREAT && access(path, F_OK);
    if (!makes) return real(path, flags, mode);
    STEP("create", path, result = real(path, flags, mode));
    return result;
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
