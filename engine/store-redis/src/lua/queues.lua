-- queues: the ready tasks of a tenant in a lane. Most come in the order they are to be leased in and lie packed in a
-- list, `f:<lane>:<tenant>`; those that do not, such as a later task of an older run, lie in a sorted set,
-- `q:<lane>:<tenant>`. A task that is ready no more is not looked for in the list: it is passed over when its turn
-- comes, and `stale` counts such entries, so that entries less stale ones are the ready tasks.
--
-- A place in the order is one number: a rank (small is first), then the milliseconds in the run's id.

local RANK = 2 ^ 44
-- How much older than the list's end a new run's task may be, in ms: clocks and processes that submit differ.
local SLACK = 100
-- Stale entries that one step passes over.
local PASSED_MAX = 2000
local passed = 0

-- What `head` found in a lane and still holds; false: nothing.
local heads = {}

local function list_of(lane, tenant) return P .. 'f:' .. lane .. ':' .. tenant end
local function heap_of(lane, tenant) return P .. 'q:' .. lane .. ':' .. tenant end

-- The place of an entry of a list: its rank in a byte, the task.
local function place(entry)
  return byte(entry) * RANK + min(read('>I6', entry, 2), RANK - 1)
end

-- Puts tasks in; `tasks`: flat { place as text, member, whether its run is new }.
local function ready(lane, tenant, tasks)
  heads[lane] = nil
  local list = list_of(lane, tenant)
  local last = call('LINDEX', list, -1)
  local tail = last and place(last)
  local entries, heap = {}, {}
  for at = 1, #tasks, 3 do
    local score = tonumber(tasks[at])
    if not tail or score >= tail - (tasks[at + 2] and SLACK or 0) then
      entries[#entries + 1] = string.char(math.floor(score / RANK)) .. tasks[at + 1]
      tail = max(tail or 0, score)
    else
      heap[#heap + 1] = tasks[at]
      heap[#heap + 1] = tasks[at + 1]
    end
  end
  many('RPUSH', list, entries)
  many('ZADD', heap_of(lane, tenant), heap)
  if not call('ZSCORE', P .. 'lane:' .. lane, tenant) then
    -- A tenant that comes back starts where the others are: it is owed nothing for its absence.
    call('ZADD', P .. 'lane:' .. lane, call('HGET', P .. 'floor', lane) or 0, tenant)
    call('SADD', P .. 'lanes', lane)
  end
end

-- Notes that so many entries are ready no more. When none is left that is, all go.
local function stale(lane, tenant, count)
  heads[lane] = nil
  if count == 0 then return end
  local name = lane .. ':' .. tenant
  local sum = call('HINCRBY', P .. 'stale', name, count)
  local list, heap = list_of(lane, tenant), heap_of(lane, tenant)
  if sum > 0 and sum < call('LLEN', list) + call('ZCARD', heap) then return end
  if sum > 0 then call('DEL', list, heap) end
  call('HDEL', P .. 'stale', name)
end

-- Takes tasks out that are ready no more.
local function unready(lane, tenant, members)
  stale(lane, tenant, #members - many('ZREM', heap_of(lane, tenant), members))
end

-- The tenant of a lane that was served least: { lane, tenant, served, list, heap, first }, the last three being the
-- places of the first in its list, in its sorted set, and of both. nil when the lane is empty.
local function head(lane)
  while heads[lane] == nil do
    local tenant = call('ZRANGE', P .. 'lane:' .. lane, 0, 0, 'WITHSCORES')
    local entry = tenant[1] and call('LINDEX', list_of(lane, tenant[1]), 0)
    local top = tenant[1] and call('ZRANGE', heap_of(lane, tenant[1]), 0, 0, 'WITHSCORES') or tenant
    local list, heap = entry and place(entry), top[2] and tonumber(top[2])
    if list or heap then
      local first = list and heap and min(list, heap) or list or heap
      heads[lane] = { lane = lane, tenant = tenant[1], served = tenant[2], list = list, heap = heap, first = first }
    elseif tenant[1] then
      call('ZREM', P .. 'lane:' .. lane, tenant[1])
    else
      heads[lane] = false
    end
  end
  return heads[lane] or nil
end

-- Takes up to `want` members, at least one, off a queue that has some; and whether there may be more.
local function take(queue, want)
  local list, heap = list_of(queue.lane, queue.tenant), heap_of(queue.lane, queue.tenant)
  local members = {}
  if queue.heap and (not queue.list or queue.heap <= queue.list) then
    local count = want
    if queue.list then
      count = #call('ZRANGEBYSCORE', heap, '-inf', num(queue.list), 'LIMIT', 0, want)
    end
    local popped = call('ZPOPMIN', heap, count)
    for at = 1, #popped, 2 do members[#members + 1] = popped[at] end
    return members, queue.list or #members == want
  end
  local count = want
  if queue.heap then
    local entries = call('LRANGE', list, 0, want - 1)
    count = 0
    while count < #entries and place(entries[count + 1]) < queue.heap do count = count + 1 end
  end
  for _, entry in ipairs(call('LPOP', list, count)) do members[#members + 1] = sub(entry, 2) end
  return members, queue.heap or #members == want
end

-- Takes up to `want` members out of the best queue of these lanes: lane, tenant, members; nil when all are empty.
local function pop(lanes, want)
  local best, rivals = nil, 0
  for _, lane in ipairs(lanes) do
    local found = head(lane)
    if found then
      rivals = rivals + 1
      if not best or found.first < best.first then best = found end
    end
  end
  if not best then return nil end
  local lane, key = best.lane, P .. 'lane:' .. best.lane
  local tenants = call('ZCARD', key)
  local members, more = take(best, rivals > 1 and 1 or max(1, math.floor(want / tenants)))
  call('HSET', P .. 'floor', lane, best.served)
  if more or tenants > 1 then
    call('ZINCRBY', key, #members, best.tenant)
    heads[lane] = nil
  else
    -- The only one, and all it had: nobody is owed anything.
    call('ZREM', key, best.tenant)
    heads[lane] = false
  end
  return lane, best.tenant, members
end
