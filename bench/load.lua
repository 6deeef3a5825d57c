-- What wrk sends: nothing but /old, a POST of 32 bytes, or random paths of the million (see peers.py); one line of figures at
-- the end. Arguments after `--`: get | post | random, and a seed.
local words = { "amber", "atlas", "basic", "birch", "cargo", "cedar", "cloud", "delta", "ember", "field", "grape", "honey",
  "ivory", "maple", "olive", "river" }
local byte_format = string.format
local state, kind, fixed

function init(args)
  kind = args[1]
  state = tonumber(args[2]) % 2147483646 + 1
  if kind == "post" then
    fixed = "POST /old HTTP/1.1\r\nHost: bench.test\r\nContent-Length: 32\r\n\r\n0123456789abcdef0123456789abcdef"
  else
    fixed = "GET /old HTTP/1.1\r\nHost: bench.test\r\n\r\n"
  end
end

function request()
  if kind ~= "random" then return fixed end
  state = state * 16807 % 2147483647 -- Lehmer's generator: exact in a double
  local n = state % 1000000
  local h = (n * 7919 + 104729) % 1048576
  local a = h % 16; h = (h - a) / 16
  local b = h % 16; h = (h - b) / 16
  local c = h % 16; h = (h - c) / 16
  local d = h % 16; h = (h - d) / 16
  return byte_format("GET /p/%07d/%s-%s-%s-%s-%s HTTP/1.1\r\nHost: bench.test\r\n\r\n",
    n, words[a + 1], words[b + 1], words[c + 1], words[d + 1], words[h + 1])
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(byte_format('FIGURES {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"errors":%d,"refused":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.timeout, e.status))
end
