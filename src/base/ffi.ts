/** node:ffi, which exists on Node 26 and nowhere before. */
import { createRequire } from 'node:module';
import process from 'node:process';

/**
 * Throws where this Node has no ffi. As it's loaded it says that it's experimental; that is known here and decided, and nothing for the
 * terminal of those who start the server or embed it.
 */
export function loadFfi(): typeof import('node:ffi') {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return createRequire(import.meta.url)('node:ffi');
  } finally {
    process.emitWarning = emitWarning;
  }
}
