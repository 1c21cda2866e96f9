"""The cache's steps that must be atomic, as Lua scripts. Redis runs each one whole or not at all."""

from __future__ import annotations

ANSWERED, MINE, HELD, FAILED = range(4)
"""What `CLAIM` answers."""

CLAIM = """
-- KEYS: answer, lock, failure of the holder that the caller waits for
-- ARGV: caller's token, lease in milliseconds
-- Returns: {what, answer or holder's token or failure}
local answer = redis.call('GET', KEYS[1])
if answer then return {0, answer} end
local failure = redis.call('GET', KEYS[3])
if failure then return {3, failure} end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {2, holder} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {1, ''}
"""

RENEW = """
-- KEYS: lock    ARGV: holder's token, lease in milliseconds    Returns whether the caller holds it still.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

STORE = """
-- KEYS: answer, lock    ARGV: holder's token, answer, ttl in milliseconds
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
"""

RELEASE = """
-- KEYS: lock, failure    ARGV: holder's token, failure or '', ttl in milliseconds
-- Who waits for this holder finds the failure; who comes later finds nothing and asks.
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end
return 1
"""

DISCARD = """
-- KEYS: answer    ARGV: answer that cannot be read
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
