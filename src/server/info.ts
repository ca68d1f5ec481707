/** INFO's text, in Redis 7.2's sections and fields. */

import { FERRITE_VERSION, REDIS_VERSION } from '../base/version.ts';
import { maxmemoryBytes } from '../keyspace/eviction.ts';
import { POLICY_NAMES } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import * as control from './control.ts';
import type { ReactorThread } from './reactor-thread.ts';

function human(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  for (const [unit, size] of [
    ['K', 1024],
    ['M', 1048576],
    ['G', 1073741824],
  ] as const) {
    if (bytes < size * 1024) return `${(bytes / size).toFixed(2)}${unit}`;
  }
  return `${(bytes / 1099511627776).toFixed(2)}T`;
}

function total(thread: ReactorThread, stat: number): number {
  const stats = new Float64Array(thread.setup.stats);
  let sum = 0;
  for (let at = stat; at < stats.length; at += control.STAT_WORDS) sum += stats[at] as number;
  return sum;
}

type Field = [name: string, value: string | number];

function serverFields(thread: ReactorThread): Field[] {
  const { config, setup } = thread;
  const seconds = Math.floor((Date.now() - setup.startedMs) / 1000);
  return [
    ['redis_version', REDIS_VERSION],
    ['ferrite_version', FERRITE_VERSION],
    ['redis_mode', 'standalone'],
    ['os', `${process.platform} ${process.arch}`],
    ['arch_bits', 64],
    ['node_version', process.version],
    ['process_id', process.pid],
    ['tcp_port', config.getNumber('port')],
    ['uptime_in_seconds', seconds],
    ['uptime_in_days', Math.floor(seconds / 86400)],
    ['hz', config.getNumber('hz')],
    ['io_threads', config.getNumber('io-threads')],
    ['config_file', config.file],
  ];
}

function clientFields(thread: ReactorThread): Field[] {
  const { config } = thread;
  return [
    ['connected_clients', total(thread, control.STAT_CLIENTS)],
    ['maxclients', config.getNumber('maxclients')],
    ['blocked_clients', 0],
  ];
}

function memoryFields(thread: ReactorThread): Field[] {
  const { keyspace } = thread;
  const words = keyspace.control;
  const used = keyspace.usedBytes();
  const rss = process.memoryUsage.rss();
  return [
    ['used_memory', used],
    ['used_memory_human', human(used)],
    ['used_memory_rss', rss],
    ['used_memory_rss_human', human(rss)],
    ['used_memory_dataset', used],
    ['maxmemory', maxmemoryBytes(words)],
    ['maxmemory_human', human(maxmemoryBytes(words))],
    ['maxmemory_policy', POLICY_NAMES[words[layout.GLOBAL_POLICY] as number] as string],
    ['mem_allocator', 'ferrite'],
  ];
}

function persistenceFields(): Field[] {
  return [
    ['loading', 0],
    ['rdb_changes_since_last_save', 0],
    ['rdb_bgsave_in_progress', 0],
    ['rdb_last_bgsave_status', 'ok'],
    ['aof_enabled', 0],
    ['aof_rewrite_in_progress', 0],
    ['aof_last_write_status', 'ok'],
  ];
}

function statsFields(thread: ReactorThread): Field[] {
  const { keyspace } = thread;
  const words = keyspace.control;
  return [
    ['total_connections_received', total(thread, control.STAT_CONNECTIONS)],
    ['total_commands_processed', total(thread, control.STAT_COMMANDS)],
    ['total_net_input_bytes', total(thread, control.STAT_INPUT_BYTES)],
    ['total_net_output_bytes', total(thread, control.STAT_OUTPUT_BYTES)],
    ['rejected_connections', total(thread, control.STAT_REJECTED)],
    ['expired_keys', total(thread, control.STAT_EXPIRED)],
    ['evicted_keys', words[layout.GLOBAL_EVICTED] as number],
    ['keyspace_hits', total(thread, control.STAT_HITS)],
    ['keyspace_misses', total(thread, control.STAT_MISSES)],
    ['total_error_replies', total(thread, control.STAT_ERRORS)],
  ];
}

function replicationFields(): Field[] {
  return [
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_repl_offset', 0],
  ];
}

function cpuFields(): Field[] {
  const cpu = process.cpuUsage();
  return [
    ['used_cpu_sys', (cpu.system / 1e6).toFixed(6)],
    ['used_cpu_user', (cpu.user / 1e6).toFixed(6)],
  ];
}

function clusterFields(): Field[] {
  return [['cluster_enabled', 0]];
}

function keyspaceFields(thread: ReactorThread): Field[] {
  const { keyspace } = thread;
  const fields: Field[] = [];
  for (let database = 0; database < layout.DATABASES; database++) {
    const keys = keyspace.count(database);
    if (keys > 0) fields.push([`db${database}`, `keys=${keys},expires=${keyspace.countVolatile(database)},avg_ttl=0`]);
  }
  return fields;
}

/** The sections in the order in which they are printed; one without fields is only a heading. */
const SECTIONS: Readonly<Record<string, (thread: ReactorThread) => Field[]>> = {
  server: serverFields,
  clients: clientFields,
  memory: memoryFields,
  persistence: persistenceFields,
  stats: statsFields,
  replication: replicationFields,
  cpu: cpuFields,
  errorstats: () => [],
  cluster: clusterFields,
  keyspace: keyspaceFields,
};

export function buildInfo(thread: ReactorThread, wanted: string[]): string {
  const all = wanted.length === 0 || wanted.some((word) => ['all', 'default', 'everything'].includes(word));
  const sections = Object.entries(SECTIONS).filter(([section]) => all || wanted.includes(section));
  const parts = sections.map(([section, fields]) => {
    const lines = fields(thread).map(([name, value]) => `${name}:${value}\r\n`);
    return `# ${section.charAt(0).toUpperCase()}${section.slice(1)}\r\n${lines.join('')}`;
  });
  return parts.join('\r\n');
}
