// Doctor: whether the system keeps the agent running.
import type { ServiceKind } from '../service/service-kind.ts';
import type { Run } from '../service/step.ts';
import type { Finding } from './finding.ts';

/** `kinds`: what this system may have it as; the first that is installed counts. */
export async function serviceFinding(kinds: readonly ServiceKind[], run: Run): Promise<Finding> {
  for (const kind of kinds) {
    const { installed, running } = await kind.state(run);
    if (!installed) continue;
    if (running === false) {
      const said = `The agent is installed (${kind.name}), and does not run.`;
      return { check: 'service', state: 'failed', said, todo: 'Start it, and look into its log.' };
    }
    return {
      check: 'service',
      state: 'ok',
      said: `The agent is installed (${kind.name})${running ? ' and runs' : ''}.`,
    };
  }
  const todo = 'Run `mailferry service install`, or keep `mailferry agent` running.';
  return { check: 'service', state: 'warning', said: 'The system does not start the agent.', todo };
}
