-- claim: gives a key to a run, unless another one has it.
--
-- KEYS[1]  the key
-- ARGV[1]  now in milliseconds; 0 for the server's clock
-- ARGV[2]  the run, 16 bytes
-- ARGV[3]  for how many milliseconds
-- ARGV[4]  the run that loses the key if it has it; empty for none
-- returns  the run that has it
-- The value is the run and, as eight bytes, until when it has the key: tests have a clock of their own.

local now = tonumber(ARGV[1])
if now == 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local known = redis.call('GET', KEYS[1])
if known then
  local owner, ends = string.sub(known, 1, 16), struct.unpack('>I8', known, 17)
  if ends >= now and owner ~= ARGV[4] then return owner end
end
local claim = ARGV[2] .. struct.pack('>I8', now + tonumber(ARGV[3]))
redis.call('SET', KEYS[1], claim, 'PX', ARGV[3])
return ARGV[2]
