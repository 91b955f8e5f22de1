-- beat: extends leases and says what to stop.
--
-- KEYS[1]  any key of the partition; it only says where the script runs.
-- ARGV[1]  prefix of the partition's keys.
-- ARGV[2]  MessagePack: { now, lease_ms, beats }; now: 0 for the server's clock; beats: flat { member, token }
-- returns  one number a beat: 0 kept, 1 kept but no longer wanted, 2 lost
-- O(beats log leases). Writes only leases whose token matches.

local P, req = ARGV[1], cmsgpack.unpack(ARGV[2])
local now = req[1]
if now == 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local ends = string.format('%.0f', now + req[2])
local out = {}
for i = 1, #req[3], 2 do
  local member = req[3][i]
  local id, no = string.sub(member, 1, 16), struct.unpack('>I4', member, 17)
  local grip = redis.call('HGET', P .. 'r:' .. id, 'l' .. string.format('%.0f', no))
  local code = 2
  if grip then
    local cancel, token = struct.unpack('>BI8', grip)
    if token == req[3][i + 1] then
      redis.call('ZADD', P .. 'leases', 'XX', ends, member)
      code = cancel
    end
  end
  out[#out + 1] = code
end
return out
