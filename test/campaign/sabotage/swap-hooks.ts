// The loader's side of swap.ts: whoever asks for a swapped module gets the other, and the other may ask for the true one.
import type { InitializeHook, ResolveHook } from 'node:module';

const swapped: { module: string; by: string }[] = [];

export const initialize: InitializeHook<{ module: string; by: string }> = (swap) => {
  swapped.push(swap);
};

export const resolve: ResolveHook = async (specifier, context, next) => {
  const found = await next(specifier, context);
  const swap = swapped.find(({ module, by }) => found.url.endsWith(`/${module}`) && context.parentURL !== by);
  return swap ? { ...found, url: swap.by } : found;
};
