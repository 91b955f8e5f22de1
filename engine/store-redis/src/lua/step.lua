-- step: applies decided changes, run by run, and leases what is next, in one round trip.
--
-- KEYS[1]  any key of the partition; it only says where the script runs.
-- ARGV[1]  prefix of the partition's keys.
-- ARGV[2]  MessagePack: { now, worker, blocks, leases, entries }
--   now      ms since the epoch for tests; 0 for the server's own clock
--   blocks   one for each run that changes:
--            { id, version, grips, fields, drops, released, unready, ready, undue, due, index, batch, events, logged }
--     version   the version the decision saw; 0 for a run that must not exist
--     grips     flat { task, token, by }: the lease the decision saw; token 0: none; `by` > 0: and it ended by then
--     fields    flat { field, value } to write; drops: fields to remove
--     released  members of leases that end
--     unready   flat { lane, tenant, member }; ready: flat { lane, tenant, score, member }
--     undue     members; due: flat { time, member }
--     index     list of "new", "ended", "again", "deleted", "gone"; batch: the batch the run belongs to, or ""
--     events    how many; logged: their bytes
--   leases   { lanes, want, lease_ms, only }; only: false, or flat { lane, tenant, member } to choose from
--   entries  how many entries of the event stream are kept, about
-- returns  MessagePack: { now, verdicts, leased }
--   verdicts one a block: 0 applied, 1 the run changed meanwhile, 2 a run of that id exists
--   leased   { request, member, token, version, run, started, new, task, instance, main }; main: the main body's instance
-- O((changes + leases) log N). A block is checked whole before anything of it is written.

local P, req = ARGV[1], cmsgpack.unpack(ARGV[2])
local now, worker = req[1], req[2]
if now == 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local READY = 1
local CHUNK = 1000
local num = function(n) return string.format('%.0f', n) end

-- A command with many arguments, some at a time.
local function many(command, key, args)
  for at = 1, #args, CHUNK do
    redis.call(command, key, unpack(args, at, math.min(at + CHUNK - 1, #args)))
  end
end

local function append(list, more)
  for i = 1, #more do list[#list + 1] = more[i] end
end

local released, undue, due, unready, ready, touched = {}, {}, {}, {}, {}, {}
local logs, logged = {}, 0

-- Why a block may not be applied; nil when it may.
local function refused(b, key)
  local names = { 'v', 'L' }
  for i = 1, #b[3], 3 do names[#names + 1] = 'l' .. num(b[3][i]) end
  local found = {}
  for at = 1, #names, CHUNK do
    append(found, redis.call('HMGET', key, unpack(names, at, math.min(at + CHUNK - 1, #names))))
  end
  if b[2] == 0 then return found[1] and 2 or nil end
  if tonumber(found[1] or -1) ~= b[2] then return 1 end
  for i = 1, #b[3], 3 do
    local grip = found[2 + (i + 2) / 3]
    local token = 0
    if grip then local _; _, token = struct.unpack('>BI8', grip) end
    if token ~= b[3][i + 1] then return 1 end
    if b[3][i + 2] > 0 then
      local ends = redis.call('ZSCORE', P .. 'leases', b[1] .. struct.pack('>I4', b[3][i]))
      if not ends or tonumber(ends) > b[3][i + 2] then return 1 end
    end
  end
  b.leased = tonumber(found[2] or 0)
end

local index = {
  new = function(b)
    redis.call('ZADD', P .. 'runs', 0, b[1])
    redis.call('SREM', P .. 'gone', b[1])
    if b[12] ~= '' then redis.call('SADD', P .. 'batch:' .. b[12], b[1]) end
  end,
  ended = function(b) redis.call('ZADD', P .. 'ended', num(now), b[1]) end,
  again = function(b) redis.call('ZREM', P .. 'ended', b[1]) end,
  deleted = function(b)
    -- Its events stand in the stream of all; readers pass over those of runs that are gone.
    redis.call('SADD', P .. 'gone', b[1])
    redis.call('EXPIRE', P .. 'gone', 30 * 24 * 3600)
  end,
  gone = function(b, key)
    redis.call('DEL', key, P .. 'log:' .. b[1], P .. 'logs:' .. b[1], P .. 'progress:' .. b[1])
    redis.call('ZREM', P .. 'runs', b[1])
    redis.call('ZREM', P .. 'ended', b[1])
    if b[12] ~= '' then redis.call('SREM', P .. 'batch:' .. b[12], b[1]) end
  end,
}

local function group(into, flat, width)
  for i = 1, #flat, width do
    local lane, tenant = flat[i], flat[i + 1]
    into[lane] = into[lane] or {}
    into[lane][tenant] = into[lane][tenant] or {}
    for j = 2, width - 1 do table.insert(into[lane][tenant], flat[i + j]) end
  end
end

local function write(b, key)
  local fields = b[4]
  if #fields > 0 then
    fields[#fields + 1] = 'v'
    fields[#fields + 1] = num(b[2] + 1)
    if #b[6] > 0 then
      fields[#fields + 1] = 'L'
      fields[#fields + 1] = num(b.leased - #b[6])
    end
    many('HSET', key, fields)
    many('HDEL', key, b[5])
  end
  append(released, b[6])
  append(undue, b[9])
  append(due, b[10])
  group(unready, b[7], 3)
  group(ready, b[8], 4)
  for _, word in ipairs(b[11]) do index[word](b, key) end
  logged = logged + b[13]
  logs[#logs + 1] = b[14]
end

local verdicts = {}
for at, b in ipairs(req[3]) do
  local key = P .. 'r:' .. b[1]
  local verdict = refused(b, key)
  verdicts[at] = verdict or 0
  if not verdict then write(b, key) end
end
many('ZREM', P .. 'leases', released)
many('ZREM', P .. 'due', undue)
many('ZADD', P .. 'due', due)
for lane, tenants in pairs(unready) do
  for tenant, members in pairs(tenants) do many('ZREM', P .. 'q:' .. lane .. ':' .. tenant, members) end
end
for lane, tenants in pairs(ready) do
  touched[lane] = true
  for tenant, members in pairs(tenants) do
    many('ZADD', P .. 'q:' .. lane .. ':' .. tenant, members)
    if not redis.call('ZSCORE', P .. 'lane:' .. lane, tenant) then
      -- A tenant that comes back starts where the others are: it is owed nothing for its absence.
      redis.call('ZADD', P .. 'lane:' .. lane, redis.call('HGET', P .. 'floor', lane) or 0, tenant)
      redis.call('SADD', P .. 'lanes', lane)
    end
  end
end

-- The tenant of a lane that was served least, the head of its queue and what it was served.
local function head(lane)
  while true do
    local tenant = redis.call('ZRANGE', P .. 'lane:' .. lane, 0, 0, 'WITHSCORES')
    if #tenant == 0 then return nil end
    local first = redis.call('ZRANGE', P .. 'q:' .. lane .. ':' .. tenant[1], 0, 0, 'WITHSCORES')
    if #first > 0 then
      return { lane = lane, tenant = tenant[1], served = tenant[2], score = tonumber(first[2]) }
    end
    redis.call('ZREM', P .. 'lane:' .. lane, tenant[1])
  end
end

-- Takes up to `want` members out of the best queue of these lanes; nil when all are empty.
local function pop(lanes, want)
  local best, rivals = nil, 0
  for _, lane in ipairs(lanes) do
    local found = head(lane)
    if found then
      rivals = rivals + 1
      if not best or found.score < best.score then best = found end
    end
  end
  if not best then return nil end
  local key = P .. 'lane:' .. best.lane
  local share = rivals > 1 and 1 or math.max(1, math.floor(want / redis.call('ZCARD', key)))
  local popped = redis.call('ZPOPMIN', P .. 'q:' .. best.lane .. ':' .. best.tenant, share)
  redis.call('HSET', P .. 'floor', best.lane, best.served)
  redis.call('ZINCRBY', key, #popped / 2, best.tenant)
  local members = {}
  for i = 1, #popped, 2 do members[#members + 1] = popped[i] end
  return members
end

local leases, seized, out = {}, {}, {}
local token = 0

local function lease(member, lease_ms, request)
  local id, no = string.sub(member, 1, 16), struct.unpack('>I4', member, 17)
  local key = P .. 'r:' .. id
  local f = redis.call('HMGET', key, 'v', 'r', 'L', 's', 'n', 't' .. num(no), 'i0')
  local task = f[6]
  -- Invariant: what stands in a queue is ready; a damaged queue must not lease anything else.
  if not task or string.byte(task, 2) ~= READY then return end
  local instance, attempts = struct.unpack('>I4I4', task, 3)
  local row = instance == 0 and f[7] or redis.call('HGET', key, 'i' .. num(instance))
  if not row then return end
  token = token + 1
  local held, started = tonumber(f[3] or 0) + 1, f[4] or num(now)
  local grip = struct.pack('>BI8I8', 0, token, now) .. worker
  if f[4] then
    redis.call('HSET', key, 'l' .. num(no), grip, 'L', held)
  else
    redis.call('HSET', key, 'l' .. num(no), grip, 'L', held, 's', started)
  end
  leases[#leases + 1] = num(now + lease_ms)
  leases[#leases + 1] = member
  seized[#seized + 1] = member .. struct.pack('>I4', attempts + 1)
  out[#out + 1] = { request, member, token, f[1], f[2], started, f[5], task, row, f[7] or '' }
end

-- Takes the members that are still ready out of their queues; `only` is flat { lane, tenant, member }.
local function choose(only, want)
  local members = {}
  for i = 1, #only, 3 do
    if #members == want then break end
    if redis.call('ZREM', P .. 'q:' .. only[i] .. ':' .. only[i + 1], only[i + 2]) == 1 then
      members[#members + 1] = only[i + 2]
    end
  end
  return members
end

local wanted = 0
for _, r in ipairs(req[4]) do wanted = wanted + r[2] end
if wanted > 0 then
  token = redis.call('INCRBY', P .. 'tokens', wanted) - wanted
end
for request, r in ipairs(req[4]) do
  local lanes = {}
  for _, lane in ipairs(r[1]) do
    touched[lane] = true
    if redis.call('SISMEMBER', P .. 'paused', lane) == 0 then lanes[#lanes + 1] = lane end
  end
  if r[4] then
    for _, member in ipairs(choose(r[4], r[2])) do lease(member, r[3], request) end
  else
    local left = r[2]
    while left > 0 do
      local members = pop(lanes, left)
      if not members then break end
      left = left - #members
      for _, member in ipairs(members) do lease(member, r[3], request) end
    end
  end
end
many('ZADD', P .. 'leases', leases)
if #seized > 0 and redis.call('EXISTS', P .. 'due') == 1 then
  -- A ready task with `timeout.queue` stands among the due ones until it is leased.
  local members = {}
  for i = 2, #leases, 2 do members[#members + 1] = leases[i] end
  many('ZREM', P .. 'due', members)
end

-- Whoever waits for a lane with work left is woken: one marker is enough, each step renews it.
for lane in pairs(touched) do
  if redis.call('EXISTS', P .. 'lane:' .. lane) == 1 and redis.call('LLEN', P .. 'wake:' .. lane) == 0
    and head(lane) then
    redis.call('LPUSH', P .. 'wake:' .. lane, 1)
  end
end

if logged + #seized > 0 then
  local first = math.max(tonumber(redis.call('GET', P .. 'cursor') or 0) + 1, now * 1000)
  redis.call('SET', P .. 'cursor', num(first + logged + #seized - 1))
  redis.call('XADD', P .. 'events', 'MAXLEN', '~', req[5], num(first) .. '-0',
    't', num(now), 'e', table.concat(logs), 'l', table.concat(seized), 'w', worker)
end
return cmsgpack.pack({ now, verdicts, out })
