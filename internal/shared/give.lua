-- Gives a token back to each bucket (KEYS) that is not full. ARGV: as for left.lua, for each bucket.
-- Returns 1.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i, key in ipairs(KEYS) do
  local every, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local at = math.min(tonumber(redis.call('GET', key) or now), now + every * burst) - every
  if at > now then
    redis.call('SET', key, string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000))
  else
    redis.call('DEL', key)
  end
end
return 1
