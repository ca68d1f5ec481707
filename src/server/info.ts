/** INFO's text, in Redis 7.2's sections and fields. */

import { maxmemoryBytes } from '../keyspace/eviction.ts';
import { POLICY_NAMES } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import * as control from './control.ts';
import type { ReactorThread } from './reactor-thread.ts';
import { FERRITE_VERSION, REDIS_VERSION } from './version.ts';

const SECTIONS = ['server', 'clients', 'memory', 'persistence', 'stats', 'replication', 'cpu', 'errorstats', 'cluster', 'keyspace'];

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

export function buildInfo(thread: ReactorThread, wanted: string[]): string {
  const all = wanted.length === 0 || wanted.some((word) => ['all', 'default', 'everything'].includes(word));
  const parts = SECTIONS.filter((section) => all || wanted.includes(section)).map((section) => {
    const lines = fieldsOf(thread, section).map(([name, value]) => `${name}:${value}\r\n`);
    return `# ${section.charAt(0).toUpperCase()}${section.slice(1)}\r\n${lines.join('')}`;
  });
  return parts.join('\r\n');
}

function total(thread: ReactorThread, stat: number): number {
  const stats = new Float64Array(thread.setup.stats);
  let sum = 0;
  for (let at = stat; at < stats.length; at += control.STAT_WORDS) sum += stats[at] as number;
  return sum;
}

type Field = [name: string, value: string | number];

function fieldsOf(thread: ReactorThread, section: string): Field[] {
  const { config, keyspace, setup } = thread;
  const words = keyspace.control;
  switch (section) {
    case 'server': {
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
    case 'clients':
      return [
        ['connected_clients', total(thread, control.STAT_CLIENTS)],
        ['maxclients', config.getNumber('maxclients')],
        ['blocked_clients', 0],
      ];
    case 'memory': {
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
    case 'persistence':
      return [
        ['loading', 0],
        ['rdb_changes_since_last_save', 0],
        ['rdb_bgsave_in_progress', 0],
        ['rdb_last_bgsave_status', 'ok'],
        ['aof_enabled', 0],
        ['aof_rewrite_in_progress', 0],
        ['aof_last_write_status', 'ok'],
      ];
    case 'stats':
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
    case 'replication':
      return [
        ['role', 'master'],
        ['connected_slaves', 0],
        ['master_repl_offset', 0],
      ];
    case 'cpu': {
      const cpu = process.cpuUsage();
      return [
        ['used_cpu_sys', (cpu.system / 1e6).toFixed(6)],
        ['used_cpu_user', (cpu.user / 1e6).toFixed(6)],
      ];
    }
    case 'cluster':
      return [['cluster_enabled', 0]];
    case 'keyspace': {
      const fields: Field[] = [];
      for (let database = 0; database < layout.DATABASES; database++) {
        const keys = keyspace.count(database);
        if (keys > 0) fields.push([`db${database}`, `keys=${keys},expires=${keyspace.countVolatile(database)},avg_ttl=0`]);
      }
      return fields;
    }
    default:
      return [];
  }
}
