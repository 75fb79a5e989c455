/* What a call hands over: the datatype and the reduction, by the names that MPI gives them. Of a datatype that is made of others,
 * and of a reduction of the program's own, nothing is told: two that look different may well be the same. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "lockstep.h"

#define PMPI(name) ((int (*)())library_function("PMPI_" #name))
#define PLACES 1024

static struct known { word datatype, operation; uint32_t text, used; } known[PLACES];
static unsigned count;

void data_forget(void) {
  memset(known, 0, sizeof known);
  count = 0;
}

static const char *const operations[] = {"max", "min", "sum", "prod", "land", "band", "lor", "bor", "lxor", "bxor", "minloc", "maxloc"};
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* The place of a predefined reduction in the list above; -1: it is none. */
static int predefined(word operation) {
  static const uint16_t standard[OPERATIONS] = {0x23, 0x22, 0x21, 0x24, 0x30, 0x28, 0x31, 0x29, 0x32, 0x2a, 0x38, 0x39};
  static word open_mpi[OPERATIONS];
  char name[64];
  for (int at = 0; at < OPERATIONS; at++) {
    if (lockstep_mpi.family == OPEN_MPI && !open_mpi[at]) {
      snprintf(name, sizeof name, "ompi_mpi_op_%s", operations[at]);
      open_mpi[at] = library_global(name);
    }
    word one = lockstep_mpi.family == MPICH ? 0x58000001 + at : lockstep_mpi.family == OPEN_MPI ? open_mpi[at] : standard[at];
    if (operation == one) return at;
  }
  return -1;
}

/* Whether it is one of MPI's own, so that it may be asked for its name: an error over it would end the job. */
static int is_own(word datatype) {
  if (lockstep_mpi.family == MPICH) return (uint32_t)datatype >> 24 == 0x4c;
  if (lockstep_mpi.family == STANDARD_ABI) return datatype > 0x200 && datatype < 0x300;
  return datatype != lockstep_mpi.datatype_null && library_beside(datatype, lockstep_mpi.world);
}

uint32_t data_text(word datatype_given, word operation_given) {
  word datatype = lockstep_mpi.handle_bytes == 4 ? (word)(int32_t)datatype_given : datatype_given;
  word operation = lockstep_mpi.handle_bytes == 4 ? (word)(int32_t)operation_given : operation_given;
  uint64_t hash = ((uint64_t)datatype * 0x9E3779B97F4A7C15u ^ (uint64_t)operation * 0xC2B2AE3D27D4EB4Fu) >> 40;
  struct known *place;
  for (;; hash++) {
    place = known + hash % PLACES;
    if (!place->used) break;
    if (place->datatype == datatype && place->operation == operation) return place->text;
  }
  if (count > PLACES / 2) return 0;
  char name[1024] = "", text[1100];
  int size = 0;
  if (is_own(datatype)) PMPI(Type_get_name)(datatype, name, &size);
  if (!*name) return 0; /* handles of those that a program makes are given again */
  int which = operation_given ? predefined(operation) : -1;
  if (which < 0) snprintf(text, sizeof text, "%s", name);
  else {
    size_t used = (size_t)snprintf(text, sizeof text, "%s MPI_", name);
    for (const char *at = operations[which]; *at; at++) text[used++] = (char)(*at - 'a' + 'A');
    text[used] = 0;
  }
  count++;
  *place = (struct known){datatype, operation, ring_string(text, strlen(text)), 1};
  return place->text;
}
