/**
 * The TLB that is charged for: a model of a hardware TLB, fed by the exact core with every access.
 *
 * It never decides what an access means (the soft TLB does); it only counts hits and misses as a
 * hardware TLB of the preset's size would have. First level: one for fetches, one for data, fully
 * associative, replaced in turn. Second level: shared, direct-mapped. Entries are tagged with the ASID
 * unless the mapping is global, and cover the page size of the leaf (a superpage takes one entry).
 */
import { i32Array, i64Array, layout, i32 as word } from 'sharedarraybuffer-utils';
import { FunctionBuilder } from '../wasm/encoder.ts';
import {
  block,
  br,
  i32,
  i64,
  label,
  load,
  loop,
  set,
  store,
  when,
  type Expr,
  type Stmt,
} from '../wasm/ir.ts';
import { HartBlock, MODEL_COUNTS, TLB_BYTES, TLB_CONTEXTS } from './hart-block.ts';

export const MODEL_KIND = { FETCH: 0, LOAD: 1, STORE: 2 } as const;

/** Largest first level; a preset may use fewer entries. */
export const MODEL_L1_MAX = 64;
export const MODEL_L2_MAX = 1024;

/** The key of an entry: the number of its page, the level of the leaf, the ASID unless it is global. */
export const MODEL_KEY = {
  PAGE_MASK: (1n << 40n) - 1n,
  LEVEL_SHIFT: 40n,
  ASID_SHIFT: 44n,
} as const;
/** Key of an empty entry: no page number has this bit. */
export const MODEL_EMPTY = 1n << 62n;

export const ModelTlb = layout('ModelTlb', {
  /** Entries in use; 0 switches the model off. */
  l1Entries: word.doc('entries of each first level; 0: nothing is modelled'),
  l2Entries: word.doc('entries of the second level, a power of two; 0: none'),
  asid: word.doc('tag of new entries; -1: no translation is on'),
  levels: word.doc('levels of the page tables, which a walk to a page reads'),
  turn: i32Array(2).doc('next victim of the fetch and of the data level'),
  last: i64Array(2).doc('key of the last access of each level'),
  l1: i64Array(2 * MODEL_L1_MAX),
  l2: i64Array(MODEL_L2_MAX),
});

/** Offset of a hart's model from its hart block: after its soft TLB. */
export const TLB_OFFSET: number = Math.ceil(HartBlock.sizeBytes / 4096) * 4096;
export const MODEL_OFFSET: number = TLB_OFFSET + TLB_CONTEXTS * TLB_BYTES;

/** Bits of the soft TLB entry's `shape`: level in the low two, global above. */
export const SHAPE_GLOBAL = 4;
/** No translation was made: M-mode, or Bare. A hardware TLB is not asked. */
export const SHAPE_UNTRANSLATED = 8;
/** A piece of a NAPOT range of 64 KiB. The modelled TLB keeps it as the page it is cut into. */
export const SHAPE_NAPOT = 16;

const at = ModelTlb.offset;
const field = (name: keyof typeof at): number => MODEL_OFFSET + at[name];

/** `modelTouch(hart, kind, va, shape)`: one access. */
export function modelFunctions(): FunctionBuilder[] {
  const fn = new FunctionBuilder('modelTouch', ['i32', 'i32', 'i64', 'i32']);
  const [hart, kind, va, shape] = [fn.param(0), fn.param(1), fn.param(2), fn.param(3)];
  const key = fn.local('i64');
  /** 0 for fetches, 1 for data. */
  const level = fn.local('i32');
  const cell = fn.local('i32');
  const end = fn.local('i32');
  const levels = fn.local('i32');
  const done = label('done');
  const hit = label('hit');
  const search = label('search');

  const count = (name: (typeof MODEL_COUNTS)[number], by: Expr): Stmt[] => {
    const offset = HartBlock.offset.modelCounts + 4 * MODEL_COUNTS.indexOf(name);
    return [store('i32', 4, hart, i32.add(load('i32', 4, false, hart, offset), by), offset)];
  };

  const pageShift = i64.extend_u(
    i32.add(i32.const(12), i32.mul(i32.and(shape, i32.const(3)), i32.const(9))),
  );
  const asidBits = i64.shl(
    i64.extend_u(load('i32', 4, false, hart, field('asid'))),
    i64.const(MODEL_KEY.ASID_SHIFT),
  );
  fn.body = [
    block(done, [
      when(i32.lt_s(load('i32', 4, false, hart, field('asid')), i32.const(0)), [br(done)]),
      when(i32.and(shape, i32.const(SHAPE_UNTRANSLATED)), [br(done)]),
      // The page number (at most 36 significant bits and the sign), its size, and the ASID.
      set(key, i64.and(i64.shr_u(va, pageShift), i64.const(MODEL_KEY.PAGE_MASK))),
      set(
        key,
        i64.or(
          key,
          i64.shl(i64.extend_u(i32.and(shape, i32.const(3))), i64.const(MODEL_KEY.LEVEL_SHIFT)),
        ),
      ),
      when(i32.eqz(i32.and(shape, i32.const(SHAPE_GLOBAL))), [set(key, i64.or(key, asidBits))]),
      set(level, i32.ne(kind, i32.const(MODEL_KIND.FETCH))),
      set(cell, i32.add(hart, i32.shl(level, i32.const(3)))),
      when(i64.eq(load('i64', 8, false, cell, field('last')), key), [br(done)]),
      store('i64', 8, cell, key, field('last')),
      block(hit, [
        set(cell, i32.add(hart, i32.mul(level, i32.const(8 * MODEL_L1_MAX)))),
        set(
          end,
          i32.add(cell, i32.shl(load('i32', 4, false, hart, field('l1Entries')), i32.const(3))),
        ),
        loop(search, [
          when(i64.eq(load('i64', 8, false, cell, field('l1')), key), [br(hit)]),
          set(cell, i32.add(cell, i32.const(8))),
          when(i32.lt_u(cell, end), [br(search)]),
        ]),
        // First-level miss: the victim is the next in turn.
        set(cell, i32.add(hart, i32.shl(level, i32.const(2)))),
        set(end, load('i32', 4, false, cell, field('turn'))),
        store(
          'i32',
          4,
          cell,
          i32.rem_u(i32.add(end, i32.const(1)), load('i32', 4, false, hart, field('l1Entries'))),
          field('turn'),
        ),
        set(end, i32.add(i32.mul(level, i32.const(MODEL_L1_MAX)), end)),
        store('i64', 8, i32.add(hart, i32.shl(end, i32.const(3))), key, field('l1')),
        set(
          levels,
          i32.sub(load('i32', 4, false, hart, field('levels')), i32.and(shape, i32.const(3))),
        ),
        when(
          i32.eqz(load('i32', 4, false, hart, field('l2Entries'))),
          [...count('tlbMisses', i32.const(1)), ...count('walkLevels', levels)],
          [
            set(
              cell,
              i32.add(
                hart,
                i32.shl(
                  i32.and(
                    i32.wrap(key),
                    i32.sub(load('i32', 4, false, hart, field('l2Entries')), i32.const(1)),
                  ),
                  i32.const(3),
                ),
              ),
            ),
            when(
              i64.eq(load('i64', 8, false, cell, field('l2')), key),
              count('tlbL2Hits', i32.const(1)),
              [
                store('i64', 8, cell, key, field('l2')),
                ...count('tlbMisses', i32.const(1)),
                ...count('walkLevels', levels),
              ],
            ),
          ],
        ),
      ]),
    ]),
  ];
  return [fn];
}
