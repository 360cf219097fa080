/** Bare-metal programs that several tests run. Every hart begins at the first line, a0 = its number. */

/** The finisher's words (src/machine/devices/finisher.ts): the low half says how, the high half the code. */
export const POWER_OFF = `
  li   t0, 0x100000
  li   t1, 0x5555
  sw   t1, 0(t0)
off:
  j    off
`;

export const exitWith = (code: number): string => `
  li   t0, 0x100000
  li   t1, ${(code << 16) | 0x3333}
  sw   t1, 0(t0)
off:
  j    off
`;

/**
 * Every hart adds 1 to a shared counter 1000 times; the last one to finish checks the sum and ends
 * the run with PASS, or with code 1 if an addition was lost.
 */
export const countTogether = (harts: number): string => `
  la   s0, counter
  la   s1, finished
  li   s2, 1000
  li   s3, 1
add:
  amoadd.d zero, s3, (s0)
  addi s2, s2, -1
  bnez s2, add
  amoadd.d t0, s3, (s1)
  li   t1, ${harts - 1}
  bne  t0, t1, rest
  ld   t0, 0(s0)
  li   t1, ${harts * 1000}
  bne  t0, t1, wrong
  ${POWER_OFF}
wrong:
  li   t0, 0x100000
  li   t1, 0x13333
  sw   t1, 0(t0)
rest:
  wfi
  j    rest
  .align 8
counter:
  .dword 0
finished:
  .dword 0
`;

/**
 * Hart 1 waits for a word that hart 0 writes after having been busy for a while, by LR and WRS.NTO, and
 * then powers off.
 */
export const waitForWord = (busy: number): string => `
  la   s0, word
  bnez a0, waiter
  li   t0, ${busy}
work:
  addi t0, t0, -1
  bnez t0, work
  li   t1, 1
  sw   t1, 0(s0)
rest:
  wfi
  j    rest
waiter:
  lr.w t0, (s0)
  bnez t0, done
  wrs.nto
  j    waiter
done:
  ${POWER_OFF}
  .align 8
word:
  .dword 0
`;

/**
 * A token goes round: hart 0 sends the first software interrupt, each hart that wakes from WFI clears
 * its own and rings the next. After the given number of rounds hart 0 powers off.
 */
export const passToken = (harts: number, rounds: number): string => `
  li   s0, 0x2000000       # MSIP of hart 0
  slli t0, a0, 2
  add  s1, s0, t0          # mine
  addi t1, a0, 1
  li   t2, ${harts}
  bne  t1, t2, next
  li   t1, 0
next:
  slli t1, t1, 2
  add  s2, s0, t1          # the next hart's
  li   s3, ${rounds}
  li   s4, 1
  li   t0, 8
  csrw mie, t0             # MSIE, with interrupts off: WFI wakes, nothing traps
  bnez a0, wait
  sw   s4, 0(s2)
wait:
  wfi
  lw   t0, 0(s1)
  beqz t0, wait
  sw   zero, 0(s1)
  addi s3, s3, -1
  bnez a0, pass
  beqz s3, done
pass:
  sw   s4, 0(s2)
  j    wait
done:
  ${POWER_OFF}
`;

/** Hart 0 sleeps in WFI until its timer, the given ticks from now, and exits with how often it woke. */
export const sleepOnTimer = (ticks: number): string => `
  bnez a0, rest
  li   s0, 0x200bff8       # MTIME
  ld   t0, 0(s0)
  li   t1, ${ticks}
  add  t0, t0, t1
  li   s1, 0x2004000       # MTIMECMP of hart 0
  sd   t0, 0(s1)
  li   t1, 128
  csrw mie, t1             # MTIE
  li   s2, 0
sleep:
  wfi
  addi s2, s2, 1
  csrr t1, mip
  andi t1, t1, 128
  beqz t1, sleep
  li   t0, 0x100000
  slli t1, s2, 16
  li   t2, 0x3333
  add  t1, t1, t2
  sw   t1, 0(t0)
rest:
  wfi
  j    rest
`;

/** Prints the text on the serial port, then goes on with the next line of the program. */
export const print = (text: string): string =>
  [
    'li t0, 0x10000000',
    ...[...text].flatMap((c) => [`li t1, ${c.charCodeAt(0)}`, 'sb t1, 0(t0)']),
  ].join('\n');

/** Prints "> ", and sends back what is typed until a "q", which powers off. */
export const ECHO = `
  bnez a0, rest
  ${print('> ')}
  li   s1, 113
read:
  lbu  t1, 5(t0)
  andi t1, t1, 1
  beqz t1, read
  lbu  t1, 0(t0)
  sb   t1, 0(t0)
  bne  t1, s1, read
  ${POWER_OFF}
rest:
  wfi
  j    rest
`;

/** Two harts write a shared cell in turn without any order: what is left depends on the schedule. */
export const RACE = `
  la   s0, cell
  li   s1, 200
race:
  ld   t0, 0(s0)
  slli t1, t0, 1
  add  t0, t0, t1
  add  t0, t0, a0
  addi t0, t0, 1
  sd   t0, 0(s0)
  addi s1, s1, -1
  bnez s1, race
  la   s2, finished
  li   s3, 1
  amoadd.d t0, s3, (s2)
  bnez t0, end
rest:
  wfi
  j    rest
end:
  ${POWER_OFF}
  .align 8
cell:
  .dword 0
finished:
  .dword 0
`;
