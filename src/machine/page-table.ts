/** The format of page tables, and of the register that points to them: vol. II (20250508) §12.1.11, §12.4 and §12.5. */

/** PTE bits (vol. II, figure "Sv39 page table entry"). */
export const PTE = { V: 1, R: 2, W: 4, X: 8, U: 16, G: 32, A: 64, D: 128 } as const;
/** Bits 58 to 54, in the high half: Cordon's protection key where the machine has keys, reserved elsewhere. */
export const PTE_KEY_SHIFT_HIGH = 22;

/** satp.MODE (vol. II, table "Encoding of satp MODE field"). */
export const SATP_MODE = { BARE: 0, SV39: 8, SV48: 9 } as const;
/** Levels of a satp.MODE's page tables; 0: no translation. */
export const levelsOf = (mode: number): number =>
  mode === SATP_MODE.SV39 ? 3 : mode === SATP_MODE.SV48 ? 4 : 0;
