-- index: ids of runs in their order, in chunks that are small enough to lie packed: some 25 bytes a run, where one sorted
-- set takes a hundred. `<index>` holds the lower bound of each chunk; `<index>:<bound>` is a chunk. All runs of a partition
-- have an index, and those of each batch. The newest few of a partition stand in `fresh` as they came, until they are
-- enough to be put in together.

local FULL = 128
local RUNS, FRESH = P .. 'runs', P .. 'fresh'

local function index_of(batch)
  return P .. 'batched:' .. batch
end

local function less(a, b)
  for at = 1, 16 do
    local x, y = byte(a, at), byte(b, at)
    if x ~= y then return x < y end
  end
  return false
end

local function chunk_of(index, id)
  return call('ZREVRANGEBYLEX', index, '[' .. id, '-', 'LIMIT', 0, 1)[1]
end

local function insert(index, bound, ids)
  local args = {}
  for _, id in ipairs(ids) do
    args[#args + 1] = 0
    args[#args + 1] = id
  end
  many('ZADD', index .. ':' .. bound, args)
end

-- Makes room in a full chunk: a new one behind it, empty or with its upper half.
local function split(index, bound, id)
  local key = index .. ':' .. bound
  local last = call('ZRANGE', key, -1, -1)[1]
  local upper, from = {}, id
  if not less(last, id) then
    upper = call('ZRANGE', key, FULL / 2, -1)
    from = upper[1]
    many('ZREM', key, upper)
  end
  call('ZADD', index, 0, from)
  insert(index, from, upper)
end

-- Puts ids in. O(log N + length of a chunk) each; less where many follow one another.
local function enlist(index, ids)
  table.sort(ids, less)
  local at = 1
  while at <= #ids do
    local bound = chunk_of(index, ids[at])
    if not bound then
      bound = ids[at]
      call('ZADD', index, 0, bound)
    end
    local room = FULL - call('ZCARD', index .. ':' .. bound)
    if room <= 0 then
      split(index, bound, ids[at])
    else
      -- The first belongs here in any case.
      local above = at < #ids and call('ZRANGEBYLEX', index, '(' .. bound, '+', 'LIMIT', 0, 1)[1]
      local fits = {}
      while at <= #ids and #fits < room and not (above and not less(ids[at], above)) do
        fits[#fits + 1] = ids[at]
        at = at + 1
      end
      insert(index, bound, fits)
    end
  end
end

-- Notes new runs of the partition. O(1) each, and now and then what it takes to put all of the newest in.
local function note(ids)
  if #ids >= FULL then return enlist(RUNS, ids) end
  if call('RPUSH', FRESH, unpack(ids)) < FULL then return end
  local newest = call('LRANGE', FRESH, 0, -1)
  call('DEL', FRESH)
  enlist(RUNS, newest)
end

-- Takes an id out.
local function delist(index, id)
  local bound = chunk_of(index, id)
  if not bound then return end
  local key = index .. ':' .. bound
  call('ZREM', key, id)
  if call('EXISTS', key) == 0 then call('ZREM', index, bound) end
end
