export * from './layout.ts';
export * from './word.ts';
