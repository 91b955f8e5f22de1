-- progress: notes the latest progress of one task; what was said before is forgotten.
--
-- ARGV[2]  MessagePack: { now, id, task, attempt, json }
-- returns  1, or 0 when there is no such run
-- O(1).

local id = req[2]
if call('EXISTS', P .. 'r:' .. id) == 0 then return 0 end
know()
cursor = math.max(cursor + 1, now * 1000)
keep()

-- A number as LEB128: seven bits a byte, the lowest first.
local function leb(n)
  local bytes = {}
  while n >= 128 do
    bytes[#bytes + 1] = string.char(n % 128 + 128)
    n = math.floor(n / 128)
  end
  bytes[#bytes + 1] = string.char(n)
  return table.concat(bytes)
end
call('HSET', P .. 'progress:' .. id, num(req[3]), leb(cursor) .. leb(now) .. leb(req[4]) .. leb(#req[5]) .. req[5])
return 1
