/**
 * Compare and swap on stored bytes. KEYS: the key. ARGV: what may stand there as the expected value (the encoded form
 * and the raw one; none: the key must be absent), count first; then "del", or "set", the new stored form and its
 * lifetime in ms (0: none). The raw form stands for the value only where no header of ours stands before it: behind one,
 * the same bytes are another value.
 *
 * Reply: 1 swapped, 0 not, or an array of the stored bytes where only a decoder can tell: compressed, or the raw bytes
 * behind another header than ours would be, so that several stored forms mean the same value.
 */
export const COMPARE_AND_SWAP = `
local stored = redis.call('GET', KEYS[1])
local forms = tonumber(ARGV[1])
local same = (forms == 0 and stored == false)
if stored then
  local framed = #stored >= 2 and string.byte(stored, 1) == 193 and string.byte(stored, 2) == 77
  same = forms > 0 and (stored == ARGV[2] or (forms > 1 and not framed and stored == ARGV[3]))
  if not same and forms > 1 and framed and #stored >= 8 and #stored <= #ARGV[3] + 12
    and (string.byte(stored, 7) % 16 ~= 0 or string.sub(stored, 9) == ARGV[3]) then return {stored} end
end
if not same then return 0 end
local at = forms + 2
if ARGV[at] == 'del' then
  redis.call('DEL', KEYS[1])
elseif ARGV[at + 2] == '0' then
  redis.call('SET', KEYS[1], ARGV[at + 1])
else
  redis.call('SET', KEYS[1], ARGV[at + 1], 'PX', ARGV[at + 2])
end
return 1`;

/**
 * Adds to counters, in order. KEYS: the counters, also several times the same. ARGV: the amounts.
 *
 * A number that was put as a value stands behind our header; its checksum is verified here before the header is taken
 * off, once per key. Reply per counter: the new value, as text beyond 2^53; or "!" and why nothing was added, or "?" and
 * why nobody knows what the sum is. Every call is a pcall: a script that broke off could not say what it had added.
 */
export const INCREMENT = `
local function crc32(text)
  local crc = bit.bnot(0)
  for i = 1, #text do
    crc = bit.bxor(crc, string.byte(text, i))
    for _ = 1, 8 do
      local low = bit.band(crc, 1)
      crc = bit.rshift(crc, 1)
      if low == 1 then crc = bit.bxor(crc, 0xEDB88320) end
    end
  end
  return bit.bnot(crc)
end
local function unframe(key, got)
  if type(got) ~= 'string' or #got < 9 or #got > 28 then return false end
  if string.byte(got, 1) ~= 193 or string.byte(got, 2) ~= 77 or string.byte(got, 7) ~= 16 then return false end
  local body = string.sub(got, 9)
  if not string.match(body, '^%-?%d+$') then return false end
  if string.byte(got, 8) == 1 then
    local a, b, c, d = string.byte(got, 3, 6)
    local sum = bit.bor(a, bit.lshift(b, 8), bit.lshift(c, 16), bit.lshift(d, 24))
    if sum ~= crc32(key .. string.sub(got, 7)) then return false, 'corrupt' end
  end
  return body
end
local function refused(reply)
  return type(reply) == 'table' and reply.err
end
local out = {}
for i = 1, #KEYS do
  local key = KEYS[i]
  local sum = redis.pcall('INCRBY', key, ARGV[i])
  local why = refused(sum)
  if why and string.find(why, 'not an integer') then
    local framed = redis.pcall('GET', key)
    local body, damage = unframe(key, framed)
    if body then
      why = refused(redis.pcall('SET', key, body, 'KEEPTTL'))
      if not why then
        sum = redis.pcall('INCRBY', key, ARGV[i])
        why = refused(sum)
        if why then redis.pcall('SET', key, framed, 'KEEPTTL') end
      end
    else
      why = refused(framed) or damage or why
    end
  end
  if why then
    out[i] = '!' .. why
  elseif sum > 9007199254740991 or sum < -9007199254740991 then
    local exact = redis.pcall('GET', key)
    out[i] = type(exact) == 'string' and exact or '?' .. (refused(exact) or 'gone')
  else
    out[i] = sum
  end
end
return out`;
