-- limit: gives places and starts, takes them back, and calls up those who wait. The rules are those of
-- `lifecycle/limits`; the same cases ask both.
--
-- KEYS[1]  any key of the partition; it only says where the script runs.
-- ARGV[1]  prefix of the partition's keys.
-- ARGV[2]  MessagePack: { now, deeds }; now: 0 for the server's clock. Deeds, <who> and <holder> being 20 bytes:
--          { 'place', limit, who, holder, token, most, policy, owner, told }
--          { 'start', limit, who, interval_us, tolerance_us, starts, per_ms }
--          { 'leave', limit, who, standing, token }      a seat that is still so
--          { 'quit', limit, who }                        the line, and what was promised
--          { 'renew', limit, who }                       a seat that is kept, for another while
--          { 'tidy', limit, who }                        the limit, if nobody uses it; who does not matter
-- returns  MessagePack: a list a deed, { code, number, members }:
--          place: 0 seated, 1 waits, 2 full, 3 full, and the members, who have to go, were not all told
--          start: 0 now, 1 at that number of milliseconds
--          leave, quit: members to be readied. renew: 1 if it is kept.
-- O(deeds log line). Every deed checks before it writes.

local P, req = ARGV[1], cmsgpack.unpack(ARGV[2])
local now = req[1]
if now == 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local WHOLE, KEPT_MS = '\255\255\255\255', 10000
local HELD, KEPT = 0, 1
-- Score of a place in line: the turn, then the number.
local TURN = 4294967296

local function num(n) return string.format('%.0f', n) end
local function key(kind, limit) return P .. kind .. ':' .. limit end
local function of_run(limit) return string.sub(limit, 1, 5) == 'runs:' end

-- A seat: standing, token, until, since, most, turn, owner.
local function seat(limit, holder)
  local row = redis.call('HGET', key('seat', limit), holder)
  if not row then return nil end
  local s, token, ends, since, most, turn, at = struct.unpack('>BI8I8I8I4I8', row)
  return { standing = s, token = token, ends = ends, since = since, most = most, turn = turn, owner = string.sub(row, at) }
end

local function sit(limit, holder, s)
  local row = struct.pack('>BI8I8I8I4I8', s.standing, s.token, s.ends, s.since, s.most, s.turn) .. s.owner
  redis.call('HSET', key('seat', limit), holder, row)
  redis.call('SADD', P .. 'limits', limit)
end

-- One who waits: since, most, turn, owner.
local function waiter(limit, who)
  local row = redis.call('HGET', key('wait', limit), who)
  if not row then return nil end
  local since, most, turn, at = struct.unpack('>I8I4I8', row)
  return { since = since, most = most, turn = turn, owner = string.sub(row, at) }
end

local function taken(limit) return redis.call('HLEN', key('seat', limit)) end
local function first(limit) return redis.call('ZRANGE', key('line', limit), 0, 0)[1] end

local function leave_line(limit, who)
  redis.call('ZREM', key('line', limit), who)
  redis.call('HDEL', key('wait', limit), who)
end

-- Forgets a limit that nobody uses.
local function tidy(limit)
  if taken(limit) == 0 and redis.call('HLEN', key('wait', limit)) == 0 then
    redis.call('DEL', key('turn', limit))
    if redis.call('EXISTS', key('promise', limit), key('rate', limit)) == 0 then
      redis.call('SREM', P .. 'limits', limit)
    end
  end
end

-- The spot of one who comes anew: its turn, and its score in line.
local function spot(limit, who, policy, owner)
  local turns = key('turn', limit)
  local current = tonumber(redis.call('HGET', turns, 'now') or '0')
  if of_run(limit) then
    -- All tasks of a run that wait for the run's place stand together.
    local score = redis.call('HGET', turns, 'r' .. string.sub(who, 1, 16))
    if score then return math.floor(tonumber(score) / TURN), tonumber(score) end
  end
  local turn = current
  if policy == 'round_robin' then
    local own = redis.call('HGET', turns, 'o' .. owner)
    if own then turn = math.max(current, tonumber(own) + 1) end
  end
  local no = redis.call('HINCRBY', turns, 'no', 1)
  return turn, turn * TURN + no
end

local function oldest(limit, count)
  local rows, seats = redis.call('HGETALL', key('seat', limit)), {}
  for i = 1, #rows, 2 do
    local _, _, _, since = struct.unpack('>BI8I8I8', rows[i + 1])
    seats[#seats + 1] = { since, rows[i] }
  end
  table.sort(seats, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
  local found = {}
  for i = 1, math.min(count, #seats) do found[i] = seats[i][2] end
  return found
end

local function place(d)
  local limit, who, holder, token, most, policy, owner = d[2], d[3], d[4], d[5], d[6], d[7], d[8]
  local have, waits, head = seat(limit, holder), waiter(limit, who), first(limit)
  local free = most - taken(limit)
  local mine = not head or head == who or (of_run(limit) and string.sub(head, 1, 16) == string.sub(who, 1, 16))
  local victims = {}
  if not have and not (mine and free > 0) then
    if policy == 'reject' then return { 2, 0, {} } end
    if policy == 'cancel_oldest' then
      victims = oldest(limit, 1 - free)
      local told = {}
      for _, one in ipairs(d[9]) do told[one] = true end
      for _, victim in ipairs(victims) do
        if not told[victim] then return { 3, 0, victims } end
      end
    else
      if not waits then
        local turn, score = spot(limit, who, policy, owner)
        waits = { since = now, turn = turn }
        redis.call('ZADD', key('line', limit), num(score), who)
        redis.call('HSET', key('turn', limit), 'o' .. owner, num(turn))
        if of_run(limit) then redis.call('HSET', key('turn', limit), 'r' .. string.sub(who, 1, 16), num(score)) end
      end
      redis.call('HSET', key('wait', limit), who, struct.pack('>I8I4I8', waits.since, most, waits.turn) .. owner)
      redis.call('SADD', P .. 'limits', limit)
      return { 1, 0, {} }
    end
  end
  local from = have or waits
  local turn = from and from.turn or spot(limit, who, policy, owner)
  for _, victim in ipairs(victims) do redis.call('HDEL', key('seat', limit), victim) end
  leave_line(limit, who)
  local since = have and have.standing == HELD and have.since or now
  sit(limit, holder, { standing = HELD, token = token, ends = 0, since = since, most = most, turn = turn, owner = owner })
  redis.call('HSET', key('turn', limit), 'now', num(turn), 'o' .. owner, num(turn))
  return { 0, 0, {} }
end

local function start(d)
  local limit, who, interval, tolerance = d[2], d[3], d[4], d[5]
  local now_us = now * 1000
  local rate, promises = key('rate', limit), key('promise', limit)
  local known = redis.call('HMGET', rate, 'made', 'promised', 'late')
  local made, promised, late = tonumber(known[1] or '0'), tonumber(known[2] or '0'), tonumber(known[3] or '0')
  local mine = redis.call('HGET', promises, who)
  mine = mine and struct.unpack('>I8', mine)
  if mine and mine > now_us then return { 1, math.ceil(mine / 1000), {} } end
  local last = math.max(made, promised, late)
  local arrival = mine and made or last
  local answer
  if now_us >= arrival - tolerance then
    local counted = mine and math.max(mine, now_us - math.floor(interval / 2)) or now_us
    made = math.max(made, counted) + interval
    promised = mine and math.max(promised, made) or math.max(last, now_us) + interval
    redis.call('HDEL', promises, who)
    answer = { 0, 0, {} }
  else
    if mine then last = math.max(late, made) end
    local at = math.max(last - tolerance, now_us + 1)
    local next = math.max(last, at) + interval
    if mine then late = next end
    promised = math.max(promised, next)
    redis.call('HSET', promises, who, struct.pack('>I8I8I4', at, now, d[6]))
    answer = { 1, math.ceil(at / 1000), {} }
  end
  redis.call('HSET', rate, 'made', num(made), 'promised', num(promised), 'late', num(late), 'starts', d[6], 'per_ms', d[7])
  -- With a clock of the tests' own, the server's says nothing.
  if req[1] == 0 then redis.call('PEXPIREAT', rate, num(math.ceil(promised / 1000) + 1)) end
  redis.call('SADD', P .. 'limits', limit)
  return answer
end

-- Gives free places to those who are next.
local function serve(limit)
  local called = {}
  while true do
    local who = first(limit)
    local row = who and waiter(limit, who)
    if not row then return called end
    local run = string.sub(who, 1, 16)
    local holder = of_run(limit) and run .. WHOLE or who
    local have = of_run(limit) and redis.call('HEXISTS', key('seat', limit), holder) == 1
    if not have and taken(limit) >= row.most then return called end
    leave_line(limit, who)
    called[#called + 1] = who
    if not have then
      -- A run keeps its place until it has ended; a task has to come for it.
      local standing, ends = KEPT, now + KEPT_MS
      if of_run(limit) then standing, ends = HELD, 0 end
      sit(limit, holder, {
        standing = standing, token = 0, ends = ends, since = now, most = row.most, turn = row.turn, owner = row.owner,
      })
      redis.call('HSET', key('turn', limit), 'now', num(row.turn))
      redis.call('HDEL', key('turn', limit), 'r' .. run)
    end
  end
end

local function leave(d)
  local limit, have = d[2], seat(d[2], d[3])
  if have and have.standing == d[4] and have.token == d[5] then redis.call('HDEL', key('seat', limit), d[3]) end
  local called = serve(limit)
  tidy(limit)
  return { 0, 0, called }
end

local function quit(d)
  leave_line(d[2], d[3])
  redis.call('HDEL', key('promise', d[2]), d[3])
  local called = serve(d[2])
  tidy(d[2])
  return { 0, 0, called }
end

local function renew(d)
  local have = seat(d[2], d[3])
  if not have or have.standing ~= KEPT then return { 0, 0, {} } end
  have.ends = now + KEPT_MS
  sit(d[2], d[3], have)
  return { 1, 0, {} }
end

local function forget(d)
  tidy(d[2])
  return { 0, 0, {} }
end

local verbs = { place = place, start = start, leave = leave, quit = quit, renew = renew, tidy = forget }
local out = {}
for i, deed in ipairs(req[2]) do out[i] = verbs[deed[1]](deed) end
return cmsgpack.pack(out)
