/* What the parts of the native recorder share. Offsets and numbers come from layout.h, which is generated from trace/. */
#ifndef LOCKSTEP_H
#define LOCKSTEP_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

#define EXPORT __attribute__((visibility("default")))

typedef intptr_t word; /* any argument of an MPI function: all are integers or pointers, and are handed on as they came */

struct record {
  uint64_t time_ns;
  uint16_t kind, thread;
  uint32_t comm;
  uint64_t seq;
  uint32_t a, b;
  int32_t c, tag;
  int64_t size;
  uint32_t site, data;
  uint64_t number;
};

/* --- ring.c: memory that the supervisor reads, and the lock under which all of it is written ------------------------- */

struct slot { /* of a thread, in shared memory */
  struct record wait; /* its last ENTER; kind 0: it is in no wait */
  uint32_t tid, inside, parts, spare; /* inside: it is in a call of MPI whose wait is recorded */
  struct record part[LAYOUT_PARTS];
};

struct lane { /* messages of one communicator, peer and tag, in shared memory */
  uint32_t comm;
  int32_t peer, tag;
  uint32_t spare;
  uint64_t sent, received, all, wild, cancelled, open;
};

struct call;

struct me { /* of the calling thread */
  struct slot *slot;
  struct call *call; /* the one that it is in, where `depth` is not 0 */
  uint16_t id;
  uint8_t known, holding, depth;
};

extern __thread struct me lockstep_me;
extern _Atomic int lockstep_on; /* whether there is a ring that somebody reads */
extern uint8_t *lockstep_memory;

int ring_make(void);
int ring_lock(void); /* 0: this thread holds it already (a signal's handler): nothing can be written */
void ring_unlock(void);
void ring_put(uint16_t kind, uint32_t comm, uint64_t seq, uint32_t a, uint32_t b, int32_t c, int32_t tag, int64_t size,
              uint32_t site);
void ring_begin(uint16_t kind, uint32_t comm, uint64_t seq, uint32_t a, uint32_t b, int32_t c, int32_t tag, int64_t size,
                uint32_t site, uint32_t data);
uint64_t ring_last(void);
uint32_t ring_string(const char *text, size_t size);
void ring_opaque(const char *reason);
struct lane *ring_lane(uint32_t comm, int32_t peer, int32_t tag); /* NULL: there is no room, and the rank is opaque */
int ring_comm(void);                                              /* the number of a new communicator, or -1 */
void ring_entered(uint32_t comm, uint64_t seq);

/* --- library.c: which MPI is there, and what its handles and constants are ------------------------------------------- */

enum family { NO_MPI, MPICH, OPEN_MPI, STANDARD_ABI };

struct library {
  enum family family;
  int handle_bytes, status_bytes, source_at, tag_at;
  int any_source, any_tag, root, proc_null;
  word world, self, comm_null, request_null, datatype_null, info_null, in_place, status_ignore, errors_fatal, errors_abort;
};

extern struct library lockstep_mpi;

void *library_function(const char *name); /* never NULL: what is missing fails with an error of MPI */
int library_find(void);
int library_owns(const void *address);
int library_beside(word one, word other);
word library_global(const char *name);
void library_check(void);
int library_calls_back(const void *address);
int library_is_mpi(const void *address); /* or one of its libraries, or the recorder itself */
word library_handle(const void *place);
void library_put(void *place, word handle);

/* --- imports.c: whether this process's files ask for what does not come by here ---------------------------------------- */

void imports_check(char *reason, size_t room);

/* --- signals.c ------------------------------------------------------------------------------------------------------------ */

void signals_publish(void);

/* --- sites.c: where the program called from --------------------------------------------------------------------------- */

void site_forget(void);
uint32_t site_of(const void *caller);
uint32_t site_outside(void); /* of the innermost call that is none of MPI's libraries */

/* --- errors.c: how MPI ends the job over an error ----------------------------------------------------------------------- */

enum { OF_COMM, OF_WINDOW };

word errors_ours(word handler, int object);
void errors_theirs(int code, word place, int object);
void errors_window(int code, word place);
void errors_install(void);

/* --- data.c: what a call hands over ------------------------------------------------------------------------------------------ */

void data_forget(void);
uint32_t data_text(word datatype, word operation); /* a string of the ring; 0: nothing is known of it */

/* --- rules.c: what calls of MPI mean ------------------------------------------------------------------------------------ */

struct comm;
struct request;

struct issued {
  struct comm *comm;
  uint64_t seq;
  uint32_t op, need;
  int32_t peer, tag;
};

enum what { NOTHING, WAITS, STARTS, LOOKS, KEEPS };

struct call {
  struct issued issued;
  enum what what;
  uint32_t site, data;
  int64_t size;
  word counts[2], datatypes[2], operation; /* what it hands over, and what it gets; see call_gives */
  uint8_t waits, collective, occupies, takes, gives;
  const char *name;
  struct comm *window;
  int count;
  struct request **requests, *few[16];
  void *statuses, *made;
  uint64_t space[8];
};

int call_begin(struct call *call, const char *name, const void *caller);
void call_send(struct call *call, unsigned need, enum what what, word comm, word peer, word tag);
void call_receive(struct call *call, enum what what, word comm, word peer, word tag);
void call_both(struct call *call, enum what what, word comm, word dest, word sendtag, word source, word recvtag);
void call_probe(struct call *call, enum what what, word comm, word peer, word tag);
void call_gives(struct call *call, word count, word datatype, word count_of_other, word datatype_of_other, word operation);
void call_collective(struct call *call, enum what what, word comm, const char *op, char rule, word root, int some);
word call_status(struct call *call, word given, int always);
void call_end(struct call *call, int code);
void call_received(struct call *call, int code, word status);
void call_probed(struct call *call, int code, word found, word status);
void call_started(struct call *call, int code, word request);
void call_wait(struct call *call, word count, word requests, const char *name, unsigned need);
word call_statuses(struct call *call, word given, word count);
void call_completed(struct call *call, int code, word done, word outcount, word indices, word statuses);
void call_restart(struct call *call, word count, word requests);
void call_restarted(struct call *call, int code);
void call_cancel(struct call *call, word request);
void call_drop(struct call *call, word request);
void call_made(struct call *call, int code, word made, const char *several, word tag);
void call_copying(struct call *call, int code, word made, word request);
word call_forget(word place);
void call_forgotten(struct call *call, int code, word handle);
void call_window(struct call *call, int code, word place, word info);
void call_opened(struct call *call, int code, word comm, word place);
void call_file_started(struct call *call, int code, word request);
void call_file(struct call *call, enum what what, word file, const char *op);
void call_close(struct call *call, word place);
void call_fence(struct call *call, word hints, word window);
void call_window_info(word window);
void call_window_free(struct call *call, word place);
void call_epoch(struct call *call, int code, word group, word window, int starts);
void call_complete(struct call *call, word window);
void call_exposure(struct call *call, enum what what, word window);
void call_exposed(struct call *call, int code, word flag);
void call_init(struct call *call, const void *caller);
void call_initialized(struct call *call, int code);
void call_finalize(const void *caller);
void call_finalized(void);
void call_abort(word code);
void call_operation(int code, word place);
void call_seen(void);
int call_is_told(word comm, char rule, word root);
int call_some(word count, word datatype);
int call_all_some(word counts, int wide, word datatype, word comm);
int call_is_own(word operation);
void call_keyval(word copies, word deletes);
int call_calls_back(void);

#endif
