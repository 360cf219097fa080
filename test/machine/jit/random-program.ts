/**
 * Random programs for comparing two ways of executing them: loops, calls, jumps through registers,
 * loads and stores of which some trap, atomics, CSRs, and code that changes itself.
 *
 * Every way back costs fuel, so each ends; and every trap adds where, why and after how many
 * instructions it was taken to a register, so two runs that end alike took the same ones.
 */

/** A linear congruential generator (Numerical Recipes); its upper bits are used. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number below n. */
  below(n: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * n);
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

/** What the program computes with. s0 points to data, s11 is fuel, s9 sums traps up, t5 and t6 are the handler's. */
const REGISTERS = 'a0 a1 a2 a3 a4 a5 a6 a7 s1 s2 s3 t1 t2 t3'.split(' ');
const OPERATIONS =
  'add sub sll slt sltu xor srl sra or and addw subw sllw srlw sraw mul mulh mulhsu mulhu mulw div divu rem remu divw remw'.split(
    ' ',
  );
const IMMEDIATES = 'addi slti sltiu xori ori andi addiw'.split(' ');
const SHIFTS = 'slli srli srai'.split(' ');
const BRANCHES = 'beq bne blt bge bltu bgeu'.split(' ');
const LOADS = 'lb lh lw ld lbu lhu lwu'.split(' ');
const STORES = 'sb sh sw sd'.split(' ');
const FLOATS = 'fa0 fa1 fa2 ft0 ft1'.split(' ');
const FLOAT_OPERATIONS = 'fadd fsub fmul fdiv fmin fmax fsgnj fsgnjn'.split(' ');
const AMOS = 'amoadd amoswap amoxor amoand amoor amomin amomax amominu amomaxu'.split(' ');

/** Bytes from s0 on that addresses made at random reach. */
export const WINDOW_BYTES: number = 8 * 4096;
export const FUEL = 500;

export interface RandomProgram {
  readonly source: string;
  readonly handler: string;
}

export function randomProgram(seed: number): RandomProgram {
  const dice = new Dice(seed);
  const functions = 3;
  const blocks = 6 + dice.below(10);
  let unique = 0;
  let patches = 0;
  const reg = (): string => dice.one(REGISTERS);

  const address = (): string[] => [
    `slli t0, ${reg()}, 49`,
    'srli t0, t0, 49',
    ...(dice.chance(70) ? ['andi t0, t0, -8'] : []),
    'add t0, t0, s0',
  ];

  const floats = dice.chance(50);
  const freg = (): string => dice.one(FLOATS);
  const float = (f: string): string =>
    dice.one([
      `${dice.one(FLOAT_OPERATIONS)}.${f} ${freg()}, ${freg()}, ${freg()}`,
      `fmadd.${f} ${freg()}, ${freg()}, ${freg()}, ${freg()}`,
      `fcvt.${f}.l ${freg()}, ${reg()}`,
      `fcvt.l.${f} ${reg()}, ${freg()}`,
      `flt.${f} ${reg()}, ${freg()}, ${freg()}`,
      `fclass.${f} ${reg()}, ${freg()}`,
      `fl${f === 's' ? 'w' : 'd'} ${freg()}, ${8 * dice.below(60)}(s0)`,
      `fs${f === 's' ? 'w' : 'd'} ${freg()}, ${8 * dice.below(60)}(s0)`,
      `csrr ${reg()}, fcsr`,
      `csrw fcsr, ${reg()}`,
    ]);

  const instruction = (): string[] => {
    const kind = dice.below(100);
    if (kind < 30) return [`${dice.one(OPERATIONS)} ${reg()}, ${reg()}, ${reg()}`];
    if (kind < 34 && floats) return [float(dice.one(['s', 'd']))];
    if (kind < 45)
      return [`${dice.one(IMMEDIATES)} ${reg()}, ${reg()}, ${dice.below(4096) - 2048}`];
    if (kind < 50) return [`${dice.one(SHIFTS)} ${reg()}, ${reg()}, ${dice.below(64)}`];
    if (kind < 62) return [`${dice.one(LOADS)} ${reg()}, ${dice.below(512) - 16}(s0)`];
    if (kind < 70) return [`${dice.one(STORES)} ${reg()}, ${dice.below(512)}(s0)`];
    if (kind < 76) return [...address(), `${dice.one(LOADS)} ${reg()}, ${dice.below(64) - 8}(t0)`];
    if (kind < 82) return [...address(), `${dice.one(STORES)} ${reg()}, ${dice.below(64) - 8}(t0)`];
    if (kind < 87)
      return [...address(), `${dice.one(AMOS)}.${dice.one(['w', 'd'])} ${reg()}, ${reg()}, (t0)`];
    if (kind < 89) return [...address(), `lr.d ${reg()}, (t0)`, `sc.d ${reg()}, ${reg()}, (t0)`];
    if (kind < 91) return [dice.one(['fence', 'fence w, w', 'nop'])];
    if (kind < 94)
      return [
        dice.one([
          `csrrw ${reg()}, sscratch, ${reg()}`,
          `csrr ${reg()}, sscratch`,
          `csrr ${reg()}, sepc`,
          `csrrw ${reg()}, sepc, ${reg()}`,
          `csrr ${reg()}, mscratch`,
          `csrr ${reg()}, sstatus`,
        ]),
      ];
    if (kind < 95) return ['ebreak'];
    if (kind < 96) return [float(dice.one(['s', 'd']))];
    if (kind < 97) return patch();
    const label = `auipc${unique++}`;
    return [`la ${reg()}, ${label}`, `${label}: auipc ${reg()}, ${dice.below(1 << 20)}`];
  };

  /** Changes the immediate of an instruction that others run, too, and fences. */
  const patch = (): string[] => {
    const target = dice.below(patches + 1);
    patches = Math.max(patches, 1);
    const addi = ((dice.below(2048) << 20) | (11 << 15) | (11 << 7) | 0x13) >>> 0;
    return [
      `la t0, patched${target % 2}`,
      `li t4, ${addi}`,
      'sw t4, 0(t0)',
      // Without one, the code from before and the new are both right.
      'fence.i',
      ...(dice.chance(20) ? ['sfence.vma'] : []),
    ];
  };

  const body = (lines: number): string[] =>
    Array.from({ length: 1 + dice.below(lines) }, instruction).flat();

  const fuel = (): string[] => {
    const label = `fuel${unique++}`;
    return ['addi s11, s11, -1', `bnez s11, ${label}`, 'j end', `${label}:`];
  };

  const transfer = (): string[] => {
    const to = `b${dice.below(blocks)}`;
    switch (dice.below(8)) {
      case 0:
        return [...fuel(), `j ${to}`];
      case 1:
        return [...fuel(), `call f${dice.below(functions)}`];
      case 2:
        return [...fuel(), `la t0, f${dice.below(functions)}`, 'jalr ra, 0(t0)'];
      case 3:
        return [...fuel(), `la t0, ${to}`, 'jr t0'];
      default:
        return [...fuel(), `${dice.one(BRANCHES)} ${reg()}, ${reg()}, ${to}`];
    }
  };

  const lines: string[] = [];
  for (let n = 0; n < blocks; n++) lines.push(`b${n}:`, ...body(8), ...transfer());
  lines.push('j end');
  for (let n = 0; n < functions; n++) {
    const isLeaf = n === functions - 1;
    if (dice.chance(30)) lines.push('.align 4096');
    lines.push(`f${n}:`);
    if (!isLeaf) lines.push('addi sp, sp, -16', 'sd ra, 0(sp)');
    lines.push(...body(6));
    if (n < 2) lines.push(`patched${n}: addi a1, a1, 1`);
    if (!isLeaf) {
      const callee = n + 1 + dice.below(functions - n - 1);
      lines.push(...fuel(), `call f${callee}`, ...body(3), 'ld ra, 0(sp)', 'addi sp, sp, 16');
    }
    lines.push('ret');
  }
  lines.push('end: ecall', 'j end');
  return { source: lines.join('\n'), handler: HANDLER };
}

/** Adds mepc, mcause, mtval and minstret up and goes on behind the instruction; an ECALL ends. */
const HANDLER = `
  csrr t5, mcause
  li t6, 9
  beq t5, t6, stop
  li t6, 11
  beq t5, t6, stop
  slli t6, s9, 3
  add s9, s9, t6
  add s9, s9, t5
  csrr t5, mtval
  add s9, s9, t5
  csrr t5, minstret
  slli t6, s9, 3
  xor s9, s9, t6
  add s9, s9, t5
  csrr t5, mepc
  add s9, s9, t5
  addi t5, t5, 4
  csrw mepc, t5
  addi s11, s11, -1
  beqz s11, stop
  mret
  stop: wfi
  again: wfi
  j again`;
