/* Not C: it cannot be built. */
int main(void) { return missing; }
