-- Takes a token from each bucket (KEYS) of each stage. Returns the number of the first that is empty,
-- which ends it, or 0. ARGV: the number of stages, the size of each, then for each bucket the time in
-- which a token comes in, in microseconds, and how many it holds.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local first = 1
for stage = 1, ARGV[1] do
  local last = first + ARGV[1 + stage] - 1
  local full = {}
  for i = first, last do
    local every, burst = tonumber(ARGV[ARGV[1] + 2 * i]), tonumber(ARGV[ARGV[1] + 2 * i + 1])
    local at = tonumber(redis.call('GET', KEYS[i]) or now)
    at = math.min(math.max(at, now), now + every * burst) -- also after the clock was set
    if at + every > now + every * burst then
      return i
    end
    full[i] = at + every
  end
  for i = first, last do
    redis.call('SET', KEYS[i], string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000))
  end
  first = last + 1
end
return 0
