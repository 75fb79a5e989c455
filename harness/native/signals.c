/* Whose handlers of signals there are: one of the program may do anything while its thread waits, one of MPI's libraries
 * (UCX prints a stack) may not. From outside it can be seen that a signal is handled, not by whom. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <string.h>

#include "lockstep.h"

static _Atomic uint64_t known; /* signals whose handler is of a library that calls nobody */

void signals_publish(void) {
  if (lockstep_memory) atomic_store((_Atomic uint64_t *)(lockstep_memory + LAYOUT_HANDLERS), atomic_load(&known));
}

static int is_known(const void *handler) {
  static const char *const names[] = {"libucs", "libucp", "libuct", "libucm", "libmpi", "libfabric", "libpmi", "libprrte", "libopen-", "libevent"};
  Dl_info info;
  if (handler == (void *)SIG_DFL || handler == (void *)SIG_IGN || !dladdr(handler, &info) || !info.dli_fname) return 0;
  const char *name = strrchr(info.dli_fname, '/');
  name = name ? name + 1 : info.dli_fname;
  for (size_t at = 0; at < sizeof names / sizeof *names; at++)
    if (!strncmp(name, names[at], strlen(names[at]))) return 1;
  return 0;
}

static void note(int number, const void *handler) {
  if (number < 1 || number > 64) return;
  uint64_t bit = (uint64_t)1 << (number - 1);
  if (is_known(handler)) atomic_fetch_or(&known, bit);
  else atomic_fetch_and(&known, ~bit);
  signals_publish();
}

/* Whoever is about to be let in is taken for unknown from before until after the call. */
#define FORGET(number) do { if ((number) >= 1 && (number) <= 64) { atomic_fetch_and(&known, ~((uint64_t)1 << ((number) - 1))); signals_publish(); } } while (0)

EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *old) {
  static int (*volatile original)(int, const struct sigaction *, struct sigaction *);
  if (!original) original = (int (*)(int, const struct sigaction *, struct sigaction *))dlsym(RTLD_NEXT, "sigaction");
  if (!action) return original(number, action, old);
  uint64_t before = atomic_load(&known);
  FORGET(number);
  int code = original(number, action, old);
  if (!code) note(number, (const void *)action->sa_handler);
  else if (number >= 1 && number <= 64) {
    atomic_fetch_or(&known, before & (uint64_t)1 << (number - 1));
    signals_publish();
  }
  return code;
}

typedef void (*handler)(int);

#define OLD_FORM(name)                                                                   \
  EXPORT handler name(int number, handler given) {                                       \
    static handler (*volatile original)(int, handler);                                   \
    if (!original) original = (handler(*)(int, handler))dlsym(RTLD_NEXT, #name);         \
    FORGET(number);                                                                      \
    handler old = original(number, given);                                               \
    if (old != SIG_ERR) note(number, (const void *)given);                               \
    return old;                                                                          \
  }

OLD_FORM(signal)
OLD_FORM(bsd_signal)
OLD_FORM(sysv_signal)
OLD_FORM(sigset)
