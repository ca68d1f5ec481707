/**
 * Places as 52-bit integers: longitude and latitude halved 26 times each, their bits interleaved, as in Gustavo Niemeyer's geohash
 * (https://en.wikipedia.org/wiki/Geohash) over the latitudes of the Web Mercator projection (EPSG:3857). A cell is all places that share
 * their first bits. All of it fits into doubles: no BigInt.
 */
export const STEPS = 26;
const LONGITUDE_MAX = 180;
const LATITUDE_MAX = 85.05112878;
const EARTH_RADIUS_M = 6372797.560856;
/** Half of the projection's width in metres. */
const MERCATOR_MAX_M = 20037726.37;
const RADIANS = Math.PI / 180;
const HALF_BITS = 13;
const HALF_MASK = (1 << HALF_BITS) - 1;
const TWO_26 = 67108864;
const ALPHABET = '0123456789bcdefghjkmnpqrstuvwxyz';
const STANDARD_LATITUDE_MAX = 90;
const STANDARD_CHARACTERS = 10;

export type Position = { longitude: number; latitude: number };
/** A cell by its column and row of 2^steps each. */
export type Cell = { x: number; y: number; steps: number };

export function isOnMap(longitude: number, latitude: number): boolean {
  return Math.abs(longitude) <= LONGITUDE_MAX && Math.abs(latitude) <= LATITUDE_MAX;
}

/** Spreads 13 bits (14 at the east and north edges of the map, where a place is one column or row too far) to every other bit. */
function spread(bits: number): number {
  let v = bits;
  v = (v | (v << 8)) & 0x00ff00ff;
  v = (v | (v << 4)) & 0x0f0f0f0f;
  v = (v | (v << 2)) & 0x33333333;
  return (v | (v << 1)) & 0x55555555;
}
function gather(bits: number): number {
  let v = bits & 0x55555555;
  v = (v | (v >>> 1)) & 0x33333333;
  v = (v | (v >>> 2)) & 0x0f0f0f0f;
  v = (v | (v >>> 4)) & 0x00ff00ff;
  return (v | (v >>> 8)) & 0xffff;
}
/** Latitude bits at the even places, longitude bits at the odd ones. */
function interleave(x: number, y: number): number {
  const high = (spread(x >>> HALF_BITS) << 1) | spread(y >>> HALF_BITS);
  const low = (spread(x & HALF_MASK) << 1) | spread(y & HALF_MASK);
  return high * TWO_26 + low;
}

export function cellOf(longitude: number, latitude: number, steps: number, latitudeMax = LATITUDE_MAX): Cell {
  const columns = 2 ** steps;
  return {
    x: Math.floor(((longitude + LONGITUDE_MAX) / (2 * LONGITUDE_MAX)) * columns),
    y: Math.floor(((latitude + latitudeMax) / (2 * latitudeMax)) * columns),
    steps,
  };
}
/** The score of a place in a sorted set. */
export function encode(longitude: number, latitude: number): number {
  const { x, y } = cellOf(longitude, latitude, STEPS);
  return interleave(x, y);
}
/** The middle of the smallest cell that a score stands for. */
export function decode(score: number): Position {
  const high = Math.floor(score / TWO_26);
  const low = score - high * TWO_26;
  const x = (gather(high >>> 1) << HALF_BITS) | gather(low >>> 1);
  const y = (gather(high) << HALF_BITS) | gather(low);
  const bounds = boundsOf({ x, y, steps: STEPS });
  return {
    longitude: clamp((bounds.west + bounds.east) / 2, LONGITUDE_MAX),
    latitude: clamp((bounds.south + bounds.north) / 2, LATITUDE_MAX),
  };
}
function clamp(value: number, most: number): number {
  return Math.max(-most, Math.min(most, value));
}
function boundsOf({ x, y, steps }: Cell): { west: number; east: number; south: number; north: number } {
  const columns = 2 ** steps;
  const width = 2 * LONGITUDE_MAX;
  const height = 2 * LATITUDE_MAX;
  return {
    west: -LONGITUDE_MAX + (x / columns) * width,
    east: -LONGITUDE_MAX + ((x + 1) / columns) * width,
    south: -LATITUDE_MAX + (y / columns) * height,
    north: -LATITUDE_MAX + ((y + 1) / columns) * height,
  };
}

/** The scores of the places in a cell: from the first, up to but without the second. */
export function scoresOf({ x, y, steps }: Cell): [from: number, to: number] {
  const scale = 4 ** (STEPS - steps);
  const bits = interleave(x, y);
  return [bits * scale, (bits + 1) * scale];
}

/** The standard geohash of 11 characters; the last one would need more bits than there are, and is always 0. */
export function standardHash({ longitude, latitude }: Position): string {
  const { x, y } = cellOf(longitude, latitude, STEPS, STANDARD_LATITUDE_MAX);
  const bits = interleave(x, y);
  let text = '';
  for (let place = 1; place <= STANDARD_CHARACTERS; place++) {
    text += ALPHABET[Math.floor(bits / 2 ** (2 * STEPS - 5 * place)) % 32];
  }
  return `${text}0`;
}

/** Metres between two places on a sphere, by the haversine formula. */
export function distance(lon1: number, lat1: number, lon2: number, lat2: number): number {
  const v = Math.sin((lon2 * RADIANS - lon1 * RADIANS) / 2);
  if (v === 0) return latitudeDistance(lat1, lat2);
  const u = Math.sin((lat2 * RADIANS - lat1 * RADIANS) / 2);
  const a = u * u + Math.cos(lat1 * RADIANS) * Math.cos(lat2 * RADIANS) * v * v;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.sqrt(a));
}
function latitudeDistance(lat1: number, lat2: number): number {
  return EARTH_RADIUS_M * Math.abs(lat2 * RADIANS - lat1 * RADIANS);
}

/** What is searched: a circle, or a box whose sides run along the meridians and parallels. All in metres. */
export type Shape = { center: Position; radius: number } | { center: Position; width: number; height: number };

/** The distance of a place from the shape's centre, or -1 when it lies outside of it. */
export function distanceWithin(shape: Shape, place: Position): number {
  const { center } = shape;
  const { longitude, latitude } = place;
  if (!('radius' in shape)) {
    if (latitudeDistance(latitude, center.latitude) > shape.height / 2) return -1;
    if (distance(longitude, latitude, center.longitude, latitude) > shape.width / 2) return -1;
  }
  const metres = distance(center.longitude, center.latitude, longitude, latitude);
  return 'radius' in shape && metres > shape.radius ? -1 : metres;
}

function stepsFor(radius: number, latitude: number): number {
  if (radius === 0) return STEPS;
  let steps = 1;
  for (let range = radius; range < MERCATOR_MAX_M; range *= 2) steps++;
  // One step less is enough for most places; towards the poles cells are narrower.
  steps -= 2;
  if (Math.abs(latitude) > 66) steps--;
  if (Math.abs(latitude) > 80) steps--;
  return Math.max(1, Math.min(STEPS, steps));
}

function neighbour({ x, y, steps }: Cell, dx: number, dy: number): Cell {
  const columns = 2 ** steps;
  const moved = (place: number, by: number): number => (by === 0 ? place : (place + by + columns) % columns);
  return { x: moved(x, dx), y: moved(y, dy), steps };
}

/** Middle, north, south, east, west, then the corners north-east, north-west, south-east, south-west: the order of Redis's results. */
const AROUND = [
  [0, 0],
  [0, 1],
  [0, -1],
  [1, 0],
  [-1, 0],
  [1, 1],
  [-1, 1],
  [1, -1],
  [-1, -1],
] as const;

/** Up to nine cells that cover the shape. */
export function cellsCovering(shape: Shape): Cell[] {
  const { longitude, latitude } = shape.center;
  const isCircle = 'radius' in shape;
  const halfHeight = isCircle ? shape.radius : shape.height / 2;
  const halfWidth = isCircle ? shape.radius : shape.width / 2;
  const latitudeDelta = halfHeight / EARTH_RADIUS_M / RADIANS;
  const widest = latitude < 0 ? latitude - latitudeDelta : latitude + latitudeDelta;
  const longitudeDelta = halfWidth / EARTH_RADIUS_M / Math.cos(widest * RADIANS) / RADIANS;
  const west = longitude - longitudeDelta;
  const east = longitude + longitudeDelta;
  const south = latitude - latitudeDelta;
  const north = latitude + latitudeDelta;
  const radius = isCircle ? shape.radius : Math.sqrt(halfWidth * halfWidth + halfHeight * halfHeight);
  let steps = stepsFor(radius, latitude);
  let middle = cellOf(longitude, latitude, steps);
  const isTooSmall =
    boundsOf(neighbour(middle, 0, 1)).north < north ||
    boundsOf(neighbour(middle, 0, -1)).south > south ||
    boundsOf(neighbour(middle, 1, 0)).east < east ||
    boundsOf(neighbour(middle, -1, 0)).west > west;
  if (steps > 1 && isTooSmall) middle = cellOf(longitude, latitude, --steps);
  const bounds = boundsOf(middle);
  const cells: Cell[] = [];
  for (const [dx, dy] of AROUND) {
    // With large cells a neighbour that the shape doesn't reach is left out.
    const isUseless =
      steps >= 2 &&
      ((dy < 0 && bounds.south < south) ||
        (dy > 0 && bounds.north > north) ||
        (dx < 0 && bounds.west < west) ||
        (dx > 0 && bounds.east > east));
    const cell = neighbour(middle, dx, dy);
    const last = cells.at(-1);
    if (!isUseless && (last === undefined || last.x !== cell.x || last.y !== cell.y)) cells.push(cell);
  }
  return cells;
}
