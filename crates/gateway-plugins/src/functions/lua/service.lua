-- kong.service, kong.router and what else is small
local host, util, kong = ...
local service, request, response = {}, {}, {}
kong.service = service
service.request, service.response = request, response

local before_sent = util.only_in("rewrite, access, balancer")
local when_answered = util.only_in("response, header_filter, body_filter, log")
local with_buffer = util.only_in("response, header_filter, body_filter, log")

function service.set_upstream(name)
  before_sent()
  util.expect(type(name) == "string", "host must be a string")
  if not host.has_upstream(name) then return nil, "could not find an Upstream named '" .. name .. "'" end
  host.set("target_host", name)
  return true
end

function service.set_target(name, port)
  before_sent()
  util.expect(type(name) == "string", "host must be a string")
  util.expect(type(port) == "number" and math.floor(port) == port, "port must be an integer")
  util.expect(port >= 0 and port <= 65535, "port must be an integer between 0 and 65535: given " .. tostring(port))
  host.set("target", name, port)
end

local function unsupported(what)
  host.log("warn", what .. " has no effect: the service's own settings count")
end

function service.set_retries(retries)
  before_sent()
  util.expect(type(retries) == "number" and math.floor(retries) == retries, "retries must be an integer")
  util.expect(retries >= 0 and retries <= 32767,
    "retries must be an integer between 0 and 32767: given " .. tostring(retries))
  host.set_retries(retries)
end

function service.set_timeouts(connect, write, read)
  before_sent()
  for _, timeout in ipairs({ { "connect", connect }, { "write", write }, { "read", read } }) do
    local name, value = timeout[1] .. "_timeout", timeout[2]
    util.expect(type(value) == "number" and math.floor(value) == value, name .. " must be an integer")
    util.expect(value >= 1 and value <= 2147483646,
      name .. " must be an integer between 1 and 2147483646: given " .. tostring(value))
  end
  host.set_timeouts(connect, write, read)
end

function service.set_tls_verify(on)
  before_sent()
  util.expect(type(on) == "boolean", "argument must be a boolean")
  unsupported("kong.service.set_tls_verify")
  return true
end

function service.set_tls_verify_depth(depth)
  before_sent()
  util.expect(type(depth) == "number", "argument must be a number")
  unsupported("kong.service.set_tls_verify_depth")
  return true
end

function request.set_scheme(scheme)
  before_sent()
  util.expect(type(scheme) == "string", "scheme must be a string")
  util.expect(scheme == "http" or scheme == "https", "invalid scheme: " .. scheme)
  host.set("scheme", scheme)
end

function request.set_path(path)
  before_sent()
  util.expect(type(path) == "string", "path must be a string")
  util.expect(path:sub(1, 1) == "/", "path must start with /")
  host.set("path", path)
end

function request.set_raw_query(query)
  before_sent()
  util.expect(type(query) == "string", "query must be a string")
  host.set("query", query)
end

function request.set_query(args)
  before_sent()
  util.expect(type(args) == "table", "args must be a table")
  host.set("query", util.encode_args(args))
end

function request.clear_query_arg(name)
  before_sent()
  util.expect(type(name) == "string", "query argument name must be a string")
  host.clear_query_arg(name)
end

local METHODS = {}
for name in ("GET HEAD PUT POST DELETE OPTIONS MKCOL COPY MOVE PROPFIND PROPPATCH LOCK UNLOCK PATCH TRACE"):gmatch("%u+") do
  METHODS[name] = true
end

function request.set_method(method)
  before_sent()
  util.expect(type(method) == "string", "method must be a string")
  util.expect(METHODS[method], "invalid method: " .. method)
  host.set("method", method)
end

function request.set_header(name, value)
  before_sent()
  host.set_request_field(name, util.field_values(name, value))
end

function request.add_header(name, value)
  before_sent()
  host.add_request_field(name, util.field_values(name, value))
end

function request.clear_header(name)
  before_sent()
  util.expect(type(name) == "string", "header must be a string")
  host.set_request_field(name, {})
end

function request.set_headers(headers)
  before_sent()
  for name, values in pairs(util.all_fields(headers)) do host.set_request_field(name, values) end
end

function request.set_raw_body(body)
  before_sent()
  util.expect(type(body) == "string", "body must be a string")
  host.set("body", body)
end

local function multipart(args, content_type)
  local boundary = content_type:match('[bB]oundary="([^"]+)"') or content_type:match("[bB]oundary=([^;%s]+)")
  if not boundary then
    boundary = host.random_hex()
    content_type = content_type .. "; boundary=" .. boundary
  end
  local lines = {}
  for _, name in ipairs(util.sorted_keys(args)) do
    lines[#lines + 1] = "--" .. boundary .. '\r\nContent-Disposition: form-data; name="' .. tostring(name)
      .. '"\r\n\r\n' .. tostring(args[name]) .. "\r\n"
  end
  lines[#lines + 1] = "--" .. boundary .. "--\r\n"
  return table.concat(lines), content_type
end

function request.set_body(args, mimetype)
  before_sent()
  util.expect(type(args) == "table", "args must be a table")
  util.expect(mimetype == nil or type(mimetype) == "string", "mimetype must be a string")
  local content_type = mimetype or host.request_field("content-type")
  if not content_type then
    return nil, "content type was neither explicitly given as an argument or received as a header"
  end
  local kind = content_type:match("^%s*([^;%s]+)"):lower()
  local body
  if kind == "application/x-www-form-urlencoded" then
    body = util.encode_args(args)
  elseif kind == "application/json" then
    local err
    body, err = host.json_encode(args)
    if not body then return nil, err end
  elseif kind == "multipart/form-data" then
    local received = host.request_field("content-type") or ""
    if not mimetype or not content_type:find("boundary", 1, true) and received:find("boundary", 1, true) then
      content_type = received ~= "" and received or content_type
    end
    body, content_type = multipart(args, content_type)
  else
    return nil, "unsupported content type " .. content_type
  end
  host.set("body", body)
  host.set_request_field("Content-Type", { content_type })
  return true
end

function request.enable_buffering()
  before_sent()
  host.hold_answer()
end

local NOT_BUFFERED =
  "service body is only available with buffered proxying (see: kong.service.request.enable_buffering function)"

local function held_body()
  with_buffer()
  local body = host.held_body()
  if not body then error(NOT_BUFFERED, 3) end
  return body
end

function response.get_raw_body()
  return held_body()
end

function response.get_body(mimetype, max_args)
  local body = held_body()
  local received = host.response_field("content-type")
  local content_type = mimetype or received
  if not content_type then return nil, "missing response content type" end
  return util.decode_body(body, content_type, received, max_args)
end

function response.get_status()
  when_answered()
  return host.get("service_status")
end

function response.get_header(name)
  when_answered()
  util.expect(type(name) == "string", "name must be a string")
  if not host.get("service_status") then return nil end
  return host.response_field((name:gsub("_", "-")))
end

function response.get_headers(max_headers)
  when_answered()
  max_headers = util.limit(max_headers, "max_headers", 100)
  return util.field_table(host.get("service_status") and host.response_fields() or {}, max_headers)
end

kong.router = { get_route = host.route, get_service = host.service }

kong.version = host.version()
local major, minor, patch = kong.version:match("(%d+)%.(%d+)%.(%d+)")
kong.version_num = major * 1000000 + minor * 1000 + patch

kong.nginx = { get_subsystem = function() return "http" end }
kong.node = { get_id = host.node_id, get_hostname = host.hostname }
kong.plugin = { get_id = host.plugin_id }
kong.cluster = { get_id = function() return nil end }
kong.configuration = setmetatable({}, { __index = function(_, name) return host.configuration(name) end })
kong.db, kong.cache, kong.dns, kong.worker_events, kong.cluster_events = {}, {}, {}, {}, {}

kong.ip = {
  is_trusted = function(address)
    util.expect(type(address) == "string", "address must be a string")
    return host.is_trusted(address)
  end,
}

kong.table = {
  new = function() return {} end,
  clear = function(t)
    for key in pairs(t) do t[key] = nil end
  end,
  merge = function(a, b)
    local merged = {}
    for _, source in ipairs({ a or {}, b or {} }) do
      for key, value in pairs(source) do merged[key] = value end
    end
    return merged
  end,
}

local REFERENCE = "^{vault://([^/?#}]+)/([^/?#}]*)/?([^?#}]*)%??([^#}]*)#?(%d*)}$"

kong.vault = {
  is_reference = function(text)
    return type(text) == "string" and text:match("^{vault://.*}$") ~= nil
  end,
  parse_reference = function(text)
    local name, resource, key, query, version = tostring(text):match(REFERENCE)
    if not name or resource == "" then return nil, "not a reference: " .. tostring(text) end
    return {
      name = name, resource = resource, key = key ~= "" and key or nil,
      config = query ~= "" and host.decode_args(query, 100) or nil, version = tonumber(version),
    }
  end,
  get = function() return nil, "vaults are not open to functions" end,
}

-- kong.ctx: `shared` is told all plugins, `plugin` is this plugin's alone.
kong.ctx = setmetatable({}, {
  __index = function(_, name)
    if name == "shared" then return host.shared() end
    if name == "plugin" then return host.plugin_context() end
  end,
})

local log = {}
for _, level in ipairs({ "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug" }) do
  log[level] = function(...)
    local words = { ... }
    for index = 1, select("#", ...) do words[index] = tostring(words[index]) end
    host.log(level, table.concat(words))
  end
end
local MODES = { set = true, add = true, replace = true }

function log.set_serialize_value(key, value, options)
  util.expect(type(key) == "string", "key must be a string")
  util.expect(options == nil or type(options) == "table", "options must be a table")
  local mode = options and options.mode or "set"
  util.expect(MODES[mode], "mode must be 'set', 'add' or 'replace'")
  host.edit_record(key, value, mode)
end

log.inspect = log.debug
log.deprecation = log.warn
kong.log = setmetatable(log, { __call = function(_, ...) log.notice(...) end })
