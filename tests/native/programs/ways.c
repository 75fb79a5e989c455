/* Ways in which a program of two ranks ends, or does not. argv: which, and for some how often before. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>

static int rank, other, x = 1, y;

static void receive(int tag) { MPI_Recv(&y, 1, MPI_INT, other, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE); }

static void *late(void *ignored) {
  (void)ignored;
  sleep(3);
  MPI_Send(&x, 1, MPI_INT, other, 5, MPI_COMM_WORLD);
  return NULL;
}

int main(int argc, char **argv) {
  const char *way = argc > 1 ? argv[1] : "clean";
  int provided, times = argc > 2 ? atoi(argv[2]) : 10;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  other = 1 - rank;
  for (int at = 0; at < times; at++) MPI_Allreduce(&x, &y, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  if (!strcmp(way, "both_receive")) receive(7);
  if (!strcmp(way, "ends_early") && rank == 0) MPI_Barrier(MPI_COMM_WORLD);
  if (!strcmp(way, "differ")) {
    if (rank == 0) MPI_Barrier(MPI_COMM_WORLD);
    else receive(3);
  }
  if (!strcmp(way, "differ_and_return")) { /* its part of a gather a rank may do alone */
    if (rank == 0) MPI_Gather(&x, 1, MPI_INT, NULL, 0, MPI_INT, 1, MPI_COMM_WORLD);
    else MPI_Barrier(MPI_COMM_WORLD);
  }
  if (!strcmp(way, "prefix")) { /* the first rank needs nobody in it, but for how libraries do it */
    if (rank == 0) MPI_Scan(&x, &y, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 1) MPI_Scan(&x, &y, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  }
  if (!strcmp(way, "waitany")) {
    MPI_Request requests[2];
    int which;
    MPI_Irecv(&x, 1, MPI_INT, other, 1, MPI_COMM_WORLD, &requests[0]);
    MPI_Irecv(&y, 1, MPI_INT, MPI_ANY_SOURCE, 2, MPI_COMM_WORLD, &requests[1]);
    MPI_Waitany(2, requests, &which, MPI_STATUS_IGNORE);
  }
  if (!strcmp(way, "second_of_two")) {
    MPI_Request requests[2];
    MPI_Isend(&x, 1, MPI_INT, other, 1, MPI_COMM_WORLD, &requests[0]);
    MPI_Irecv(&y, 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &requests[1]);
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    receive(1);
  }
  if (!strcmp(way, "late_thread")) {
    pthread_t thread;
    pthread_create(&thread, NULL, late, NULL);
    receive(5);
    pthread_join(thread, NULL);
  }
  if (!strcmp(way, "split")) {
    MPI_Comm half;
    MPI_Comm_split(MPI_COMM_WORLD, 0, -rank, &half);
    if (rank == 0) MPI_Barrier(half);
    else MPI_Barrier(MPI_COMM_WORLD);
  }
  MPI_Finalize();
  return 0;
}
