// The installer's source for wixl: files, the service, and the rule by which a newer version takes the place of an older one.
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { SERVICE_NAME } from '../../service/windows-service.ts';

/** What makes two versions the same product. Never changed. */
export const UPGRADE_CODE = '5D1E0C6A-8A1B-4E57-9C1C-6B0E7D6F3A21';

export interface InstallerOptions {
  readonly version: string;
  /** The folder with the files, relative to where wixl runs: it takes no other. */
  readonly folder: string;
  /** Their paths in it, with slashes. */
  readonly files: readonly string[];
}

/** A GUID that is the same for the same text: a component keeps its own from version to version. */
export function guidOf(text: string): string {
  const bytes = createHash('sha256').update(`mailferry installer ${text}`).digest().subarray(0, 16);
  // RFC 9562: version 8, variant 10.
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex').toUpperCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

const idOf = (path: string) => `f_${path.replace(/[^A-Za-z0-9]/g, '_')}`;

const text = (value: string) =>
  value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** The words that the service manager hands the host. [CommonAppDataFolder] and [INSTALLDIR] end with a backslash. */
const HOST_WORDS =
  'run "[CommonAppDataFolder]Mailferry\\agent.log" -- "[INSTALLDIR]mailferry.exe" agent --host --state "[CommonAppDataFolder]Mailferry"';

/**
 * The smallest version above: wixl knows no inclusive maximum, and another build of the same version takes the place of what is there
 * too, or both would be installed side by side.
 */
function versionAfter(version: string): string {
  const [major, minor, patch] = version.split('.').map(Number);
  return `${major}.${minor}.${patch! + 1}`;
}

/**
 * The .wxs. What is there is removed within the transaction, so that an installation that fails puts it back (ICE63 allows that
 * place). What is to be copied is decided before that removal, by the rule that a file with a version wins over one without: without
 * `a` in REINSTALLMODE the old mailferry.exe could win, and then be removed.
 *
 * The service starts when it was installed and is not waited for: an agent that is not enrolled yet ends, and is started
 * again by its manager. State and settings in %ProgramData% belong to no component, so that no removal takes them away.
 */
export function installerSource({ version, folder, files }: InstallerOptions): string {
  const component = (path: string) => {
    const service = path === 'mailferry-service.exe' ? SERVICE : '';
    const source = text(posix.join(folder, path));
    return `<Component Id="c_${idOf(path)}" Guid="${guidOf(path)}" Win64="yes"><File Id="${idOf(path)}" Name="${text(posix.basename(path))}" Source="${source}" KeyPath="yes"/>${service}</Component>`;
  };
  return `<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Product Id="*" Name="Mailferry" Language="1033" Version="${version}" Manufacturer="Mailferry" UpgradeCode="${UPGRADE_CODE}">
    <Package InstallerVersion="500" Compressed="yes" InstallScope="perMachine" Description="Backs up the mail that lives only on this machine"/>
    <Upgrade Id="${UPGRADE_CODE}">
      <UpgradeVersion Minimum="0.0.0" Maximum="${versionAfter(version)}" Property="WIX_UPGRADE_DETECTED"/>
      <UpgradeVersion Minimum="${version}" IncludeMinimum="no" OnlyDetect="yes" Property="WIX_DOWNGRADE_DETECTED"/>
    </Upgrade>
    <Condition Message="A newer version of Mailferry is installed.">NOT WIX_DOWNGRADE_DETECTED</Condition>
    <InstallExecuteSequence><RemoveExistingProducts After="InstallInitialize"/></InstallExecuteSequence>
    <Property Id="REINSTALLMODE" Value="amus"/>
    <Media Id="1" Cabinet="mailferry.cab" EmbedCab="yes"/>
    <Directory Id="TARGETDIR" Name="SourceDir">
      <Directory Id="ProgramFiles64Folder">
        <Directory Id="INSTALLDIR" Name="Mailferry">
${directories(files, component)}
        </Directory>
      </Directory>
    </Directory>
    <Feature Id="Mailferry" Title="Mailferry" Level="1">
${files.map((path) => `      <ComponentRef Id="c_${idOf(path)}"/>`).join('\n')}
    </Feature>
  </Product>
</Wix>
`;
}

const SERVICE =
  `<ServiceInstall Id="Service" Name="${SERVICE_NAME}" DisplayName="Mailferry" Description="Backs up the mail that lives only on this machine." ` +
  `Type="ownProcess" Start="auto" ErrorControl="normal" Vital="yes" Arguments="${text(HOST_WORDS)}"/>` +
  `<ServiceControl Id="StopService" Name="${SERVICE_NAME}" Stop="both" Remove="uninstall" Wait="yes"/>` +
  `<ServiceControl Id="StartService" Name="${SERVICE_NAME}" Start="install" Wait="no"/>`;

/** Files in their folders, as nested Directory elements. */
function directories(files: readonly string[], component: (path: string) => string, at = ''): string {
  const here = files.filter((path) => posix.dirname(path) === (at || '.'));
  const inside = files.filter((path) => at === '' || path.startsWith(`${at}/`));
  const names = new Set(
    inside
      .map((path) => (at ? path.slice(at.length + 1) : path))
      .filter((path) => path.includes('/'))
      .map((path) => path.slice(0, path.indexOf('/'))),
  );
  const nested = [...names].map((name) => {
    const path = posix.join(at, name);
    return `<Directory Id="d_${idOf(path)}" Name="${text(name)}">\n${directories(files, component, path)}\n</Directory>`;
  });
  return [...here.map(component), ...nested].join('\n');
}
