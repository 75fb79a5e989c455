/* What calls of MPI mean: which wait they are, what they count, which request or communicator they leave behind.
 *
 * Who waits for whom is written as harness/attach does for mpi4py, in the same words, so that the judge needs to know nothing
 * of where an event comes from. What has no rule has no event: its thread counts as running. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lockstep.h"
#include "wrapped.h"

#define BUCKETS 1024
#define OWN_OPERATIONS 256

struct group { /* of members of a communicator */
  int count, ranks[];
};

struct comm {
  struct comm *next;
  word handle;
  uint32_t id;
  int size, local, first; /* members; of them in its own group; where the others' group begins among them */
  int rank, inter, unordered;
  uint64_t entered;
  int busy; /* thread + 1 that is in one of its collectives */
  char *name;
  int made; /* by the program, which is to free it */
  uint32_t site;
  int *sources, source_count; /* of a topology: those whose part its collectives among neighbours need */
  struct group *starts, *posts;  /* of a window: whom its epochs are with */
  int fences;                    /* of a window: whether its last fence may have begun an epoch */
};

struct request {
  struct request *next;
  word handle;
  struct issued issued;
  int active, persistent, cancelling;
  int held, dropped; /* by how many calls that wait for it or look at it; whether its handle is MPI's to give again */
  enum { OF_MESSAGE, OF_COLLECTIVE } kind; /* what starting it again means */
  int64_t size;
  uint32_t data;
  struct copy *copy; /* of a communicator, which is there when it has ended */
};

static struct comm *comms[BUCKETS], *windows[BUCKETS], *files[BUCKETS], *world, *world_end;
static int file_count;
static struct request *requests[BUCKETS], *unused;
static word own_operations[OWN_OPERATIONS];
static unsigned own_count;
static int copying; /* communicators, under the lock */
static uint8_t *busy[2]; /* by lane: thread + 1 that begins a send, or a receive, there */
static _Atomic int finished, told;
static pid_t known_in;
static char scope[256];

#define PMPI(name) ((int (*)())library_function("PMPI_" #name))

static unsigned bucket(word handle) { return (unsigned)(((uint64_t)handle * 0x9E3779B97F4A7C15u) >> 54); }

static word handle_of(word given) { return lockstep_mpi.handle_bytes == 4 ? (word)(int32_t)given : given; }

static struct comm *comm_held(word given) {
  word handle = handle_of(given);
  struct comm *found = comms[bucket(handle)];
  while (found && found->handle != handle) found = found->next;
  return found;
}

/* The communicator of a call. One that is still being copied, as far as is known, is in use: its end was told elsewhere. */
static struct comm *comm_of(word given) {
  struct comm *found = comm_held(given);
  word handle = handle_of(given);
  int nobodys = handle == handle_of(lockstep_mpi.self) || handle == handle_of(lockstep_mpi.comm_null);
  if (!found && copying && !nobodys) ring_opaque("it uses a communicator that is not known, while one is being copied");
  return found;
}

static struct request *request_of(word handle) {
  struct request *found = requests[bucket(handle)];
  while (found && found->handle != handle) found = found->next;
  return found;
}

static void copy_lost(struct request *request);

static void request_drop(struct request *request) {
  if (request->dropped) return;
  copy_lost(request);
  struct request **place = &requests[bucket(request->handle)];
  while (*place && *place != request) place = &(*place)->next;
  if (*place) *place = request->next;
  request->dropped = 1;
  if (request->held) return;
  request->next = unused;
  unused = request;
}

/* A call has ended that held it. Meanwhile MPI may have given its handle to an operation of another thread. */
static void request_release(struct request *request) {
  if (--request->held || !request->dropped) return;
  request->next = unused;
  unused = request;
}

static struct request *request_add(word handle) {
  struct request *old = request_of(handle);
  if (old) request_drop(old); /* it was completed in a way that is not seen */
  struct request *made = unused;
  if (made) unused = made->next;
  else if (!(made = malloc(sizeof *made))) return NULL;
  memset(made, 0, sizeof *made);
  made->handle = handle;
  made->next = requests[bucket(handle)];
  requests[bucket(handle)] = made;
  return made;
}

/* --- the life of a call ------------------------------------------------------------------------------------------------- */

int call_begin(struct call *call, const char *name, const void *caller) {
  struct me *me = &lockstep_me;
  if (!lockstep_on || !lockstep_mpi.family) return 0;
  if (me->holding) return 0;
  if (me->depth) {
    /* MPI calls itself, or a function of the program that runs inside of MPI does. */
    if (!library_owns(caller) && ring_lock()) {
      ring_opaque("a function of the program that MPI calls uses MPI itself");
      ring_unlock();
    }
    return 0;
  }
  me->call = call;
  call->what = NOTHING;
  call->name = name;
  call->site = 0;
  call->waits = call->collective = call->occupies = call->takes = call->gives = 0;
  call->data = 0;
  call->size = -1;
  call->count = 0;
  call->window = NULL;
  call->requests = call->few;
  call->statuses = call->made = NULL;
  me->depth = 1;
  call->issued.comm = NULL;
  if (!ring_lock()) {
    me->depth = 0;
    return 0;
  }
  call->site = site_of(caller);
  ring_unlock();
  return 1;
}

static int is_open(const struct issued *issued) {
  return issued->need == NEED_RECV && (issued->peer < 0 || issued->tag < 0);
}

static void doubt(struct call *call, const struct issued *issued) {
  char text[256];
  snprintf(text, sizeof text, "%s of mpi:%s returned an error: whether its peers count it is not known", call->name,
           issued->comm ? issued->comm->name : "");
  ring_opaque(text);
}

static uint8_t *busy_place(const struct issued *issued) {
  struct lane *lanes = (struct lane *)(lockstep_memory + LAYOUT_LANES_AT);
  struct lane *lane = ring_lane(issued->comm->id, issued->peer, issued->tag);
  return lane ? busy[issued->op == STRING_RECV] + (lane - lanes) : NULL;
}

/* Two threads at once in one lane of a communicator: nobody knows whose operation comes first in the library. */
static void occupy(struct call *call, int collective) {
  struct issued *issued = &call->issued;
  int me = (lockstep_me.id % 255) + 1;
  if (is_open(issued) || issued->need == NEED_PROBE) return;
  call->occupies = collective ? 2 : 1;
  int other, same;
  if (collective) {
    other = issued->comm->busy;
    same = !other || other == me;
    if (!other) issued->comm->busy = me;
  } else {
    uint8_t *place = busy_place(issued);
    if (!place) return;
    other = *place;
    same = !other || other == me;
    if (!other) *place = (uint8_t)me;
  }
  if (same) return;
  call->occupies = 0;
  if (collective || issued->need == NEED_SSEND || issued->need == NEED_RECV) {
    char text[256];
    snprintf(text, sizeof text, "two threads at once use mpi:%s, in an order that is not known", issued->comm->name);
    ring_opaque(text);
  }
  issued->comm->unordered = 1;
}

static void release(struct call *call) {
  if (call->occupies == 2) call->issued.comm->busy = 0;
  else if (call->occupies == 1) {
    uint8_t *place = busy_place(&call->issued);
    if (place) *place = 0;
  }
  call->occupies = 0;
}

static void enter(struct call *call, uint16_t kind, int64_t size) {
  const struct issued *issued = &call->issued;
  ring_begin(kind, issued->comm->id, issued->seq, issued->op, issued->need, issued->peer, issued->tag, size, call->site, call->data);
  if (kind == KIND_ENTER) {
    lockstep_me.slot->inside = 1;
    call->waits = 1;
  }
}

static void leave(struct call *call) {
  lockstep_me.slot->inside = 0;
  const struct issued *issued = &call->issued;
  ring_put(KIND_EXIT, issued->comm ? issued->comm->id : 0, issued->seq, issued->op, 0, 0, 0, 0, 0);
}

static int status_source(word status, int *tag) {
  const char *at = (const char *)status;
  int source;
  memcpy(&source, at + lockstep_mpi.source_at, sizeof source);
  memcpy(tag, at + lockstep_mpi.tag_at, sizeof *tag);
  return source;
}

/* A receive has taken a message; the record says so by itself, or as the end of the wait. */
static void took(const struct issued *issued, unsigned how, word status, uint16_t kind) {
  int tag = issued->tag, peer = issued->peer;
  if (how != TOOK_NAMED) {
    if (!status || status == lockstep_mpi.status_ignore) peer = -1;
    else {
      int source = status_source(status, &tag);
      int most = issued->comm->inter ? issued->comm->size - issued->comm->local : issued->comm->size;
      peer = source >= 0 && source < most ? source + issued->comm->first : -1;
    }
  }
  if (peer < 0) {
    if (kind == KIND_EXIT) ring_put(kind, issued->comm->id, issued->seq, issued->op, 0, 0, 0, 0, 0);
    return; /* not known: it may have taken any, for ever */
  }
  struct lane *lane = ring_lane(issued->comm->id, peer, tag);
  struct lane *asked = how == TOOK_WILD ? ring_lane(issued->comm->id, issued->peer, issued->tag) : NULL;
  if (!lane || (how == TOOK_WILD && !asked)) return;
  lane->all++;
  lane->wild += how != TOOK_NAMED;
  if (asked) asked->open++;
  ring_put(kind, issued->comm->id, issued->seq, issued->op, how, peer, tag, issued->tag, (uint32_t)(issued->peer + 1));
}

/* --- messages -------------------------------------------------------------------------------------------------------------- */

/* The tag that a receive asks for; -1: any. */
static int label_of(word tag) { return (int)tag == lockstep_mpi.any_tag ? -1 : (int)tag; }

/* The member that a rank named in a call is; -1: any, -2: nobody, or MPI will say that there is no such rank. */
static int member(const struct comm *comm, word given, int any) {
  int peer = (int)given, most = comm->inter ? comm->size - comm->local : comm->size;
  if (any && peer == lockstep_mpi.any_source) return -1;
  return peer >= 0 && peer < most ? peer + comm->first : -2;
}

/* What it hands over, and what it gets: how many of which datatype; -1: a count for each member; and with which reduction. */
void call_gives(struct call *call, word count, word datatype, word other_count, word other_datatype, word operation) {
  call->counts[0] = count;
  call->counts[1] = other_count;
  call->datatypes[0] = datatype;
  call->datatypes[1] = other_datatype;
  call->operation = operation;
  call->gives = 1;
}

/* Of the one or the other: the datatype's name, and the count where there is one. */
static void hands_over(struct call *call, int other) {
  if (!call->gives) return;
  call->data = call->counts[other] ? data_text(call->datatypes[other], call->operation) : 0;
  call->size = call->data ? call->counts[other] : -1;
}

static int begin_message(struct call *call, enum what what, struct comm *comm, uint32_t op, unsigned need, int peer, int tag) {
  struct lane *lane = ring_lane(comm->id, peer, tag);
  if (!lane) return 0;
  uint64_t seq = op == STRING_SEND ? ++lane->sent : ++lane->received;
  call->issued = (struct issued){comm, seq, op, need, peer, tag};
  call->what = what;
  hands_over(call, op == STRING_RECV);
  occupy(call, 0);
  enter(call, what == WAITS ? KIND_ENTER : KIND_POST, call->size);
  call->data = 0;
  return 1;
}

static void keep(struct call *call, struct comm *comm, uint32_t op, unsigned need, int peer, int tag) {
  call->issued = (struct issued){comm, 0, op, need, peer, tag};
  call->what = KEEPS;
  hands_over(call, op == STRING_RECV);
}

void call_send(struct call *call, unsigned need, enum what what, word given, word dest, word tag) {
  if (!ring_lock()) return;
  struct comm *comm = comm_of(given);
  int peer = comm ? member(comm, dest, 0) : -2;
  if (peer >= 0) {
    if (need == NEED_SSEND && comm->unordered) need = NEED_NOBODY;
    if (what == KEEPS) keep(call, comm, STRING_SEND, need, peer, (int)tag);
    else begin_message(call, what, comm, STRING_SEND, need, peer, (int)tag);
  }
  ring_unlock();
}

void call_receive(struct call *call, enum what what, word given, word source, word tag) {
  if (!ring_lock()) return;
  struct comm *comm = comm_of(given);
  int peer = comm ? member(comm, source, 1) : -2;
  int label = label_of(tag);
  if (peer >= -1) {
    if (what == KEEPS) keep(call, comm, STRING_RECV, NEED_RECV, peer, label);
    else begin_message(call, what, comm, STRING_RECV, NEED_RECV, peer, label);
  }
  ring_unlock();
}

void call_both(struct call *call, enum what what, word given, word dest, word sendtag, word source, word recvtag) {
  if (!ring_lock()) return;
  struct comm *comm = comm_of(given);
  int to = comm ? member(comm, dest, 0) : -2, from = comm ? member(comm, source, 1) : -2;
  int label = label_of(recvtag);
  if (from >= -1) {
    /* The send is counted, the receive is what surely waits. */
    int fine = to < 0 || begin_message(call, STARTS, comm, STRING_SEND, NEED_NOBODY, to, (int)sendtag);
    release(call);
    call->what = NOTHING;
    if (fine) begin_message(call, what, comm, STRING_RECV, NEED_RECV, from, label);
  } else if (to >= 0) {
    begin_message(call, what, comm, STRING_SEND, NEED_NOBODY, to, (int)sendtag);
  }
  ring_unlock();
}

void call_probe(struct call *call, enum what what, word given, word source, word tag) {
  if (!ring_lock()) return;
  struct comm *comm = comm_of(given);
  int peer = comm ? member(comm, source, 1) : -2;
  int label = label_of(tag);
  if (peer >= -1) {
    call->issued = (struct issued){comm, 0, STRING_PROBE, NEED_PROBE, peer, label};
    call->what = what;
    if (what == WAITS) enter(call, KIND_ENTER, -1);
  }
  ring_unlock();
}

/* The status that will tell what was taken: the program's, or one of ours where it wants none. */
word call_status(struct call *call, word given, int always) {
  if (call->what == NOTHING || given != lockstep_mpi.status_ignore) return given;
  if (!always && !is_open(&call->issued)) return given;
  return (word)call->space;
}

void call_end(struct call *call, int code) {
  if (call->what != NOTHING && ring_lock()) {
    release(call);
    if (call->waits) leave(call);
    if (code) doubt(call, &call->issued);
    ring_unlock();
  }
  lockstep_me.depth = 0;
}

void call_received(struct call *call, int code, word status) {
  if (call->what == NOTHING || code || call->issued.op != STRING_RECV) {
    call_end(call, code);
    return;
  }
  if (ring_lock()) {
    release(call);
    lockstep_me.slot->inside = 0;
    took(&call->issued, is_open(&call->issued) ? TOOK_WILD : TOOK_NAMED, status, KIND_EXIT);
    ring_unlock();
  }
  lockstep_me.depth = 0;
}

/* `found`: where the call says whether there was one; 0: it has waited until there was. */
void call_probed(struct call *call, int code, word found, word status) {
  if (call->what != NOTHING && ring_lock()) {
    if (!code && status && (!found || *(int *)found)) took(&call->issued, TOOK_PROBED, status, KIND_TOOK);
    if (call->waits) leave(call);
    ring_unlock();
  }
  lockstep_me.depth = 0;
}

void call_started(struct call *call, int code, word place) {
  if (call->what != NOTHING && ring_lock()) {
    if (call->what != KEEPS) release(call);
    if (code) {
      if (call->what != KEEPS) doubt(call, &call->issued);
    } else {
      struct request *request = request_add(library_handle((void *)place));
      if (!request) ring_opaque("no memory is left to follow requests");
      else {
        request->issued = call->issued;
        request->active = call->what != KEEPS;
        request->persistent = call->what == KEEPS;
        request->kind = call->collective ? OF_COLLECTIVE : OF_MESSAGE;
        request->size = call->size;
        request->data = call->data;
      }
    }
    ring_unlock();
  }
  lockstep_me.depth = 0;
}

/* --- collectives ----------------------------------------------------------------------------------------------------------- */

static unsigned need_of(char rule, const struct comm *comm, int root, int some) {
  if (!some) return NEED_NOBODY; /* a member without a share may be left out */
  if (comm->inter) return rule == 'm' ? NEED_ALL : NEED_NOBODY; /* it needs the other group, which no event can say */
  switch (rule) {
    case 'a': case 'm': return NEED_ALL;
    case 'b': return NEED_BELOW; /* the first has nobody below it */
    case 'f': return comm->rank == root ? NEED_NOBODY : NEED_ROOT;
    case 't': return comm->rank == root ? NEED_ALL : NEED_NOBODY;
  }
  return NEED_NOBODY;
}

/* A wait that needs these members and no others: one part for each. What it is was told before. */
static void enter_each(struct call *call, unsigned need, const int *peers, int count, const char *name) {
  struct issued whole = call->issued;
  int skip = count > LAYOUT_PARTS ? count - LAYOUT_PARTS : 0;
  for (int at = skip; at < count; at++) {
    call->issued.need = need;
    call->issued.peer = peers[at];
    enter(call, KIND_PART, -1);
  }
  ring_put(KIND_ENTER, 0, 0, ring_string(name, strlen(name)), NEED_EVERY, 0, 0, count - skip, call->site);
  call->issued = whole;
}

/* Whom a collective needs between two groups, or among neighbours; 0: that is said by its own need, or it is nobody. */
static int needed(const struct comm *comm, char rule, int root, int some, int **peers) {
  int count = 0, others = comm->size - comm->local, whole = rule == 'a' || (rule == 't' && root == lockstep_mpi.root);
  if (!some || (rule != 'n' && (!comm->inter || !(whole || (rule == 'f' && root >= 0 && root < others))))) return 0;
  if (!(*peers = malloc(sizeof **peers * (size_t)(comm->size + comm->source_count + 1)))) return 0;
  if (rule == 'n')
    for (; count < comm->source_count; count++) (*peers)[count] = comm->sources[count];
  else if (rule == 'f') (*peers)[count++] = comm->first + root;
  else
    for (; count < others; count++) (*peers)[count] = comm->first + count;
  return count;
}

void call_collective(struct call *call, enum what what, word given, const char *op, char rule, word root_given, int some) {
  if (!ring_lock()) return;
  struct comm *comm = comm_of(given);
  int root = (int)root_given, rooted = rule == 'f' || rule == 't';
  if (comm && (!rooted || comm->inter || (root >= 0 && root < comm->size))) {
    int *peers = NULL, count = what == WAITS ? needed(comm, rule, root, some, &peers) : 0;
    unsigned need = need_of(rule, comm, root, some);
    call->issued = (struct issued){comm, 0, ring_string(op, strlen(op)), need, rooted && !comm->inter ? root : -1, 0};
    call->what = what;
    int gets = rule == 't' ? comm->rank == root : rule == 'f' ? comm->rank != root : 1;
    if (comm->inter || (call->gives && call->counts[gets] < 0 && !some)) call->gives = 0;
    hands_over(call, gets);
    call->collective = 1;
    if (what != KEEPS) {
      call->issued.seq = ++comm->entered;
      ring_entered(comm->id, comm->entered);
      occupy(call, 1);
      enter(call, what == WAITS ? KIND_ENTER : KIND_POST, call->size);
      if (what == WAITS) call->data = 0;
      if (count) enter_each(call, NEED_ROOT, peers, count, op);
    }
    free(peers);
  }
  ring_unlock();
}

/* Whether this member's own arguments say what it gets: at the root of what goes to the root, elsewhere of what comes from it. */
int call_is_told(word given, char rule, word root) {
  if (!ring_lock()) return 0;
  struct comm *comm = comm_of(given);
  int found = comm && (rule == 't') == (comm->rank == (int)root);
  if (comm && comm->inter) found = rule == 't' ? (int)root == lockstep_mpi.root : (int)root >= 0;
  ring_unlock();
  return found;
}

/* Nothing that is wrong is asked for: the call itself is to tell it. */
static int has_size(word datatype) {
  int size = 0;
  if (handle_of(datatype) == lockstep_mpi.datatype_null) return 0;
  if (lockstep_mpi.family == MPICH && ((uint32_t)datatype >> 30) == 1) return 1; /* one of its own */
  return !PMPI(Type_size)(datatype, &size) && size != 0;
}

int call_some(word count, word datatype) { return (int)count > 0 && has_size(datatype); }

int call_all_some(word counts, int wide, word datatype, word given) {
  if (!ring_lock()) return 0;
  struct comm *comm = comm_of(given);
  int size = comm && !comm->inter ? comm->size : 0; /* between two groups it is the others who count, or not */
  ring_unlock();
  if (!size || !counts || !has_size(datatype)) return 0;
  for (int at = 0; at < size; at++)
    if (wide ? !((const int64_t *)counts)[at] : !((const int32_t *)counts)[at]) return 0;
  return 1;
}

/* A reduction by a function of the program runs that inside of MPI: it may do anything, so nobody surely waits. */
int call_is_own(word operation) {
  word handle = handle_of(operation);
  unsigned count = own_count < OWN_OPERATIONS ? own_count : OWN_OPERATIONS;
  for (unsigned at = 0; at < count; at++)
    if (own_operations[at] == handle) return 1;
  return own_count > OWN_OPERATIONS;
}

/* Attributes may have functions of the program, which run when a communicator is copied or an object is freed, and when MPI is
 * finalized: inside of these calls it may do anything. */
static _Atomic int calls_back;

void call_keyval(word copies, word deletes) {
  if (library_calls_back((const void *)copies) || library_calls_back((const void *)deletes)) calls_back = 1;
}

int call_calls_back(void) { return calls_back; }

void call_operation(int code, word place) {
  if (code || !lockstep_on || !ring_lock()) return;
  word handle = library_handle((void *)place);
  if (!call_is_own(handle)) {
    if (own_count < OWN_OPERATIONS) own_operations[own_count] = handle;
    own_count++;
  }
  ring_unlock();
}

/* --- requests ----------------------------------------------------------------------------------------------------------------- */

static int sure(const struct request *request) { return request->issued.need != NEED_NOBODY; }

/* Begin a wait for requests: `need` EVERY or EITHER; STREAM stands for a look that waits for nothing. */
void call_wait(struct call *call, word count, word place, const char *name, unsigned need) {
  int most = (int)count, known = 0, sures = 0, null = 0;
  if (most < 0 || !place) return;
  if (most > (int)(sizeof call->few / sizeof *call->few)) {
    call->requests = malloc((size_t)most * sizeof *call->requests);
    if (!call->requests) {
      call->requests = call->few;
      most = 0;
    }
  }
  if (!ring_lock()) return;
  call->count = most;
  call->what = LOOKS;
  struct request *last_known = NULL;
  for (int at = 0; at < most; at++) {
    word handle = library_handle((char *)place + (size_t)at * (size_t)lockstep_mpi.handle_bytes);
    struct request *request = handle == lockstep_mpi.request_null ? NULL : request_of(handle);
    int idle = handle == lockstep_mpi.request_null || (request && !request->active);
    null += idle;
    call->requests[at] = idle ? NULL : request;
    if (idle || !request) continue;
    request->held++;
    known++;
    sures += sure(request);
    last_known = request;
    call->takes |= is_open(&request->issued) || request->cancelling;
  }
  int all = sures == most - null;
  if (need == NEED_STREAM || !known || (need == NEED_EITHER && (!all || sures > LAYOUT_PARTS))) {
    ring_unlock();
    return;
  }
  if (sures <= 1) {
    for (int at = 0; at < most; at++)
      if (call->requests[at] && sure(call->requests[at])) last_known = call->requests[at];
    call->issued = last_known->issued;
    enter(call, KIND_ENTER, -1);
  } else {
    int skip = sures - LAYOUT_PARTS, parts = 0;
    for (int at = 0; at < most; at++) {
      struct request *request = call->requests[at];
      if (!request || !sure(request) || skip-- > 0) continue;
      call->issued = request->issued;
      enter(call, KIND_PART, -1);
      parts++;
    }
    call->issued = (struct issued){NULL, 0, ring_string(name, strlen(name)), need, 0, 0};
    ring_put(KIND_ENTER, 0, 0, call->issued.op, need, 0, 0, parts, call->site);
    lockstep_me.slot->inside = 1;
    call->waits = 1;
  }
  ring_unlock();
}

word call_statuses(struct call *call, word given, word count) {
  if (given != lockstep_mpi.status_ignore || !call->takes) return given;
  if ((size_t)count * (size_t)lockstep_mpi.status_bytes <= sizeof call->space) return (word)call->space;
  call->statuses = calloc((size_t)count, (size_t)lockstep_mpi.status_bytes);
  return call->statuses ? (word)call->statuses : given;
}

static void copy_made(struct request *request);
static void copies_adopt(void);

static void completed(struct request *request, word status) {
  struct issued *issued = &request->issued;
  int gone = 0;
  if (issued->need == NEED_RECV) {
    if (request->cancelling) {
      int cancelled = 1;
      if (status && status != lockstep_mpi.status_ignore) PMPI(Test_cancelled)(status, &cancelled);
      gone = cancelled;
      request->cancelling = 0;
      struct lane *lane = gone ? NULL : ring_lane(issued->comm->id, issued->peer, issued->tag);
      if (lane) {
        lane->cancelled--;
        ring_put(KIND_CANCEL, issued->comm->id, issued->seq, issued->op, 0, issued->peer, issued->tag, 0, 0);
      }
    }
    if (!gone) took(issued, is_open(issued) ? TOOK_WILD : TOOK_NAMED, status, KIND_TOOK);
  }
  request->active = 0;
  copy_made(request);
  if (!request->persistent) request_drop(request);
}

/* `done`: how many have ended, where the call says so (a flag, for those that look): see `wrappers`. */
void call_completed(struct call *call, int code, word done, word outcount, word indices, word statuses) {
  if (call->what == LOOKS && ring_lock()) {
    int stride = statuses && statuses != lockstep_mpi.status_ignore ? lockstep_mpi.status_bytes : 0;
    int ended = !done || *(int *)done;
    if (code) {
      /* Which of them have ended is not known: what they took is not counted, and none of them is known any more. */
      for (int at = 0; at < call->count; at++)
        if (call->requests[at] && !call->requests[at]->persistent) request_drop(call->requests[at]);
    } else if (ended && indices) {
      int many = outcount ? *(int *)outcount : 1;
      for (int at = 0; at < many; at++) {
        int which = ((int *)indices)[at];
        if (which >= 0 && which < call->count && call->requests[which])
          completed(call->requests[which], stride ? statuses + (word)at * stride : 0);
      }
    } else if (ended) {
      for (int at = 0; at < call->count; at++)
        if (call->requests[at]) completed(call->requests[at], stride ? statuses + (word)at * stride : 0);
    }
    for (int at = 0; at < call->count; at++)
      if (call->requests[at]) request_release(call->requests[at]);
    if (call->waits) leave(call);
    ring_unlock();
    copies_adopt();
  }
  if (call->requests != call->few) free(call->requests);
  free(call->statuses);
  lockstep_me.depth = 0;
}

static void restarting(struct call *call, int most, word place) {
  call->count = most;
  for (int at = 0; at < most; at++) {
    struct request *request = request_of(library_handle((char *)place + (size_t)at * (size_t)lockstep_mpi.handle_bytes));
    call->requests[at] = request && request->persistent ? request : NULL;
    if (!call->requests[at]) continue;
    struct issued *issued = &request->issued;
    struct call one = {.site = call->site, .name = call->name, .issued = *issued, .data = request->data, .size = request->size};
    if (request->kind == OF_COLLECTIVE) {
      one.issued.seq = ++issued->comm->entered;
      ring_entered(issued->comm->id, issued->comm->entered);
      occupy(&one, 1);
      enter(&one, KIND_POST, request->size);
      release(&one);
    } else if (begin_message(&one, STARTS, issued->comm, issued->op, issued->need, issued->peer, issued->tag)) {
      release(&one);
    }
    *issued = one.issued;
  }
  ring_unlock();
}

void call_restart(struct call *call, word count, word place) {
  int most = (int)count;
  if (most <= 0 || !place) return;
  call->requests = malloc((size_t)most * sizeof *call->requests);
  if (!call->requests) call->requests = call->few;
  else if (ring_lock()) restarting(call, most, place);
}

void call_restarted(struct call *call, int code) {
  if (call->count && ring_lock()) {
    for (int at = 0; at < call->count; at++) {
      if (!call->requests[at]) continue;
      if (code) doubt(call, &call->requests[at]->issued);
      else call->requests[at]->active = 1;
    }
    ring_unlock();
  }
  if (call->requests != call->few) free(call->requests);
  lockstep_me.depth = 0;
}

void call_cancel(struct call *call, word place) {
  (void)call;
  if (!ring_lock()) return;
  struct request *request = request_of(library_handle((void *)place));
  if (request && request->active && request->issued.need == NEED_RECV && !request->cancelling) {
    struct issued *issued = &request->issued;
    struct lane *lane = ring_lane(issued->comm->id, issued->peer, issued->tag);
    request->cancelling = 1; /* until it ends nobody knows: it may take none */
    if (lane) lane->cancelled++;
    ring_put(KIND_CANCEL, issued->comm->id, issued->seq, issued->op, 1, issued->peer, issued->tag, 0, 0);
  }
  ring_unlock();
}

void call_drop(struct call *call, word place) {
  (void)call;
  if (!ring_lock()) return;
  struct request *request = request_of(library_handle((void *)place));
  if (request) request_drop(request); /* what it may still take is never counted, which is on the safe side */
  ring_unlock();
}

#include "comms.inc"
#include "windows.inc"
#include "files.inc"
