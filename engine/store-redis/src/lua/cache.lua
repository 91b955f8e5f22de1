-- cache: one change of the result cache.
--
-- KEYS[1]  any key of the cache; it only says where the script runs.
-- ARGV[1]  prefix of the cache's keys.
-- ARGV[2]  MessagePack: { verb, key, entry, stage, artifacts, saved }
--   verb       "lookup" (key; marks it as used and counts), "remember" (all), "forget" (key)
--   entry      its JSON; artifacts: flat { digest, bytes }; saved: CPU ms that a hit saves
-- returns  the entry's JSON for "lookup", or false
-- O(artifacts + log entries).

local P, req = ARGV[1], cmsgpack.unpack(ARGV[2])
local verb, key = req[1], req[2]
local num = function(n) return string.format('%.0f', n) end

local function used() redis.call('ZADD', P .. 'lru', redis.call('HINCRBY', P .. 'stats', 'uses', 1), key) end

-- What an entry names, as it was written with it.
local function named(of)
  local held = redis.call('HGET', P .. 'named', of)
  return held and cmsgpack.unpack(held) or nil
end

local function forget(of)
  local held = named(of)
  if not held then return end
  for i = 2, #held, 2 do
    if redis.call('HINCRBY', P .. 'refs', held[i], -1) == 0 then
      redis.call('HDEL', P .. 'refs', held[i])
      redis.call('HINCRBY', P .. 'stats', 'bytes', -held[i + 1])
    end
  end
  redis.call('SREM', P .. 'stage:' .. held[1], of)
  redis.call('HDEL', P .. 'entries', of)
  redis.call('HDEL', P .. 'named', of)
  redis.call('HDEL', P .. 'saved', of)
  redis.call('ZREM', P .. 'lru', of)
end

if verb == 'forget' then
  forget(key)
elseif verb == 'remember' then
  forget(key)
  redis.call('HSET', P .. 'entries', key, req[3])
  redis.call('HSET', P .. 'saved', key, num(req[6]))
  redis.call('SADD', P .. 'stage:' .. req[4], key)
  local held = { req[4] }
  for i = 1, #req[5], 2 do
    held[#held + 1] = req[5][i]
    held[#held + 1] = req[5][i + 1]
    if redis.call('HINCRBY', P .. 'refs', req[5][i], 1) == 1 then
      redis.call('HINCRBY', P .. 'stats', 'bytes', num(req[5][i + 1]))
    end
  end
  redis.call('HSET', P .. 'named', key, cmsgpack.pack(held))
  used()
elseif verb == 'lookup' then
  local entry = redis.call('HGET', P .. 'entries', key)
  if not entry then
    redis.call('HINCRBY', P .. 'stats', 'misses', 1)
    return false
  end
  redis.call('HINCRBY', P .. 'stats', 'hits', 1)
  redis.call('HINCRBY', P .. 'stats', 'saved', redis.call('HGET', P .. 'saved', key))
  used()
  return entry
end
return false
