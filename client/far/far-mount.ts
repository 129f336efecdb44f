// One far mount as the device asks it: through a process of its own, each question with a time limit. A mount that let a question pass
// is asked no more until that process came back from it.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FarAnswer, FarAsk, FarRequest } from './far-process.ts';

/** How long a far mount may take for one answer, ms: a line that is asleep wakes in less. */
const PATIENCE_MS = 10_000;
/** The process ends when it was asked nothing for this long, ms. */
const IDLE_MS = 5_000;

/** The error of a mount that does not answer. */
export const SILENT = 'ETIMEDOUT';

interface Waiting {
  readonly done: (value: unknown) => void;
  readonly failed: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class FarMount {
  readonly #point: string;
  #process: ChildProcess | null = null;
  /** The process that did not come back from the file system, while it has not ended. */
  #stuck: ChildProcess | null = null;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #idle: NodeJS.Timeout | undefined;
  /** Files and folders that are open in the process. */
  #open = 0;

  constructor(point: string) {
    this.#point = point;
  }

  /** Asks. Rejects with the system's error, or with one of code ETIMEDOUT where no answer came in time. */
  ask<T>(ask: FarAsk): Promise<T> {
    if (this.#stuck) return Promise.reject(this.#silence());
    this.#process ??= this.#start();
    const asked = this.#process;
    const number = ++this.#last;
    clearTimeout(this.#idle);
    return new Promise<unknown>((done, failed) => {
      const timer = setTimeout(() => this.#giveUp(asked), PATIENCE_MS);
      this.#waiting.set(number, { done, failed, timer });
      asked.send({ number, ask } satisfies FarRequest, (error) => error && this.#settle(number, error));
    }).then((value) => {
      if (ask.do === 'open' || ask.do === 'open-folder') this.#open++;
      if (ask.do === 'close' || ask.do === 'close-folder') this.#open--;
      return value as T;
    });
  }

  #start(): ChildProcess {
    const script = fileURLToPath(new URL('./far-process.js', import.meta.url));
    // It holds nothing of this process's output: who waits for the end of that must not wait for the mount.
    const started = fork(script, [], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      cwd: '/',
    });
    started.unref();
    started.on('message', (answer: FarAnswer) => {
      if ('error' in answer) {
        const { code, message } = answer.error;
        this.#settle(answer.number, Object.assign(new Error(message), { code }));
      } else this.#settle(answer.number, null, answer.value);
    });
    const ended = () => {
      if (this.#stuck === started) this.#stuck = null;
      if (this.#process === started) this.#leave(this.#silence());
    };
    started.on('error', ended).on('exit', ended);
    // A channel keeps a process alive only while something is asked.
    started.channel?.unref();
    return started;
  }

  #settle(number: number, error: Error | null, value?: unknown): void {
    const one = this.#waiting.get(number);
    if (!one) return;
    this.#waiting.delete(number);
    clearTimeout(one.timer);
    if (error) one.failed(error);
    else one.done(value);
    if (this.#waiting.size === 0) {
      this.#idle = setTimeout(
        () => this.#open === 0 && this.#leave(this.#silence())?.kill(),
        IDLE_MS,
      ).unref();
    }
  }

  /** No answer came: all that is asked fails, and the process is told to end, which it may only do when the mount answers. */
  #giveUp(asked: ChildProcess): void {
    if (this.#process !== asked) return;
    this.#leave(this.#silence());
    this.#stuck = asked;
    asked.disconnect();
    asked.kill('SIGKILL');
  }

  #leave(error: Error): ChildProcess | null {
    const left = this.#process;
    this.#process = null;
    this.#open = 0;
    for (const number of [...this.#waiting.keys()]) this.#settle(number, error);
    clearTimeout(this.#idle);
    return left;
  }

  #silence(): Error {
    return Object.assign(new Error(`${this.#point} does not answer`), { code: SILENT });
  }
}
