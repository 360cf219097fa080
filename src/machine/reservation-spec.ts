/** Which way of LR/SC a machine is given; reservations.ts says what each of them does. */
export const RESERVATION_MODES = ['value', 'page', 'global'] as const;
export type ReservationMode = (typeof RESERVATION_MODES)[number];

export interface ReservationSpec {
  readonly mode: ReservationMode;
  /** With `value`: count and report the SCs that succeeded for an A-B-A. */
  readonly detectsAba: boolean;
}

/** What a machine does that is told nothing. */
export const BY_VALUE: ReservationSpec = { mode: 'value', detectsAba: false };

/** Whether LR and SC have to leave the core. */
export const tracksReservations = (spec: ReservationSpec): boolean =>
  spec.mode !== 'value' || spec.detectsAba;
