/* Where the program called from: the innermost line of Python that is no library's, else the place in its machine code.
 *
 * It is evidence only: no proof rests on it. A thread inside of MPI has given up Python's lock, and nobody but it changes its
 * own frames; where they keep what is read here was tried, in this very process, before it is relied upon. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lockstep.h"

#define PLACES (1 << 14)
#define SKIP UINT32_MAX
#define DEEPEST 64

struct place {
  const void *key, *mark;
  int at;
  uint32_t text;
};

static struct place places[PLACES];
static uint32_t used;

/* Where Python keeps them, in bytes; -1: a step that this version does not have. */
static struct { int frames, current, code, previous, instruction, bytecode, filename, name, table, state, text; } at;
static void *(*thread_state)(void);
static int (*line_of)(void *, int);
static int python;

/* What stands there belongs to another ring. */
void site_forget(void) {
  memset(places, 0, sizeof places);
  used = 0;
}

static struct place *find(const void *key, const void *mark, int offset) {
  uint64_t hash = ((uint64_t)(uintptr_t)key * 0x9E3779B97F4A7C15u ^ (uint64_t)(uint32_t)offset * 0xC2B2AE3D27D4EB4Fu) >> 40;
  for (;; hash++) {
    struct place *place = places + hash % PLACES;
    if (!place->key) {
      if (used > PLACES / 2) return NULL;
      used++;
      *place = (struct place){key, mark, offset, 0};
      return place;
    }
    if (place->key == key && place->mark == mark && place->at == offset) return place;
  }
}

/* --- machine code ----------------------------------------------------------------------------------------------------- */

static uint32_t machine(const void *caller) {
  struct place *place = find(caller, NULL, -1);
  if (!place) return 0;
  if (place->text) return place->text;
  Dl_info info;
  char text[1024];
  if (!dladdr(caller, &info) || !info.dli_fname) return 0;
  /* The supervisor looks the line up, where there is debug information. */
  snprintf(text, sizeof text, "\x02%s\x02%llx\x02%llx\x02%s", info.dli_fname, (unsigned long long)(uintptr_t)caller - 1,
           (unsigned long long)((uintptr_t)caller - 1 - (uintptr_t)info.dli_fbase), info.dli_sname ? info.dli_sname : "");
  return place->text = ring_string(text, strlen(text));
}

/* --- Python --------------------------------------------------------------------------------------------------------------- */

static const void *field(const void *base, int offset) {
  const void *found;
  memcpy(&found, (const char *)base + offset, sizeof found);
  return found;
}

static const char *ascii(const void *text) {
  uint32_t state;
  memcpy(&state, (const char *)text + at.state, sizeof state);
  return (state & 0x60) == 0x60 ? (const char *)text + at.text : "?"; /* compact and ASCII: it lies right behind */
}

static int is_library(const char *file) {
  static const char *const parts[] = {"/harness/attach/", "/mpi4py/", "/contextlib.py", "/functools.py", "<frozen",
                                      "/site-packages/torch/", "/dist-packages/torch/"};
  for (size_t part = 0; part < sizeof parts / sizeof *parts; part++)
    if (strstr(file, parts[part])) return 1;
  return 0;
}

static uint32_t described(const void *code, int offset) {
  const char *file = ascii(field(code, at.filename)), *name = ascii(field(code, at.name));
  if (is_library(file)) return SKIP;
  char text[1024], here[512];
  size_t size = getcwd(here, sizeof here - 1) ? strlen(here) : 0;
  if (size && !strncmp(file, here, size) && file[size] == '/') file += size + 1;
  snprintf(text, sizeof text, "%s:%d in %s", file, line_of((void *)(uintptr_t)code, offset), name);
  return ring_string(text, strlen(text));
}

static uint32_t of_python(void) {
  const void *state = thread_state();
  if (!state) return 0;
  const void *frame = field(field(state, at.frames), at.current);
  for (int depth = 0; frame && depth < DEEPEST; depth++, frame = field(frame, at.previous)) {
    const void *code = field(frame, at.code);
    int offset = (int)((const char *)field(frame, at.instruction) - ((const char *)code + at.bytecode));
    struct place *place = find(code, field(code, at.table), offset);
    if (!place) return 0;
    if (!place->text) place->text = described(code, offset);
    if (place->text != SKIP) return place->text;
  }
  return 0;
}

uint32_t site_outside(void) {
  if (python) return of_python();
  void *frames[DEEPEST];
  int count = backtrace(frames, DEEPEST);
  for (int at = 1; at < count; at++)
    if (!library_is_mpi(frames[at])) return machine(frames[at]);
  return 0;
}

uint32_t site_of(const void *caller) {
  if (python) return of_python();
  struct place *place = find(caller, NULL, -1);
  if (place && place->text != SKIP && (place->text || !library_is_mpi(caller))) return machine(caller);
  if (place) place->text = SKIP; /* a Fortran program calls a library of MPI's, which calls us */
  return site_outside();
}

/* Python tells where things lie, and asks where it stands: only if that is right are lines read from now on. */
EXPORT unsigned lockstep_python(const int *offsets) {
  thread_state = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyGILState_GetThisThreadState");
  line_of = (int (*)(void *, int))dlsym(RTLD_DEFAULT, "PyCode_Addr2Line");
  if (!thread_state || !line_of || !ring_lock()) return 0;
  memcpy(&at, offsets, sizeof at);
  uint32_t found = of_python();
  ring_unlock();
  return found;
}

EXPORT void lockstep_python_lines(int right) { python = right; }
