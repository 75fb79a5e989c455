/* What this process's files ask MPI's libraries for: whether some of it is not answered by the recorder.
 *
 * A Fortran program calls a library of its own, which calls C: that comes by here where it asks for MPI_..., as MPICH's does, and
 * does not where it asks for PMPI_..., as Open MPI's does, and MPICH's for the module mpi_f08. */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "lockstep.h"

struct asked {
  const char *file; /* empty: the program itself */
  char *reason;
  size_t room;
};

static const void *place_of(const struct dl_phdr_info *info, ElfW(Addr) given) {
  return (const void *)(given < info->dlpi_addr ? info->dlpi_addr + given : given); /* not every loader has moved it */
}

static int begins(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

/* Why a file that asks for this communicates unseen; NULL: it does not. */
static const char *doubt_of(const char *name) {
  if (begins(name, "PMPI_") || begins(name, "pmpi_")) return "calls %s, which goes past the recorder";
  if (begins(name, "mpi_") && strstr(name, "_f08")) return "calls %s, of Fortran's module mpi_f08, which goes past the recorder";
  static const char *const called[] = {"MPIX_Async_start", "MPIX_Grequest_start", "MPIX_Grequest_class_create", "MPIX_Continue",
                                       "MPIX_Continueall", "MPI_T_event_register_callback"};
  for (size_t at = 0; at < sizeof called / sizeof *called; at++)
    if (!strcmp(name, called[at])) return "calls %s, by which functions of its own run inside of MPI's waits";
  return NULL;
}

static void look(struct asked *asked, const ElfW(Sym) *symbols, const char *strings, uint32_t count, int fortran) {
  int through = 0;
  for (uint32_t at = 1; at < count; at++) {
    const char *name = strings + symbols[at].st_name;
    if (symbols[at].st_shndx != SHN_UNDEF) continue;
    through |= !strcmp(name, "MPI_Send");
    const char *doubt = fortran || *asked->reason ? NULL : doubt_of(name);
    if (!doubt) continue;
    int used = snprintf(asked->reason, asked->room, "%s ", *asked->file ? asked->file : "the program");
    snprintf(asked->reason + used, asked->room - (size_t)used, doubt, name);
  }
  if (fortran && !through && !*asked->reason)
    snprintf(asked->reason, asked->room, "MPI's Fortran interface (%s) is loaded, whose calls go past the recorder", asked->file);
}

static int visit(struct dl_phdr_info *info, size_t size, void *given) {
  (void)size;
  struct asked *asked = given;
  const char *name = strrchr(info->dlpi_name ? info->dlpi_name : "", '/');
  asked->file = name ? name + 1 : info->dlpi_name ? info->dlpi_name : "";
  int fortran = begins(asked->file, "libmpifort") || begins(asked->file, "libmpichfort") || begins(asked->file, "libfmpich") ||
                begins(asked->file, "libmpi_mpifh");
  /* Parts of MPI itself, of which some are loaded when it begins. */
  if (!fortran && (begins(asked->file, "libmpi") || begins(asked->file, "libopen-") || begins(asked->file, "mca_"))) return 0;
  if (begins(asked->file, "liblockstep")) return 0;
  const ElfW(Dyn) *dynamic = NULL;
  for (int at = 0; at < info->dlpi_phnum; at++)
    if (info->dlpi_phdr[at].p_type == PT_DYNAMIC) dynamic = (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[at].p_vaddr);
  const ElfW(Sym) *symbols = NULL;
  const char *strings = NULL;
  const uint32_t *old = NULL, *fresh = NULL;
  for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
    if (dynamic->d_tag == DT_SYMTAB) symbols = place_of(info, dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_STRTAB) strings = place_of(info, dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_HASH) old = place_of(info, dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_GNU_HASH) fresh = place_of(info, dynamic->d_un.d_ptr);
  }
  /* What a file asks for stands before what it offers: the latter alone is in the newer table. */
  if (symbols && strings && (old || fresh)) look(asked, symbols, strings, old ? old[1] : fresh[1], fortran);
  return 0;
}

/* Into `reason`; empty: all that they ask for comes by here. */
void imports_check(char *reason, size_t room) {
  struct asked asked = {"", reason, room};
  *reason = 0;
  dl_iterate_phdr(visit, &asked);
}
