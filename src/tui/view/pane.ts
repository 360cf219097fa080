/** What every pane is drawn from and what it gives back. */
import type { Glyphs } from '../glyphs.ts';
import type { Choices } from '../interface.ts';
import type { Model } from '../model.ts';
import type { Line } from '../text.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Drawn {
  /** After the pane's name in its border. */
  readonly note: string;
  /** At most `height` lines of at most `width` cells. */
  readonly lines: readonly Line[];
}

export type PaneView = (model: Model, choices: Choices, size: Size, glyphs: Glyphs) => Drawn;
