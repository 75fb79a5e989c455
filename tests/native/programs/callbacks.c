/* Functions of attributes, which MPI calls when a communicator is copied, and in its end: callbacks MODE. Rank 1 sends there,
 * late, what rank 0 waits for. */
#include <mpi.h>
#include <string.h>
#include <unistd.h>

static void send_late(void) {
  int rank, value = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank != 1) return;
  sleep(7);
  MPI_Send(&value, 1, MPI_INT, 0, 5, MPI_COMM_WORLD);
}

static int copies(MPI_Comm comm, int key, void *extra, void *in, void *out, int *flag) {
  (void)comm, (void)key, (void)extra, (void)in, (void)out;
  *flag = 0;
  send_late();
  return MPI_SUCCESS;
}

static int deletes(MPI_Comm comm, int key, void *value, void *extra) {
  (void)comm, (void)key, (void)value, (void)extra;
  send_late();
  return MPI_SUCCESS;
}

int main(int argc, char **argv) {
  int rank, key, value;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  int ends = !strcmp(argv[1], "end");
  MPI_Comm_create_keyval(ends ? MPI_COMM_NULL_COPY_FN : copies, ends ? deletes : MPI_COMM_NULL_DELETE_FN, &key, NULL);
  MPI_Comm_set_attr(ends ? MPI_COMM_SELF : MPI_COMM_WORLD, key, NULL);
  if (rank == 0) MPI_Recv(&value, 1, MPI_INT, 1, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  if (!ends) {
    MPI_Comm copy;
    MPI_Comm_dup(MPI_COMM_WORLD, &copy);
    MPI_Comm_free(&copy);
  }
  MPI_Finalize();
  return 0;
}
