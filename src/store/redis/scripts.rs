use std::sync::LazyLock;

/// A Lua script, and the hash that a Redis knows it by once it has run it.
///
/// Each script does the same when it is sent twice, since an answer can get lost.
pub(super) struct Script {
    pub(super) text: String,
    pub(super) hash: String,
}

// A record is a hash: `generation`, `sealed`, `created` (milliseconds since 1970, by the clock of Redis) and `index` (the names
// of its index keys). Release 0.1.0 wrote the first two, and at times an intent, which the next save drops.
//
// An index is a sorted set of record ids. The score of an id is the time at which its record ends at the latest; each save
// raises it. A lifetime without end is NEVER milliseconds.

/// KEYS: record; its index keys, or none on a cluster. ARGV: generation to replace (empty: none), generation, sealed, names of the
/// index keys, id, milliseconds that an index entry lives, milliseconds of idle and of absolute lifetime.
/// 0: not saved. 1: saved. 2: saved, and the record was in other indexes before or in none.
pub(super) static SAVE: LazyLock<Script> = LazyLock::new(|| {
    Script::with_index(
        r"
local stored = redis.call('HMGET', KEYS[1], 'generation', 'sealed', 'created', 'index')
if stored[2] == ARGV[3] then return 2 end
if (stored[1] or '') ~= ARGV[1] then return 0 end
local now = now()
local created = tonumber(stored[3]) or now
for i = 2, #KEYS do enter(KEYS[i], ARGV[5], ARGV[6], now) end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'sealed', ARGV[3], 'created', whole(created), 'index', ARGV[4])
local life = math.min(tonumber(ARGV[7]), created + tonumber(ARGV[8]) - now)
if life < NEVER / 2 then redis.call('PEXPIRE', KEYS[1], whole(math.max(life, 1))) end
if stored[4] == ARGV[4] then return 1 end
return 2",
    )
});

/// Enters a record into its indexes, on a cluster. KEYS: index keys. ARGV: id, milliseconds that an entry lives.
pub(super) static ENTER: LazyLock<Script> = LazyLock::new(|| {
    Script::with_index(
        r"
for _, key in ipairs(KEYS) do enter(key, ARGV[1], ARGV[2], now()) end
return 1",
    )
});

/// Removes a record with its index entries. Not for a cluster: the index keys are not among KEYS.
/// KEYS: record. ARGV: what its index keys begin with, id.
pub(super) static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local index = redis.call('HGET', KEYS[1], 'index') or ''
redis.call('DEL', KEYS[1])
for name in string.gmatch(index, '%S+') do redis.call('ZREM', ARGV[1] .. name, ARGV[2]) end
return 1",
    )
});

/// Removes entries that no save has raised since they were read. KEYS: index keys. ARGV for each key in turn: id, score, in pairs.
pub(super) static DROP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local pairs_of_each = #ARGV / #KEYS
for k, key in ipairs(KEYS) do
  for i = (k - 1) * pairs_of_each + 1, k * pairs_of_each, 2 do
    if redis.call('ZSCORE', key, ARGV[i]) == ARGV[i + 1] then redis.call('ZREM', key, ARGV[i]) end
  end
end
return 1",
    )
});

/// KEYS: lease. ARGV: holder, milliseconds. 1 when the lease is the holder's.
pub(super) static ACQUIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0",
    )
});

/// KEYS: lease. ARGV: holder, milliseconds. 1 while the lease is the holder's.
pub(super) static EXTEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
    )
});

/// KEYS: lease. ARGV: holder.
pub(super) static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1",
    )
});

impl Script {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// A script that enters records into indexes.
    fn with_index(text: &str) -> Self {
        Self::new(&format!("local NEVER = {NEVER}\n{INDEX}{text}"))
    }
}

/// Beyond every lifetime in milliseconds, and a double still counts in ones there.
pub(super) const NEVER: u64 = 4_000_000_000_000_000;

/// A score is never lowered, and each write raises it by 1 at least: DROP sees by that whether there was a save. Entries of
/// records that have ended go at the same time, and the key ends with its last entry.
const INDEX: &str = r"
local function whole(number) return string.format('%.0f', number) end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function enter(key, id, life, now)
  local score = now + tonumber(life)
  local before = tonumber(redis.call('ZSCORE', key, id) or '0')
  if score <= before then score = before + 1 end
  redis.call('ZADD', key, whole(score), id)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now))
  local last = tonumber(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2])
  if last >= NEVER then
    redis.call('PERSIST', key)
  else
    redis.call('PEXPIREAT', key, whole(last))
  end
end
";
