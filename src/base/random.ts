/** An unsigned 32-bit number by chance, for samples; not for secrets. */
export function random32(): number {
  return (Math.random() * 4294967296) >>> 0;
}
