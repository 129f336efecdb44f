// A Windows under Wine with an installed device and shadow copies: the shadow host of the tests answers in place of PowerShell, and
// a shadow copy is a folder that Windows' programs find under \\?\GLOBALROOT\Device\HarddiskVolumeShadowCopyN.
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ShadowHost } from '../support/shadow-host.ts';
import { installDevice, Wine, type WineEnded, type WineRunning } from './wine.ts';

const DOUBLE = fileURLToPath(new URL('../support/powershell-double.mjs', import.meta.url));
const POWERSHELL = 'C:\\windows\\system32\\WindowsPowerShell\\v1.0\\powershell.exe';

/** Where Wine's own stays: it says nothing and ends as if all were well. */
const OWN_POWERSHELL = `${POWERSHELL}.own`;

/** A Windows machine with C: of NTFS; what lies in C:\Users is in its shadow copies. */
export class WindowsMachine {
  readonly wine: Wine;
  readonly host: ShadowHost;
  readonly #main: string;
  readonly #env: Record<string, string>;

  private constructor(wine: Wine, host: ShadowHost) {
    this.wine = wine;
    this.host = host;
    this.#main = installDevice(wine);
    copyFileSync(wine.here(POWERSHELL), wine.here(OWN_POWERSHELL));
    copyFileSync(wine.program('powershell'), wine.here(POWERSHELL));
    mkdirSync(wine.here('C:\\standin'));
    copyFileSync(DOUBLE, wine.here('C:\\standin\\powershell.mjs'));
    this.#env = {
      STANDIN_NODE: `Z:${wine.program('node').replaceAll('/', '\\')}`,
      STANDIN_SCRIPT: 'C:\\standin\\powershell.mjs',
      MAILFERRY_SHADOW_HOST: host.url,
    };
  }

  /** `frozen`: the folders of C: that are in shadow copies. */
  static async start(frozen: readonly string[] = ['Users']): Promise<WindowsMachine> {
    const wine = new Wine();
    const folderOf = (number: number | string) =>
      join(wine.globalRoot, 'Device', `HarddiskVolumeShadowCopy${number}`);
    const host = await ShadowHost.start('C:\\', {
      copy: (_, number) => {
        for (const folder of frozen) {
          const here = wine.here(`C:\\${folder}`);
          if (existsSync(here)) cpSync(here, join(folderOf(number), folder), { recursive: true });
        }
        return `\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy${number}`;
      },
      drop: (device) => rmSync(folderOf(device.replace(/^.*Copy/, '')), { recursive: true, force: true }),
    });
    return new WindowsMachine(wine, host);
  }

  /** Starts `mailferry` with these words, its state in C:\state. */
  start(words: readonly string[], env: Record<string, string> = {}): WineRunning {
    const all = [this.#main, ...words, '--state', 'C:\\state', '--json'];
    return this.wine.start(this.wine.program('node'), all, {
      env: { ...this.#env, ...env },
      timeout: 180_000,
    });
  }

  run(...words: string[]): Promise<WineEnded> {
    return this.start(words).ended;
  }

  /** From now on PowerShell is the one that Wine has. */
  useOwnPowerShell(): void {
    copyFileSync(this.wine.here(OWN_POWERSHELL), this.wine.here(POWERSHELL));
  }

  /** Holds a file open as Outlook does, sharing it with nobody, until the result is called. */
  async hold(path: string): Promise<() => Promise<void>> {
    const holder = this.wine.start(this.wine.program('hold-file'), [path, '0', '600000'], {
      timeout: 600_000,
    });
    for (let tries = 0; !holder.stdout().includes('held'); tries++) {
      if (tries > 400) throw new Error(`${path} could not be held: ${holder.stdout()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return async () => {
      holder.child.kill('SIGKILL');
      await holder.ended;
    };
  }

  close(): void {
    this.wine.close();
    this.host.close();
  }
}
