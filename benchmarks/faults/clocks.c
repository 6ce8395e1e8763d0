/* Clocks that jump, for one program: gcc -O2 -shared -fPIC -o clocks.so clocks.c -ldl
 *
 *   LD_PRELOAD=./clocks.so CLOCKS='realtime 15 -86400; boottime 15 30' transcriber run ...
 *
 * CLOCKS holds jumps, separated by ';':  CLOCK AGE SECONDS  puts the clock, realtime or boottime, forward by so many
 * seconds (or back) once the process is AGE seconds old. The computer's own clocks are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define JUMPS 8

static struct { clockid_t clock; long age, seconds; } jumps[JUMPS];
static int known;
static struct timespec born;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    char text[256], *rest, *one, name[16];
    *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    real(CLOCK_MONOTONIC, &born);
    snprintf(text, sizeof text, "%s", getenv("CLOCKS") ? getenv("CLOCKS") : "");
    for (one = strtok_r(text, ";", &rest); one && known < JUMPS; one = strtok_r(NULL, ";", &rest)) {
        if (sscanf(one, " %15s %ld %ld", name, &jumps[known].age, &jumps[known].seconds) != 3) continue;
        jumps[known++].clock = strcmp(name, "boottime") ? CLOCK_REALTIME : CLOCK_BOOTTIME;
    }
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    struct timespec now;
    int at, result;
    if (!real) begin();
    result = real(clock, time);
    real(CLOCK_MONOTONIC, &now);
    for (at = 0; at < known; at++)
        if (jumps[at].clock == clock && now.tv_sec - born.tv_sec >= jumps[at].age) time->tv_sec += jumps[at].seconds;
    return result;
}
