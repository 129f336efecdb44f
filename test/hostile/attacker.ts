// The hostile ones, in a process of their own, which gives way to the server's: in life they are on other machines than it.
import { constants, setPriority } from 'node:os';
import { type Attack, attack } from './attack.ts';
import { hostilePack } from './packs.ts';
import { hostileRequest } from './requests.ts';
import type { Target } from './target.ts';

setPriority(0, constants.priority.PRIORITY_LOW);
const { target, ...options } = JSON.parse(process.env.HOSTILE_ATTACK ?? '{}') as Attack & { target: Target };
const send = options.what === 'packs' ? hostilePack : hostileRequest;
process.once('disconnect', () => process.exit(1));
process.send?.(await attack(target, options, send));
process.disconnect();
