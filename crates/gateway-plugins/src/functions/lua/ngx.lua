-- ngx: the part of the server's own library that functions may use.
local host, util, ngx, null = ...

for name, value in pairs({
  OK = 0, ERROR = -1, AGAIN = -2, DONE = -4, DECLINED = -5,
  STDERR = 0, EMERG = 1, ALERT = 2, CRIT = 3, ERR = 4, WARN = 5, NOTICE = 6, INFO = 7, DEBUG = 8,
  HTTP_GET = 2, HTTP_HEAD = 4, HTTP_POST = 8, HTTP_PUT = 16, HTTP_DELETE = 32, HTTP_OPTIONS = 512, HTTP_PATCH = 16384,
  HTTP_CONTINUE = 100, HTTP_SWITCHING_PROTOCOLS = 101, HTTP_OK = 200, HTTP_CREATED = 201, HTTP_ACCEPTED = 202,
  HTTP_NO_CONTENT = 204, HTTP_PARTIAL_CONTENT = 206, HTTP_SPECIAL_RESPONSE = 300, HTTP_MOVED_PERMANENTLY = 301,
  HTTP_MOVED_TEMPORARILY = 302, HTTP_SEE_OTHER = 303, HTTP_NOT_MODIFIED = 304, HTTP_TEMPORARY_REDIRECT = 307,
  HTTP_PERMANENT_REDIRECT = 308, HTTP_BAD_REQUEST = 400, HTTP_UNAUTHORIZED = 401, HTTP_PAYMENT_REQUIRED = 402,
  HTTP_FORBIDDEN = 403, HTTP_NOT_FOUND = 404, HTTP_NOT_ALLOWED = 405, HTTP_NOT_ACCEPTABLE = 406,
  HTTP_REQUEST_TIMEOUT = 408, HTTP_CONFLICT = 409, HTTP_GONE = 410, HTTP_UPGRADE_REQUIRED = 426,
  HTTP_TOO_MANY_REQUESTS = 429, HTTP_CLOSE = 444, HTTP_ILLEGAL = 451, HTTP_INTERNAL_SERVER_ERROR = 500,
  HTTP_METHOD_NOT_IMPLEMENTED = 501, HTTP_BAD_GATEWAY = 502, HTTP_SERVICE_UNAVAILABLE = 503,
  HTTP_GATEWAY_TIMEOUT = 504, HTTP_VERSION_NOT_SUPPORTED = 505, HTTP_INSUFFICIENT_STORAGE = 507,
}) do ngx[name] = value end

ngx.null = null
ngx.config = { subsystem = "http", debug = false, nginx_version = 1025003, prefix = host.prefix }
ngx.get_phase = host.phase
ngx.worker = { pid = host.pid, id = function() return 0 end, count = function() return 1 end }

local LEVELS = { [0] = "emerg", "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug" }
function ngx.log(level, ...)
  local words = { ... }
  for index = 1, select("#", ...) do words[index] = tostring(words[index]) end
  host.log(LEVELS[level] or "notice", table.concat(words))
end

-- Fields of the answer, written the way fields of tables are.
ngx.header = setmetatable({}, {
  __index = function(_, name) return host.response_values((tostring(name):gsub("_", "-"))) end,
  __newindex = function(_, name, value)
    name = tostring(name):gsub("_", "-")
    if value == nil then return host.set_response_field(name, {}) end
    host.set_response_field(name, util.field_values(name, value))
  end,
})

-- The part of the body at hand, and whether it is the last.
ngx.arg = setmetatable({}, {
  __index = function(_, index)
    if index == 1 then return (host.part()) end
    if index == 2 then return (select(2, host.part())) end
  end,
  __newindex = function(_, index, value)
    if index == 1 then host.set_part(value == nil and "" or tostring(value)) end
  end,
})

ngx.var = setmetatable({}, {
  __index = function(_, name) return host.variable(tostring(name)) end,
  __newindex = function(_, name, value)
    if not host.set_variable(tostring(name), tostring(value)) then
      error('variable "' .. tostring(name) .. '" not changeable', 2)
    end
  end,
})

setmetatable(ngx, {
  __index = function(_, name)
    if name == "status" then return host.get("status") end
    if name == "ctx" then return host.request_context() end
    if name == "headers_sent" then return host.get("headers_sent") end
  end,
  __newindex = function(_, name, value)
    if name == "status" then
      host.set_status(tonumber(value) or 0)
    else
      rawset(ngx, name, value)
    end
  end,
})

local before_answer = util.only_in("rewrite, access")

local function flatten(value, out)
  if type(value) == "table" then
    for _, element in ipairs(value) do flatten(element, out) end
  elseif value == nil then
    out[#out + 1] = "nil"
  elseif value == null then
    out[#out + 1] = "null"
  else
    out[#out + 1] = tostring(value)
  end
end

local function print(...)
  before_answer()
  local out, all = {}, { ... }
  for index = 1, select("#", ...) do flatten(all[index], out) end
  host.print(table.concat(out))
  return 1
end
ngx.print = print
function ngx.say(...)
  print(...)
  host.print("\n")
  return 1
end
function ngx.flush() return 1 end
function ngx.eof() return 1 end
function ngx.send_headers() return 1 end

function ngx.exit(status)
  if type(status) ~= "number" then error("bad argument #1 to 'exit' (number expected)", 2) end
  if status == ngx.OK then
    host.finish_early()
  elseif host.printed() then
    host.respond_printed(status)
  elseif status < 200 then
    util.bare(500)
  else
    util.bare(status)
  end
  util.finish()
end

function ngx.redirect(uri, status)
  before_answer()
  status = status or 302
  if status ~= 301 and status ~= 302 and status ~= 303 and status ~= 307 and status ~= 308 then
    error("only ngx.HTTP_MOVED_TEMPORARILY, ngx.HTTP_MOVED_PERMANENTLY, ngx.HTTP_PERMANENT_REDIRECT, "
      .. "ngx.HTTP_SEE_OTHER, and ngx.HTTP_TEMPORARY_REDIRECT are allowed", 2)
  end
  util.bare(status, { Location = { tostring(uri) } })
  util.finish()
end

local req = {}
ngx.req = req
req.get_method = function() return host.get("method") end
req.http_version = function() return host.get("http_version") end
req.start_time = function() return host.get("start_time") / 1000 end
req.is_internal = function() return false end
req.get_headers = function(max)
  return util.field_table(host.request_fields(), type(max) == "number" and max > 0 and max or 100)
end
req.get_uri_args = function(max)
  return host.decode_args(host.get("raw_query"), type(max) == "number" and max > 0 and max or 100)
end
req.read_body = function() util.body() end
req.get_body_data = function()
  local body = util.body()
  if body ~= "" then return body end
end
req.get_post_args = function(max)
  return host.decode_args(util.body() or "", type(max) == "number" and max > 0 and max or 100)
end
req.get_body_file = function() return nil end
req.set_header = function(name, value)
  if value == nil then return host.set_request_field(name, {}) end
  host.set_request_field(name, util.field_values(name, value))
end
req.clear_header = function(name) host.set_request_field(tostring(name), {}) end
req.set_body_data = function(body) host.set("body", tostring(body)) end
req.set_uri_args = function(args)
  host.set("query", type(args) == "table" and util.encode_args(args) or tostring(args))
end

ngx.time = function() return math.floor(host.now()) end
ngx.now = host.now
ngx.update_time = function() end
ngx.today = function() return host.format_time("%Y-%m-%d", host.now()) end
ngx.utctime = function() return host.format_time("%Y-%m-%d %H:%M:%S", host.now()) end
ngx.localtime = ngx.utctime
ngx.http_time = function(seconds) return host.format_time("%a, %d %b %Y %H:%M:%S GMT", seconds) end
ngx.cookie_time = function(seconds) return host.format_time("%a, %d-%b-%y %H:%M:%S GMT", seconds) end
ngx.parse_http_time = host.parse_http_time

for _, name in ipairs({
  "md5", "md5_bin", "sha1_bin", "hmac_sha1", "crc32_long", "escape_uri", "unescape_uri", "encode_base64",
  "decode_base64",
}) do ngx[name] = host[name] end
ngx.crc32_short = ngx.crc32_long
ngx.encode_args = util.encode_args
ngx.decode_args = function(text, max)
  return host.decode_args(tostring(text), type(max) == "number" and max > 0 and max or 100)
end

local QUOTED = {
  ["\0"] = "\\0", ["\b"] = "\\b", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\26"] = "\\Z", ["\\"] = "\\\\",
  ["'"] = "\\'", ['"'] = '\\"',
}
ngx.quote_sql_str = function(text)
  return "'" .. tostring(text):gsub("[%z\b\n\r\t\26\\'\"]", QUOTED) .. "'"
end

local re = {}
ngx.re = re

function re.match(subject, regex, options, ctx, into)
  local found, err = host.re_match(tostring(subject), regex, options or "", ctx and ctx.pos or 1)
  if not found then return nil, err end
  if ctx then ctx.pos = found.to + 1 end
  if into then
    for key in pairs(into) do into[key] = nil end
    for key, value in pairs(found.groups) do into[key] = value end
    return into
  end
  return found.groups
end

function re.find(subject, regex, options, ctx, nth)
  local found, err = host.re_match(tostring(subject), regex, options or "", ctx and ctx.pos or 1)
  if not found then return nil, nil, err end
  if ctx then ctx.pos = found.to + 1 end
  local span = found.spans[nth or 0]
  if span then return span[1], span[2] end
end

function re.gmatch(subject, regex, options)
  local ctx = { pos = 1 }
  subject = tostring(subject)
  return function()
    if ctx.pos > #subject + 1 then return nil end
    local before = ctx.pos
    local found, err = re.match(subject, regex, options, ctx)
    if found and found[0] == "" then ctx.pos = math.max(ctx.pos, before) + 1 end
    if not found then ctx.pos = #subject + 2 end
    return found, err
  end
end

local function expand(template, groups)
  return (template:gsub("%$(%$?)({?)(%w*)(}?)", function(dollar, open, name, close)
    if dollar ~= "" then return "$" .. open .. name .. close end
    if open ~= "" then return groups[tonumber(name) or name] or "" end
    local digits, rest = name:match("^(%d+)(.*)$")
    if not digits then return nil end
    return (groups[tonumber(digits)] or "") .. rest .. close
  end))
end

local function substitute(subject, regex, replace, options, most)
  subject = tostring(subject)
  local out, at, count = {}, 1, 0
  while count < most and at <= #subject + 1 do
    local found, err = host.re_match(subject, regex, options or "", at)
    if err then return nil, nil, err end
    if not found then break end
    out[#out + 1] = subject:sub(at, found.from - 1)
    if type(replace) == "function" then
      out[#out + 1] = tostring(replace(found.groups))
    else
      out[#out + 1] = expand(tostring(replace), found.groups)
    end
    count = count + 1
    at = found.to + 1
    if found.to < found.from then
      out[#out + 1] = subject:sub(at, at)
      at = at + 1
    end
  end
  out[#out + 1] = subject:sub(at)
  return table.concat(out), count
end

function re.sub(subject, regex, replace, options) return substitute(subject, regex, replace, options, 1) end
function re.gsub(subject, regex, replace, options) return substitute(subject, regex, replace, options, math.huge) end

-- There, so that looking for them is no error, and empty: functions cannot wait or share.
ngx.timer, ngx.socket, ngx.thread, ngx.location = {}, {}, {}, {}
ngx.shared = setmetatable({}, { __index = function() return {} end })
