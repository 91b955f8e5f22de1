-- list: ids of runs, newest or oldest first.
--
-- ARGV[2]  MessagePack: { now, from, down, limit, batch }; from: the id to go on behind, or ""; down: 1 for newest first;
--          batch: only runs of this one, or "" for all
-- returns  up to `limit` ids
-- O(log N + limit). Reads only.

local from, down, limit = req[2], req[3] == 1, req[4]
local index = req[5] == '' and RUNS or index_of(req[5])
local found = {}

local function ranged(key, start, count)
  if down then return call('ZREVRANGEBYLEX', key, start, '-', 'LIMIT', 0, count) end
  return call('ZRANGEBYLEX', key, start, '+', 'LIMIT', 0, count)
end

local function before(a, b)
  if down then return less(b, a) end
  return less(a, b)
end

-- The newest, as far as they stand behind `from`, in order.
local function newest()
  local ids = {}
  for _, id in ipairs(call('LRANGE', FRESH, 0, -1)) do
    if from == '' or before(from, id) then ids[#ids + 1] = id end
  end
  table.sort(ids, before)
  return ids
end

-- Two that are in order as one, up to `limit`.
local function merged(one, other)
  local ids, i, j = {}, 1, 1
  while #ids < limit and (one[i] or other[j]) do
    if one[i] and (not other[j] or before(one[i], other[j])) then
      ids[#ids + 1] = one[i]
      i = i + 1
    else
      ids[#ids + 1] = other[j]
      j = j + 1
    end
  end
  return ids
end

local start = from == '' and (down and '+' or '-') or '(' .. from
local bound
if from == '' then
  bound = ranged(index, start, 1)[1]
else
  -- Upwards too, what follows may lie in the chunk of the id itself.
  bound = chunk_of(index, from)
  if not bound and not down then bound = call('ZRANGE', index, 0, 0)[1] end
end
while bound and #found < limit do
  for _, id in ipairs(ranged(index .. ':' .. bound, start, limit - #found)) do found[#found + 1] = id end
  bound = ranged(index, '(' .. bound, 1)[1]
end
if index ~= RUNS then return found end
return merged(found, newest())
