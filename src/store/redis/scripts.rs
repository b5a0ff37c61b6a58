use std::sync::LazyLock;

use redis::Script;

// Each of them does the same when it is sent twice, since an answer can get lost. All keys of a call share a hash tag, so
// that a cluster keeps them on one node. A record is a hash: `generation` and `sealed`, and beside them the intent of whoever
// is about to spend its refresh token: `token` (the token's hash), `holder`, `began`, `until` (milliseconds since 1970 by
// Redis's clock) and `replayed`.

/// KEYS: record. ARGV: the generation to replace (empty: there is none), generation, sealed. 1 when saved.
pub(super) static SAVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local stored = redis.call('HMGET', KEYS[1], 'generation', 'sealed')
if stored[2] == ARGV[3] then return 1 end
if (stored[1] or '') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'sealed', ARGV[3])
return 1",
    )
});

/// KEYS: lease, record. ARGV: holder, milliseconds. 1 when the lease is the holder's, and then the record that it is for.
pub(super) static ACQUIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {0, false, false}
end
local stored = redis.call('HMGET', KEYS[2], 'generation', 'sealed')
return {1, stored[1], stored[2]}",
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

/// KEYS: record, lease. ARGV: holder, generation, token's hash, milliseconds to wait, 1 for a replay.
/// A word; for `unresolved` also the milliseconds since it began, those left to wait, and whether it was replayed.
pub(super) static ANNOUNCE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {'late', 0, 0, 0} end
local stored = redis.call('HMGET', KEYS[1], 'generation', 'token', 'holder', 'began', 'until', 'replayed')
if stored[1] ~= ARGV[2] then return {'late', 0, 0, 0} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local began, replayed = now, 0
if stored[2] == ARGV[3] and stored[3] ~= ARGV[1] then
  local wait = math.min(math.max(tonumber(stored[5]) - now, 0), tonumber(ARGV[4]))
  began, replayed = tonumber(stored[4]), 1
  if wait > 0 or stored[6] == '1' or ARGV[5] ~= '1' then
    return {'unresolved', math.max(now - began, 0), wait, tonumber(stored[6])}
  end
end
if stored[3] == ARGV[1] then return {'alone', 0, 0, 0} end
local milliseconds = function(number) return string.format('%.0f', number) end
redis.call('HSET', KEYS[1], 'token', ARGV[3], 'holder', ARGV[1], 'began', milliseconds(began),
  'until', milliseconds(now + ARGV[4]), 'replayed', replayed)
return {'alone', 0, 0, 0}",
    )
});

/// KEYS: lease, record. ARGV: holder, what came of its intent: `open`, `not taken` or `unknown`.
pub(super) static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
if ARGV[2] == 'open' then return 1 end
local stored = redis.call('HMGET', KEYS[2], 'holder', 'replayed')
if stored[1] ~= ARGV[1] then return 1 end
if ARGV[2] == 'unknown' then
  redis.call('HSET', KEYS[2], 'until', 0)
elseif stored[2] == '1' then
  redis.call('HSET', KEYS[2], 'until', 0, 'replayed', 0, 'holder', '')
else
  redis.call('HDEL', KEYS[2], 'token', 'holder', 'began', 'until', 'replayed')
end
return 1",
    )
});
