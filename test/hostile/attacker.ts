// The hostile ones, in a process of their own, at the server's own priority.
import { type Attack, attack } from './attack.ts';
import { costlyRequest } from './costly.ts';
import { hostilePack } from './packs.ts';
import { hostileRequest } from './requests.ts';
import type { Target } from './target.ts';

const { target, ...options } = JSON.parse(process.env.HOSTILE_ATTACK ?? '{}') as Attack & { target: Target };
const send = { packs: hostilePack, requests: hostileRequest, costly: costlyRequest }[options.what];
process.once('disconnect', () => process.exit(1));
process.send?.(await attack(target, options, send));
process.disconnect();
