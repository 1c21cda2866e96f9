"""The steps that must be atomic, as Lua scripts. Redis runs each one whole or not at all."""

from __future__ import annotations

ENQUEUE = """
-- KEYS: rollouts, enqueued    ARGV: max_length, left_ms, margin, then (rollout id, payload) pairs
-- Adds as many as there is room for, in order; what this request added before counts as added and is not added twice.
local room = tonumber(ARGV[1]) - redis.call('XLEN', KEYS[1])
local now = redis.call('TIME')
local deadline = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) + tonumber(ARGV[2])
deadline = string.format('%.0f', deadline)
local known = redis.call('EXISTS', KEYS[2]) == 1
local added = 0
for i = 4, #ARGV, 2 do
  if room > 0 then
    if redis.call('SADD', KEYS[2], ARGV[i]) == 1 then
      redis.call('XADD', KEYS[1], '*', 'deadline', deadline, 'data', ARGV[i + 1])
      room = room - 1
    end
  elseif not known or redis.call('SISMEMBER', KEYS[2], ARGV[i]) == 0 then
    break
  end
  added = added + 1
end
redis.call('PEXPIRE', KEYS[2], tonumber(ARGV[2]) + tonumber(ARGV[3]))
return added
"""

COMPLETE = """
-- KEYS: rollouts, repetitions, dead, then the results streams
-- ARGV: group, dead_max_length, then for each (entry id, index of its results key or 0, ttl, score, dead letter or '')
-- Saves results and acknowledges their entries in one step; an entry that somebody else completed is passed over.
-- The scores of one request are saved as one entry. At most some thousands at a time: Lua's stack is bounded.
local done, scores, ttls = {}, {}, {}
for i = 3, #ARGV, 5 do
  local entry, index, dead = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 4]
  if redis.call('XACK', KEYS[1], ARGV[1], entry) == 1 then
    done[#done + 1] = entry
    if index > 0 then
      local of = scores[index]
      if of then of[#of + 1] = ARGV[i + 3] else scores[index] = {ARGV[i + 3]} end
      ttls[index] = math.max(ttls[index] or 0, tonumber(ARGV[i + 2]))
    end
    if dead ~= '' then
      redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*', 'data', dead)
    end
  end
end
if #done > 0 then
  redis.call('XDEL', KEYS[1], unpack(done))
  if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HDEL', KEYS[2], unpack(done)) end
end
for index, of in pairs(scores) do
  redis.call('XADD', KEYS[3 + index], '*', 'data', '{"scores":[' .. table.concat(of, ',') .. ']}')
  redis.call('PEXPIRE', KEYS[3 + index], string.format('%.0f', ttls[index]))
end
return #done
"""

RENEW = """
-- KEYS: rollouts    ARGV: group, consumer, then entry ids
-- Renews the leases that this consumer still holds; returns the entries that it has lost.
local lost = {}
for i = 3, #ARGV do
  local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
  if held[1] and held[1][2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
"""

COUNT = """
-- KEYS: rollouts, repetitions    ARGV: group, entry id, ttl
-- Counts one more try of an entry. One that somebody completed meanwhile is not counted: nobody would ever remove it.
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1) == 0 then return 0 end
redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
"""

RELEASE = """
-- KEYS: rollouts    ARGV: group, consumer, idle milliseconds
-- Gives up all leases of a consumer: its entries look abandoned at once, so that another process need not wait.
local held = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 100000, ARGV[2])
for _, row in ipairs(held) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, row[1], 'IDLE', ARGV[3], 'JUSTID')
end
if #held == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end
return #held
"""

PRUNE = """
-- KEYS: rollouts    ARGV: group, idle milliseconds
-- Removes consumers that hold nothing and have been silent that long: dead processes of long ago.
local removed = 0
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #row, 2 do consumer[row[i]] = row[i + 1] end
  if consumer['pending'] == 0 and consumer['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer['name'])
    removed = removed + 1
  end
end
return removed
"""
