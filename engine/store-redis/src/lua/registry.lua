-- registry: one change of the registry of pipelines, if it is still as the decision saw it.
--
-- KEYS[1]  any key of the registry; it only says where the script runs.
-- ARGV[1]  prefix of the registry's keys.
-- ARGV[2]  MessagePack: { member, seen, head, revision, text, dropped }
--   member    namespace, a space, name
--   seen      the head that the decision saw; "" for none
--   head      the head to write; "" removes the pipeline with all revisions
--   text      what is written in the revision; dropped: the revision that goes, 0 for none
-- returns   1, or 0 where the pipeline has changed meanwhile and nothing was written
-- O(log pipelines), and O(revisions) where one is removed.

local P, req = ARGV[1], cmsgpack.unpack(ARGV[2])
local member, seen, head, revision, text, dropped = req[1], req[2], req[3], req[4], req[5], req[6]
local held = redis.call('HGET', P .. 'heads', member) or ''
if held ~= seen then return 0 end

local heads, texts = P .. 'of:' .. member, P .. 'text:' .. member
if head == '' then
  redis.call('HDEL', P .. 'heads', member)
  redis.call('ZREM', P .. 'names', member)
  redis.call('DEL', heads, texts)
else
  local no = string.format('%.0f', revision)
  redis.call('HSET', P .. 'heads', member, head)
  redis.call('ZADD', P .. 'names', 0, member)
  redis.call('HSET', heads, no, head)
  redis.call('HSET', texts, no, text)
  -- Revisions are dropped one at a time, as one is added at a time.
  local old = string.format('%.0f', dropped)
  redis.call('HDEL', heads, old)
  redis.call('HDEL', texts, old)
end
redis.call('INCR', P .. 'version')
return 1
