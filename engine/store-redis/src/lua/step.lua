-- step: applies decided changes, run by run, and leases what is next, in one round trip.
--
-- ARGV[2]  MessagePack: { now, worker, blocks, leases, entries, bytes, texts, stand }
--   blocks   flat, one behind the other, each of a run that changes, so that no block costs a table:
--            id, version, tenant, turn, ended, events, logged, more, seens, pairs, readies,
--            then seens times  task, token, by, ends
--                 pairs times  field, value
--                 readies times  lane, place, task
--     version  the version the decision saw; 0 for a run that must not exist
--     turn     0, or 1 ended, 2 goes on again, 3 removed, 4 removed and to be forgotten
--     ended    six bytes of the moment of its end, where `turn` is not 0
--     events   how many; logged: their bytes
--     more     false, or { batch, drops, unready, undue, due }: the batch a new or removed run belongs to, fields to
--              remove, flat { lane, task }, tasks, flat { time, task }
--     seens    leases the decision saw; token 0: none; `by` > 0: and it ended by then; ends: 1 where it is over now
--     pairs    what to write; the first is `r`, the run's row without its head. None for a run that is to be removed
--   leases   { lanes, want, lease_ms, only }; only: false, or flat { lane, tenant, member } to choose from
--   entries  how many entries of the event stream are kept, about; bytes: how many bytes
--   texts    what the events of this step say, as `events.rs` writes it
--   stand    false, or { ms, number, list }: where the worker leases nothing, it has what it wishes for handed into that
--            list by whoever readies it first, for so long; ms 0: no more
--   A task is the four bytes of its number; a member is those behind the 16 of its run's id.
-- returns  MessagePack: { now, verdicts, leased, stood }
--   verdicts one a block: 0 applied, 1 the run changed meanwhile, 2 a run of that id exists
--   leased   flat, seven a task: request, member, run, new, task, instance, main; main: the main body's instance, where
--            that is another
--   stood    1 where `stand` ended a wish that nobody had answered
-- hands out the number of a wish in eight bytes, and behind it what its worker would have been returned
-- O((changes + leases) log N), and for a run that is removed or goes on again the runs that ended before or after it. A
-- block is checked whole before anything of it is written.

local worker = req[2]
local HEAD = '>I4I4I6'
local RUN = P .. 'r:'
-- How long handed leases lie there: longer than any lease of a worker that does not take them.
local HANDED_S = 60
-- Workers that only seem to wait which one look for one passes over.
local IDLE_PASSED_MAX = 100
local ENDED, AGAIN, REMOVED, DELETED = 1, 2, 3, 4
-- What a log that is full is cut to.
local LEFT_OF_LOG = 15 / 16
-- Keeps the leases a skip list however few they are: a packed set is walked from its head for every write.
local GUARD = string.rep('.', 65)

-- The blocks, and where in one things stand behind its id.
local items = req[3]
local VERSION, TENANT, TURN, WHEN, EVENTS, LOGGED, MORE, SEENS, PAIRS, READIES, REST = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
local released, undue, due, not_ready, readied, touched = {}, {}, {}, {}, {}, {}
local fresh, batched, ended = {}, {}, {}
local logs, logged = {}, 0
-- Blocks of new runs by their keys, written at the end: by then it is known which of their tasks are leased at once.
local held = {}

-- Where a block's pairs begin and end.
local function pairs_of(b)
  local first = b + REST + 4 * items[b + SEENS]
  return first, first + 2 * items[b + PAIRS] - 1
end

local function set(key, first, last)
  for at = first, last, CHUNK do
    call('HSET', key, unpack(items, at, min(at + CHUNK - 1, last)))
  end
end

-- The run's row and the rows of the tasks a block has seen.
local function fetch(key, b)
  local first, seens = b + REST, items[b + SEENS]
  if seens == 1 then return call('HMGET', key, 'r', field(items[first])) end
  local wanted, found = { 'r' }, {}
  for at = first, first + 4 * seens - 1, 4 do wanted[#wanted + 1] = field(items[at]) end
  for at = 1, #wanted, CHUNK do
    for _, value in ipairs(call('HMGET', key, unpack(wanted, at, min(at + CHUNK - 1, #wanted)))) do
      found[#found + 1] = value
    end
  end
  return found
end

-- Why a block may not be applied, nil when it may; and how many leases its run has and when it started.
local function refused(b, key)
  if items[b + VERSION] == 0 then return call('EXISTS', key) == 1 and 2 or nil, 0, 0 end
  local found = fetch(key, b)
  if not found[1] then return 1 end
  local version, leased, started = read(HEAD, found[1])
  if version ~= items[b + VERSION] then return 1 end
  for i = 0, items[b + SEENS] - 1 do
    local at, task, token = b + REST + 4 * i, found[i + 2], 0
    if task and byte(task, 2) == LEASED then token = read('>I8', task, 12) end
    if token ~= items[at + 1] then return 1 end
    if items[at + 2] > 0 then
      local ends = call('ZSCORE', P .. 'leases', items[b] .. items[at])
      if not ends or tonumber(ends) > items[at + 2] then return 1 end
    end
  end
  return nil, leased, started
end

local function remove(b, key)
  local id, more = items[b], items[b + MORE]
  call('DEL', key, P .. 'log:' .. id, P .. 'logs:' .. id, P .. 'progress:' .. id)
  call('LREM', P .. 'ended', 1, items[b + WHEN] .. id)
  if call('LREM', FRESH, -1, id) == 0 then delist(RUNS, id) end
  if more and more[1] ~= '' then delist(index_of(more[1]), id) end
  if items[b + TURN] == DELETED then
    -- Its events stand in the stream of all; readers pass over those of runs that are gone.
    call('SADD', P .. 'gone', id)
    call('EXPIRE', P .. 'gone', 30 * 24 * 3600)
  end
end

local function queue_of(into, lane, tenant)
  local name = lane .. ':' .. tenant
  into[name] = into[name] or { lane = lane, tenant = tenant }
  return into[name]
end

-- What a block rarely has.
local function write_more(b, key, more)
  local id = items[b]
  if items[b + VERSION] == 0 and more[1] ~= '' then
    local ids = batched[more[1]] or {}
    ids[#ids + 1] = id
    batched[more[1]] = ids
  end
  many('HDEL', key, more[2])
  for i = 1, #more[3], 2 do
    local queue = queue_of(not_ready, more[3][i], items[b + TENANT])
    queue[#queue + 1] = id .. more[3][i + 1]
  end
  for _, task in ipairs(more[4]) do undue[#undue + 1] = id .. task end
  for i = 1, #more[5], 2 do
    due[#due + 1] = more[5][i]
    due[#due + 1] = id .. more[5][i + 1]
  end
end

-- What a block makes ready.
local function write_ready(b, at)
  local id, tenant, is_new = items[b], items[b + TENANT], items[b + VERSION] == 0
  for from = at, at + 3 * items[b + READIES] - 1, 3 do
    local queue = queue_of(readied, items[from], tenant)
    local last = #queue
    queue[last + 1], queue[last + 2], queue[last + 3] = items[from + 1], id .. items[from + 2], is_new
  end
end

local function write(b, first, last, key, leased, started)
  local id, version, turn = items[b], items[b + VERSION], items[b + TURN]
  if turn >= REMOVED then return remove(b, key) end
  for at = b + REST, first - 1, 4 do
    if items[at + 3] == 1 then
      leased = leased - 1
      released[#released + 1] = id .. items[at]
    end
  end
  items[first + 1] = pack(HEAD, version + 1, leased, started) .. items[first + 1]
  if version == 0 then
    held[key] = b
    fresh[#fresh + 1] = id
  else
    set(key, first, last)
  end
  write_ready(b, last + 1)
  if turn == ENDED then
    ended[#ended + 1] = items[b + WHEN] .. id
  elseif turn == AGAIN then
    call('LREM', P .. 'ended', -1, items[b + WHEN] .. id)
  end
  if items[b + MORE] then write_more(b, key, items[b + MORE]) end
end

local verdicts = {}
local block, blocks, behind = 1, 0, #items
while block <= behind do
  local key = RUN .. items[block]
  local verdict, leased, started = refused(block, key)
  local first, last = pairs_of(block)
  blocks = blocks + 1
  verdicts[blocks] = verdict or 0
  if not verdict then
    write(block, first, last, key, leased, started)
    logged = logged + items[block + EVENTS]
    logs[#logs + 1] = items[block + LOGGED]
  end
  block = last + 1 + 3 * items[block + READIES]
end
-- Whether there are delayed tasks or deleted runs, which what is new and what is leased may be among.
local rare
local function has_rare()
  if rare == nil then rare = call('EXISTS', P .. 'gone', P .. 'due') > 0 end
  return rare
end

many('ZREM', P .. 'leases', released)
many('ZREM', P .. 'due', undue)
many('ZADD', P .. 'due', due)
many('RPUSH', P .. 'ended', ended)
if #fresh > 0 then
  note(fresh)
  for batch, ids in pairs(batched) do enlist(index_of(batch), ids) end
  if has_rare() then many('SREM', P .. 'gone', fresh) end
end
for _, queue in pairs(not_ready) do unready(queue.lane, queue.tenant, queue) end
for _, queue in pairs(readied) do touched[queue.lane] = true end
for _, r in ipairs(req[4]) do
  for _, lane in ipairs(r[1]) do touched[lane] = true end
end

-- Flat { end, member }, and how many items that are.
local leases, leases_last = {}, 0

-- A number in four bytes; few are asked for.
local fours = {}
local function four(n)
  local bytes = fours[n]
  if not bytes then
    bytes = pack('>I4', n)
    fours[n] = bytes
  end
  return bytes
end

-- Where the value of a field stands in a block; its pairs are looked through once.
local places = {}
local function place_in(b, name)
  local at = places[b]
  if not at then
    local first, last = pairs_of(b)
    at = {}
    for i = first, last, 2 do at[items[i]] = i + 1 end
    places[b] = at
  end
  return at[name]
end

-- Values of a block.
local function look(b, ...)
  local found = {}
  for i, name in ipairs({ ... }) do found[i] = items[place_in(b, name)] or false end
  return found
end

-- Leases a task for somebody, if it is still ready.
local function lease(to, member, ends, request)
  local id, no = sub(member, 1, 16), sub(member, 17)
  local key, name = RUN .. id, field(no)
  local new = held[key]
  local f = new and look(new, 'r', 'n', name, 'i0') or call('HMGET', key, 'r', 'n', name, 'i0')
  local task = f[3]
  if not task or byte(task, 2) ~= READY then return false end
  local instance, attempts = read('>I4I4', task, 3)
  local row = f[4]
  if instance ~= 0 then
    local name = 'i' .. num(instance)
    row = new and look(new, name)[1] or call('HGET', key, name)
  end
  local version, count, started = read(HEAD, f[1])
  if started == 0 then started = now end
  -- No less than the microseconds of the clock, so that a replica that took over without the last writes does not give
  -- the same again.
  know()
  token = max(token, now_us) + 1
  local run = pack(HEAD, version, count + 1, started) .. sub(f[1], 15)
  task = pack('>BBI4I4BI8I8', byte(task), LEASED, instance, attempts + 1, 0, token, now) .. to.grip .. sub(task, 11)
  if new then
    items[place_in(new, 'r')], items[place_in(new, name)] = run, task
  else
    call('HSET', key, 'r', run, name, task)
  end
  leases[leases_last + 1], leases[leases_last + 2] = ends, member
  leases_last = leases_last + 2
  local seized, out, before = to.seized, to.out, to.count
  seized[2 * before + 1], seized[2 * before + 2] = member, four(attempts + 1)
  local last = 7 * before
  out[last + 1], out[last + 2], out[last + 3], out[last + 4] = request, member, run, f[2]
  out[last + 5], out[last + 6], out[last + 7] = task, row or '', instance ~= 0 and f[4] or ''
  to.count = before + 1
  return true
end

-- Leases out of flat { lane, tenant, member }, as far as they are still ready and their lanes open.
local function choose(to, only, open, want, ends, request)
  for i = 1, #only, 3 do
    if want == 0 then return end
    if open[only[i]] then
      local queued = call('ZREM', heap_of(only[i], only[i + 1]), only[i + 2])
      local taken = lease(to, only[i + 2], ends, request)
      if taken then want = want - 1 end
      stale(only[i], only[i + 1], (taken and 1 or 0) - queued)
    end
  end
end

-- Whether tasks of a lane may be leased. A lane with needs rests with its queue.
local opens = {}
local function is_open(lane)
  if opens[lane] == nil then
    local paused = call('SMISMEMBER', P .. 'paused', lane, string.match(lane, '^[^;]*'))
    opens[lane] = paused[1] == 0 and paused[2] == 0
  end
  return opens[lane]
end

-- A worker, how many tasks it leases, and what it and the log are told of them.
local function lessee(name)
  return { name = name, grip = pack('>I2', #name) .. name, count = 0, seized = {}, out = {} }
end

-- Leases for a worker what it wishes for, out of lanes that this step touches: whoever waits has seen the others.
local function serve(name, requests)
  local to = lessee(name)
  for request, r in ipairs(requests) do
    local lanes, open, left, ends = {}, {}, r[2], num(now + r[3])
    for _, lane in ipairs(r[1]) do
      if touched[lane] and is_open(lane) then
        lanes[#lanes + 1] = lane
        open[lane] = true
      end
    end
    if r[4] then
      choose(to, r[4], open, left, ends, request)
      left = 0
    end
    while left > 0 and passed < PASSED_MAX do
      local lane, tenant, members = pop(lanes, left)
      if not lane then break end
      local skipped = 0
      for _, member in ipairs(members) do
        if lease(to, member, ends, request) then left = left - 1 else skipped = skipped + 1 end
      end
      passed = passed + skipped
      if skipped > 0 then stale(lane, tenant, -skipped) end
    end
  end
  return to
end

-- A worker that waits for a lane, and its wish: the one that began to wait last is the readiest.
local function idle(lane)
  for _ = 1, IDLE_PASSED_MAX do
    local name = call('ZPOPMAX', P .. 'idle:' .. lane)[1]
    if not name then return nil end
    local wish = call('GETDEL', P .. 'stand:' .. name)
    if wish then return name, cmsgpack.unpack(wish) end
  end
end

-- Who leases in this step: first the worker whose step it is, then those that are handed something.
local served = { false }
local function hand(to, wish)
  served[#served + 1] = to
  call('RPUSH', wish[2], pack('>I8', wish[1]) .. cmsgpack.pack({ now, {}, to.out, 0 }))
  call('EXPIRE', wish[2], HANDED_S)
end

-- A single task of a lane that has none goes to who waits for it without lying in the queue.
local function pass(queue)
  local lane = queue.lane
  if #queue ~= 3 or #req[4] > 0 or head(lane) or not is_open(lane) then return false end
  local name, wish = idle(lane)
  if not name then return false end
  local to = lessee(name)
  for request, r in ipairs(wish[3]) do
    for _, other in ipairs(r[1]) do
      if other == lane and to.count == 0 then lease(to, queue[2], num(now + r[3]), request) end
    end
  end
  hand(to, wish)
  return to.count > 0
end

for _, queue in pairs(readied) do
  if not pass(queue) then ready(queue.lane, queue.tenant, queue) end
end
local own = serve(worker, req[4])
served[1] = own

local stood, stand = 0, req[8]
if stand then
  local key = P .. 'stand:' .. worker
  if stand[1] == 0 then
    stood = call('DEL', key)
  elseif own.count == 0 then
    call('SET', key, cmsgpack.pack({ stand[2], stand[3], req[4] }), 'PX', stand[1])
    for _, r in ipairs(req[4]) do
      for _, lane in ipairs(r[1]) do
        call('ZADD', P .. 'idle:' .. lane, now + stand[1], worker)
        call('EXPIRE', P .. 'idle:' .. lane, math.ceil(stand[1] / 1000))
      end
    end
  end
end

-- What is ready in a lane is handed to those that wait for it; says whether some is left.
local function hand_out(lane)
  if not head(lane) or not is_open(lane) then return false end
  while head(lane) do
    local name, wish = idle(lane)
    if not name then return true end
    hand(serve(name, wish[3]), wish)
  end
  return false
end

-- Where nobody waits in that way, whoever waits for a marker is woken: one is enough, each step renews it.
for lane in pairs(touched) do
  if hand_out(lane) and call('LLEN', P .. 'wake:' .. lane) == 0 then
    call('LPUSH', P .. 'wake:' .. lane, 1)
  end
end
for key, b in pairs(held) do set(key, pairs_of(b)) end
local count = leases_last / 2
if count > 0 then
  if has_rare() then
    -- A ready task with `timeout.queue` stands among the due ones until it is leased.
    local members = {}
    for i = 2, leases_last, 2 do members[#members + 1] = leases[i] end
    many('ZREM', P .. 'due', members)
  end
  leases[leases_last + 1], leases[leases_last + 2] = 'inf', GUARD
  many('ZADD', P .. 'leases', leases)
end

if logged + count > 0 then
  know()
  local first = max(cursor + 1, now * 1000)
  cursor = first + logged + count - 1
  local grown, said, texts = #req[7], table.concat(logs), req[7]
  -- Where its own worker leases nothing, the first of the others is told in its entry.
  for at = own.count == 0 and #served > 1 and 2 or 1, #served do
    local to = served[at]
    local seized = table.concat(to.seized)
    if #said + #seized > 0 then
      call('XADD', P .. 'events', 'MAXLEN', '~', req[5], num(first) .. '-0',
        't', num(now), 'd', texts, 'e', said, 'l', seized, 'w', to.name)
      first = first + logged + to.count
      grown = grown + #said + #seized
    end
    -- The others only lease.
    said, texts, logged = '', '', 0
  end
  kept = kept + grown
  if kept > req[6] then
    call('XTRIM', P .. 'events', 'MAXLEN', math.floor(call('XLEN', P .. 'events') * LEFT_OF_LOG))
    kept = math.floor(kept * LEFT_OF_LOG)
  end
  keep()
end
return cmsgpack.pack({ now, verdicts, own.out, stood })
