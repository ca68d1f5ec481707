/** Thrown where a bank, or maxmemory, has no room for a change; nothing has been changed then. */
export class OutOfMemory extends Error {
  constructor() {
    super("OOM command not allowed when used memory > 'maxmemory'.");
  }
}
