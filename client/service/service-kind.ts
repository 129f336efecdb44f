// The port behind `mailferry service`: how the agent is kept running on one kind of system.
import type { Run, Step } from './step.ts';

/** What is to be kept running. */
export interface AgentCommand {
  /** The program and the words before `agent`: absolute paths. */
  readonly self: readonly [string, ...string[]];
  readonly stateRoot: string;
}

export interface Installing extends AgentCommand {
  /** Whether a device is enrolled there: an agent of none ends at once, and is started again later. */
  readonly isEnrolled: boolean;
}

export interface ServiceState {
  readonly installed: boolean;
  /** null where this kind can't tell. */
  readonly running: boolean | null;
}

export interface ServiceKind {
  /** As `--as` names it. */
  readonly name: 'service' | 'task' | 'systemd' | 'systemd-user';
  /**
   * What installs it and starts it; whatever of it was there before is replaced. Changes nothing. Failure `service_failed` where the
   * state is in no folder that could be protected.
   */
  install(agent: Installing, run: Run): Promise<readonly Step[]>;
  /** What stops and removes it; that it is not there is no failure. State and settings stay. Changes nothing. */
  uninstall(run: Run): Promise<readonly Step[]>;
  state(run: Run): Promise<ServiceState>;
}
