/**
 * Redis's glob patterns over bytes (latin1 strings): ? * [abc] [^a] [a-z] and backslash. Runs of stars are one; a star
 * tries again from its last place only, so that a pattern of many stars can't take exponential time.
 */
export function globMatch(pattern: string, text: string, ignoreCase = false): boolean {
  const p = ignoreCase ? pattern.toLowerCase() : pattern;
  const t = ignoreCase ? text.toLowerCase() : text;
  // Redis takes an empty text for matched by the empty pattern alone, not by stars.
  if (t === '') return p === '';
  let at = 0;
  let starPattern = -1;
  let starText = 0;
  let place = 0;
  while (at < t.length) {
    if (p[place] === '*') {
      while (p[place] === '*') place++;
      if (place === p.length) return true;
      starPattern = place;
      starText = at;
      continue;
    }
    const next = place < p.length ? matchOne(p, place, t.charCodeAt(at)) : -1;
    if (next >= 0) {
      place = next;
      at++;
    } else if (starPattern >= 0) {
      place = starPattern;
      at = ++starText;
    } else {
      return false;
    }
  }
  while (p[place] === '*') place++;
  return place >= p.length;
}

/** The place in the pattern behind what matched one character, or -1. */
function matchOne(p: string, from: number, code: number): number {
  const symbol = p[from];
  if (symbol === '?') return from + 1;
  if (symbol === '\\' && from + 1 < p.length) return p.charCodeAt(from + 1) === code ? from + 2 : -1;
  if (symbol !== '[') return p.charCodeAt(from) === code ? from + 1 : -1;
  let at = from + 1;
  const isNegated = p[at] === '^';
  if (isNegated) at++;
  let matched = false;
  for (;;) {
    if (at >= p.length) break;
    if (p[at] === '\\' && at + 1 < p.length) {
      at++;
      if (p.charCodeAt(at) === code) matched = true;
    } else if (p[at] === ']') {
      break;
    } else if (p[at + 1] === '-' && at + 2 < p.length) {
      const a = p.charCodeAt(at);
      const b = p.charCodeAt(at + 2);
      if (code >= Math.min(a, b) && code <= Math.max(a, b)) matched = true;
      at += 2;
    } else if (p.charCodeAt(at) === code) {
      matched = true;
    }
    at++;
  }
  return matched !== isNegated ? at + 1 : -1;
}
