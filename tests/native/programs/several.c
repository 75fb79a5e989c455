/* Operations between two groups, among neighbours, on windows, and that start processes. argv: a way of four ranks that hangs,
 * or `right`, in which rank 3 comes late to all, and a path. */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int rank, one[8], two[8];
static MPI_Comm half, inter, ring, graph, copy, copies[2];
static MPI_Win window;
static MPI_Group all, first, last;

static void never(int from) { MPI_Recv(two, 1, MPI_INT, from, 99, MPI_COMM_WORLD, MPI_STATUS_IGNORE); }

static void late(void) {
  if (rank == 3) usleep(700000);
}

static void make(void) {
  int size = 4, periodic = 1, zero = 0, three = 3;
  int before = (rank + 3) % 4, after = (rank + 1) % 4;
  MPI_Comm_split(MPI_COMM_WORLD, rank / 2, 0, &half);
  MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, rank < 2 ? 2 : 0, 5, &inter);
  MPI_Cart_create(MPI_COMM_WORLD, 1, &size, &periodic, 0, &ring);
  MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, 1, &before, MPI_UNWEIGHTED, 1, &after, MPI_UNWEIGHTED, MPI_INFO_NULL, 0, &graph);
  MPI_Win_create(one, sizeof one, sizeof(int), MPI_INFO_NULL, MPI_COMM_WORLD, &window);
  MPI_Comm_group(MPI_COMM_WORLD, &all);
  MPI_Group_incl(all, 1, &zero, &first);
  MPI_Group_incl(all, 1, &three, &last);
}

static void epochs(void) {
  MPI_Win_fence(MPI_MODE_NOPRECEDE, window);
  MPI_Win_fence(0, window);
  late();
  MPI_Put(two, 1, MPI_INT, (rank + 1) % 4, 0, 1, MPI_INT, window);
  MPI_Win_fence(0, window);
  MPI_Win_fence(MPI_MODE_NOSUCCEED, window);
  MPI_Barrier(MPI_COMM_WORLD);
  for (int times = 0; times < 2; times++) {
    if (rank == 0) {
      int done = 0;
      MPI_Win_post(last, 0, window);
      if (times) while (!done) MPI_Win_test(window, &done);
      else MPI_Win_wait(window);
    } else if (rank == 3) {
      late();
      MPI_Win_start(first, 0, window);
      MPI_Put(two, 1, MPI_INT, 0, 1, 1, MPI_INT, window);
      MPI_Win_complete(window);
    }
  }
}

static void copied(void) {
  MPI_Request request, requests[2];
  int done = 0;
  MPI_Comm_idup(MPI_COMM_WORLD, &copy, &request);
  late();
  while (!done) MPI_Test(&request, &done, MPI_STATUS_IGNORE);
  for (int at = 0; at < 2; at++) MPI_Comm_idup(copy, &copies[at], &requests[at]);
  MPI_Barrier(copy);
  MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
  late();
  for (int at = 0; at < 2; at++) MPI_Barrier(copies[at]);
  for (int at = 0; at < 2; at++) MPI_Comm_free(&copies[at]);
  MPI_Comm_free(&copy);
  MPI_Comm_idup(MPI_COMM_WORLD, &copy, &request); /* it is used before its request is waited for */
  for (done = 0; !done;) MPI_Request_get_status(request, &done, MPI_STATUS_IGNORE);
  MPI_Barrier(copy);
  late();
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  late();
  MPI_Barrier(copy);
  MPI_Comm_free(&copy);
}

static const char *path;

static void on_file(void) {
  MPI_File file;
  MPI_Request request;
  MPI_Status status;
  MPI_File_open(MPI_COMM_WORLD, "/nowhere/at/all", MPI_MODE_RDONLY, MPI_INFO_NULL, &file);
  MPI_File_open(MPI_COMM_WORLD, path, MPI_MODE_CREATE | MPI_MODE_RDWR, MPI_INFO_NULL, &file);
  for (int at = 0; at < 2; at++) {
    late();
    MPI_File_write_at_all(file, 4 * rank, &rank, 1, MPI_INT, &status);
  }
  MPI_File_iwrite_at_all(file, 4 * rank, &rank, 1, MPI_INT, &request);
  MPI_Wait(&request, &status);
  MPI_File_write_all_begin(file, &rank, 1, MPI_INT);
  MPI_File_write_all_end(file, &rank, &status);
  MPI_File_close(&file);
}

static void right(void) {
  MPI_Request request;
  int root = rank < 2 ? (rank == 0 ? MPI_ROOT : MPI_PROC_NULL) : 0;
  late();
  MPI_Barrier(inter);
  MPI_Bcast(one, 1, MPI_INT, root, inter);
  late();
  MPI_Gather(one, 1, MPI_INT, rank == 0 ? two : NULL, rank == 0, rank == 0 ? MPI_INT : MPI_DATATYPE_NULL, root, inter);
  MPI_Allreduce(one, two, 1, MPI_INT, MPI_SUM, inter);
  MPI_Ibarrier(inter, &request);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  late();
  MPI_Neighbor_allgather(one, 1, MPI_INT, two, 1, MPI_INT, ring);
  MPI_Neighbor_alltoall(one, 1, MPI_INT, two, 1, MPI_INT, graph);
  MPI_Ineighbor_allgather(one, 1, MPI_INT, two, 1, MPI_INT, graph, &request);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  epochs();
  copied();
  on_file();
}

int main(int argc, char **argv) {
  const char *way = argc > 1 ? argv[1] : "right";
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  path = argc > 2 ? argv[2] : "file";
  make();
  if (!strcmp(way, "right")) right();
  if (!strcmp(way, "inter_barrier")) {
    if (rank == 3) never(0);
    MPI_Barrier(inter); /* inter_barrier */
  }
  if (!strcmp(way, "inter_bcast")) { /* its own group does not wait for the root */
    if (rank == 0) never(2);
    MPI_Bcast(one, 1, MPI_INT, rank < 2 ? MPI_PROC_NULL : 0, inter); /* inter_bcast */
    if (rank == 1) never(0);
  }
  if (!strcmp(way, "neighbour")) {
    if (rank == 3) never(0);
    MPI_Neighbor_allgather(one, 1, MPI_INT, two, 1, MPI_INT, ring); /* neighbour */
    MPI_Barrier(MPI_COMM_WORLD);
  }
  if (!strcmp(way, "copies")) {
    MPI_Request request;
    MPI_Comm_idup(MPI_COMM_WORLD, &copy, &request);
    MPI_Barrier(MPI_COMM_SELF); /* nobody else is in it */
    if (rank == 3) never(0);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    MPI_Barrier(copy); /* copies */
    MPI_Comm_free(&copy);
  }
  if (!strcmp(way, "copying")) {
    MPI_Request request;
    if (rank == 3) never(0);
    MPI_Comm_idup(MPI_COMM_WORLD, &copy, &request);
    MPI_Wait(&request, MPI_STATUS_IGNORE); /* copying */
    MPI_Comm_free(&copy);
  }
  if (!strcmp(way, "fence")) {
    MPI_Win_fence(0, window);
    if (rank == 3) never(0);
    MPI_Win_fence(0, window); /* fence */
  }
  if (!strcmp(way, "exposure")) {
    MPI_Win_post(rank == 0 ? last : MPI_GROUP_EMPTY, 0, window);
    if (rank == 0) MPI_Win_wait(window); /* exposure */
    never((rank + 1) % 4);
  }
  if (!strcmp(way, "spawn")) { /* what is to be started only the root says */
    MPI_Comm children;
    if (rank == 0) never(1);
    MPI_Comm_spawn("none", MPI_ARGV_NULL, 1, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &children, MPI_ERRCODES_IGNORE); /* spawn */
  }
  MPI_Group_free(&all);
  MPI_Group_free(&first);
  MPI_Group_free(&last);
  MPI_Win_free(&window);
  MPI_Comm_free(&half);
  MPI_Comm_free(&inter);
  MPI_Comm_free(&ring);
  MPI_Comm_free(&graph);
  MPI_Finalize();
  return 0;
}
