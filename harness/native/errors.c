/* Errors by which MPI ends the job: told, with the call, its line and the library's words, before everybody is killed.
 *
 * Where a communicator or a window has MPI_ERRORS_ARE_FATAL or MPI_ERRORS_ABORT, a handler of ours stands in its place, which
 * does what that would do when the watchdog knows. The program never sees it: what it asks for is translated both ways. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lockstep.h"

#define PMPI(name) ((int (*)())library_function("PMPI_" #name))
#define WORDS 4096
#define CUT 500 /* characters: MPI gives no more than 511 */
#define PATIENCE_S 6
#define PRINTED_NS 100000000 /* until what was printed has come to the launcher, which is killed with everybody */

enum { FATAL, ABORT, ENDINGS };
#define OBJECTS 2

static word ours[ENDINGS][OBJECTS]; /* the handlers that stand in the place of MPI's */
static int installed;
static _Atomic int told;

/* The call, as the library names it in its words or beside them; else MPI. */
static void name_of(char *name, size_t room, const char *words, const char *beside) {
  const char *at = beside ? beside : strstr(words, "MPI_");
  size_t size = at ? strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") : 0;
  snprintf(name, room, "%.*s", size ? (int)size : 3, at ? at : "MPI");
}

/* MPICH says what is wrong in the last line of a stack: that comes first, and all of it below. A long stack lacks its end. */
static void sorted(char *text, size_t room, const char *words) {
  const char *stack = strstr(words, ", error stack:\n"), *last = stack;
  for (const char *line = stack; line && *line; line = strchr(line, '\n'), line += line != NULL)
    if (strncmp(line, ", error", 7) && strcspn(line, "\n")) last = line;
  const char *what = last && last != stack && strlen(words) < CUT ? strstr(last, ": ") : NULL;
  if (!stack) snprintf(text, room, "%s", words);
  else if (!what) snprintf(text, room, "%.*s\n%s", (int)(stack - words), words, words);
  else snprintf(text, room, "%.*s: %.*s\n%s", (int)(stack - words), words, (int)strcspn(what + 2, "\n"), what + 2, words);
}

/* `words`, `name`: room for what the library says, and in which call. */
static void tell(int code, char *words, char *name, size_t room, const char *beside) {
  char text[2 * WORDS];
  int length = 0;
  struct call *call = lockstep_me.depth ? lockstep_me.call : NULL;
  PMPI(Error_string)(code, words, &length);
  if (call) snprintf(name, room, "%s", call->name);
  else name_of(name, room, words, beside);
  if (!lockstep_on) return;
  if (atomic_exchange(&told, 1)) { /* another thread has, and ends the job */
    sleep(PATIENCE_S);
    return;
  }
  sorted(text, sizeof text, words);
  if (!ring_lock()) return;
  uint32_t site = call ? call->site : site_outside();
  ring_put(KIND_RAISED, 0, 0, ring_string(name, strlen(name)), ring_string(text, strlen(text)), (int32_t)site, 0, 0, site);
  ring_unlock();
  call_abort(code);
}

/* As the handler that ours stands for. It cannot be called itself: MPICH's would then end this process alone. */
static void end(int object, int ending, void *place, int code, const char *beside) {
  char words[WORDS] = "", name[64];
  tell(code, words, name, sizeof name, beside);
  fprintf(stderr, "Fatal error in %s: %s\n", name, words);
  fflush(stderr);
  nanosleep(&(struct timespec){0, PRINTED_NS}, NULL);
  PMPI(Abort)(ending == ABORT && object == OF_COMM ? library_handle(place) : lockstep_mpi.world, code);
}

/* Only Open MPI gives more: the name of the function. */
#define HANDLER(name, object, ending)                                                  \
  static void name(void *place, int *code, ...) {                                      \
    const char *beside = NULL;                                                         \
    if (lockstep_mpi.family == OPEN_MPI) {                                             \
      va_list more;                                                                    \
      va_start(more, code);                                                            \
      beside = va_arg(more, const char *);                                             \
      va_end(more);                                                                    \
    }                                                                                  \
    end(object, ending, place, *code, beside);                                         \
  }

HANDLER(fatal_comm, OF_COMM, FATAL)
HANDLER(fatal_win, OF_WINDOW, FATAL)
HANDLER(abort_comm, OF_COMM, ABORT)
HANDLER(abort_win, OF_WINDOW, ABORT)

word errors_ours(word given, int object) {
  word handler = lockstep_mpi.handle_bytes == 4 ? (word)(int32_t)given : given;
  if (!installed || !lockstep_on) return given;
  if (handler == lockstep_mpi.errors_fatal) return ours[FATAL][object];
  return handler == lockstep_mpi.errors_abort ? ours[ABORT][object] : given;
}

void errors_theirs(int code, word place, int object) {
  if (!installed || code || !place) return;
  word handler = library_handle((void *)place);
  for (int ending = 0; ending < ENDINGS; ending++)
    if (handler == ours[ending][object])
      library_put((void *)place, ending == FATAL ? lockstep_mpi.errors_fatal : lockstep_mpi.errors_abort);
}

static void replace(word handle, int object) {
  char place[sizeof(word)] = {0};
  if ((object == OF_COMM ? PMPI(Comm_get_errhandler) : PMPI(Win_get_errhandler))(handle, place)) return;
  word now = library_handle(place), then = errors_ours(now, object);
  if (then != now) (object == OF_COMM ? PMPI(Comm_set_errhandler) : PMPI(Win_set_errhandler))(handle, then);
}

void errors_window(int code, word place) {
  if (installed && lockstep_on && !code && place) replace(library_handle((void *)place), OF_WINDOW);
}

/* MPI has begun. */
void errors_install(void) {
  static void (*const handlers[ENDINGS][OBJECTS])(void *, int *, ...) = {{fatal_comm, fatal_win}, {abort_comm, abort_win}};
  if (installed || !lockstep_mpi.errors_fatal) return;
  for (int ending = 0; ending < ENDINGS; ending++)
    for (int object = 0; object < OBJECTS; object++) {
      char place[sizeof(word)] = {0};
      int code = (object == OF_COMM ? PMPI(Comm_create_errhandler) : PMPI(Win_create_errhandler))(handlers[ending][object], place);
      if (code) return;
      ours[ending][object] = library_handle(place);
    }
  installed = 1;
  replace(lockstep_mpi.world, OF_COMM);
  replace(lockstep_mpi.self, OF_COMM);
}
