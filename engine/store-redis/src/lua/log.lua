-- log: appends lines of one attempt, as far as its limit allows; the others are counted in a line of their own.
--
-- ARGV[2]  MessagePack: { now, id, attempt, most, lines, before, after }
--   attempt  names the attempt within the run; most: lines kept of it
--   lines    bytes of each line; before, after: bytes of the line that says how many were not kept, around the number
-- returns  1, or 0 when there is no such run
-- O(lines log N).

local id = req[2]
if call('EXISTS', P .. 'r:' .. id) == 0 then return 0 end
local heads, stream = P .. 'logs:' .. id, P .. 'log:' .. id
local held, dropped, marker = 0, 0, nil
local head = call('HGET', heads, req[3])
if head then
  held, dropped, marker = string.match(head, '^(%d+) (%d+) (%d*)$')
  held, dropped = tonumber(held), tonumber(dropped)
end
know()
cursor = max(cursor, now * 1000 - 1)
local function add(line)
  cursor = cursor + 1
  call('XADD', stream, num(cursor) .. '-0', 'd', line)
end
local newly = 0
for _, line in ipairs(req[5]) do
  if held < req[4] then
    held = held + 1
    add(line)
  else
    newly = newly + 1
  end
end
dropped = dropped + newly
if newly > 0 then
  if marker and marker ~= '' then call('XDEL', stream, marker .. '-0') end
  add(req[6] .. num(dropped) .. req[7])
  marker = num(cursor)
end
keep()
call('HSET', heads, req[3], num(held) .. ' ' .. num(dropped) .. ' ' .. (marker or ''))
return 1
