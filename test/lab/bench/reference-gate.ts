/**
 * A gate in machine-mode guest code: what the monitor does in TypeScript for a call with scalar arguments
 * and its return, as instructions that the machine executes and counts. It checks what the monitor checks
 * (region, gate, caller, state, depth), keeps the same frame, clears the same registers, changes view and
 * delegation; views are a bare satp, so it says nothing of refills.
 */

/** ABI names of x1 to x30 in order; x31, t6, holds the monitor's block while the others are saved. */
const X =
  'ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'.split(
    ' ',
  );
const number = (name: string): number => X.indexOf(name) + 1;
const KEPT = 'ra sp gp tp s0 s1 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11'.split(' ');
const FRAME_BYTES = 512;

const lines = (names: readonly string[], line: (name: string) => string): string =>
  names.map(line).join('\n');
const notSaved = X.slice(0, 30);

/** Offsets in the monitor's block, after the trap frame. */
const M = {
  gateBase: 256,
  gateBytes: 264,
  returnIndex: 272,
  gates: 280,
  thread: 288,
  domains: 296,
  counts: 304,
  views: 312,
  returnGate: 320,
} as const;
/** In a thread: depth, domain, where it left each domain's stack, then frames. */
const T = { depth: 0, domain: 8, sp: 16, frames: 64 } as const;
const F = {
  kind: 0,
  caller: 4,
  callee: 8,
  gate: 12,
  generation: 16,
  callerGeneration: 20,
  sstatus: 24,
  mie: 28,
  copies: 32,
  used: 40,
  since: 48,
  pc: 56,
  x: 64,
} as const;
const cell = (name: string): number => 8 * number(name);

/** a5: the thread, a6: from, a7: to. The view, and who takes which traps. */
const SWITCH_VIEW = (label: string): string => `
  sd   a7, ${T.domain}(a5)
  beq  a6, a7, ${label}_same
  ld   t0, ${M.views}(t6)
  slli t1, a7, 3
  add  t0, t0, t1
  ld   t1, 0(t0)
  csrw satp, t1
  bnez a7, ${label}_domain
  li   t1, 0x10d
  csrw medeleg, t1
  li   t1, 0x222
  csrw mideleg, t1
  j    ${label}_same
${label}_domain:
  csrw medeleg, zero
  csrw mideleg, zero
${label}_same:
`;

const RESTORE = `
${lines(notSaved, (name) => `  ld ${name}, ${cell(name)}(t6)`)}
  ld   t6, ${cell('t6')}(t6)
  mret
`;

const HANDLER = `
trap:
  csrrw t6, mscratch, t6
${lines(notSaved, (name) => `  sd ${name}, ${cell(name)}(t6)`)}
  csrrw t0, mscratch, t6
  sd   t0, ${cell('t6')}(t6)
  csrr t0, mcause
  li   t1, 9
  bne  t0, t1, bad
  csrr s0, mepc
  ld   t0, ${M.gateBase}(t6)
  ld   t1, ${M.gateBytes}(t6)
  sub  s1, s0, t0
  bgeu s1, t1, bad
  srli s1, s1, 3
  ld   t0, ${M.returnIndex}(t6)
  ld   a5, ${M.thread}(t6)
  ld   s2, ${T.depth}(a5)
  beq  s1, t0, leave

  # enter: the gate, its caller, the callee's state, room for a frame
  ld   t0, ${M.gates}(t6)
  slli t1, s1, 4
  add  t0, t0, t1
  ld   s3, 0(t0)
  beqz s3, bad
  lw   t1, 8(t0)
  lw   a7, 12(t0)
  ld   a6, ${T.domain}(a5)
  bne  t1, a6, bad
  ld   t0, ${M.domains}(t6)
  slli t1, a7, 3
  add  t1, t0, t1
  lw   t2, 0(t1)
  li   t3, 1
  bne  t2, t3, bad
  lw   s4, 4(t1)
  slli t1, a6, 3
  add  t1, t0, t1
  lw   s5, 4(t1)
  li   t0, 16
  bgeu s2, t0, bad
  slli t0, a7, 3
  add  t0, a5, t0
  ld   s6, ${T.sp}(t0)
  # count it
  ld   t0, ${M.counts}(t6)
  slli t1, a6, 5
  add  t0, t0, t1
  slli t1, a7, 3
  add  t0, t0, t1
  ld   t1, 0(t0)
  addi t1, t1, 1
  sd   t1, 0(t0)
  # the frame
  slli t0, s2, 9
  add  s7, a5, t0
  addi s7, s7, ${T.frames}
  addi s2, s2, 1
  sd   s2, ${T.depth}(a5)
  csrr s8, mstatus
  csrr s9, mie
  csrr t2, minstret
  sw   zero, ${F.kind}(s7)
  sw   a6, ${F.caller}(s7)
  sw   a7, ${F.callee}(s7)
  sw   s1, ${F.gate}(s7)
  sw   s4, ${F.generation}(s7)
  sw   s5, ${F.callerGeneration}(s7)
  sw   s8, ${F.sstatus}(s7)
  sw   s9, ${F.mie}(s7)
  sw   zero, ${F.copies}(s7)
  sd   zero, ${F.used}(s7)
  sd   t2, ${F.since}(s7)
  ld   t0, ${cell('ra')}(t6)
  sd   t0, ${F.pc}(s7)
${lines(KEPT, (name) => `  ld t0, ${cell(name)}(t6)\n  sd t0, ${F.x + cell(name)}(s7)`)}
  # what the callee must not see; a0 is its argument
${lines(
  X.filter((name) => number(name) >= 5 && name !== 'a0'),
  (name) => `  sd zero, ${cell(name)}(t6)`,
)}
  ld   t0, ${M.returnGate}(t6)
  sd   t0, ${cell('ra')}(t6)
  sd   s6, ${cell('sp')}(t6)
  sd   zero, ${cell('gp')}(t6)
  sd   zero, ${cell('tp')}(t6)
${SWITCH_VIEW('enter')}
  # the core's interrupts stay off if it called with them off
  andi t0, s8, 0x2
  bnez t0, enter_on
  csrw mie, zero
enter_on:
  li   t0, 0xc1800
  li   t1, 0x800
  and  t2, s8, t0
  xor  t2, s8, t2
  or   t2, t2, t1
  csrw mstatus, t2
  csrw mepc, s3
${RESTORE}

  # leave: the frame on top, of the right kind, its caller alive
leave:
  beqz s2, bad
  addi s2, s2, -1
  slli t0, s2, 9
  add  s7, a5, t0
  addi s7, s7, ${T.frames}
  lw   t0, ${F.kind}(s7)
  bnez t0, bad
  lw   a7, ${F.caller}(s7)
  lw   a6, ${F.callee}(s7)
  ld   t0, ${M.domains}(t6)
  slli t1, a6, 3
  add  t1, t0, t1
  lw   t2, 0(t1)
  li   t3, 1
  bne  t2, t3, bad
  slli t1, a7, 3
  add  t1, t0, t1
  lw   t2, 0(t1)
  bne  t2, t3, bad
  lw   t2, 4(t1)
  lw   t3, ${F.callerGeneration}(s7)
  bne  t2, t3, bad
  sd   s2, ${T.depth}(a5)
  beqz s2, leave_base
  csrr t0, minstret
  sd   t0, ${F.since - FRAME_BYTES}(s7)
leave_base:
${SWITCH_VIEW('leave')}
${lines(
  X.filter((name) => number(name) >= 5 && name !== 'a0'),
  (name) => `  sd zero, ${cell(name)}(t6)`,
)}
${lines(KEPT, (name) => `  ld t0, ${F.x + cell(name)}(s7)\n  sd t0, ${cell(name)}(t6)`)}
  lw   t0, ${F.copies}(s7)
  bnez t0, bad
  lw   t0, ${F.mie}(s7)
  csrw mie, t0
  lw   t0, ${F.sstatus}(s7)
  csrr t1, mstatus
  li   t2, 0xc0122
  and  t3, t1, t2
  xor  t1, t1, t3
  and  t0, t0, t2
  or   t1, t1, t0
  csrw mstatus, t1
  ld   t0, ${F.pc}(s7)
  csrw mepc, t0
${RESTORE}
`;

const words = (count: number): string => Array.from({ length: count }, () => '.dword 0').join('\n');

/** Calls from domain 0 to domain 1; the callee counts, so that the count can be checked. */
export const referenceGate = (calls: number): string => `
  li   t0, -1
  csrw pmpaddr0, t0
  li   t0, 0x1f
  csrw pmpcfg0, t0
  la   t0, trap
  csrw mtvec, t0
  la   s0, monitor
  csrw mscratch, s0
  la   t0, gate_region
  sd   t0, ${M.gateBase}(s0)
  li   t1, 16
  sd   t1, ${M.gateBytes}(s0)
  addi t0, t0, 8
  sd   t0, ${M.returnGate}(s0)
  li   t1, 1
  sd   t1, ${M.returnIndex}(s0)
  la   t0, gates
  sd   t0, ${M.gates}(s0)
  la   t1, callee
  sd   t1, 0(t0)
  sw   zero, 8(t0)
  li   t1, 1
  sw   t1, 12(t0)
  la   t0, thread
  sd   t0, ${M.thread}(s0)
  la   t0, domains
  sd   t0, ${M.domains}(s0)
  sw   t1, 0(t0)
  sw   t1, 4(t0)
  sw   t1, 8(t0)
  sw   t1, 12(t0)
  la   t0, counts
  sd   t0, ${M.counts}(s0)
  la   t0, views
  sd   t0, ${M.views}(s0)
  li   t0, 0x800
  csrw mstatus, t0
  la   t0, caller
  csrw mepc, t0
  mret

caller:
  li   s1, ${calls}
again:
  li   a0, 41
  la   t0, gate_region
  jalr ra, 0(t0)
  addi s1, s1, -1
  bnez s1, again
  # 42 came back, and no other register
  li   t1, 42
  bne  a0, t1, bad
  bnez t2, bad
  li   t0, 0x100000
  li   t1, 0x5555
  sw   t1, 0(t0)
stop:
  j    stop
bad:
  li   t0, 0x100000
  li   t1, 0x13333
  sw   t1, 0(t0)
  j    stop

callee:
  addi a0, a0, 1
  li   t2, 7
  jalr zero, 0(ra)

${HANDLER}

gate_region:
  .dword 0x73
  .dword 0x73
monitor:
${words(64)}
gates:
${words(4)}
thread:
${words(T.frames / 8 + FRAME_BYTES / 8)}
domains:
${words(2)}
counts:
${words(8)}
views:
${words(2)}
`;

/** Instructions a call has in the caller, its two stubs and the callee: none of the monitor's. */
export const GUEST_INSTRUCTIONS = 9;
