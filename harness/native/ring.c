/* The ring of this process: made here, handed to the supervisor, written under one lock by MPI's wrappers and by Python.
 *
 * The lock is a word of the shared memory that is odd while somebody writes: who reads the tables from outside looks at it
 * before and after. So the tables are read as they were at one moment, whatever part of the log has been overwritten. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lockstep.h"

_Static_assert(sizeof(struct record) == 64, "trace/event.py");
_Static_assert(offsetof(struct slot, part) == LAYOUT_SLOT_HEAD && sizeof(struct slot) <= LAYOUT_SLOT_BYTES, "trace/layout.py");
_Static_assert(sizeof(struct lane) == 64 && offsetof(struct lane, sent) == 16, "trace/layout.py");

#define STRING_SLOTS (1 << 16)
#define LANE_SLOTS (1 << 17)

__thread struct me lockstep_me;
_Atomic int lockstep_on;
uint8_t *lockstep_memory;

static int line_fd = -1, ring_fd = -1;
static uint64_t last;
static uint32_t *string_index, *lane_index, string_count, string_used, free_threads[LAYOUT_THREADS], free_count, threads;
static uint32_t *string_places;
static pthread_key_t thread_key;
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static uint32_t reasons[256], reason_count;

static _Atomic uint64_t *shared(size_t at) { return (_Atomic uint64_t *)(lockstep_memory + at); }
static void publish(size_t at, uint64_t value) { atomic_store_explicit(shared(at), value, memory_order_release); }

/* --- the lock ------------------------------------------------------------------------------------------------------------ */

static void thread_begins(void);

int ring_lock(void) {
  struct me *me = &lockstep_me;
  if (me->holding) return 0;
  me->holding = 1;
  _Atomic uint64_t *lock = shared(LAYOUT_LOCK);
  for (unsigned tries = 0;; tries++) {
    uint64_t value = atomic_load_explicit(lock, memory_order_relaxed);
    if (!(value & 1) &&
        atomic_compare_exchange_weak_explicit(lock, &value, value + 1, memory_order_acquire, memory_order_relaxed))
      break;
    if (tries > 64) sched_yield();
  }
  atomic_thread_fence(memory_order_release);
  if (!me->known) thread_begins();
  return 1;
}

void ring_unlock(void) {
  _Atomic uint64_t *lock = shared(LAYOUT_LOCK);
  atomic_store_explicit(lock, atomic_load_explicit(lock, memory_order_relaxed) + 1, memory_order_release);
  lockstep_me.holding = 0;
}

/* --- records ----------------------------------------------------------------------------------------------------------- */

static uint64_t now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static int is_rare(uint16_t kind) {
  switch (kind) {
    case KIND_ENTER: case KIND_EXIT: case KIND_POST: case KIND_PART: case KIND_TOOK: case KIND_CANCEL: return 0;
  }
  return 1;
}

static void keep(const struct record *record) {
  uint64_t kept = atomic_load_explicit(shared(LAYOUT_KEPT_COUNT), memory_order_relaxed);
  if (kept < LAYOUT_KEPT) memcpy(lockstep_memory + LAYOUT_KEPT_AT + kept * sizeof *record, record, sizeof *record);
  publish(LAYOUT_KEPT_COUNT, kept + 1); /* more than there is room for: whoever reads it sees that */
}

static void put(struct record *record) {
  record->number = ++last;
  uint8_t *place = lockstep_memory + LAYOUT_RECORDS + (record->number - 1) % LAYOUT_CAPACITY * sizeof *record;
  _Atomic uint64_t *number = (_Atomic uint64_t *)(place + offsetof(struct record, number));
  atomic_store_explicit(number, 0, memory_order_relaxed);
  atomic_thread_fence(memory_order_release);
  memcpy(place, record, offsetof(struct record, number));
  atomic_store_explicit(number, record->number, memory_order_release);
  if (is_rare(record->kind)) keep(record);
  publish(LAYOUT_LAST, last);
}

void ring_begin(uint16_t kind, uint32_t comm, uint64_t seq, uint32_t a, uint32_t b, int32_t c, int32_t tag, int64_t size,
                uint32_t site, uint32_t data) {
  struct slot *slot = lockstep_me.slot;
  struct record record = {now(), kind, lockstep_me.id, comm, seq, a, b, c, tag, size, site, data, 0};
  put(&record);
  if (kind == KIND_ENTER) {
    slot->wait = record;
    if (!size || (b != NEED_EITHER && b != NEED_EVERY)) slot->parts = 0;
  } else if (kind == KIND_EXIT) {
    slot->wait.kind = 0;
    slot->parts = 0;
  } else if (kind == KIND_PART && slot->parts < LAYOUT_PARTS) {
    slot->part[slot->parts++] = record;
  }
}

void ring_put(uint16_t kind, uint32_t comm, uint64_t seq, uint32_t a, uint32_t b, int32_t c, int32_t tag, int64_t size,
              uint32_t site) {
  ring_begin(kind, comm, seq, a, b, c, tag, size, site, 0);
}

uint64_t ring_last(void) { return last; }

/* --- strings ------------------------------------------------------------------------------------------------------------ */

static uint64_t mixed(const void *bytes, size_t size) {
  uint64_t hash = 1469598103934665603u;
  for (size_t at = 0; at < size; at++) hash = (hash ^ ((const uint8_t *)bytes)[at]) * 1099511628211u;
  return hash ^ hash >> 29;
}

uint32_t ring_string(const char *text, size_t size) {
  uint8_t *base = lockstep_memory + LAYOUT_STRINGS;
  uint64_t at = mixed(text, size);
  for (;; at++) {
    uint32_t found = string_index[at % STRING_SLOTS];
    if (!found) break;
    uint32_t stored;
    memcpy(&stored, base + string_places[found - 1], sizeof stored);
    if (stored == size && !memcmp(base + string_places[found - 1] + sizeof stored, text, size)) return found - 1;
  }
  static const char full[] = "<string table full>";
  int no_room = size + sizeof(uint32_t) + 64 > LAYOUT_STRING_BYTES - string_used || string_count >= STRING_SLOTS / 2;
  if (no_room && (size != sizeof full - 1 || memcmp(text, full, size))) return ring_string(full, sizeof full - 1);
  uint32_t stored = (uint32_t)size;
  memcpy(base + string_used, &stored, sizeof stored);
  memcpy(base + string_used + sizeof stored, text, size);
  string_places[string_count] = string_used;
  string_used += (uint32_t)(sizeof stored + size);
  string_index[at % STRING_SLOTS] = ++string_count;
  publish(LAYOUT_STRINGS_USED, string_used);
  return string_count - 1;
}

void ring_opaque(const char *reason) {
  uint32_t text = ring_string(reason, strlen(reason));
  for (uint32_t at = 0; at < reason_count; at++)
    if (reasons[at] == text) return;
  if (reason_count < sizeof reasons / sizeof *reasons) reasons[reason_count++] = text;
  ring_put(KIND_OPAQUE, 0, 0, text, 0, 0, 0, 0, 0);
}

/* --- threads, communicators, lanes ----------------------------------------------------------------------------------- */

static struct slot *slot_of(uint32_t id) {
  return (struct slot *)(lockstep_memory + LAYOUT_SLOTS_AT + (size_t)id * LAYOUT_SLOT_BYTES);
}

static void thread_begins(void) {
  struct me *me = &lockstep_me;
  uint32_t id = free_count ? free_threads[--free_count] : threads < LAYOUT_THREADS ? threads++ : LAYOUT_THREADS - 1;
  me->id = (uint16_t)id;
  me->slot = slot_of(id);
  me->known = 1;
  memset(me->slot, 0, offsetof(struct slot, part));
  me->slot->tid = (uint32_t)syscall(SYS_gettid);
  publish(LAYOUT_THREADS_USED, threads);
  pthread_setspecific(thread_key, me);
  char name[17] = "MainThread";
  if ((pid_t)me->slot->tid != getpid()) prctl(PR_GET_NAME, name);
  ring_put(KIND_WAITER, 0, 0, ring_string(name, strlen(name)), 0, 0, 0, me->slot->tid, 0);
  if (threads >= LAYOUT_THREADS && !free_count) ring_opaque("more threads communicate than can be followed");
}

static void thread_ends(void *ignored) {
  (void)ignored;
  struct me *me = &lockstep_me;
  if (!lockstep_on || !me->known || !ring_lock()) return;
  ring_put(KIND_WAITER_END, 0, 0, 0, 0, 0, 0, 0, 0);
  me->slot->tid = 0;
  me->known = 0;
  if (me->id != LAYOUT_THREADS - 1) free_threads[free_count++] = me->id;
  ring_unlock();
}

int ring_comm(void) {
  uint64_t used = atomic_load_explicit(shared(LAYOUT_COMMS_USED), memory_order_relaxed);
  if (used >= LAYOUT_COMMS) {
    ring_opaque("more communicators were made than can be followed");
    return -1;
  }
  publish(LAYOUT_COMMS_USED, used + 1);
  return (int)used;
}

void ring_entered(uint32_t comm, uint64_t seq) {
  publish(LAYOUT_ENTERED_AT + 8 * (size_t)comm, seq);
  if (comm < LAYOUT_OLD_COMMS) publish(LAYOUT_COMM_TABLE + 8 * (size_t)comm, seq);
}

struct lane *ring_lane(uint32_t comm, int32_t peer, int32_t tag) {
  struct lane *lanes = (struct lane *)(lockstep_memory + LAYOUT_LANES_AT);
  uint64_t key = (uint64_t)comm * 0x9E3779B97F4A7C15u ^ (uint32_t)peer * 0xC2B2AE3D27D4EB4Fu ^ (uint32_t)tag * 0x165667B19E3779F9u;
  for (key ^= key >> 31;; key++) {
    uint32_t found = lane_index[key % LANE_SLOTS];
    if (!found) break;
    struct lane *lane = lanes + found - 1;
    if (lane->comm == comm && lane->peer == peer && lane->tag == tag) return lane;
  }
  uint64_t used = atomic_load_explicit(shared(LAYOUT_LANES_USED), memory_order_relaxed);
  if (used >= LAYOUT_LANES) {
    ring_opaque("messages of more peers and tags than can be counted");
    return NULL;
  }
  lane_index[key % LANE_SLOTS] = (uint32_t)used + 1;
  lanes[used].comm = comm;
  lanes[used].peer = peer;
  lanes[used].tag = tag;
  publish(LAYOUT_LANES_USED, used + 1);
  return lanes + used;
}

/* --- making it, and handing it over ----------------------------------------------------------------------------------- */

static size_t command_line(char *text, size_t room) {
  /* As JSON: the first words of the command line. */
  char raw[4096];
  int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? 0 : read(fd, raw, sizeof raw - 1);
  if (fd >= 0) close(fd);
  size_t used = 0, words = 0;
  raw[size > 0 ? size : 0] = 0;
  for (ssize_t at = 0; at < size && words < 8 && used + 512 < room; words++) {
    text[used++] = words ? ',' : '[';
    text[used++] = '"';
    for (; at < size && raw[at] && used + 256 < room; at++) {
      unsigned char letter = (unsigned char)raw[at];
      if (letter < 32 || letter > 126) letter = '?';
      if (letter == '"' || letter == '\\') text[used++] = '\\';
      text[used++] = (char)letter;
    }
    while (at < size && raw[at]) at++;
    at++;
    text[used++] = '"';
  }
  if (!words) text[used++] = '[';
  text[used++] = ']';
  return used;
}

static int hand_over(void) {
  const char *path = getenv("LOCKSTEP_ATTACH");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (!path || strlen(path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, path);
  int line = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct timeval patience = {10, 0};
  setsockopt(line, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  char hello[8192];
  int used = snprintf(hello, sizeof hello, "{\"pid\": %d, \"native\": true, \"argv\": ", getpid());
  used += (int)command_line(hello + used, sizeof hello - (size_t)used - 4);
  hello[used++] = '}';
  hello[used++] = '\n';
  struct iovec part = {hello, (size_t)used};
  union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(int))]; } control = {0};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(head), &ring_fd, sizeof(int));
  if (line < 0 || connect(line, (struct sockaddr *)&address, sizeof address) ||
      sendmsg(line, &message, MSG_NOSIGNAL) != used) {
    if (line >= 0) close(line);
    return -1;
  }
  struct timeval none = {0, 0};
  setsockopt(line, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
  return line;
}

static void child_of_fork(void) {
  /* What it inherits belongs to its parent; should it communicate itself, it makes its own. */
  pthread_mutex_init(&making, NULL);
  if (!lockstep_on) return;
  lockstep_on = 0;
  if (line_fd >= 0) close(line_fd);
  line_fd = -1;
  lockstep_memory = NULL;
  memset(&lockstep_me, 0, sizeof lockstep_me);
}

static void *zeroed(size_t size) {
  void *found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return found == MAP_FAILED ? NULL : found;
}

static int make(void) {
  static int registered, again;
  ring_fd = memfd_create("lockstep-ring", MFD_CLOEXEC);
  if (ring_fd < 0) return 0;
  uint8_t *memory = MAP_FAILED;
  if (!ftruncate(ring_fd, LAYOUT_BYTES)) memory = mmap(NULL, LAYOUT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd, 0);
  string_index = zeroed(STRING_SLOTS * sizeof *string_index);
  string_places = zeroed(STRING_SLOTS * sizeof *string_places);
  lane_index = zeroed(LANE_SLOTS * sizeof *lane_index);
  if (memory == MAP_FAILED || !string_index || !string_places || !lane_index) {
    close(ring_fd);
    return 0;
  }
  struct { char magic[8]; uint32_t version; int32_t rank; uint32_t world, capacity; } head = {
      LAYOUT_MAGIC, LAYOUT_VERSION, -1, 0, LAYOUT_CAPACITY};
  memcpy(memory, &head, sizeof head);
  lockstep_memory = memory;
  last = 0;
  string_count = string_used = free_count = threads = reason_count = 0;
  publish(LAYOUT_PID, (uint64_t)getpid());
  publish(LAYOUT_NATIVE, LAYOUT_SLOTS_AT);
  if (!registered) {
    registered = 1;
    pthread_key_create(&thread_key, thread_ends);
    pthread_atfork(NULL, NULL, child_of_fork);
  }
  memset(&lockstep_me, 0, sizeof lockstep_me);
  if (again) site_forget();
  again = 1;
  signals_publish();
  ring_string("", 0);
  ring_string("send", 4);
  ring_string("recv", 4);
  ring_string("probe", 5);
  ring_lock(); /* the thread that makes it is the first */
  ring_unlock();
  line_fd = hand_over();
  close(ring_fd);
  return line_fd >= 0;
}

int ring_make(void) {
  pthread_mutex_lock(&making);
  static pid_t failed;
  if (!lockstep_on && failed != getpid()) {
    if (make()) atomic_store(&lockstep_on, 1);
    else failed = getpid();
  }
  pthread_mutex_unlock(&making);
  return lockstep_on;
}

/* --- what Python calls ---------------------------------------------------------------------------------------------------- */

EXPORT int lockstep_ring(void **memory) {
  if (!ring_make()) return -1;
  *memory = lockstep_memory;
  publish(LAYOUT_PYTHON, 1);
  return line_fd;
}

EXPORT unsigned lockstep_string(const char *text, size_t size) {
  if (!ring_lock()) return 0;
  uint32_t found = ring_string(text, size);
  ring_unlock();
  return found;
}

EXPORT int lockstep_comm(void) {
  if (!ring_lock()) return -1;
  int found = ring_comm();
  ring_unlock();
  return found;
}

/* As Python folds it (trace/folding.py), so that the tables hold what its events say too. `verb`: 1 sends, 2 receives. */
EXPORT uint64_t lockstep_write(unsigned kind, unsigned comm, uint64_t seq, unsigned a, unsigned b, int c, int tag,
                               int64_t size, unsigned site, int verb) {
  if (!ring_lock()) return 0;
  int enters = kind == KIND_ENTER || kind == KIND_POST || kind == KIND_PART;
  if (enters && b != NEED_STREAM && b != NEED_HOLDERS && b != NEED_EITHER && b != NEED_EVERY) {
    struct lane *lane = verb ? ring_lane(comm, c, tag) : NULL;
    if (lane) {
      uint64_t *count = verb == 1 ? &lane->sent : &lane->received;
      if (*count < seq) *count = seq;
    } else if (!verb && b != NEED_PROBE && comm < LAYOUT_COMMS &&
               atomic_load_explicit(shared(LAYOUT_ENTERED_AT + 8 * (size_t)comm), memory_order_relaxed) < seq) {
      ring_entered(comm, seq);
    }
  } else if (kind == KIND_TOOK || (kind == KIND_EXIT && b)) {
    struct lane *lane = ring_lane(comm, c, tag);
    if (lane) {
      lane->all++;
      lane->wild += b != TOOK_NAMED;
    }
    if (b == TOOK_WILD && (lane = ring_lane(comm, (int)site - 1, (int)size))) lane->open++;
  } else if (kind == KIND_CANCEL) {
    struct lane *lane = ring_lane(comm, c, tag);
    if (lane) lane->cancelled += b ? 1 : (uint64_t)-1;
  }
  ring_put((uint16_t)kind, comm, seq, a, b, c, tag, size, site);
  uint64_t number = last;
  ring_unlock();
  return number;
}
