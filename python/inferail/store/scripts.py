"""What the Redis store asks the server to do in one step, in the server's own language.

KEYS[1] is the prefix of a namespace; `e:` entries (eight bytes of the time of putting, then the value), `x` names by
expiry, `r` names by rank, `s` sizes, `g` gains and `u` uses by name, `t:` names by tag, `n:` tags by name, `m` totals.
All keys of a namespace carry the same hash tag, so a cluster keeps them together. Time is the server's.
"""

from __future__ import annotations

__all__ = ["APPEND", "DELETE", "GET", "PUT", "READ", "RELEASE", "RENEW", "STATS", "TRIM"]

_BEGIN = """
local p = KEYS[1]
local function now()
  local t = redis.call('TIME')
  return t[1] + t[2] / 1000000
end
local function drop(name)
  local size = redis.call('HGET', p .. 's', name)
  if size then
    redis.call('HINCRBY', p .. 'm', 'bytes', -size)
    redis.call('HDEL', p .. 's', name)
    redis.call('HDEL', p .. 'g', name)
    redis.call('HDEL', p .. 'u', name)
    redis.call('ZREM', p .. 'x', name)
    redis.call('ZREM', p .. 'r', name)
    for _, tag in ipairs(redis.call('SMEMBERS', p .. 'n:' .. name)) do
      redis.call('SREM', p .. 't:' .. tag, name)
    end
    redis.call('DEL', p .. 'n:' .. name)
  end
  return redis.call('DEL', p .. 'e:' .. name)
end
local function purge(time, most)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', p .. 'x', '-inf', time, 'LIMIT', 0, most)) do drop(name) end
end
"""

# ARGV: name, whether uses are noted, whether by gain. Gives the entry, the time, and what it has left in ms.
GET = """
local p = KEYS[1]
local value = redis.call('GET', p .. 'e:' .. ARGV[1])
if not value then return nil end
local t = redis.call('TIME')
if ARGV[3] == '1' then
  local uses = redis.call('HINCRBY', p .. 'u', ARGV[1], 1)
  local gain = tonumber(redis.call('HGET', p .. 'g', ARGV[1]) or '0')
  local floor = tonumber(redis.call('HGET', p .. 'm', 'floor') or '0')
  redis.call('ZADD', p .. 'r', 'XX', string.format('%.17g', floor + uses * gain), ARGV[1])
elseif ARGV[2] == '1' then
  redis.call('ZADD', p .. 'r', 'XX', string.format('%.17g', t[1] + t[2] / 1000000), ARGV[1])
end
return {value, t[1], t[2], redis.call('PTTL', p .. 'e:' .. ARGV[1])}
"""

# ARGV: name, value, ttl in ms or 0, size, gain, most entries or 0, most bytes or 0, whether by gain, tags…
# Gives how many had to make room, or -1 where the entry alone is too large.
PUT = (
    _BEGIN
    + """
local name, ttl, size, gain = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local most, most_bytes = tonumber(ARGV[6]), tonumber(ARGV[7])
local time = now()
-- Refused where the server is full, and so is all that follows; a script that has begun to write is let through.
redis.call('HINCRBY', p .. 'm', 'bytes', 0)
purge(time, 100)
drop(name)
if most_bytes > 0 and size > most_bytes then return -1 end
local evicted = 0
local entries = redis.call('HLEN', p .. 's')
local bytes = tonumber(redis.call('HGET', p .. 'm', 'bytes') or '0')
while (most > 0 and entries >= most) or (most_bytes > 0 and bytes + size > most_bytes) do
  local victim = redis.call('ZRANGE', p .. 'r', 0, 0, 'WITHSCORES')
  if not victim[1] then break end
  bytes = bytes - (redis.call('HGET', p .. 's', victim[1]) or 0)
  entries = entries - 1
  drop(victim[1])
  redis.call('HINCRBY', p .. 'm', 'evictions', 1)
  evicted = evicted + 1
  redis.call('HSET', p .. 'm', 'floor', victim[2])
end
local floor = tonumber(redis.call('HGET', p .. 'm', 'floor') or '0')
local rank = time
if ARGV[8] == '1' then rank = floor + gain end
redis.call('SET', p .. 'e:' .. name, struct.pack('>d', time) .. ARGV[2])
redis.call('HSET', p .. 's', name, size)
redis.call('HINCRBY', p .. 'm', 'bytes', size)
redis.call('ZADD', p .. 'r', string.format('%.17g', rank), name)
if ARGV[8] == '1' then
  redis.call('HSET', p .. 'g', name, ARGV[5])
  redis.call('HSET', p .. 'u', name, 1)
end
if ttl > 0 then
  redis.call('PEXPIRE', p .. 'e:' .. name, ttl)
  redis.call('ZADD', p .. 'x', string.format('%.17g', time + ttl / 1000), name)
end
for i = 9, #ARGV do
  redis.call('SADD', p .. 't:' .. ARGV[i], name)
  redis.call('SADD', p .. 'n:' .. name, ARGV[i])
end
return evicted
"""
)

# ARGV: `name`, `tag` or `all`, and which. Gives how many were there.
DELETE = (
    _BEGIN
    + """
local names = {ARGV[2]}
if ARGV[1] == 'tag' then names = redis.call('SMEMBERS', p .. 't:' .. ARGV[2]) end
if ARGV[1] == 'all' then names = redis.call('HKEYS', p .. 's') end
local gone = 0
for _, name in ipairs(names) do gone = gone + drop(name) end
return gone
"""
)

STATS = (
    _BEGIN
    + """
purge(now(), 10000)
return {redis.call('HLEN', p .. 's'), redis.call('HGET', p .. 'm', 'bytes') or 0, redis.call('HGET', p .. 'm', 'evictions') or 0}
"""
)

# KEYS[1] the lease; ARGV: token, ttl in ms.
RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

# KEYS: a hash of values by number, and its last and first number.
APPEND = """
local number = redis.call('HINCRBY', KEYS[2], 'last', 1)
redis.call('HSET', KEYS[1], number, ARGV[1])
return number
"""
READ = """
local first = math.max(tonumber(ARGV[1]), tonumber(redis.call('HGET', KEYS[2], 'trimmed') or '0')) + 1
local last = math.min(tonumber(redis.call('HGET', KEYS[2], 'last') or '0'), first + tonumber(ARGV[2]) - 1)
local found = {first}
for number = first, last do found[#found + 1] = redis.call('HGET', KEYS[1], number) end
return found
"""
TRIM = """
local from = tonumber(redis.call('HGET', KEYS[2], 'trimmed') or '0')
local to = math.min(tonumber(ARGV[1]), tonumber(redis.call('HGET', KEYS[2], 'last') or '0'))
if to <= from then return 0 end
for number = from + 1, to do redis.call('HDEL', KEYS[1], number) end
redis.call('HSET', KEYS[2], 'trimmed', to)
return to - from
"""
