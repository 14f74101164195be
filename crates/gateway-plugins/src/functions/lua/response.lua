-- kong.response
local host, util, kong = ...
local response = {}
kong.response = response

local when_answered = util.only_in("response, header_filter, body_filter, log, error, admin_api")
local before_sent = util.only_in("rewrite, access, response, header_filter, error, admin_api")
local with_part = util.only_in("body_filter")
local may_exit = util.only_in("rewrite, access, response, header_filter, admin_api")
local may_fail = util.only_in("rewrite, access, response, admin_api")

local MESSAGES = {
  [400] = "Bad request", [401] = "Unauthorized", [402] = "Payment required", [403] = "Forbidden",
  [404] = "Not found", [405] = "Method not allowed", [406] = "Not acceptable",
  [407] = "Proxy authentication required", [408] = "Request timeout", [409] = "Conflict", [410] = "Gone",
  [411] = "Length required", [412] = "Precondition failed", [413] = "Payload too large", [414] = "URI too long",
  [415] = "Unsupported media type", [416] = "Range not satisfiable", [417] = "Expectation failed",
  [418] = "I'm a teapot", [421] = "Misdirected request", [422] = "Unprocessable entity", [423] = "Locked",
  [424] = "Failed dependency", [425] = "Too early", [426] = "Upgrade required", [428] = "Precondition required",
  [429] = "Too many requests", [431] = "Request header fields too large", [451] = "Unavailable for legal reasons",
  [494] = "Request header or cookie too large", [500] = "An unexpected error occurred",
  [502] = "An invalid response was received from the upstream server",
  [503] = "The upstream server is currently unavailable", [504] = "The upstream server is timing out",
  [505] = "HTTP version not supported", [506] = "Variant also negotiates", [507] = "Insufficient storage",
  [508] = "Loop detected", [510] = "Not extended", [511] = "Network authentication required",
}

local function usual(status)
  return MESSAGES[status] or ("The upstream server responded with " .. status)
end

function response.get_status()
  when_answered()
  return host.get("status")
end

function response.get_header(name)
  when_answered()
  util.expect(type(name) == "string", "header name must be a string")
  return host.response_field((name:gsub("_", "-")))
end

function response.get_headers(max_headers)
  when_answered()
  max_headers = util.limit(max_headers, "max_headers", 100)
  return util.field_table(host.response_fields(), max_headers)
end

function response.get_source()
  when_answered()
  return host.get("source")
end

function response.set_status(status)
  before_sent()
  util.expect(type(status) == "number", "code must be a number")
  util.expect(status >= 100 and status <= 599, "code must be a number between 100 and 599")
  host.set_status(status)
end

function response.set_header(name, value)
  before_sent()
  host.set_response_field(name, util.field_values(name, value))
end

function response.add_header(name, value)
  before_sent()
  host.add_response_field(name, util.field_values(name, value))
end

function response.clear_header(name)
  before_sent()
  util.expect(type(name) == "string", "header name must be a string")
  host.set_response_field(name, {})
end

function response.set_headers(headers)
  before_sent()
  for name, values in pairs(util.all_fields(headers)) do host.set_response_field(name, values) end
end

function response.get_raw_body()
  with_part()
  return host.whole_body()
end

function response.set_raw_body(body)
  with_part()
  util.expect(type(body) == "string", "body must be a string")
  host.set_part(body)
end

-- Statuses whose answer without a body is the gateway's usual error.
local OWN_ERRORS = {
  [400] = true, [404] = true, [405] = true, [408] = true, [411] = true, [412] = true, [413] = true, [414] = true,
  [417] = true, [494] = true, [500] = true, [502] = true, [503] = true, [504] = true,
}

-- Statuses whose answer without a body is a page of the server's.
local PAGES = {
  [301] = "Moved Permanently", [302] = "Found", [303] = "See Other", [307] = "Temporary Redirect",
  [308] = "Permanent Redirect", [401] = "Authorization Required", [402] = "Payment Required", [403] = "Forbidden",
  [406] = "Not Acceptable", [409] = "Conflict", [410] = "Gone", [415] = "Unsupported Media Type",
  [416] = "Requested Range Not Satisfiable", [421] = "Misdirected Request", [429] = "Too Many Requests",
  [501] = "Not Implemented", [505] = "HTTP Version Not Supported", [507] = "Insufficient Storage",
}

-- An answer that is nothing but a status.
function util.bare(status, fields)
  if OWN_ERRORS[status] then
    return host.respond(status, "error", usual(status), fields)
  end
  local title = PAGES[status]
  if not title then return host.respond(status, "none", "", fields) end
  fields = fields or {}
  fields["Content-Type"] = { status < 400 and "text/html" or "text/html; charset=UTF-8" }
  title = status .. " " .. title
  local page = "<html>\r\n<head><title>" .. title .. "</title></head>\r\n<body>\r\n<center><h1>" .. title
    .. "</h1></center>\r\n</body>\r\n</html>\r\n"
  return host.respond(status, "page", page, fields)
end

local function checked_status(status, least)
  util.expect(type(status) == "number", "code must be a number")
  if status < least or status > 599 then
    error("code must be a number between " .. least .. " and 599", 3)
  end
  return math.floor(status)
end

function response.exit(status, body, headers)
  may_exit()
  status = checked_status(status, 100)
  local kind = type(body)
  util.expect(kind == "nil" or kind == "string" or kind == "table", "body must be a nil, string or table")
  util.expect(headers == nil or type(headers) == "table", "headers must be a nil or table")
  local fields = headers and util.all_fields(headers) or {}
  if kind == "table" then
    host.respond(status, "json", util.json(body), fields)
  elseif kind == "string" then
    host.respond(status, "raw", body, fields)
  else
    util.bare(status, fields)
  end
  util.finish()
end

function response.error(status, message, headers)
  may_fail()
  status = checked_status(status, 400)
  util.expect(headers == nil or type(headers) == "table", "headers must be a nil or table")
  if type(message) == "table" then message = util.json(message) end
  local fields = headers and util.all_fields(headers) or {}
  host.respond(status, "error", message and tostring(message) or usual(status), fields)
  util.finish()
end
