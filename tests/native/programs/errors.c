/* Errors of MPI in a program of two ranks. argv: which; rank 1 makes it, while rank 0 waits or is at its end. */
#include <mpi.h>
#include <stdio.h>
#include <string.h>

static int rank, one, many[10];

static void meet(MPI_Comm comm) { MPI_Barrier(comm); }

/* What the program sees of its handlers is what it would see without us. */
static int asks(void) {
  MPI_Errhandler handler;
  MPI_Win window;
  MPI_Comm_get_errhandler(MPI_COMM_WORLD, &handler);
  if (handler != MPI_ERRORS_ARE_FATAL) return 3;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (MPI_Type_size(MPI_INT, &one) || !MPI_Send(&one, 1, MPI_INT, 9, 0, MPI_COMM_WORLD)) return 4;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ABORT);
  MPI_Comm_get_errhandler(MPI_COMM_WORLD, &handler);
  if (handler != MPI_ERRORS_ABORT) return 5;
  MPI_Win_create(many, sizeof many, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &window);
  MPI_Win_get_errhandler(window, &handler);
  if (handler != MPI_ERRORS_ARE_FATAL) return 6;
  MPI_Win_free(&window);
  return 0;
}

int main(int argc, char **argv) {
  const char *way = argc > 1 ? argv[1] : "asks";
  int failed = 0;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (!strcmp(way, "truncated")) {
    if (rank == 0) MPI_Send(many, 10, MPI_INT, 1, 0, MPI_COMM_WORLD);
    else MPI_Recv(&one, 1, MPI_INT, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE); /* truncated */
  }
  if (!strcmp(way, "request")) {
    MPI_Request request;
    if (rank == 0) MPI_Send(many, 10, MPI_INT, 1, 0, MPI_COMM_WORLD);
    else {
      MPI_Irecv(&one, 1, MPI_INT, 0, 0, MPI_COMM_WORLD, &request);
      MPI_Wait(&request, MPI_STATUS_IGNORE); /* request */
    }
  }
  if (!strcmp(way, "copied")) {
    MPI_Comm copy;
    MPI_Comm_dup(MPI_COMM_WORLD, &copy);
    if (rank == 1) MPI_Send(&one, 1, MPI_INT, 9, 0, copy); /* copied */
    meet(copy);
  }
  if (!strcmp(way, "untold")) {
    MPI_Datatype none = MPI_DATATYPE_NULL;
    if (rank == 1) MPI_Type_commit(&none); /* untold */
    meet(MPI_COMM_WORLD);
  }
  if (!strcmp(way, "window")) {
    MPI_Win window;
    MPI_Win_create(many, sizeof many, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &window);
    if (rank == 1) MPI_Put(&one, 1, MPI_INT, 9, 0, 1, MPI_INT, window); /* window */
    meet(MPI_COMM_WORLD);
  }
  if (!strcmp(way, "asks")) failed = asks();
  MPI_Finalize();
  return failed;
}
