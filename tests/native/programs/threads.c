/* MPI_THREAD_MULTIPLE: eight threads on each of two ranks, each pair in a communicator of its own, all kinds of requests.
 * argv: how many rounds. */
#include <mpi.h>
#include <pthread.h>
#include <stdlib.h>

#define THREADS 8

static int rank, rounds;
static MPI_Comm comms[THREADS];

static void *work(void *number) {
  MPI_Comm comm = comms[(long)number], made;
  int other = 1 - rank, out = 1, in[2], which, count, indices[2], flag;
  MPI_Request requests[2];
  MPI_Status statuses[2];
  for (int round = 0; round < rounds; round++) {
    MPI_Irecv(&in[0], 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &requests[0]);
    MPI_Isend(&out, 1, MPI_INT, other, round % 5, comm, &requests[1]);
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    MPI_Irecv(&in[0], 1, MPI_INT, other, 7, comm, &requests[0]);
    MPI_Irecv(&in[1], 1, MPI_INT, other, 8, comm, &requests[1]);
    MPI_Send(&out, 1, MPI_INT, other, 8, comm);
    MPI_Waitany(2, requests, &which, statuses);
    MPI_Send(&out, 1, MPI_INT, other, 7, comm);
    do MPI_Waitsome(2, requests, &count, indices, statuses);
    while (count != MPI_UNDEFINED);
    MPI_Iallreduce(&out, &in[0], 1, MPI_INT, MPI_SUM, comm, &requests[0]);
    do MPI_Test(&requests[0], &flag, MPI_STATUS_IGNORE);
    while (!flag);
    MPI_Sendrecv(&out, 1, MPI_INT, other, 3, &in[0], 1, MPI_INT, MPI_ANY_SOURCE, 3, comm, &statuses[0]);
    MPI_Recv_init(&in[0], 1, MPI_INT, other, 9, comm, &requests[0]);
    MPI_Start(&requests[0]);
    MPI_Ssend(&out, 1, MPI_INT, other, 9, comm);
    MPI_Wait(&requests[0], &statuses[0]);
    MPI_Request_free(&requests[0]);
    MPI_Irecv(&in[0], 1, MPI_INT, other, 99, comm, &requests[0]);
    MPI_Cancel(&requests[0]);
    MPI_Wait(&requests[0], &statuses[0]);
    if (round % 5 == 0) {
      MPI_Comm_dup(comm, &made);
      MPI_Barrier(made);
      MPI_Comm_free(&made);
    }
  }
  return NULL;
}

int main(int argc, char **argv) {
  int provided;
  pthread_t threads[THREADS];
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  rounds = argc > 1 ? atoi(argv[1]) : 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  for (int at = 0; at < THREADS; at++) MPI_Comm_dup(MPI_COMM_WORLD, &comms[at]);
  for (long at = 0; at < THREADS; at++) pthread_create(&threads[at], NULL, work, (void *)at);
  for (int at = 0; at < THREADS; at++) pthread_join(threads[at], NULL);
  MPI_Finalize();
  return 0;
}
