-- list: ids of runs, newest or oldest first.
--
-- ARGV[2]  MessagePack: { now, from, down, limit, batch }; from: the id to go on behind, or ""; down: 1 for newest first;
--          batch: only runs of this one, or "" for all
-- returns  up to `limit` ids
-- O(log N + limit). Reads only.

local from, down, limit = req[2], req[3] == 1, req[4]
local index = P .. (req[5] == '' and 'runs' or 'batched:' .. req[5])
local found = {}

local function ranged(key, start, count)
  if down then return call('ZREVRANGEBYLEX', key, start, '-', 'LIMIT', 0, count) end
  return call('ZRANGEBYLEX', key, start, '+', 'LIMIT', 0, count)
end

local start = from == '' and (down and '+' or '-') or '(' .. from
local bound
if from == '' then
  bound = ranged(index, start, 1)[1]
else
  -- Upwards too, what follows may lie in the chunk of the id itself.
  bound = call('ZREVRANGEBYLEX', index, '[' .. from, '-', 'LIMIT', 0, 1)[1]
  if not bound and not down then bound = call('ZRANGE', index, 0, 0)[1] end
end
while bound and #found < limit do
  for _, id in ipairs(ranged(index .. ':' .. bound, start, limit - #found)) do found[#found + 1] = id end
  bound = ranged(index, '(' .. bound, 1)[1]
end
return found
