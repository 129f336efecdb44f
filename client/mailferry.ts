#!/usr/bin/env node
// Where the program begins. Its one file is loaded only after the Node that runs it was found to be new enough: what a module imports
// is loaded before the module's own first line runs.
import './node-floor.ts';

const program = new URL('./program.js', import.meta.url);
await import(program.href);
