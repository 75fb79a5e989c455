/* Which MPI this process has loaded, and how that keeps its handles, statuses and constants.
 *
 * Nothing here is compiled against one of them: arguments are handed on as they came, in their registers and eight-byte
 * places, so that one recorder serves MPICH, Open MPI and the standard's own ABI, and loads none of them by itself. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep.h"
#include "wrapped.h"

#define MISSING 16 /* MPI_ERR_OTHER, or what stands there */

struct library lockstep_mpi;
static void *library;

static int missing(void) { return MISSING; }

static int is_mpi(const char *path) {
  const char *name = strrchr(path, '/');
  name = name ? name + 1 : path;
  return !strncmp(name, "libmpi.so", 9) || !strncmp(name, "libmpich.so", 11) || !strncmp(name, "libmpi_abi.so", 13);
}

static int visit(struct dl_phdr_info *info, size_t size, void *found) {
  (void)size;
  if (!info->dlpi_name || !is_mpi(info->dlpi_name)) return 0;
  *(const char **)found = info->dlpi_name;
  return 1;
}

static void *loaded(void) {
  /* It may be there for one module only (RTLD_LOCAL), as below Python: then no global look-up finds it. */
  if (library) return library;
  void *symbol = dlsym(RTLD_NEXT, "PMPI_Init");
  Dl_info info;
  const char *path = NULL;
  if (symbol && dladdr(symbol, &info)) path = info.dli_fname;
  else dl_iterate_phdr(visit, &path);
  if (path) library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  if (!library && symbol) library = dlopen(NULL, RTLD_NOW);
  return library;
}

void *library_function(const char *name) {
  void *where = loaded(), *found = where ? dlsym(where, name) : NULL;
  if (!found) found = dlsym(RTLD_NEXT, name);
  return found ? found : (void *)missing;
}

/* A program that is linked with it may hold the library's own data (a copy relocation): that is found first. */
word library_global(const char *name) {
  void *found = dlsym(RTLD_DEFAULT, name);
  return (word)(found ? found : dlsym(library, name));
}

int library_find(void) {
  static const struct library mpich = {MPICH, 4, 20, 8, 12, -2, -1, -3, -1, 0x44000000, 0x44000001, 0x04000000, 0x2c000000, 0x0c000000, 0x1c000000, -1, 1,
                                       0x54000000, 0x54000003};
  static const struct library open_mpi = {OPEN_MPI, 8, 24, 0, 4, -1, -1, -4, -2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0};
  static const struct library standard = {STANDARD_ABI, 8, 32, 0, 4, -1, -2, -4, -3, 0x101, 0x102, 0x100, 0x180, 0x200, 0x130, 1, 0,
                                          0x141, 0x142};
  if (lockstep_mpi.family || !loaded()) return lockstep_mpi.family != NO_MPI;
  static char text[1 << 14];
  int size = 0;
  int (*version)(char *, int *) = (int (*)(char *, int *))library_function("PMPI_Get_library_version");
  if (version(text, &size)) return 0;
  Dl_info info;
  const char *path = dladdr(dlsym(library, "PMPI_Init"), &info) ? info.dli_fname : "";
  if (strstr(path, "libmpi_abi")) lockstep_mpi = standard;
  else if (!strncmp(text, "MPICH", 5)) lockstep_mpi = mpich;
  else if (!strncmp(text, "Open MPI", 8)) {
    lockstep_mpi = open_mpi;
    lockstep_mpi.world = library_global("ompi_mpi_comm_world");
    lockstep_mpi.self = library_global("ompi_mpi_comm_self");
    lockstep_mpi.datatype_null = library_global("ompi_mpi_datatype_null");
    lockstep_mpi.info_null = library_global("ompi_mpi_info_null");
    lockstep_mpi.errors_fatal = library_global("ompi_mpi_errors_are_fatal");
    lockstep_mpi.errors_abort = library_global("ompi_mpi_errors_abort");
    lockstep_mpi.comm_null = library_global("ompi_mpi_comm_null");
    lockstep_mpi.request_null = library_global("ompi_request_null");
  } else {
    return 0; /* nothing is known of its handles */
  }
  return 1;
}

word library_handle(const void *place) {
  return lockstep_mpi.handle_bytes == 4 ? *(const int32_t *)place : *(const word *)place;
}

int library_owns(const void *address) {
  Dl_info info, own;
  return dladdr(address, &info) && dladdr(dlsym(library, "PMPI_Init"), &own) && info.dli_fbase == own.dli_fbase;
}

void library_put(void *place, word handle) {
  if (lockstep_mpi.handle_bytes == 4) *(int32_t *)place = (int32_t)handle;
  else *(word *)place = handle;
}

int library_is_mpi(const void *address) {
  static const char *const parts[] = {"/libmpi", "/libopen-", "/libpmi", "/libuc", "/libfabric", "/openmpi/", "/libprrte"};
  Dl_info info, own;
  if (!dladdr(address, &info) || !info.dli_fname) return 0;
  if (dladdr((void *)library_is_mpi, &own) && own.dli_fbase == info.dli_fbase) return 1;
  for (size_t at = 0; at < sizeof parts / sizeof *parts; at++)
    if (strstr(info.dli_fname, parts[at])) return 1;
  return 0;
}

/* Whether a function that MPI is to call is one of the program: none, and mpi4py's own for what it keeps there, are not. */
int library_calls_back(const void *address) {
  Dl_info info;
  if ((uintptr_t)address < 4096 || library_is_mpi(address)) return 0;
  return !dladdr(address, &info) || !info.dli_fname || !strstr(info.dli_fname, "/mpi4py/");
}

/* Whether two of the library's own objects lie in one file: itself, or the program that holds copies of them. */
int library_beside(word one, word other) {
  Dl_info mine, yours, own;
  if (!dladdr((void *)one, &mine)) return 0;
  if (dladdr(dlsym(library, "PMPI_Init"), &own) && own.dli_fbase == mine.dli_fbase) return 1;
  return dladdr((void *)other, &yours) && yours.dli_fbase == mine.dli_fbase;
}

/* What of this process's MPI does not come by here. */
void library_check(void) {
  for (const char *const *name = wrapped_names; *name; name++) {
    char profiled[64], reason[512];
    snprintf(profiled, sizeof profiled, "P%s", *name);
    if (!dlsym(library, profiled)) continue; /* this MPI has no such function */
    void *first = dlsym(RTLD_DEFAULT, *name);
    Dl_info info, own;
    int known = first && dladdr(first, &info) && dladdr((void *)library_check, &own);
    if (known && info.dli_fbase == own.dli_fbase) continue;
    snprintf(reason, sizeof reason, "%s is answered by %s: what it does is not seen", *name,
             known ? info.dli_fname : "MPI itself");
    if (ring_lock()) {
      ring_opaque(reason);
      ring_unlock();
    }
    return;
  }
  char asked[512];
  imports_check(asked, sizeof asked);
  if (*asked && ring_lock()) {
    ring_opaque(asked);
    ring_unlock();
  }
}
