/* Two ranks that hand over data. `wrong`: in each way in which they take it for something else; `right`: in ways that look so. */
#include <mpi.h>
#include <string.h>

static int rank, other, one[64], two[64];

static void wrong(void) {
  MPI_Datatype mine = rank ? MPI_FLOAT : MPI_INT;
  MPI_Op operation = rank ? MPI_MAX : MPI_SUM;
  MPI_Comm copy, third;
  MPI_Request request;
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  MPI_Comm_dup(MPI_COMM_WORLD, &third);
  MPI_Scatter(one, 1, mine, two, 1, mine, 0, MPI_COMM_WORLD);         /* scatter */
  MPI_Allreduce(one, two, 1, MPI_INT, operation, copy);               /* reduction */
  MPI_Ireduce(one, two, 1, MPI_DOUBLE, operation, 1, third, &request); /* posted */
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  if (rank) MPI_Ssend(one, 1, mine, 0, 3, copy); /* sent */
  else {
    MPI_Irecv(two, 1, mine, 1, 3, copy, &request); /* received */
    MPI_Wait(&request, MPI_STATUS_IGNORE);
  }
  if (rank) MPI_Send_init(one, 1, mine, 0, 4, third, &request);
  else MPI_Recv_init(two, 1, mine, 1, 4, third, &request);
  MPI_Start(&request); /* kept */
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  MPI_Request_free(&request);
  MPI_Comm_free(&copy);
  MPI_Comm_free(&third);
}

static void right(void) {
  MPI_Datatype four;
  MPI_Comm copy;
  int counts[2] = {1, 0}, places[2] = {0, 1};
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  MPI_Type_contiguous(4, MPI_INT, &four);
  MPI_Type_commit(&four);
  MPI_Bcast(one, rank ? 1 : 4, rank ? four : MPI_INT, 0, MPI_COMM_WORLD);
  MPI_Allreduce(one, two, 2, rank ? MPI_INT : MPI_INT32_T, MPI_SUM, MPI_COMM_WORLD);
  MPI_Bcast(one, rank ? 8 : 2, rank ? MPI_BYTE : MPI_INT, 0, MPI_COMM_WORLD);
  /* What counts at the root only may be anything on the other. */
  if (rank) {
    MPI_Gather(one, 1, MPI_INT, NULL, 17, MPI_DATATYPE_NULL, 0, MPI_COMM_WORLD);
    MPI_Gatherv(one, 0, MPI_DOUBLE, NULL, NULL, NULL, MPI_DATATYPE_NULL, 0, MPI_COMM_WORLD);
    MPI_Scatter(NULL, 3, MPI_DATATYPE_NULL, one, 1, MPI_INT, 0, MPI_COMM_WORLD);
  } else {
    MPI_Gather(one, 1, MPI_INT, two, 1, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Gatherv(one, 1, MPI_INT, two, counts, places, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Scatter(one, 1, MPI_INT, MPI_IN_PLACE, 9, MPI_DATATYPE_NULL, 0, MPI_COMM_WORLD);
  }
  /* Whose message a receive from anybody takes is not told by its number. */
  if (rank) {
    MPI_Send(one, 1, MPI_FLOAT, 0, 1, copy);
    MPI_Send(one, 1, MPI_INT, 0, 1, copy);
  } else {
    MPI_Recv(two, 1, MPI_FLOAT, MPI_ANY_SOURCE, 1, copy, MPI_STATUS_IGNORE);
    MPI_Recv(two, 1, MPI_INT, 1, 1, copy, MPI_STATUS_IGNORE);
  }
  MPI_Sendrecv(one, 1, rank ? MPI_INT : MPI_FLOAT, other, 2, two, 9, rank ? MPI_FLOAT : MPI_INT, other, 2, MPI_COMM_WORLD,
               MPI_STATUS_IGNORE);
  MPI_Type_free(&four);
  MPI_Comm_free(&copy);
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  other = 1 - rank;
  if (argc > 1 && !strcmp(argv[1], "wrong")) wrong();
  else right();
  MPI_Finalize();
  return 0;
}
