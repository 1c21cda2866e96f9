"""The limiter's steps that must be atomic, as Lua scripts. Redis runs each one whole or not at all.

Each may run twice (a client that lost its connection may send it again): permits have ids, and what is done is not
done again. All times are microseconds of Redis' own clock; numbers go to Redis through ``text``, because Lua's own
rendering keeps 14 digits only.
"""

from __future__ import annotations

GRANTED, NO_RETRY_LEFT, CIRCUIT_OPEN, NO_REQUEST, NO_TOKENS, NONE_IN_FLIGHT_FREE = range(6)
"""What `ACQUIRE` answers; with the last three it is worth while to wait."""

_PRELUDE = """
-- KEYS: window    zset: request -> when it leaves the window
--       tokens    hash: request in the window -> its tokens, estimated or real
--       leases    zset: permit in flight -> when it is given back by itself
--       retries   zset: like window, repetitions only
--       line      hash: process that waits -> "ticket:seen until:tokens wanted"
--       outcomes  hash: "<time slot>:ok" and "<time slot>:failed" -> how many
--       state     hash: tokens (their sum in the window), ticket (the last one), open_until, probe
local WINDOW, TOKENS, LEASES, RETRIES, LINE, OUTCOMES, STATE = unpack(KEYS)
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

local function text(number) return string.format('%.0f', number) end

local function keep(milliseconds)
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, milliseconds) end
end

-- Take requests out of the window, with their tokens.
local function remove(requests)
  local freed = 0
  for _, tokens in ipairs(redis.call('HMGET', TOKENS, unpack(requests))) do freed = freed + (tonumber(tokens) or 0) end
  redis.call('ZREM', WINDOW, unpack(requests))
  if freed > 0 then
    redis.call('HDEL', TOKENS, unpack(requests))
    redis.call('HINCRBY', STATE, 'tokens', text(-freed))
  end
end

local function trim()
  repeat
    local gone = redis.call('ZRANGEBYSCORE', WINDOW, '-inf', text(now), 'LIMIT', 0, 1000)
    if #gone > 0 then remove(gone) end
  until #gone < 1000
  if redis.call('EXISTS', WINDOW) == 0 then redis.call('HDEL', STATE, 'tokens') end
  redis.call('ZREMRANGEBYSCORE', RETRIES, '-inf', text(now))
  redis.call('ZREMRANGEBYSCORE', LEASES, '-inf', text(now))
end
"""

ACQUIRE = (
    _PRELUDE
    + """
-- ARGV: id, process, tokens, is it a retry, requests a window (0: any number), tokens a window (0: any number),
--       in flight, window, time to arrive, lease, retry share, retry floor, time in line unseen, ttl in milliseconds
-- Returns: {what, microseconds to wait, 1 while the circuit is open or half open, else 0}
local id, process, wanted, is_retry = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local max_requests, max_tokens, max_in_flight = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local window, arrival, lease = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local retry_share, retry_floor = tonumber(ARGV[11]), tonumber(ARGV[12])
local unseen, ttl = tonumber(ARGV[13]), ARGV[14]

trim()
local known = redis.call('HMGET', STATE, 'tokens', 'open_until', 'probe')
local used_tokens, open_until, probe = tonumber(known[1]) or 0, tonumber(known[2]), known[3]
local circuit = open_until and 1 or 0
if redis.call('ZSCORE', LEASES, id) then return {0, 0, circuit} end
if open_until then
  local probed = now >= open_until and probe and redis.call('ZSCORE', LEASES, probe)
  if now < open_until or probed then
    redis.call('HDEL', LINE, process)
    return {2, probed and 0 or open_until - now, circuit}
  end
end

local used = redis.call('ZCARD', WINDOW)
if is_retry and redis.call('ZCARD', RETRIES) + 1 > math.max(retry_floor, math.floor(retry_share * used)) then
  return {1, 0, circuit}
end

-- Who came earlier is served earlier: what those ahead want is kept for them while they show that they live.
local ahead, ahead_tokens, mine = 0, 0, nil
local line = redis.call('HGETALL', LINE)
for i = 1, #line, 2 do
  if line[i] == process then mine = tonumber(string.match(line[i + 1], '^%d+')) end
end
for i = 1, #line, 2 do
  local ticket, seen_until, tokens = string.match(line[i + 1], '^(%d+):(%d+):(%d+)$')
  if line[i] ~= process then
    if tonumber(seen_until) < now then
      redis.call('HDEL', LINE, line[i])
    elseif not mine or tonumber(ticket) < mine then
      ahead, ahead_tokens = ahead + 1, ahead_tokens + tonumber(tokens)
    end
  end
end

local what, wait = 0, 0
if redis.call('ZCARD', LEASES) + ahead + 1 > max_in_flight then what = 5 end
if max_tokens > 0 and used_tokens + ahead_tokens + wanted > max_tokens then
  what = 4
  local lacking = used_tokens + ahead_tokens + wanted - max_tokens
  local oldest = redis.call('ZRANGE', WINDOW, 0, 199, 'WITHSCORES')
  for i = 1, #oldest, 2 do
    lacking = lacking - (tonumber(redis.call('HGET', TOKENS, oldest[i])) or 0)
    wait = tonumber(oldest[i + 1]) - now
    if lacking <= 0 then break end
  end
end
if max_requests > 0 and used + ahead + 1 > max_requests then
  what = 3
  local lacking = math.min(used, used + ahead + 1 - max_requests)
  local last = redis.call('ZRANGE', WINDOW, lacking - 1, lacking - 1, 'WITHSCORES')
  if last[2] then wait = math.max(wait, tonumber(last[2]) - now) end
end

if what ~= 0 then
  if not mine then mine = redis.call('HINCRBY', STATE, 'ticket', 1) end
  redis.call('HSET', LINE, process, text(mine) .. ':' .. text(now + unseen) .. ':' .. text(wanted))
  keep(ttl)
  return {what, wait, circuit}
end

redis.call('HDEL', LINE, process)
redis.call('ZADD', LEASES, text(now + lease), id)
redis.call('ZADD', WINDOW, text(now + arrival + window), id)
if is_retry then redis.call('ZADD', RETRIES, text(now + arrival + window), id) end
if wanted > 0 then
  redis.call('HSET', TOKENS, id, text(wanted))
  redis.call('HINCRBY', STATE, 'tokens', text(wanted))
end
if open_until then redis.call('HSET', STATE, 'probe', id) end
keep(ttl)
return {0, 0, circuit}
"""
)

FINISH = (
    _PRELUDE
    + """
-- ARGV: id, tokens or '', outcome, window, slot of outcomes, slots, least outcomes, share that opens, time open,
--       ttl in milliseconds
-- Returns: 1 while the circuit is open or half open, else 0
local id, tokens, outcome, window, ttl = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[10]
local slot_length, slots, least = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local share, open_time = tonumber(ARGV[8]), tonumber(ARGV[9])
local open_until = tonumber(redis.call('HGET', STATE, 'open_until'))
if redis.call('ZREM', LEASES, id) == 0 then return open_until and 1 or 0 end

if tokens and redis.call('ZSCORE', WINDOW, id) then
  local before = tonumber(redis.call('HGET', TOKENS, id)) or 0
  if tokens ~= before then
    redis.call('HSET', TOKENS, id, text(tokens))
    redis.call('HINCRBY', STATE, 'tokens', text(tokens - before))
  end
end
-- Who was answered had arrived before. Of who was not, nothing is known but the time that it may take to arrive.
if outcome == 'ok' then redis.call('ZADD', WINDOW, 'XX', 'LT', text(now + window), id) end

if open_until then
  if redis.call('HGET', STATE, 'probe') == id then
    redis.call('HDEL', STATE, 'probe')
    if outcome == 'ok' then
      redis.call('HDEL', STATE, 'open_until')
      open_until = nil
    elseif outcome == 'failed' then
      redis.call('HSET', STATE, 'open_until', text(now + open_time))
    end
  end
elseif outcome ~= 'ignored' then
  local slot = math.floor(now / slot_length)
  if redis.call('HINCRBY', OUTCOMES, text(slot) .. ':' .. outcome, 1) == 1 then
    for _, field in ipairs(redis.call('HKEYS', OUTCOMES)) do
      if tonumber(string.match(field, '^%d+')) <= slot - slots then redis.call('HDEL', OUTCOMES, field) end
    end
  end
  if outcome == 'failed' then
    local all, failed = 0, 0
    local counts = redis.call('HGETALL', OUTCOMES)
    for i = 1, #counts, 2 do
      if tonumber(string.match(counts[i], '^%d+')) > slot - slots then
        all = all + tonumber(counts[i + 1])
        if string.match(counts[i], 'failed$') then failed = failed + tonumber(counts[i + 1]) end
      end
    end
    if all >= least and failed >= share * all then
      open_until = now + open_time
      redis.call('HSET', STATE, 'open_until', text(open_until))
      redis.call('DEL', OUTCOMES)
    end
  end
end
keep(ttl)
return open_until and 1 or 0
"""
)

GIVE_BACK = (
    _PRELUDE
    + """
-- ARGV: id, ttl in milliseconds
-- A permit that was not used, or may never have been granted: as if it had not been asked for.
redis.call('ZREM', LEASES, ARGV[1])
redis.call('ZREM', RETRIES, ARGV[1])
if redis.call('ZSCORE', WINDOW, ARGV[1]) then remove({ARGV[1]}) end
if redis.call('HGET', STATE, 'probe') == ARGV[1] then redis.call('HDEL', STATE, 'probe') end
keep(ARGV[2])
return 0
"""
)

RENEW = (
    _PRELUDE
    + """
-- ARGV: lease, ttl in milliseconds, then ids    Returns the number of permits that had run out.
local lost = 0
for i = 3, #ARGV do
  if redis.call('ZSCORE', LEASES, ARGV[i]) then
    redis.call('ZADD', LEASES, text(now + tonumber(ARGV[1])), ARGV[i])
  else
    lost = lost + 1
  end
end
keep(ARGV[2])
return lost
"""
)

LEAVE = (
    _PRELUDE
    + """
-- ARGV: process    Nobody waits there any more.
return redis.call('HDEL', LINE, ARGV[1])
"""
)
