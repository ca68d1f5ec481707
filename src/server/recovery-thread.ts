/** A helper of the recovery: applies banks of batches that the log's thread has parsed, and ends when all is loaded. */
import { workerData } from 'node:worker_threads';
import { attachAll } from '../commands/all.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import type { RecoveryBuffers } from '../persistence/recovery-batch.ts';
import { Config } from './config.ts';
import type { ThreadSetup } from './control.ts';
import { joinRecovery, recoveryContext } from './recovery.ts';

export type RecoverySetup = ThreadSetup & { readonly recovery: RecoveryBuffers };

const setup = workerData as RecoverySetup;
const keyspace = new Keyspace(setup.control, setup.banks);
keyspace.databases = layout.DATABASES;
attachAll();
joinRecovery(setup.recovery, recoveryContext(keyspace, new Config(setup.configFile, setup.config))).help();
setup.port.close();
