/*
 * test CONDITION: see lib/test.c. Exits with 0 if it holds, 1 if not, 2 if it makes no sense.
 */
#include "shell.h"

int main(int argc, char **argv) { return test_command(argc, argv); }
