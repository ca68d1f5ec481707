// Random commands on places: cities and their neighbourhoods, the edges of the map, and all options of the searches.
import fc from 'fast-check';
import { choose, command, exact, list, maybe, type Part, type Step, sequence, weighted, words } from './parts.ts';

const key = words('a', 'b', '{t}x');
const MEMBERS = ['Rome', 'Paris', 'Oslo', 'Quito', 'Suva', 'Pole', 'Here', 'There'];
const member = words(...MEMBERS);
const coordinates: readonly Part[] = [
  ['12.4964', '41.9028'],
  ['2.3522', '48.8566'],
  ['10.7522', '59.9139'],
  ['-78.4678', '-0.1807'],
  ['178.4419', '-18.1248'],
  ['0', '85.05112878'],
  ['-180', '-85.05112878'],
  ['180', '1'],
  ['12.5', '41.9'],
  ['2.35', '48.86'],
];
const place: fc.Arbitrary<Part> = weighted(
  [6, fc.constantFrom(...coordinates)],
  [
    4,
    fc
      .tuple(fc.integer({ min: -1799, max: 1799 }), fc.integer({ min: -849, max: 849 }))
      .map(([x, y]): Part => [String(x / 10), String(y / 10)]),
  ],
  [1, fc.constantFrom<Part>(['181', '0'], ['0', '86'], ['x', '1'], ['1', 'x'], ['nan', '0'], ['inf', '0'])],
);
const unit = weighted([8, words('m', 'km', 'mi', 'ft', 'KM')], [1, words('cm', '')]);
const length = weighted([8, words('0', '1', '100', '500', '2000', '5000.5', '20000', '300000')], [1, words('-1', 'x')]);
const order = words('ASC', 'DESC', 'asc');
const counted = sequence('COUNT', weighted([8, words('1', '2', '100')], [1, words('0', '-1', 'x')]));
const extra = words('WITHDIST', 'WITHCOORD', 'WITHHASH', 'bogus');
/** Sorted, or the order is that of the cells: both are compared as they are. */
const options = list(fc.oneof({ weight: 3, arbitrary: order }, { weight: 3, arbitrary: extra }, { weight: 2, arbitrary: counted }), 0, 3);
const from = fc.oneof(sequence('FROMMEMBER', member), sequence('FROMLONLAT', place));
const by = fc.oneof(sequence('BYRADIUS', length, unit), sequence('BYBOX', length, length, unit));

/** No two members stand at one place: which of them came first under COUNT would be chance. */
const ownPlace = fc.tuple(fc.nat(MEMBERS.length - 1), fc.nat(3)).map(([at, step]): Part => {
  const [longitude, latitude] = coordinates[at] as [string, string];
  return [longitude, String(Number(latitude) * (1 - step / 10)), MEMBERS[at] as string];
});
const add = exact('GEOADD', key, list(words('NX', 'XX', 'CH'), 0, 2), list(ownPlace, 1, 5));
const addAnywhere = exact('GEOADD', key, list(words('NX', 'XX', 'CH'), 0, 2), place, 'anywhere');
const fill = exact(
  'GEOADD',
  key,
  fc
    .shuffledSubarray([...coordinates.keys()], { minLength: 5 })
    .map(
      (indexes): Part =>
        indexes.map((at) => [
          String(Number((coordinates[at] as string[])[0]) * 0.99),
          (coordinates[at] as string[])[1] as string,
          `place${at}`,
        ]),
    ),
);

export const places: fc.Arbitrary<Step> = choose(
  [6, add],
  [2, addAnywhere],
  [3, fill],
  [1, exact('SET', 'a', 'x')],
  [1, exact('DEL', key)],
  [3, exact('GEODIST', key, member, member, maybe(unit))],
  [3, exact('GEOHASH', key, list(member, 0, 3))],
  [3, exact('GEOPOS', key, list(member, 0, 3))],
  [8, exact('GEOSEARCH', key, from, by, options)],
  [3, exact('GEOSEARCH', key, list(fc.oneof(from, by, order, counted, words('ANY')), 0, 5))],
  [4, exact(words('GEORADIUS', 'GEORADIUS_RO'), key, place, length, unit, options)],
  [4, exact(words('GEORADIUSBYMEMBER', 'GEORADIUSBYMEMBER_RO'), key, member, length, unit, options)],
  [3, exact('GEOSEARCHSTORE', key, key, from, by, options)],
  [2, exact('GEORADIUS', key, place, length, unit, 'STORE', key, options)],
  [1, exact('GEORADIUS_RO', key, place, length, unit, 'STORE', key)],
  [2, exact('ZRANGE', key, '0', '-1')],
  [1, exact('ZSCORE', key, member)],
);

/** Distances as scores: their last digits are those of each machine's sine. */
export const distances: fc.Arbitrary<Step> = choose(
  [4, fill],
  [2, exact('GEOSEARCHSTORE', 'near', key, from, by, words('STOREDIST', 'storedist'), 'ASC')],
  [2, exact('GEORADIUS', key, place, length, unit, 'STOREDIST', 'near')],
  [2, command('numbers', 'ZRANGE', 'near', '0', '-1', 'WITHSCORES')],
);
