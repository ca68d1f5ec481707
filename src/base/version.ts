export const FERRITE_VERSION = '0.1.0';
/** The Redis whose behaviour clients find. */
export const REDIS_VERSION = '7.2.4';
