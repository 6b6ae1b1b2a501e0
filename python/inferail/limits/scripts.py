"""What the Redis server does in one step, in its own language. Time is the server's.

KEYS[1] is the prefix of all keys, with their hash tag, so that a cluster keeps them together. `m:` and the number of a rule
and a key is an account: what is charged by slot, `total` of that, `first` slot that is kept, and what is `held` by calls
that run. `l` has the leases by id, `x` their ids by expiry, `d:` and an id is a reservation that must not come any more. A window is 60 slots, as in rust/policy/src/window.rs.
"""

from __future__ import annotations

__all__ = ["RESERVE", "SETTLE", "USED"]

# A rule is four arguments: unit, most, seconds (-1 is ever), key.
_BEGIN = """
local p = KEYS[1]
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local SLOTS = 60
local amount = {requests = tonumber(ARGV[3]), tokens = tonumber(ARGV[4]), micros = tonumber(ARGV[5]), calls = 1}
local function text(number) return string.format('%.0f', number) end
local rules = {}
for i = 6, #ARGV, 4 do
  local number = (i - 6) / 4
  rules[#rules + 1] = {unit = ARGV[i], most = tonumber(ARGV[i + 1]), seconds = tonumber(ARGV[i + 2]),
                       name = p .. 'm:' .. number .. ':' .. ARGV[i + 3]}
end
local function slot_of(seconds, at)
  if seconds < 0 then return 0 end
  return math.floor(at * SLOTS / seconds)
end
-- What is charged now; forgets what has left the window.
local function used(name, seconds)
  local known = redis.call('HMGET', name, 'total', 'first')
  local total, first = tonumber(known[1] or '0'), tonumber(known[2] or '')
  local oldest = slot_of(seconds, now) - SLOTS
  if not first or first >= oldest or seconds < 0 then return total end
  local gone = {}
  for slot = first, math.min(oldest - 1, first + SLOTS) do gone[#gone + 1] = text(slot) end
  for _, charge in ipairs(redis.call('HMGET', name, unpack(gone))) do total = total - tonumber(charge or '0') end
  redis.call('HDEL', name, unpack(gone))
  redis.call('HSET', name, 'total', text(total), 'first', text(oldest))
  return total
end
-- Makes `before`, charged in a slot, into `after`.
local function correct(name, seconds, slot, before, after)
  local total = used(name, seconds)
  if seconds > 0 and slot < slot_of(seconds, now) - SLOTS then return end
  local known = redis.call('HMGET', name, text(slot), 'first')
  local charge = tonumber(known[1] or '0')
  local corrected = math.max(0, charge - before) + after
  local first = math.min(slot, tonumber(known[2] or text(slot)))
  redis.call('HSET', name, text(slot), text(corrected), 'total', text(total + corrected - charge), 'first', text(first))
  if seconds > 0 then redis.call('PEXPIRE', name, math.ceil(seconds * 1100)) end
end
local function hold(name, by)
  local held = tonumber(redis.call('HGET', name, 'held') or '0') + by
  if held > 0 then
    redis.call('HSET', name, 'held', text(held))
  else
    redis.call('HDEL', name, 'held')
  end
end
-- Ends a lease, with what was consumed by unit; false if it has expired.
local function finish(id, spent)
  local packed = redis.call('HGET', p .. 'l', id)
  if not packed then return false end
  redis.call('HDEL', p .. 'l', id)
  redis.call('ZREM', p .. 'x', id)
  for _, one in ipairs(cmsgpack.unpack(packed)) do
    hold(one.name, -one.charge)
    if one.unit ~= 'calls' then correct(one.name, one.seconds, one.slot, one.charge, spent[one.unit]) end
  end
  return true
end
local nothing = {requests = 0, tokens = 0, micros = 0}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. 'x', '-inf', string.format('%.6f', now), 'LIMIT', 0, 100)) do
  finish(id, nothing)
end
"""

# ARGV: id, ttl in seconds, requests, tokens, micros, rules…
# Gives 1 and the moment; or 0, the number of the rule without room, seconds until it surely has ('' where only the end of
# a call makes room), what is charged to it and how much of that is held.
RESERVE = (
    _BEGIN
    + """
local worst, rank = nil, -1
for number, rule in ipairs(rules) do
  local charge = amount[rule.unit]
  local held = tonumber(redis.call('HGET', rule.name, 'held') or '0')
  local charged = held
  if rule.unit ~= 'calls' then charged = used(rule.name, rule.seconds) end
  local over = charged + charge - rule.most
  if over > 0 and charge > 0 then
    local wait = ''
    if charge > rule.most then
      wait = math.huge
    elseif rule.unit ~= 'calls' then
      if rule.seconds < 0 then
        if over > held then wait = math.huge end
      else
        local last = slot_of(rule.seconds, now)
        local slots, left = {}, over
        for slot = last - SLOTS, last do slots[#slots + 1] = text(slot) end
        for at, value in ipairs(redis.call('HMGET', rule.name, unpack(slots))) do
          left = left - tonumber(value or '0')
          if left <= 0 then
            wait = math.max(0, (last - SLOTS + at - 1 + SLOTS + 1) * rule.seconds / SLOTS - now)
            break
          end
        end
      end
    end
    local this = wait == '' and 0 or wait
    if this > rank then
      rank = this
      if wait == math.huge then wait = 'inf' elseif wait ~= '' then wait = string.format('%.6f', wait) end
      worst = {0, number - 1, wait, text(charged), text(held)}
    end
  end
end
if worst then return worst end
-- Whoever asked was cancelled, and what he left behind has come first.
if redis.call('EXISTS', p .. 'd:' .. ARGV[1]) == 1 then return {0, 0, '', '0', '0'} end
local lease = {}
for _, rule in ipairs(rules) do
  local charge, slot = amount[rule.unit], slot_of(rule.seconds, now)
  lease[#lease + 1] = {name = rule.name, unit = rule.unit, seconds = rule.seconds, slot = slot, charge = charge}
  if rule.unit ~= 'calls' then correct(rule.name, rule.seconds, slot, 0, charge) end
  hold(rule.name, charge)
end
redis.call('HSET', p .. 'l', ARGV[1], cmsgpack.pack(lease))
redis.call('ZADD', p .. 'x', string.format('%.6f', now + tonumber(ARGV[2])), ARGV[1])
return {1, string.format('%.6f', now)}
"""
)

# ARGV: id, the moment at which it was reserved or 0 where nobody heard, requests, tokens, micros, rules…
# What was consumed under a lease that has expired is charged all the same.
SETTLE = (
    _BEGIN
    + """
if finish(ARGV[1], amount) then return 1 end
local at = tonumber(ARGV[2])
if at > 0 then
  for _, rule in ipairs(rules) do
    if rule.unit ~= 'calls' then correct(rule.name, rule.seconds, slot_of(rule.seconds, at), 0, amount[rule.unit]) end
  end
else
  redis.call('SET', p .. 'd:' .. ARGV[1], '1', 'PX', 60000)
end
return 0
"""
)

# Gives for each rule what is charged, and how much of that is held.
USED = (
    _BEGIN
    + """
local found = {}
for _, rule in ipairs(rules) do
  local held = redis.call('HGET', rule.name, 'held') or '0'
  found[#found + 1] = rule.unit == 'calls' and held or text(used(rule.name, rule.seconds))
  found[#found + 1] = held
end
return found
"""
)
