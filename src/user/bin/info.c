/*
 * info: what the kernel says of itself: harts, separation, memory, time, processes and how often
 * each domain was restarted.
 */
#include "cordon.h"
#include "print.h"

int main(void) {
  struct cordon_info info;
  long error = cordon_info(&info);
  if (error < 0) die("%s", error_text(error));
  printf("harts             %lu\n", info.harts);
  printf("subsystems        %s\n", info.separated ? "separated" : "one monolith");
  printf("memory            %lu of %lu KiB free\n", info.free_frames * 4, info.total_frames * 4);
  printf("up                %lu.%03lu s\n", info.uptime_ns / 1000000000,
         info.uptime_ns / 1000000 % 1000);
  printf("processes         %lu\n", info.processes);
  printf("context switches  %lu\n", info.context_switches);
  for (int domain = 0; domain < CORDON_DOMAINS; domain++)
    if (info.restarts[domain] > 0)
      printf("domain %-2d         restarted %lu times\n", domain, info.restarts[domain]);
  return 0;
}
