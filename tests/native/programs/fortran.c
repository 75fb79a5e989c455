/* A Fortran program of two ranks, as its compiler would make it: names with an underscore, all by reference. Built twice: with
 * LIBRARY it is MPI's library for Fortran, which calls C; with MODULE the program uses the module mpi_f08. */
#include <mpi.h>
#include <string.h>

#ifdef LIBRARY
void mpi_init_(int *error) { *error = MPI_Init(NULL, NULL); }
void mpi_finalize_(int *error) { *error = MPI_Finalize(); }
void mpi_comm_rank_(int *comm, int *rank, int *error) { *error = MPI_Comm_rank(MPI_Comm_f2c(*comm), rank); }
void mpi_send_(void *data, int *count, int *datatype, int *to, int *tag, int *comm, int *error) {
  *error = MPI_Send(data, *count, MPI_Type_f2c(*datatype), *to, *tag, MPI_Comm_f2c(*comm));
}
void mpi_recv_(void *data, int *count, int *datatype, int *from, int *tag, int *comm, int *status, int *error) {
  (void)status;
  *error = MPI_Recv(data, *count, MPI_Type_f2c(*datatype), *from, *tag, MPI_Comm_f2c(*comm), MPI_STATUS_IGNORE);
}
void mpi_barrier_f08_(int *comm, int *error) { *error = PMPI_Barrier(MPI_Comm_f2c(*comm)); }
#else
void mpi_init_(int *error);
void mpi_finalize_(int *error);
void mpi_comm_rank_(int *comm, int *rank, int *error);
void mpi_send_(void *data, int *count, int *datatype, int *to, int *tag, int *comm, int *error);
void mpi_recv_(void *data, int *count, int *datatype, int *from, int *tag, int *comm, int *status, int *error);
void mpi_barrier_f08_(int *comm, int *error);

int main(int argc, char **argv) {
  int error, rank, other, one = 1, tag = 0, data = 0, status[8];
  mpi_init_(&error);
  int world = MPI_Comm_c2f(MPI_COMM_WORLD), integer = MPI_Type_c2f(MPI_INT);
  mpi_comm_rank_(&world, &rank, &error);
  other = 1 - rank;
  if (rank == 0 && argc > 1 && !strcmp(argv[1], "right")) mpi_send_(&data, &one, &integer, &other, &tag, &world, &error);
  if (rank == 1 || strcmp(argv[1], "right")) mpi_recv_(&data, &one, &integer, &other, &tag, &world, status, &error); /* receive */
#ifdef MODULE
  mpi_barrier_f08_(&world, &error);
#endif
  mpi_finalize_(&error);
  return 0;
}
#endif
