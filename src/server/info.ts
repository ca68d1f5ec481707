/** INFO's text, in Redis 7.2's sections and fields. */

import { machine, release, totalmem, type } from 'node:os';
import { FERRITE_VERSION, REDIS_VERSION } from '../base/version.ts';
import { COMMANDS } from '../commands/lookup.ts';
import { averageTtlMs } from '../keyspace/average-ttl.ts';
import { countKeys } from '../keyspace/committed-keys.ts';
import { maxmemoryBytes } from '../keyspace/eviction.ts';
import { POLICY_NAMES } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { percentile } from './command-stats.ts';
import * as control from './control.ts';
import * as saved from './persistence-stats.ts';
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
  return control.totalOf(new Float64Array(thread.setup.stats), stat);
}

type Field = [name: string, value: string | number];

function serverFields(thread: ReactorThread): Field[] {
  const { config, setup } = thread;
  const now = Date.now();
  const seconds = Math.floor((now - setup.startedMs) / 1000);
  return [
    ['redis_version', REDIS_VERSION],
    ['ferrite_version', FERRITE_VERSION],
    ['redis_mode', 'standalone'],
    ['os', `${type()} ${release()} ${machine()}`],
    ['arch_bits', 64],
    ['multiplexing_api', thread.reactorKind],
    ['node_version', process.version],
    ['process_id', process.pid],
    ['process_supervised', 'no'],
    ['run_id', setup.runId],
    ['tcp_port', thread.port],
    ['server_time_usec', now * 1000],
    ['uptime_in_seconds', seconds],
    ['uptime_in_days', Math.floor(seconds / 86400)],
    ['hz', config.getNumber('hz')],
    ['configured_hz', config.getNumber('hz')],
    ['lru_clock', Math.floor(now / 1000) & 0xffffff],
    ['executable', process.argv[1] ?? process.execPath],
    ['config_file', config.file],
    ['io_threads', config.getNumber('io-threads')],
    ['io_threads_active', thread.activeReactors > 1 ? 1 : 0],
    ['reactors_active', thread.activeReactors],
  ];
}

function clientFields(thread: ReactorThread): Field[] {
  const { config } = thread;
  return [
    ['connected_clients', total(thread, control.STAT_CLIENTS)],
    ['cluster_connections', 0],
    ['maxclients', config.getNumber('maxclients')],
    ['blocked_clients', total(thread, control.STAT_BLOCKED)],
    ['tracking_clients', 0],
    ['clients_in_timeout_table', 0],
  ];
}

function memoryFields(thread: ReactorThread): Field[] {
  const { keyspace } = thread;
  const words = keyspace.control;
  const used = keyspace.usedBytes();
  const peak = Math.max(used, total(thread, control.STAT_PEAK_BYTES));
  const rss = process.memoryUsage.rss();
  const limit = maxmemoryBytes(words);
  return [
    ['used_memory', used],
    ['used_memory_human', human(used)],
    ['used_memory_rss', rss],
    ['used_memory_rss_human', human(rss)],
    ['used_memory_peak', peak],
    ['used_memory_peak_human', human(peak)],
    ['used_memory_peak_perc', `${((used / Math.max(1, peak)) * 100).toFixed(2)}%`],
    ['used_memory_dataset', used],
    ['total_system_memory', totalmem()],
    ['total_system_memory_human', human(totalmem())],
    ...scriptFields(thread),
    ['maxmemory', limit],
    ['maxmemory_human', human(limit)],
    ['maxmemory_policy', POLICY_NAMES[words[layout.GLOBAL_POLICY] as number] as string],
    ['mem_fragmentation_ratio', (rss / Math.max(1, used)).toFixed(2)],
    ['mem_fragmentation_bytes', rss - used],
    ['mem_allocator', 'ferrite'],
    ['lazyfree_pending_bytes', (words[layout.GLOBAL_DETACHED_KIB] as number) * 1024],
    ['lazyfree_longest_slice_usec', total(thread, control.STAT_LONGEST_SLICE_US)],
  ];
}

/** Scripts and functions run in the same heaps, those of the script threads: all of it stands under EVAL's name. */
function scriptFields(thread: ReactorThread): Field[] {
  const { scripts, scriptBytes, libraries, functions, libraryBytes, heapBytes } = thread.scripts.memory();
  return [
    ['used_memory_lua', heapBytes],
    ['used_memory_vm_eval', heapBytes],
    ['used_memory_lua_human', human(heapBytes)],
    ['used_memory_scripts_eval', scriptBytes],
    ['number_of_cached_scripts', scripts],
    ['number_of_functions', functions],
    ['number_of_libraries', libraries],
    ['used_memory_vm_functions', 0],
    ['used_memory_vm_total', heapBytes],
    ['used_memory_vm_total_human', human(heapBytes)],
    ['used_memory_functions', libraryBytes],
    ['used_memory_scripts', scriptBytes + libraryBytes],
    ['used_memory_scripts_human', human(scriptBytes + libraryBytes)],
  ];
}

function persistenceFields(thread: ReactorThread): Field[] {
  const numbers = new Float64Array(thread.setup.persistence);
  const at = (place: number): number => numbers[place] as number;
  const isLoading = (thread.keyspace.control[layout.GLOBAL_PAUSE]! & layout.PAUSE_LOADING) !== 0;
  const isRewriting = at(saved.REWRITE_RUNS) !== 0;
  const fields: Field[] = [
    ['loading', isLoading ? 1 : 0],
    ['async_loading', 0],
    ['rdb_changes_since_last_save', 0],
    ['rdb_bgsave_in_progress', 0],
    ['rdb_last_save_time', Math.floor(thread.setup.startedMs / 1000)],
    ['rdb_last_bgsave_status', 'ok'],
    ['rdb_last_bgsave_time_sec', -1],
    ['rdb_current_bgsave_time_sec', -1],
    ['aof_enabled', at(saved.ENABLED)],
    ['aof_rewrite_in_progress', isRewriting ? 1 : 0],
    ['aof_rewrite_scheduled', at(saved.REWRITE_SCHEDULED)],
    ['aof_last_rewrite_time_sec', at(saved.REWRITE_LAST_SECONDS)],
    ['aof_current_rewrite_time_sec', isRewriting ? Math.floor((Date.now() - at(saved.REWRITE_STARTED_MS)) / 1000) : -1],
    ['aof_last_bgrewrite_status', at(saved.REWRITE_FAILED) === 0 ? 'ok' : 'err'],
    ['aof_rewrites', at(saved.REWRITES)],
    ['aof_last_write_status', at(saved.WRITE_FAILED) === 0 ? 'ok' : 'err'],
    ['aof_last_cow_size', 0],
    ['aof_delayed_fsync', at(saved.DELAYED_SYNCS)],
  ];
  if (isRewriting) {
    fields.push(['aof_rewrite_keys', at(saved.REWRITE_KEYS)], ['aof_rewrite_bytes', at(saved.REWRITE_BYTES)]);
  }
  if (at(saved.ENABLED) !== 0) {
    fields.push(
      ['aof_current_size', at(saved.CURRENT_BYTES)],
      ['aof_base_size', at(saved.BASE_BYTES)],
      ['aof_pending_rewrite', 0],
      ['aof_buffer_length', at(saved.BACKLOG_BYTES)],
      ['aof_pending_bio_fsync', at(saved.SYNC_RUNS)],
      ['aof_syncs', at(saved.SYNCS)],
    );
  }
  return [...fields, ...(isLoading ? loadingFields(at) : ([['loading_eta_seconds', 0]] satisfies Field[]))];
}

function loadingFields(at: (place: number) => number): Field[] {
  const total = at(saved.LOADING_TOTAL_BYTES);
  const done = at(saved.LOADING_DONE_BYTES);
  const seconds = (Date.now() - at(saved.LOADING_STARTED_MS)) / 1000;
  return [
    ['loading_start_time', Math.floor(at(saved.LOADING_STARTED_MS) / 1000)],
    ['loading_total_bytes', total],
    ['loading_loaded_bytes', done],
    ['loading_loaded_perc', ((done * 100) / Math.max(1, total)).toFixed(2)],
    ['loading_eta_seconds', done === 0 ? 1 : Math.ceil((seconds * (total - done)) / done)],
  ];
}

function statsFields(thread: ReactorThread): Field[] {
  const words = thread.keyspace.control;
  return [
    ['total_connections_received', total(thread, control.STAT_CONNECTIONS)],
    ['total_connections_moved', total(thread, control.STAT_MOVED)],
    ['total_commands_processed', total(thread, control.STAT_COMMANDS)],
    ['instantaneous_ops_per_sec', total(thread, control.STAT_OPS_PER_SECOND)],
    ['total_net_input_bytes', total(thread, control.STAT_INPUT_BYTES)],
    ['total_net_output_bytes', total(thread, control.STAT_OUTPUT_BYTES)],
    ['instantaneous_input_kbps', total(thread, control.STAT_INPUT_KBPS).toFixed(2)],
    ['instantaneous_output_kbps', total(thread, control.STAT_OUTPUT_KBPS).toFixed(2)],
    ['rejected_connections', total(thread, control.STAT_REJECTED)],
    ['sync_full', 0],
    ['sync_partial_ok', 0],
    ['sync_partial_err', 0],
    ['expired_keys', total(thread, control.STAT_EXPIRED)],
    ['evicted_keys', words[layout.GLOBAL_EVICTED] as number],
    ['evicted_clients', total(thread, control.STAT_EVICTED_CLIENTS)],
    ['keyspace_hits', total(thread, control.STAT_HITS)],
    ['keyspace_misses', total(thread, control.STAT_MISSES)],
    ['pubsub_channels', 0],
    ['pubsub_patterns', 0],
    ['latest_fork_usec', 0],
    ['total_forks', 0],
    ['tracking_total_keys', 0],
    ['total_error_replies', total(thread, control.STAT_ERRORS)],
  ];
}

function replicationFields(): Field[] {
  return [
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_failover_state', 'no-failover'],
    ['master_repl_offset', 0],
    ['repl_backlog_active', 0],
  ];
}

function cpuFields(): Field[] {
  const cpu = process.cpuUsage();
  return [
    ['used_cpu_sys', (cpu.system / 1e6).toFixed(6)],
    ['used_cpu_user', (cpu.user / 1e6).toFixed(6)],
    ['used_cpu_sys_children', '0.000000'],
    ['used_cpu_user_children', '0.000000'],
  ];
}

/** Commands that were called or refused, with their figures. */
function commandFields(thread: ReactorThread): Field[] {
  const fields: Field[] = [];
  for (const { name, index } of COMMANDS) {
    const { calls, micros, rejected, failed } = thread.commandStats.total(index);
    if (calls + rejected + failed === 0) continue;
    const mean = (calls === 0 ? 0 : micros / calls).toFixed(2);
    fields.push([
      `cmdstat_${name}`,
      `calls=${calls},usec=${micros},usec_per_call=${mean},rejected_calls=${rejected},failed_calls=${failed}`,
    ]);
  }
  return fields;
}

const PERCENTILES = [50, 99, 99.9];

function latencyFields(thread: ReactorThread): Field[] {
  const fields: Field[] = [];
  for (const { name, index } of COMMANDS) {
    const total = thread.commandStats.total(index);
    if (thread.commandStats.histogram(total).length === 0) continue;
    const values = PERCENTILES.map((percent) => `p${percent}=${percentile(total, percent / 100).toFixed(3)}`);
    fields.push([`latency_percentiles_usec_${name}`, values.join(',')]);
  }
  return fields;
}

function errorFields(thread: ReactorThread): Field[] {
  return thread.commandStats.errors().map(([code, count]) => [`errorstat_${code}`, `count=${count}`]);
}

function clusterFields(): Field[] {
  return [['cluster_enabled', 0]];
}

function keyspaceFields(thread: ReactorThread): Field[] {
  const { keyspace } = thread;
  const fields: Field[] = [];
  for (let database = 0; database < layout.DATABASES; database++) {
    const keys = countKeys(keyspace, database);
    if (keys === 0) continue;
    const average = averageTtlMs(keyspace, database);
    fields.push([`db${database}`, `keys=${keys},expires=${keyspace.countVolatile(database)},avg_ttl=${average}`]);
  }
  return fields;
}

type Section = { readonly title: string; readonly isDefault: boolean; readonly fields: (thread: ReactorThread) => Field[] };

/** The sections by the name they are asked for, in the order in which they are printed; one without fields is only a heading. */
const SECTIONS: Readonly<Record<string, Section>> = {
  server: { title: 'Server', isDefault: true, fields: serverFields },
  clients: { title: 'Clients', isDefault: true, fields: clientFields },
  memory: { title: 'Memory', isDefault: true, fields: memoryFields },
  persistence: { title: 'Persistence', isDefault: true, fields: persistenceFields },
  stats: { title: 'Stats', isDefault: true, fields: statsFields },
  replication: { title: 'Replication', isDefault: true, fields: replicationFields },
  cpu: { title: 'CPU', isDefault: true, fields: cpuFields },
  modules: { title: 'Modules', isDefault: true, fields: () => [] },
  commandstats: { title: 'Commandstats', isDefault: false, fields: commandFields },
  errorstats: { title: 'Errorstats', isDefault: true, fields: errorFields },
  latencystats: { title: 'Latencystats', isDefault: false, fields: latencyFields },
  cluster: { title: 'Cluster', isDefault: true, fields: clusterFields },
  keyspace: { title: 'Keyspace', isDefault: true, fields: keyspaceFields },
};

export function buildInfo(thread: ReactorThread, wanted: string[]): string {
  const isAll = wanted.includes('all') || wanted.includes('everything');
  const withDefault = wanted.length === 0 || wanted.includes('default');
  const sections = Object.entries(SECTIONS).filter(
    ([name, section]) => isAll || (withDefault && section.isDefault) || wanted.includes(name),
  );
  const parts = sections.map(([, { title, fields }]) => {
    const lines = fields(thread).map(([name, value]) => `${name}:${value}\r\n`);
    return `# ${title}\r\n${lines.join('')}`;
  });
  return parts.join('\r\n');
}
