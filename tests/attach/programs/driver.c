/* A stand-in for a GPU's driver: a thread of that name that sleeps, with an old address of somebody else's on its stack. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>

static int sleep_on(void *const volatile *left) {
    int got = poll(NULL, 0, -1);
    return got + (left[0] != NULL);
}

static const char *called;

static void *serve(void *address) {
    void *volatile left[8] = {address, address};
    prctl(PR_SET_NAME, called);
    sleep_on(left);
    return NULL;
}

int start_driver(void *address, const char *name) {
    static char kept[16];
    pthread_t thread;
    called = strncpy(kept, name, sizeof kept - 1);
    return pthread_create(&thread, NULL, serve, address);
}
