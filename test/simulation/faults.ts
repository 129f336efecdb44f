// What goes wrong in a simulation: chosen by the seed, so that some are quiet and some are hell.
import type { Chance } from './chance.ts';
import { FINE_WEATHER, type Weather } from './network.ts';

/** What happens around the device, one thing after another. */
export type Event =
  | 'source changes'
  | 'line goes'
  | 'line comes'
  | 'server falls'
  | 'server forgets uploads'
  | 'server is restored'
  | 'clock is set'
  | 'disk is full'
  | 'disk has room'
  | 'staged pack is damaged'
  | 'process is stopped';

export interface Faults {
  readonly weather: Weather;
  readonly events: readonly Event[];
  /** Minutes, not seconds, lie between them. */
  readonly slow: boolean;
  /** How many of them. */
  readonly happens: number;
  /** Deaths of the device's process. */
  readonly deaths: number;
  /** Which part of them are power cuts. */
  readonly power: number;
  /** The database is gone, or an old copy of it, after some deaths. */
  readonly stateLost: boolean;
  /** Staging has no room for a second pack. */
  readonly tight: boolean;
  /** Which part of packs end with the block. */
  readonly seals: number;
  readonly sources: number;
  /** Somebody goes on using a source while a change of it is on its way, and the line goes before it has arrived. */
  readonly usedWhileSent: boolean;
  /** Change lists are uploads of their own, as long ones are. */
  readonly listsSent: boolean;
}

const ALWAYS: readonly Event[] = ['source changes', 'source changes', 'source changes'];
const SOMETIMES: readonly (readonly Event[])[] = [
  ['line goes', 'line comes'],
  ['server falls'],
  ['clock is set'],
  ['disk is full', 'disk has room'],
  ['process is stopped'],
];
const SELDOM: readonly (readonly Event[])[] = [
  ['server forgets uploads'],
  ['server is restored'],
  ['staged pack is damaged'],
];

export function chooseFaults(chance: Chance): Faults {
  const bad = (part: number, most: number) => (chance.is(part) ? chance.next() * most : 0);
  const weather: Weather = chance.is(0.2)
    ? FINE_WEATHER
    : {
        lostRequest: bad(0.5, 0.2),
        lostAnswer: bad(0.6, 0.4),
        late: bad(0.3, 0.2),
        cut: bad(0.5, 0.3),
        busy: bad(0.3, 0.2),
        stranger: bad(0.15, 0.2),
      };
  const events = [
    ...ALWAYS,
    ...SOMETIMES.filter(() => chance.is(0.4)).flat(),
    ...SELDOM.filter(() => chance.is(0.2)).flat(),
  ];
  const slow = chance.is(0.2);
  return {
    weather,
    events,
    slow,
    happens: slow ? chance.whole(3, 6) : chance.whole(1, 3),
    deaths: chance.pick([0, 1, 1, 2]),
    power: chance.next(),
    stateLost: chance.is(0.1),
    tight: chance.is(0.2),
    seals: chance.pick([0, 0.5, 1]),
    sources: chance.is(0.15) ? 2 : 1,
    usedWhileSent: chance.is(0.1),
    listsSent: chance.is(0.4),
  };
}
