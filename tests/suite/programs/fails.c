/* A process that fails, with the number that it is told. No MPI: any compiler builds it. */
#include <stdlib.h>

int main(int count, char **words) { return count > 1 ? atoi(words[1]) : 1; }
