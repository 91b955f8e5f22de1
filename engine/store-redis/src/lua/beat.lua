-- beat: extends leases and says what to stop.
--
-- ARGV[2]  MessagePack: { now, lease_ms, beats }; beats: flat { member, token }
-- returns  one number a beat: 0 kept, 1 kept but no longer wanted, 2 lost
-- O(beats log leases). Writes only leases whose token matches.

local ends = num(now + req[2])
local out = {}
for i = 1, #req[3], 2 do
  local member = req[3][i]
  local task = call('HGET', P .. 'r:' .. sub(member, 1, 16), field(sub(member, 17)))
  local code = 2
  if task and byte(task, 2) == LEASED then
    local cancel, token = read('>BI8', task, 11)
    if token == req[3][i + 1] then
      call('ZADD', P .. 'leases', 'XX', ends, member)
      code = cancel
    end
  end
  out[#out + 1] = code
end
return out
