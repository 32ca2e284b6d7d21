-- Returns how many tokens a bucket (KEYS) has, as text. ARGV: the time in which a token comes in, in
-- microseconds, and how many it holds.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local every, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local at = tonumber(redis.call('GET', KEYS[1]) or now)
return string.format('%.6f', math.max(0, burst - math.max(0, at - now) / every))
