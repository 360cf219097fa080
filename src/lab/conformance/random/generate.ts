/**
 * Makes random programs from the ISA table: whatever the table has, with operands its fields can hold.
 *
 * A program is a list of items that may be left out one by one without the rest losing its sense,
 * which is what shrinking does. It always ends: jumps go forward, and loops count a register down that
 * nothing else writes. What it cannot avoid is made harmless instead: pointers are registers that are
 * never a destination, and a trap skips the instruction.
 */
import { CSR } from '../../../machine/csr-numbers.ts';
import {
  encode,
  freeBits,
  instructionNamed,
  type OperandValues,
} from '../../../machine/isa/assembler.ts';
import { disassemble, REGISTER_NAMES } from '../../../machine/isa/disassembler.ts';
import { lookUp } from '../../../machine/isa/decoder.ts';
import { INSTRUCTIONS, type Field, type Instruction } from '../../../machine/isa/table.ts';
import { RAM_BASE } from '../../../machine/physical-map.ts';
import { Random } from '../../../cpu-worker/random.ts';
import { hasFloat, SLOT, type SlotContents } from './image.ts';

/** Lines that stay together. A line may name the label of an item further on. */
export interface Item {
  readonly id: number;
  readonly lines: readonly string[];
  /** Repeated so often, with the counter in `s11`. */
  readonly loop?: { readonly count: number; readonly body: readonly Item[] };
}

export interface Program {
  /** What it was made from; the same text gives the same program. */
  readonly seed: string;
  readonly items: readonly Item[];
  readonly start: Omit<SlotContents, 'code' | 'x'>;
  readonly x: readonly StartValue[];
}

/** A register starts as a number, or as an address in the program's slot. */
export type StartValue =
  | { readonly value: bigint }
  /** `alias`: by its physical address, also where the program has translation. */
  | { readonly slotOffset: number; readonly alias?: boolean };

export const MODES = ['M', 'S', 'U'] as const;
export type Mode = (typeof MODES)[number];

export interface GenerateOptions {
  readonly items: number;
  readonly modes: readonly Mode[];
}

const SP = 2;
/** Hold addresses; sp and three registers that compressed instructions can name. */
const POINTERS = [SP, 8, 9, 15];
/**
 * Where LR and SC go: always to pages that can be written. Whether an SC that fails anyway may raise a
 * page fault first is the machine's choice, and QEMU's is another than ours.
 */
const LOCK = 9;
const SAFE_PAGES = 2;
/** Behind the last one lie the page tables: nothing says when a change to them is seen. */
const ALIAS_PAGES = SLOT.dataPages - 1;
const COUNTER = 27;
const EDGES = [
  0n,
  1n,
  -1n,
  2n,
  0x7fn,
  0x80n,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  -0x8000_0000n,
  1n << 32n,
  (1n << 63n) - 1n,
  1n << 63n,
];

/** Makes programs of the instructions that `has` allows: the program of a seed is always the same. */
export function programSource(
  options: GenerateOptions,
  has: (name: string) => boolean,
): (seed: string) => Program {
  const menu = menuOf(has);
  return (seed) => new Generator(new Random(seed), options, menu).program(seed);
}

/** Where the last items of the program jump to; a loop's are those before its counter. */
const END = 'END';
const endOfLoop = (id: number): string => `E${id}`;

/** The program as text for the assembler; labels stay where items are left out. */
export function listing(items: readonly Item[], isKept: Kept = () => true): string {
  return [...linesOf(items, isKept), `${END}:`].join('\n');
}

function linesOf(items: readonly Item[], isKept: Kept): string[] {
  return items.flatMap(({ id, lines, loop }) => {
    const label = `L${id}:`;
    if (loop === undefined) return isKept(id) ? [label, ...lines] : [label];
    const body = [...linesOf(loop.body, isKept), `${endOfLoop(id)}:`];
    if (!isKept(id)) return [label, ...body];
    return [
      label,
      `addi s11, zero, ${loop.count}`,
      `B${id}:`,
      ...body,
      'addi s11, s11, -1',
      `bne s11, zero, B${id}`,
    ];
  });
}

/** Ids of all items, those in loops included. */
const idsOf = (items: readonly Item[]): number[] =>
  items.flatMap(({ id, loop }) => [id, ...(loop === undefined ? [] : idsOf(loop.body))]);

/** An item before it is known how far its neighbours are. */
interface Draft extends Omit<Item, 'loop'> {
  readonly loop?: { readonly count: number; readonly body: readonly Draft[] };
  /** Ends in a jump to an item further on: by this instruction, or through a register. */
  readonly jump?: { readonly by: Instruction } | 'indirect';
}

/** The instructions to choose from, by what they need. */
interface Menu {
  readonly jumps: readonly Instruction[];
  readonly memory: readonly Instruction[];
  readonly harmless: readonly Instruction[];
  readonly others: readonly Instruction[];
  /** Those of the others that never trap. */
  readonly simple: readonly Instruction[];
  /** Bits that a leaf PTE may have set above its PPN. */
  readonly pteBits: readonly number[];
}

const HARMLESS = /^(c\.)?(ecall|ebreak|fence\.i|pause|sfence\..*|sinval\..*)$/;
/** Trap below M with the status that programs start with. */
const PRIVILEGED = ['mret', 'sret', 'wfi'].map(instructionNamed);

function menuOf(has: (name: string) => boolean): Menu {
  const all = INSTRUCTIONS.filter(({ name }) => has(name));
  const isJump = ({ meaning: { kind } }: Instruction): boolean =>
    kind === 'branch' || kind === 'jump';
  const reserves = ({ meaning: { kind } }: Instruction): boolean => kind === 'lr' || kind === 'sc';
  return {
    jumps: all.filter((one) => isJump(one) && one.syntax.endsWith('target')),
    memory: all.filter((one) => 'bytes' in one.meaning && !reserves(one)),
    pteBits: has(RESERVED_PTE_BITS) ? [...PTE_TOP, ...PTE_RESERVED] : PTE_TOP,
    simple: all.filter(({ meaning }) => meaning.kind === 'compute'),
    harmless: all.filter(({ name }) => HARMLESS.test(name)),
    others: all.filter(
      (one) => !('bytes' in one.meaning) && !isJump(one) && one.meaning.kind !== 'exit',
    ),
  };
}

/** In no index of the root that the driver's own gigapage has; the last 2 MiB of both halves too. */
const BASES = [0x4000_0000n, 0x3f_ffe0_0000n, -(1n << 38n), -0x20_0000n];
const BAD_ADDRESSES = [0x1000n, 1n << 38n, -(1n << 39n), -1n, BigInt(RAM_BASE) + 0x3000_0000n];
const PTE = { V: 1n, R: 2n, W: 4n, X: 8n, U: 16n, A: 64n, D: 128n } as const;
/** The memory types of Svpbmt, and N of Svnapot. */
const PTE_N = 63;
const PTE_TOP = [61, 62, PTE_N];
const PTE_RESERVED = [54, 55, 56, 57, 58, 59, 60];
/** Not an instruction, but a thing that a machine may not have. */
export const RESERVED_PTE_BITS = 'reserved PTE bits';
/** Every exception but the environment calls of S, by which the handler of S ends a program. */
const DELEGABLE = 0xb1ff;

const ACCESS_FAULTS = (1 << 5) | (1 << 7);

const SPECIAL_DOUBLES = [
  0n,
  1n << 63n,
  0x3ff0_0000_0000_0000n,
  0xbff0_0000_0000_0000n,
  0x7ff0_0000_0000_0000n,
  0xfff0_0000_0000_0000n,
  0x7ff8_0000_0000_0000n,
  0x7ff0_0000_0000_0001n,
  0xfff8_0000_0000_0001n,
  0x0000_0000_0000_0001n,
  0x000f_ffff_ffff_ffffn,
  0x0010_0000_0000_0000n,
  0x7fef_ffff_ffff_ffffn,
  0x43e0_0000_0000_0000n,
  0x41df_ffff_ffc0_0000n,
  0x36a0_0000_0000_0000n,
];
const SPECIAL_SINGLES = [
  0n,
  0x8000_0000n,
  0x3f80_0000n,
  0xbf80_0000n,
  0x7f80_0000n,
  0xff80_0000n,
  0x7fc0_0000n,
  0x7f80_0001n,
  0xffc0_0001n,
  0x0000_0001n,
  0x007f_ffffn,
  0x0080_0000n,
  0x7f7f_ffffn,
  0x5f00_0000n,
  0x4f00_0000n,
];

const SUPERVISOR_STATUS = [1 << 1, 1 << 5, 1 << 8, 3 << 13, 1 << 18, 1 << 19];
const MACHINE_STATUS = [1 << 3, 1 << 7, 3 << 11, 1 << 17, 1 << 20, 1 << 21, 1 << 22];
/** Keep whatever is written. Not sepc and mepc: QEMU's keep bit 0, which always reads as 0 (vol. II §3.1.14). */
const SUPERVISOR_CELLS = [CSR.scause, CSR.stval];
const MACHINE_CELLS = [CSR.mcause, CSR.mtval, CSR.sscratch, ...SUPERVISOR_CELLS];
/** The same on every machine after the same program. */
const READABLE = [
  CSR.sepc,
  CSR.scause,
  CSR.stval,
  CSR.satp,
  CSR.stvec,
  CSR.scounteren,
  CSR.mhartid,
];
/** May be read or not; what they hold is the machine's own. */
const MAY_READ = [
  CSR.cycle,
  CSR.time,
  CSR.instret,
  CSR.mcycle,
  CSR.minstret,
  CSR.misa,
  CSR.marchid,
];
/** Of the ranges for custom registers, one of the hypervisor's, one of the debugger's. */
const ABSENT = [0x5c0, 0x7c0, 0x800, 0x9c0, 0xbc0, 0xcc0, 0xfc0, 0x600, 0x7b0, 0x010];

const asData = (raw: number, bytes: 2 | 4): string =>
  `${bytes === 4 ? '.word' : '.half'} 0x${raw.toString(16)}  # ${disassemble(raw, 0n)}`;

/** An upper bound: no line is longer than two instructions; a loop has three of its own. */
const sizeOf = (drafts: readonly Draft[]): number =>
  drafts.reduce(
    (sum, { lines, loop, jump }) =>
      sum +
      8 * lines.length +
      (jump === undefined ? 0 : 12) +
      (loop === undefined ? 0 : 12 + sizeOf(loop.body)),
    0,
  );

/** How far forward a branch goes. */
function reachOf({ operands: { imm } }: Instruction): number {
  const top = Math.max(...(imm?.pieces ?? []).map(([, width, to]) => to + width));
  return 2 ** (top - 1) - 2;
}

class Generator {
  readonly #random: Random;
  readonly #options: GenerateOptions;
  readonly #menu: Menu;
  readonly #mode: Mode;
  #ids = 0;

  constructor(random: Random, options: GenerateOptions, menu: Menu) {
    this.#menu = menu;
    this.#random = random;
    this.#options = options;
    this.#mode = this.#pick(options.modes);
  }

  program(seed: string): Program {
    const items = this.#resolve(this.#items(this.#options.items, true), END);
    return {
      seed,
      items,
      start: {
        base: this.#pick(BASES),
        f: Array.from({ length: hasFloat ? 32 : 0 }, () => this.#floatBits()),
        fcsr: this.#random.below(5) << 5,
        mstatus: this.#status(),
        medeleg: this.#delegation(),
        data: this.#data(),
        ...(this.#mode === 'M' ? {} : { leaves: this.#leaves() }),
      },
      x: Array.from({ length: 32 }, (_, register) => this.#startValue(register)),
    };
  }

  // --- choices ---

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)] as T;
  }

  /** True once in so many times. */
  #chance(outOf: number): boolean {
    return this.#random.below(outOf) === 0;
  }

  #bits64(): bigint {
    return (BigInt(this.#random.next()) << 32n) | BigInt(this.#random.next());
  }

  #value(): bigint {
    switch (this.#random.below(4)) {
      case 0:
        return this.#pick(EDGES);
      case 1:
        return BigInt.asIntN(1 + this.#random.below(64), this.#bits64());
      case 2:
        return 1n << BigInt(this.#random.below(64));
      default:
        return this.#bits64();
    }
  }

  /** Doubles and boxed singles, the special ones often. */
  #floatBits(): bigint {
    const isSingle = this.#chance(2);
    const special = this.#pick(isSingle ? SPECIAL_SINGLES : SPECIAL_DOUBLES);
    if (isSingle) {
      const bits = this.#chance(2) ? special : this.#bits64() & 0xffff_ffffn;
      return 0xffff_ffff_0000_0000n | bits;
    }
    return this.#chance(2) ? special : this.#bits64();
  }

  // --- the state a program starts from ---

  #startValue(register: number): StartValue {
    if (!POINTERS.includes(register)) return { value: this.#value() };
    if (this.#mode !== 'M' && register !== LOCK && this.#chance(12))
      return { value: this.#pick(BAD_ADDRESSES) };
    // sp and s1 are aligned: compressed and atomic instructions then work more often than they trap.
    const page = this.#random.below(register === LOCK ? SAFE_PAGES : SLOT.dataPages);
    const within = this.#chance(2) ? this.#random.below(4096) : 4095 - this.#random.below(63);
    const offset =
      SLOT.data + page * 4096 + (register === SP || register === LOCK ? within & ~15 : within);
    return {
      slotOffset: offset,
      alias: this.#mode === 'S' && page < ALIAS_PAGES && this.#chance(8),
    };
  }

  #status(): bigint {
    const mpp = BigInt({ M: 3, S: 1, U: 0 }[this.#mode]) << 11n;
    const fs = BigInt(this.#chance(8) ? 0 : 1 + this.#random.below(3)) << 13n;
    // Of SUM, MXR, TVM, TW and TSR any; S may not return from a trap it is not in.
    const bits = (BigInt(this.#random.next()) & (0x3cn << 16n)) | (1n << 22n);
    return mpp | fs | (this.#mode === 'M' ? 0n : bits | (1n << 21n));
  }

  /** Access faults of loads and of stores together: see the known difference about AMOs. */
  #delegation(): number {
    if (this.#chance(2)) return 0;
    const drawn = this.#random.next() & DELEGABLE & ~ACCESS_FAULTS;
    return this.#chance(2) ? drawn | ACCESS_FAULTS : drawn;
  }

  #data(): Uint8Array {
    const data = new Uint8Array(SLOT.dataPages * 4096);
    const words = new Uint32Array(data.buffer);
    for (let n = 0; n < words.length; n++) words[n] = this.#random.next();
    return data;
  }

  /** Code is executable and, for programs that change themselves, writable; the last two pages are anything. */
  #leaves(): bigint[] {
    const user = this.#mode === 'U' ? PTE.U : 0n;
    const all = PTE.V | PTE.R | PTE.W | PTE.A | PTE.D | user;
    return [
      ...[all | PTE.X, all | PTE.X, all, all],
      ...[0, 1].map(() => {
        const flags = BigInt(this.#random.below(256)) | (this.#chance(8) ? 0n : PTE.V);
        const top = this.#chance(6) ? this.#pick(this.#menu.pteBits) : undefined;
        if (top === undefined) return flags;
        // A reserved encoding of N faults; whether A and D are set before is the machine's choice.
        return flags | (1n << BigInt(top)) | (top === PTE_N ? PTE.A | PTE.D : 0n);
      }),
    ];
  }

  // --- items ---

  #items(count: number, mayLoop: boolean): Draft[] {
    return Array.from({ length: count }, () => this.#item(mayLoop));
  }

  #item(mayLoop: boolean): Draft {
    const id = this.#ids++;
    const roll = this.#random.below(100);
    const { jumps, memory, harmless, others } = this.#menu;
    if (mayLoop && roll < 4) {
      return {
        id,
        lines: [],
        loop: {
          count: 2 + this.#random.below(12),
          body: this.#items(2 + this.#random.below(8), false),
        },
      };
    }
    if (roll < 6) return { id, lines: this.#patch() };
    if (roll < 10) return { id, lines: this.#reserveAndStore() };
    if (roll < 12) return { id, lines: [this.#illegal()] };
    if (roll < 17) return { id, lines: this.#csr() };
    if (roll < 19)
      return {
        id,
        lines: [
          this.#word(this.#pick(this.#mode === 'M' ? harmless : [...harmless, ...PRIVILEGED])),
        ],
      };
    if (roll < 22) return { id, lines: [], jump: 'indirect' };
    if (roll < 31) return { id, lines: [], jump: { by: this.#pick(jumps) } };
    return { id, lines: [this.#word(this.#pick(roll < 60 ? others : memory))] };
  }

  /** Any register but pointers and the loop's counter. */
  #destination(field: Field): number {
    for (;;) {
      const register = this.#register(field);
      if (!POINTERS.includes(register) && register !== COUNTER) return register;
    }
  }

  #register(field: Field): number {
    const [piece] = field.pieces;
    return piece === undefined ? 0 : this.#random.below(2 ** piece[1]) + field.add;
  }

  #pointer(field: Field): number {
    const short = field.add !== 0;
    return this.#pick(POINTERS.filter((register) => !short || register >= field.add));
  }

  /** One instruction with operands that suit it, as data, so that every bit is as it was drawn. */
  #word(instruction: Instruction, given: OperandValues = {}): string {
    const values: Record<string, number> = {};
    const { operands, meaning, syntax } = instruction;
    const touchesMemory = 'bytes' in meaning;
    const toFloat = syntax.startsWith('fd');
    for (const [role, field] of Object.entries(operands) as [keyof OperandValues, Field][]) {
      if (field.fixed !== undefined) values[role] = field.fixed;
      else if (role === 'imm')
        values[role] = operands.rd?.fixed === SP ? this.#pick([-16, 16]) : this.#immediate(field);
      else if (role === 'rd' && !toFloat) values[role] = this.#destination(field);
      else if (role === 'rs1' && touchesMemory) values[role] = this.#pointer(field);
      else values[role] = this.#register(field);
    }
    // One field can be both: c.addi reads what it writes.
    for (const role of ['rs1', 'rs2'] as const) {
      if (operands[role] !== undefined && operands[role] === operands.rd)
        values[role] = values['rd'] as number;
    }
    Object.assign(values, given);
    const rest = this.#random.next() & freeBits(instruction);
    const raw = this.#tryEncode(
      instruction,
      values,
      instruction.meaning.kind === 'exit' ? 0 : rest,
    );
    return raw === undefined ? this.#word(instruction, given) : asData(raw, instruction.bytes);
  }

  /** Undefined for a combination that is reserved or that belongs to another instruction. */
  #tryEncode(instruction: Instruction, values: OperandValues, rest: number): number | undefined {
    try {
      return encode(instruction, values, rest);
    } catch {
      return undefined;
    }
  }

  #immediate(field: Field): number {
    let value = 0;
    let top = 0;
    for (const [, width, to] of field.pieces) {
      value |= (this.#random.next() & (width === 32 ? -1 : (1 << width) - 1)) << to;
      top = Math.max(top, to + width);
    }
    // Small ones keep accesses near their pointer.
    if (this.#chance(2)) value &= 0x3f;
    return field.signed ? (value << (32 - top)) >> (32 - top) : value;
  }

  /** LR, perhaps something between that cannot trap (which may or may not end the reservation), SC to the same place. */
  #reserveAndStore(): string[] {
    const suffix = this.#pick(['.w', '.d']);
    const rs1 = LOCK;
    const between = this.#chance(3) ? [this.#word(this.#pick(this.#menu.simple))] : [];
    return [
      this.#word(instructionNamed(`lr${suffix}`), { rs1 }),
      ...between,
      this.#word(instructionNamed(`sc${suffix}`), { rs1 }),
    ];
  }

  /** Overwrites an instruction, before or after it ran for the first time in a loop. */
  #patch(): string[] {
    const instruction = instructionNamed(this.#pick(['add', 'xor', 'sltu', 'mul', 'subw']));
    const raw = encode(instruction, { rd: 10, rs1: 10, rs2: 11 });
    const low = (raw << 20) >> 20;
    const victim = asData(encode(instructionNamed('addi'), { rd: 10, rs1: 10, imm: 1 }), 4);
    const write = [
      `lui t3, ${((raw - low) >>> 12) & 0xfffff}`,
      `addiw t3, t3, ${low}`,
      'auipc t4, 0',
    ];
    return this.#chance(2)
      ? [...write, 'sw t3, 12(t4)', 'fence.i', victim]
      : [victim, ...write, 'sw t3, -12(t4)', 'fence.i'];
  }

  /** An encoding that the table does not have. */
  #illegal(): string {
    for (;;) {
      const raw = this.#random.next();
      const bytes = (raw & 3) === 3 ? 4 : 2;
      const bits = bytes === 4 ? raw : raw & 0xffff;
      // Longer instructions begin with 11111 (vol. I §1.5): nobody has any.
      if (lookUp(bits) === undefined) return asData(bits >>> 0, bytes);
    }
  }

  #csr(): string[] {
    const name = this.#pick(['csrrw', 'csrrs', 'csrrc', 'csrrwi', 'csrrsi', 'csrrci']);
    if (hasFloat && this.#chance(3))
      return [
        this.#word(instructionNamed(name), { imm: this.#pick([CSR.fflags, CSR.frm, CSR.fcsr]) }),
      ];
    const kind = this.#random.below(10);
    // Status: a bit or a field at a time, so that modes change and the run goes on; what was there before
    // is in the log of the next trap.
    if (kind < 4) {
      const ofMachine = this.#mode === 'M' && this.#chance(2);
      const bits = this.#pick(ofMachine ? MACHINE_STATUS : SUPERVISOR_STATUS);
      const imm = ofMachine ? CSR.mstatus : CSR.sstatus;
      return [
        `li t3, ${bits}`,
        this.#word(instructionNamed(this.#pick(['csrrs', 'csrrc'])), { imm, rs1: 28, rd: 0 }),
      ];
    }
    const readOnly = instructionNamed(this.#pick(['csrrs', 'csrrc', 'csrrsi', 'csrrci']));
    if (kind < 6) {
      const cells = this.#mode === 'M' ? MACHINE_CELLS : SUPERVISOR_CELLS;
      const imm = this.#pick(cells);
      // What a trap left in tval may differ.
      const given = imm === CSR.stval || imm === CSR.mtval ? { imm, rd: 0 } : { imm };
      return [this.#word(instructionNamed(name), given)];
    }
    if (kind < 8) return [this.#word(readOnly, { imm: this.#pick(READABLE), rs1: 0 })];
    if (kind < 9) return [this.#word(readOnly, { imm: this.#pick(MAY_READ), rs1: 0, rd: 0 })];
    return [this.#word(instructionNamed(name), { imm: this.#pick(ABSENT) })];
  }

  // --- jumps, when it is known how far everything is ---

  #resolve(drafts: readonly Draft[], end: string): Item[] {
    return drafts.map(({ id, lines, loop, jump }, index) => {
      if (loop !== undefined) {
        const body = this.#resolve(loop.body, endOfLoop(id));
        return { id, lines, loop: { count: loop.count, body } };
      }
      if (jump === undefined) return { id, lines };
      const reach = jump === 'indirect' ? Infinity : reachOf(jump.by);
      let steps = 1 + this.#random.below(6);
      while (steps > 1 && sizeOf(drafts.slice(index, index + steps)) > reach) steps--;
      const target = drafts[index + steps];
      return { id, lines: this.#jump(jump, target === undefined ? end : `L${target.id}`) };
    });
  }

  #jump(jump: NonNullable<Draft['jump']>, label: string): string[] {
    if (jump === 'indirect') {
      const by = this.#pick([
        'jalr ra, 0(t3)',
        'jalr t3, 0(t3)',
        'jalr zero, 0(t3)',
        'c.jr t3',
        'c.jalr t3',
      ]);
      return [`auipc t3, %hi[${label}]`, `addi t3, t3, %lo[${label}]`, by];
    }
    const { name, operands, syntax } = jump.by;
    const text: Record<string, string> = { target: label };
    for (const role of ['rd', 'rs1', 'rs2'] as const) {
      const field = operands[role];
      if (field === undefined) continue;
      const register = role === 'rd' ? this.#destination(field) : this.#register(field);
      text[role] = REGISTER_NAMES[register] as string;
    }
    return [`${name} ${syntax.replace(/\w+/g, (role) => text[role] ?? role)}`];
  }
}

/** What one slot of an image takes to run a program, or the part of it that is kept. */
export function contentsOf(
  program: Program,
  physical: number,
  isKept: Kept = keepAll,
): SlotContents {
  const { start } = program;
  const base = start.leaves === undefined ? BigInt(physical) : start.base;
  return {
    ...start,
    code: listing(program.items, isKept),
    x: program.x.map((from, register) => {
      if ('value' in from) return isKept(`x${register}`) ? from.value : 0n;
      return (from.alias === true ? BigInt(physical) : base) + BigInt(from.slotOffset);
    }),
    f: start.f.map((bits, register) => (isKept(`f${register}`) ? bits : 0n)),
  };
}

/** Whether a part of a program is there: an item by its id, a register's start value by its name. */
export type Kept = (part: number | string) => boolean;
const keepAll: Kept = () => true;

/** Every part that a program can do without. */
export const partsOf = (program: Program): (number | string)[] => [
  ...idsOf(program.items),
  ...program.x.flatMap((from, n) =>
    n > 0 && 'value' in from && from.value !== 0n ? [`x${n}`] : [],
  ),
  ...program.start.f.map((_, n) => `f${n}`),
];
