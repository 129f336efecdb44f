// Builds mailferry-service.exe from its source with mingw-w64.

/** The compiler of Debian's gcc-mingw-w64-x86-64. */
export const HOST_COMPILER = 'x86_64-w64-mingw32-gcc';

/** The compiler's words: `source` is service-host.c, `to` the program. Every warning is an error; hardened as Windows expects. */
export function hostCompilerWords(source: string, to: string): string[] {
  const checks = ['-Wall', '-Wextra', '-Werror'];
  const hardening = ['-Wl,--nxcompat', '-Wl,--dynamicbase', '-Wl,--high-entropy-va'];
  return ['-municode', '-O2', '-s', ...checks, ...hardening, source, '-o', to, '-lcrypt32', '-ladvapi32'];
}
