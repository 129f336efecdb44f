// Kind of service for Linux: a systemd unit, for the machine or for one user.
import { join } from 'node:path';
import type { AgentCommand, ServiceKind } from './service-kind.ts';
import type { Step } from './step.ts';

const UNIT = 'mailferry.service';

/** Seconds: the agent ends itself within 5 s of SIGTERM. */
const STOP_SECONDS = 10;

/**
 * What the agent of a machine may do (systemd.exec(5), capabilities(7)): read everything (DAC_READ_SEARCH), make and delete btrfs
 * snapshots of subvolumes of any owner (SYS_ADMIN, DAC_OVERRIDE, FOWNER), and nothing else. MemoryDenyWriteExecute is left out:
 * V8 compiles at run time. ProtectHome and ProtectSystem=strict are left out: mail lies in homes, and a snapshot is made in the
 * volume it freezes.
 */
const MACHINE_HARDENING = `\
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE CAP_FOWNER CAP_SYS_ADMIN
NoNewPrivileges=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=full
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077`;

/** What needs no right of its own, and so works in a user's manager too. */
const USER_HARDENING = `\
NoNewPrivileges=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0077`;

/** A word of ExecStart: quoted, with the characters that systemd gives a meaning escaped (systemd.service(5), COMMAND LINES). */
export function unitWord(word: string): string {
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`;
}

/** The unit's text. */
export function unitFile({ self, stateRoot }: AgentCommand, user: boolean): string {
  const command = [...self, 'agent', '--state', stateRoot].map(unitWord).join(' ');
  return `# Written by \`mailferry service install\`. Change it by a drop-in: systemctl ${user ? '--user ' : ''}edit ${UNIT}
[Unit]
Description=Mailferry: backs up the mail that lives only on this machine
${user ? '' : 'Wants=network-online.target\nAfter=network-online.target\n'}StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${command}
Restart=on-failure
RestartSec=60
KillMode=mixed
TimeoutStopSec=${STOP_SECONDS}
Nice=10
IOSchedulingClass=idle
${user ? USER_HARDENING : MACHINE_HARDENING}

[Install]
WantedBy=${user ? 'default.target' : 'multi-user.target'}
`;
}

/** `folder`: where units of this manager are kept. */
export function systemd({ user, folder }: { user: boolean; folder: string }): ServiceKind {
  const scope = user ? ['--user'] : [];
  const path = join(folder, UNIT);
  const systemctl = (words: string[], accept?: readonly number[] | 'any'): Step => ({
    do: 'run',
    program: 'systemctl',
    words: [...scope, ...words],
    ...(accept ? { accept } : {}),
  });
  return {
    name: user ? 'systemd-user' : 'systemd',
    install: async (agent) => [
      { do: 'write', path, content: unitFile(agent, user) },
      systemctl(['daemon-reload']),
      systemctl(['enable', UNIT]),
      // Started anew, so that a changed unit is what runs.
      systemctl(['restart', UNIT]),
    ],
    uninstall: async () => [
      // 1 and 5: there is no such unit.
      systemctl(['disable', '--now', UNIT], [0, 1, 5]),
      { do: 'remove', path },
      systemctl(['daemon-reload']),
    ],
    async state(run) {
      const enabled = await run('systemctl', [...scope, 'is-enabled', UNIT]);
      const active = await run('systemctl', [...scope, 'is-active', UNIT]);
      return { installed: enabled.code === 0, running: active.code === 0 };
    },
  };
}
