-- progress: notes the latest progress of one task; what was said before is forgotten.
--
-- KEYS[1]  any key of the partition; it only says where the script runs.
-- ARGV[1]  prefix of the partition's keys.
-- ARGV[2]  MessagePack: { now, id, task, attempt, json }
-- returns  1, or 0 when there is no such run
-- O(1).

local P, req = ARGV[1], cmsgpack.unpack(ARGV[2])
local now, id = req[1], req[2]
if now == 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
if redis.call('EXISTS', P .. 'r:' .. id) == 0 then return 0 end
local num = function(n) return string.format('%.0f', n) end
local cursor = math.max(tonumber(redis.call('GET', P .. 'cursor') or 0) + 1, now * 1000)
redis.call('SET', P .. 'cursor', num(cursor))

-- A number as LEB128: seven bits a byte, the lowest first.
local function leb(n)
  local bytes = {}
  while n >= 128 do
    bytes[#bytes + 1] = string.char(n % 128 + 128)
    n = math.floor(n / 128)
  end
  bytes[#bytes + 1] = string.char(n)
  return table.concat(bytes)
end
redis.call('HSET', P .. 'progress:' .. id, num(req[3]), leb(cursor) .. leb(now) .. leb(req[4]) .. leb(#req[5]) .. req[5])
return 1
