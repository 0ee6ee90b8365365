#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double real, shown;

/* Time goes at a hundredth of its speed while a file SLOW is there. */
int clock_gettime(clockid_t which, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, which, now);
    if (which != CLOCK_MONOTONIC || result) return result;
    double at = now->tv_sec + now->tv_nsec / 1e9;
    if (real == 0) shown = at;
    else shown += (at - real) * (access("SLOW", F_OK) == 0 ? 0.01 : 1.0);
    real = at;
    now->tv_sec = (time_t)shown;
    now->tv_nsec = (long)((shown - (double)now->tv_sec) * 1e9);
    return 0;
}
