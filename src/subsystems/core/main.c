/* Boot, in order. */
#include "process.h"
#include "vfs.h"

extern char _start[];

/* What each hart does for itself. */
static void start_this_hart(u64 hart) {
  sched_init_hart(hart);
  csr_clear(sstatus, SSTATUS_FS | SSTATUS_VS);
  csr_write(scounteren, 7); /* user programs may read cycle, time and instret */
  timer_next_tick();
  csr_write(sie, SIE_SSIE | SIE_STIE | SIE_SEIE);
}

static void start_other_harts(u64 boot_hart) {
  for (u64 hart = 0; hart < MACHINE_HARTS; hart++) {
    if ((machine.harts >> hart & 1) == 0 || hart == boot_hart) continue;
    long status = sbi_hart_start(hart, (u64)_start - IMAGE_OFFSET);
    if (status == 0) continue;
    log_line("core: hart %lu did not start: %ld", hart, status);
    machine.harts &= ~(1UL << hart);
    machine.hart_count--;
  }
}

static u64 memory_bytes(void) {
  u64 bytes = 0;
  for (u32 i = 0; i < machine.memory_count; i++) bytes += machine.memory[i].end - machine.memory[i].start;
  return bytes;
}

/* The rest of boot needs threads: subsystems may sleep. */
static void start_subsystems(long unused) {
  (void)unused;
  domains_init();
  plic_start_threads(); /* before the disk is used: it answers by interrupt */
  domains_start_watch();
  boot_line("core: subsystems started");
  vfs_populate();
  long disk = vfs_mount_disk();
  if (disk == 0) {
    boot_line("core: disk mounted at /disk");
  } else if (disk != -ENODEV) {
    log_line("core: disk not mounted: error %ld", -disk);
  }
  long files = initrd_unpack();
  if (files < 0) log_line("core: initrd is damaged: error %ld", -files);
  if (files > 0) boot_line("core: %ld files from initrd", files);
  boot_line("cordon kernel: %u harts, %lu MiB", machine.hart_count, memory_bytes() >> 20);

  static char path[PATH_LIMIT];
  if (!bootarg("init", path, sizeof path)) strcopy(path, "/init", sizeof path);
  long status = process_start_init(path);
  if (status < 0) panic("cannot start %s: error %ld", path, -status);
}

_Noreturn void kernel_main(u64 hart, u64 device_tree);
_Noreturn void kernel_main(u64 hart, u64 device_tree) {
  console_init();
  monitor_init();
  /* The firmware gives a physical address, the monitor one in the direct map. */
  fdt_parse((s64)device_tree > 0 ? direct(device_tree) : (void *)device_tree);
  machine.boot_hart = hart;
  frames_init();
  mmu_init();
  time_init();
  boot_line("core: %s, %lu of %lu frames free", separated ? "separated" : "monolith", frames_free(),
            frames_total());
  plic_init(hart);
  start_this_hart(hart);
  start_other_harts(hart);

  struct thread *thread = thread_create_kernel(start_subsystems, 0);
  if (thread == 0) panic("no first thread");
  thread_start(thread);
  sched_idle();
}

_Noreturn void secondary_main(u64 hart);
_Noreturn void secondary_main(u64 hart) {
  start_this_hart(hart);
  sched_idle();
}
