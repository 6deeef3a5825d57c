-- What wrk sends: nothing but /old, a POST of 32 bytes, random paths of the million (see peers.py), /old for many visitors,
-- or random lines of a file of paths; one line of figures at the end. Arguments after `--`: get | post | random | visitors | FILE,
-- and a seed.
local words = { "amber", "atlas", "basic", "birch", "cargo", "cedar", "cloud", "delta", "ember", "field", "grape", "honey",
  "ivory", "maple", "olive", "river" }
local byte_format = string.format
local state, kind, fixed, visits
local VISITORS = 8192 -- made beforehand: what a visitor sends is long

function init(args)
  kind = args[1]
  state = tonumber(args[2]) % 2147483646 + 1
  if kind == "visitors" then
    visits = {}
    for at = 1, VISITORS do visits[at] = visit() end
  elseif kind:find("/") then
    visits = {}
    for path in io.lines(kind) do visits[#visits + 1] = "GET " .. path .. " HTTP/1.1\r\nHost: bench.test\r\n\r\n" end
  elseif kind == "post" then
    fixed = "POST /old HTTP/1.1\r\nHost: bench.test\r\nContent-Length: 32\r\n\r\n0123456789abcdef0123456789abcdef"
  else
    fixed = "GET /old HTTP/1.1\r\nHost: bench.test\r\n\r\n"
  end
end

function draw()
  state = state * 16807 % 2147483647 -- Lehmer's generator: exact in a double
  return state
end

-- A visitor comes through a proxy, has a browser and is known by a cookie among others.
function visit()
  local address = draw()
  local octets = { address % 223 + 1, draw() % 256, draw() % 256, draw() % 254 + 1 }
  return "GET /old HTTP/1.1\r\nHost: bench.test\r\nX-Forwarded-For: " .. table.concat(octets, ".")
    .. "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    .. "\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: de,en;q=0.5"
    .. byte_format("\r\nCookie: theme=dark; visitor=%08x%08x; consent=yes\r\n\r\n", draw(), draw())
end

function request()
  if visits then return visits[draw() % #visits + 1] end
  if kind ~= "random" then return fixed end
  draw()
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
