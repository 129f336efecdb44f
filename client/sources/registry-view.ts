// The registry as the finders see it: each key read once, what can't be read left out and said, a hive's keys under their user's id.
import { asFailure, Failure } from '../../shared/failure.ts';
import { isWithin } from '../registry/reg-value.ts';
import type { Registry } from '../registry/registry.ts';
import type { LeftOut } from './finder.ts';

export type RegistryView = Pick<Registry, 'read' | 'children'>;

/** The finders ask for the same keys; an export of each takes a process. */
export function readOnce({ read, children }: RegistryView): RegistryView {
  const remember = <T>(ask: (key: string) => Promise<T>) => {
    const answers = new Map<string, Promise<T>>();
    return (key: string): Promise<T> => {
      const answer = answers.get(key) ?? ask(key);
      answers.set(key, answer);
      return answer;
    };
  };
  return { read: remember(read), children: remember(children) };
}

/** A key that can't be read is none, and is left out and said; nothing is asked any more after a stop. */
export function saidWhereUnread(
  { read, children }: RegistryView,
  leaveOut: (left: LeftOut) => void,
  stop: AbortSignal | undefined,
): RegistryView {
  const guarded =
    <T>(ask: (key: string) => Promise<T>) =>
    async (key: string): Promise<T | null> => {
      if (stop?.aborted) return null;
      try {
        return await ask(key);
      } catch (error) {
        const failure = asFailure(error);
        if (failure.code !== 'registry_failed') throw failure;
        leaveOut({ path: key, why: 'unreadable', text: failure.message.replace(/\.$/, '') });
        return null;
      }
    };
  return { read: guarded(read), children: guarded(children) };
}

/**
 * The hive that is loaded at `loaded` as if it stood at `as`. What was asked of it before close() is answered after it too; a key
 * that was not is a failure `registry_failed` then.
 */
export function hiveView(
  registry: RegistryView,
  loaded: string,
  as: string,
): { readonly view: RegistryView; readonly close: () => void } {
  let open = true;
  const inHive =
    <T>(ask: (key: string) => Promise<T>) =>
    async (key: string): Promise<T> => {
      if (!isWithin(key, as)) return ask(key);
      if (!open)
        throw new Failure('registry_failed', `${key} was not read while its user's registry was loaded.`);
      try {
        return await ask(loaded + key.slice(as.length));
      } catch (error) {
        const { code, message } = asFailure(error);
        throw new Failure(code, message.replaceAll(loaded, as), { cause: error });
      }
    };
  const view = readOnce({
    read: inHive(registry.read),
    children: inHive(registry.children),
  });
  const read = async (key: string) => {
    const keys = await view.read(key);
    if (!isWithin(key, as)) return keys;
    return keys?.map((one) => ({ ...one, path: as + one.path.slice(loaded.length) })) ?? null;
  };
  const close = () => {
    open = false;
  };
  return { view: { read, children: view.children }, close };
}
