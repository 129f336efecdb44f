/** The version of this program: that of package.json, which an executable of one file does not have beside it. */
export const VERSION = '0.1.0';
