/** Every type of value registers its operations as its module loads (values.ts); this loads them all. */
import './hash-value.ts';
import './set-value.ts';
import './list-value.ts';
import './zset-value.ts';
