-- common: what the scripts of a partition begin with.
--
-- KEYS[1]  any key of the partition; it only says where the script runs.
-- ARGV[1]  prefix of the partition's keys.
-- ARGV[2]  MessagePack: the request; its first item is the moment in ms since the epoch for tests, 0 for the server's
--          own clock

local P, req = ARGV[1], cmsgpack.unpack(ARGV[2])
local call, byte, sub, pack, read = redis.call, string.byte, string.sub, struct.pack, struct.unpack
local unpack, min, max = unpack, math.min, math.max
local now = req[1]
local now_us = now * 1000
if now == 0 then
  local t = call('TIME')
  now_us = t[1] * 1000000 + t[2]
  now = math.floor(now_us / 1000)
end
-- Codes of states in the second byte of a task's row.
local READY, LEASED = 1, 3

local function num(n) return string.format('%d', n) end

-- A command with many arguments, some at a time; the sum of its answers.
local CHUNK = 1000
local function many(command, key, args)
  if #args == 0 then return 0 end
  if #args <= CHUNK then return call(command, key, unpack(args)) end
  local sum = 0
  for at = 1, #args, CHUNK do
    sum = sum + call(command, key, unpack(args, at, min(at + CHUNK - 1, #args)))
  end
  return sum
end

-- What every step counts on, in one value: the last token, the last cursor, and the bytes of the events, about. Kept
-- here once it was read; `keep` writes it.
local COUNTS = '>I8I8I8'
local token, cursor, kept
local function know()
  if token then return end
  local counts = call('GET', P .. 'counts')
  if counts then
    token, cursor, kept = read(COUNTS, counts)
  else
    token, cursor, kept = 0, 0, 0
  end
end
local function keep() call('SET', P .. 'counts', pack(COUNTS, token, cursor, kept)) end

-- The name of a task's field, by the four bytes of its number.
local names = {}
local function field(no)
  local name = names[no]
  if not name then
    name = 't' .. num(read('>I4', no))
    names[no] = name
  end
  return name
end
