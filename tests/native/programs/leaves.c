/* Two ranks that end well. `tidy`: nothing is left, in each way that MPI has; `untidy`: something of each kind is. */
#include <mpi.h>
#include <string.h>

static int one, two, three;

static void tidy(int other) {
  MPI_Request request, both[2];
  MPI_Comm copy;
  MPI_Message message;
  int done = 0;
  MPI_Isend(&one, 1, MPI_INT, other, 1, MPI_COMM_WORLD, &request);
  MPI_Recv(&two, 1, MPI_INT, MPI_ANY_SOURCE, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  while (!done) MPI_Test(&request, &done, MPI_STATUS_IGNORE);
  MPI_Isend(&one, 1, MPI_INT, other, 2, MPI_COMM_WORLD, &request);
  MPI_Request_free(&request);
  MPI_Mprobe(other, 2, MPI_COMM_WORLD, &message, MPI_STATUS_IGNORE);
  MPI_Mrecv(&two, 1, MPI_INT, &message, MPI_STATUS_IGNORE);
  MPI_Irecv(&two, 1, MPI_INT, other, 3, MPI_COMM_WORLD, &request);
  MPI_Cancel(&request);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  MPI_Recv_init(&two, 1, MPI_INT, other, 4, MPI_COMM_WORLD, &request);
  MPI_Request_free(&request);
  MPI_Ibarrier(MPI_COMM_WORLD, &both[0]);
  MPI_Iallreduce(&one, &three, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD, &both[1]);
  MPI_Waitall(2, both, MPI_STATUSES_IGNORE);
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  MPI_Comm_free(&copy);
}

static void untidy(int rank) {
  static MPI_Request kept, never;
  static MPI_Comm half;
  if (rank == 0) {
    MPI_Isend(&one, 1, MPI_INT, 1, 6, MPI_COMM_WORLD, &kept); /* kept */
    MPI_Send(&one, 1, MPI_INT, 1, 7, MPI_COMM_WORLD);         /* lies */
  } else {
    MPI_Recv(&two, 1, MPI_INT, 0, 6, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  }
  MPI_Iallreduce(&one, &three, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD, &never); /* never */
  MPI_Comm_split(MPI_COMM_WORLD, 0, 0, &half);                               /* split */
  MPI_Barrier(MPI_COMM_WORLD);
}

int main(int argc, char **argv) {
  int rank;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (argc > 1 && !strcmp(argv[1], "untidy")) untidy(rank);
  else tidy(1 - rank);
  MPI_Finalize();
  return 0;
}
