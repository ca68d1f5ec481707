// Fields that expire: the commands that came after Redis 7.0, so there is no server at hand to compare with. Replies are those of Redis 8's
// documentation.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RawClient, show } from '../support/raw-client.ts';
import { isReactorRefused, REACTORS, type RunningServer, startServer, TARGET } from '../support/server.ts';

const FAR_SECONDS = 4_102_444_800;
const WRONG_TYPE = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';

for (const reactor of REACTORS) {
  describe(`fields that expire, on the ${reactor} reactor`, { skip: TARGET !== 'ferrite' && 'Redis 7.0 has none' }, () => {
    let server: RunningServer | undefined;
    let client: RawClient;

    before(async () => {
      try {
        server = await startServer({ reactor, directives: { 'hash-max-listpack-entries': 8, 'enable-debug-command': 'yes' } });
      } catch (error) {
        if (!isReactorRefused(error)) throw error;
        return;
      }
      client = await RawClient.connect(server.port);
    });
    after(async () => {
      client?.destroy();
      await server?.stop();
    });

    const ask = async (line: string): Promise<string> => (await client.command(...line.split(' '))).toString('latin1');
    /** 'a b' for an array of those, with nil for nulls; anything else as it came. */
    const asWords = async (line: string): Promise<string> => {
      const reply = await ask(line);
      if (!reply.startsWith('*')) return reply;
      const lines = reply.split('\r\n').slice(1, -1);
      return lines
        .filter((one) => !/^\$\d/.test(one))
        .map((one) => (one === '$-1' ? 'nil' : one.replace(/^:/, '')))
        .join(' ');
    };
    const served = (name: string, body: () => Promise<void>): void => {
      test(name, async (context) => {
        if (server === undefined) {
          context.skip(`this machine refuses ${reactor}`);
          return;
        }
        await ask('FLUSHALL');
        await body();
        server.assertAlive();
      });
    };
    /** Both forms that a hash may have: fields 1 to 3 alone, or many more beside them. */
    const inBothForms = (name: string, body: (key: string) => Promise<void>): void => {
      served(name, async () => {
        for (const key of ['small', 'big']) {
          await ask(`HSET ${key} 1 one 2 two 3 three`);
          for (let field = 10; key === 'big' && field < 40; field++) await ask(`HSET ${key} ${field} more`);
          await body(key);
        }
      });
    };

    inBothForms('HEXPIRE and its kin set times, under conditions, and tell them', async (key) => {
      assert.equal(await asWords(`HTTL ${key} FIELDS 2 1 none`), '-1 -2');
      assert.equal(await asWords(`HEXPIRE ${key} 1000 FIELDS 3 1 2 none`), '1 1 -2');
      assert.match(await asWords(`HTTL ${key} FIELDS 3 1 2 3`), /^(1000|999) (1000|999) -1$/);
      assert.match(await asWords(`HPTTL ${key} FIELDS 1 1`), /^9{2,3}\d{3}$|^1000000$/);
      assert.equal(await asWords(`HEXPIREAT ${key} ${FAR_SECONDS} NX FIELDS 2 1 3`), '0 1');
      assert.equal(await asWords(`HEXPIRETIME ${key} FIELDS 1 3`), String(FAR_SECONDS));
      assert.equal(await asWords(`HPEXPIRETIME ${key} FIELDS 1 3`), `${FAR_SECONDS}000`);
      assert.equal(await asWords(`HPEXPIREAT ${key} ${FAR_SECONDS}500 GT FIELDS 2 1 3`), '1 1');
      assert.equal(await asWords(`HPEXPIREAT ${key} ${FAR_SECONDS}400 GT FIELDS 2 1 3`), '0 0');
      assert.equal(await asWords(`HPEXPIREAT ${key} ${FAR_SECONDS}400 LT FIELDS 2 1 3`), '1 1');
      assert.equal(await asWords(`HEXPIRETIME ${key} FIELDS 1 3`), String(FAR_SECONDS + 1));
      assert.equal(await asWords(`HPERSIST ${key} FIELDS 3 1 2 none`), '1 1 -2');
      assert.equal(await asWords(`HPERSIST ${key} FIELDS 1 1`), '-1');
      assert.equal(await asWords(`HEXPIRE ${key} 1000 XX FIELDS 2 1 3`), '0 1');
      assert.equal(await asWords(`HPEXPIRE ${key} 1000000 GT FIELDS 1 1`), '0');
      assert.equal(await asWords(`HPEXPIRE ${key} 1000000 LT FIELDS 1 1`), '1');
    });

    inBothForms('a time that is past deletes the field, and the key with the last one', async (key) => {
      assert.equal(await asWords(`HPEXPIREAT ${key} 1 FIELDS 2 1 none`), '2 -2');
      assert.equal(await ask(`HEXISTS ${key} 1`), ':0\r\n');
      assert.equal(await asWords(`HEXPIRE ${key} 0 FIELDS 2 2 3`), '2 2');
      for (let field = 10; field < 40; field++) await ask(`HEXPIRE ${key} 0 FIELDS 1 ${field}`);
      assert.equal(await ask(`EXISTS ${key}`), ':0\r\n');
    });

    inBothForms('what is over is gone for every reader, and soon for good', async (key) => {
      await ask('DEBUG SET-ACTIVE-EXPIRE 0');
      const before = Number(/^:(\d+)/.exec(await ask(`HLEN ${key}`))?.[1]);
      assert.equal(await asWords(`HPEXPIRE ${key} 30 FIELDS 2 1 2`), '1 1');
      await sleep(40);
      assert.equal(await asWords(`HMGET ${key} 1 2 3`), 'nil nil three');
      assert.equal(await ask(`HLEN ${key}`), `:${before - 2}\r\n`);
      assert.equal(await ask(`HSTRLEN ${key} 1`), ':0\r\n');
      assert.doesNotMatch(await asWords(`HGETALL ${key}`), /one|two/);
      assert.doesNotMatch(await asWords(`HKEYS ${key}`), /^[12] | [12] /);
      assert.doesNotMatch(await asWords(`HSCAN ${key} 0 COUNT 1000`), /one|two/);
      assert.doesNotMatch(await asWords(`HRANDFIELD ${key} -50 WITHVALUES`), /one|two/);
      assert.equal(await asWords(`HTTL ${key} FIELDS 1 1`), '-2');
      assert.equal(await asWords(`HEXPIRE ${key} 10 FIELDS 1 1`), '-2');
      // A field that comes back has no expiry, and counts as new.
      assert.equal(await ask(`HSET ${key} 1 again`), ':1\r\n');
      assert.equal(await ask(`HINCRBY ${key} 2 5`), ':5\r\n');
      assert.equal(await asWords(`HTTL ${key} FIELDS 2 1 2`), '-1 -1');
      assert.equal(await asWords(`HPEXPIRE ${key} 1 FIELDS 1 1`), '1');
      await sleep(5);
      assert.equal(await ask(`HDEL ${key} 1`), ':0\r\n');
      await ask('DEBUG SET-ACTIVE-EXPIRE 1');
    });

    // The thread's clock once stood still while it slept: the first command after a pause still saw what was over.
    served('what was over while the server slept is gone for the first command', async () => {
      await ask('DEBUG SET-ACTIVE-EXPIRE 0');
      await ask('SET key value PX 20');
      await ask('HSET hash field value');
      await ask('HPEXPIRE hash 20 FIELDS 1 field');
      await sleep(40);
      assert.equal(await ask('GET key'), '$-1\r\n');
      await ask('SET key value PX 20');
      await sleep(40);
      assert.equal(await ask('HGET hash field'), '$-1\r\n');
      await ask('DEBUG SET-ACTIVE-EXPIRE 1');
    });

    inBothForms('the janitor takes fields away, and hashes that have none left', async (key) => {
      await ask(`HPEXPIRE ${key} 20 FIELDS 3 1 2 3`);
      for (let field = 10; field < 40; field++) await ask(`HPEXPIRE ${key} 20 FIELDS 1 ${field}`);
      const deadline = Date.now() + 5000;
      while ((await ask(`EXISTS ${key}`)) !== ':0\r\n') {
        assert.ok(Date.now() < deadline, 'the hash is still there after 5 seconds');
        await sleep(20);
      }
      assert.equal(await ask('DEBUG CHECK-MEMORY'), '+OK\r\n');
    });

    inBothForms('HSET takes the expiry away, HINCRBY keeps it; COPY, RENAME and MOVE take it along', async (key) => {
      assert.equal(await asWords(`HEXPIREAT ${key} ${FAR_SECONDS} FIELDS 3 1 2 3`), '1 1 1');
      await ask(`HSET ${key} 1 again`);
      await ask(`HSET ${key} 2 2`);
      await ask(`HEXPIREAT ${key} ${FAR_SECONDS} FIELDS 1 2`);
      assert.equal(await ask(`HINCRBY ${key} 2 5`), ':7\r\n');
      assert.equal(await asWords(`HINCRBYFLOAT ${key} 2 0.5`), '$3\r\n7.5\r\n');
      const times = `-1 ${FAR_SECONDS} ${FAR_SECONDS}`;
      assert.equal(await asWords(`HEXPIRETIME ${key} FIELDS 3 1 2 3`), times);
      assert.equal(await ask(`COPY ${key} copy REPLACE`), ':1\r\n');
      assert.equal(await asWords('HEXPIRETIME copy FIELDS 3 1 2 3'), times);
      assert.equal(await ask('RENAME copy {other}copy'), '+OK\r\n');
      assert.equal(await asWords('HEXPIRETIME {other}copy FIELDS 3 1 2 3'), times);
      assert.equal(await ask('RENAME {other}copy {other}moved'), '+OK\r\n');
      assert.equal(await ask('MOVE {other}moved 1'), ':1\r\n');
      await ask('SELECT 1');
      assert.equal(await asWords('HEXPIRETIME {other}moved FIELDS 3 1 2 3'), times);
      assert.equal(await ask('DEL {other}moved'), ':1\r\n');
      await ask('SELECT 0');
    });

    inBothForms('HGETDEL, HGETEX and HSETEX', async (key) => {
      assert.equal(await asWords(`HGETDEL ${key} FIELDS 2 1 none`), 'one nil');
      assert.equal(await ask(`HEXISTS ${key} 1`), ':0\r\n');
      assert.equal(await asWords(`HGETEX ${key} FIELDS 2 2 none`), 'two nil');
      assert.equal(await asWords(`HGETEX ${key} EXAT ${FAR_SECONDS} FIELDS 1 2`), 'two');
      assert.equal(await asWords(`HEXPIRETIME ${key} FIELDS 1 2`), String(FAR_SECONDS));
      assert.equal(await asWords(`HGETEX ${key} PERSIST FIELDS 1 2`), 'two');
      assert.equal(await asWords(`HTTL ${key} FIELDS 1 2`), '-1');
      assert.equal(await asWords(`HGETEX ${key} PXAT 1 FIELDS 1 2`), 'two');
      assert.equal(await ask(`HEXISTS ${key} 2`), ':0\r\n');
      assert.equal(await ask(`HSETEX ${key} PXAT ${FAR_SECONDS}000 FIELDS 2 a 1 b 2`), ':1\r\n');
      assert.equal(await asWords(`HEXPIRETIME ${key} FIELDS 2 a b`), `${FAR_SECONDS} ${FAR_SECONDS}`);
      assert.equal(await ask(`HSETEX ${key} KEEPTTL FIELDS 1 a 3`), ':1\r\n');
      assert.equal(await asWords(`HEXPIRETIME ${key} FIELDS 1 a`), String(FAR_SECONDS));
      assert.equal(await ask(`HSETEX ${key} FNX FIELDS 2 a 4 c 4`), ':0\r\n');
      assert.equal(await ask(`HSETEX ${key} FXX EX 100 FIELDS 2 a 5 b 5`), ':1\r\n');
      assert.equal(await asWords(`HMGET ${key} a b c`), '5 5 nil');
    });

    served('what is malformed is refused, and nothing happens', async () => {
      await ask('HSET h f v');
      await ask('SET s text');
      const fields = '-ERR Mandatory argument FIELDS is missing or not at the right position\r\n';
      const mismatch = '-ERR The `numfields` parameter must match the number of arguments\r\n';
      const cases: [string, string][] = [
        ['HEXPIRE h 10 FIELDS 0 f', '-ERR Parameter `numFields` should be greater than 0\r\n'],
        ['HEXPIRE h 10 FIELDS 2 f', mismatch],
        ['HEXPIRE h 10 NX XX 1 f', fields],
        ['HEXPIRE h x FIELDS 1 f', '-ERR value is not an integer or out of range\r\n'],
        ['HEXPIRE h -1 FIELDS 1 f', '-ERR invalid expire time, must be >= 0\r\n'],
        ['HPEXPIREAT h 281474976710656 FIELDS 1 f', "-ERR invalid expire time in 'hpexpireat' command\r\n"],
        ['HEXPIRE s 10 FIELDS 1 f', WRONG_TYPE],
        ['HTTL h NONE 1 f', fields],
        ['HTTL h FIELDS 2 f', mismatch],
        ['HTTL s FIELDS 1 f', WRONG_TYPE],
        ['HPERSIST h FIELDS x f', '-ERR Number of fields must be a positive integer\r\n'],
        ['HGETDEL h FIELDS 2 f', mismatch],
        ['HGETEX h EX 10 PERSIST FIELDS 1 f', '-ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified\r\n'],
        ['HSETEX h EX 10 KEEPTTL FIELDS 1 f v', '-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n'],
        ['HSETEX h FNX FXX FIELDS 1 f v', '-ERR Only one of FXX or FNX arguments can be specified\r\n'],
        ['HSETEX h FIELDS 2 f v g', mismatch],
        ['HSETEX s FIELDS 1 f v', WRONG_TYPE],
      ];
      for (const [line, expected] of cases) assert.equal(await ask(line), expected, line);
      assert.equal(await asWords('HGETALL h'), 'f v');
      assert.equal(await asWords('HTTL h FIELDS 1 f'), '-1');
      assert.equal(await asWords('HTTL missing FIELDS 2 a b'), '-2 -2');
      assert.equal(await asWords('HEXPIRE missing 10 FIELDS 1 a'), '-2');
      assert.equal(await asWords('HGETDEL missing FIELDS 1 a'), 'nil');
      assert.equal(show(client.unread), '');
    });
  });
}
