-- What the other parts of the library share. Runs first; `host` is what Rust offers.
local host = ...
local util = {}

-- Values that a coroutine yields to the host: what it wants.
util.EXIT = {}
util.READ_BODY = {}

local yield = coroutine.yield

-- Returns a function that raises an error when it is called in a phase that `text` does not name.
function util.only_in(text)
  local set = {}
  for phase in text:gmatch("[%w_]+") do set[phase] = true end
  return function()
    local phase = host.phase()
    if not set[phase] then
      error("function cannot be called in " .. phase .. " phase (only in: " .. text .. ")", 3)
    end
  end
end

function util.expect(condition, message)
  if not condition then error(message, 3) end
end

-- Ends the phase with an answer that the host has been given; does not return where that is possible.
function util.finish()
  local phase = host.phase()
  if phase == "access" or phase == "rewrite" then yield(util.EXIT) end
end

-- The request's body, waited for if need be.
function util.body()
  local body, unread = host.body()
  if unread and host.phase() == "access" then
    yield(util.READ_BODY)
    body = host.body()
  end
  return body
end

local function media_type(text)
  return (text or ""):match("^%s*([^;]-)%s*$") or (text or ""):match("^%s*([^;]-)%s*;") or ""
end

local function decode_multipart(body, content_type)
  local boundary = content_type:match('[bB]oundary="([^"]+)"') or content_type:match("[bB]oundary=([^;%s]+)")
  if not boundary then return nil end
  local parts, mark, at = {}, "--" .. boundary, 1
  while true do
    local _, from = body:find(mark, at, true)
    if not from or body:sub(from + 1, from + 2) == "--" then return parts end
    local to = body:find(mark, from + 1, true)
    if not to then return parts end
    local part = body:sub(from + 1, to - 1):gsub("^\r?\n", ""):gsub("\r?\n$", "")
    local split, last = part:find("\r?\n\r?\n")
    if split then
      local name = part:sub(1, split):match('[nN]ame="([^"]*)"')
      if name then parts[name] = part:sub(last + 1) end
    end
    at = to
  end
end

-- A body as a table, or nothing and the reason; the kind it is taken for in any case. `received` is the type that came
-- with it, which a boundary is looked for in.
function util.decode_body(body, content_type, received, max_args)
  local kind = media_type(content_type):lower()
  if kind == "application/x-www-form-urlencoded" then
    max_args = util.limit(max_args, "max_args", 100)
    return host.decode_args(body, max_args), nil, kind
  elseif kind == "application/json" then
    local value, err = host.json_decode(body)
    if type(value) ~= "table" then return nil, err or "invalid json body", kind end
    return value, nil, kind
  elseif kind == "multipart/form-data" then
    local parts = decode_multipart(body, received or "")
    if not parts then return nil, "invalid multipart body", kind end
    return parts, nil, kind
  end
  return nil, "unsupported content type '" .. content_type .. "'", kind
end

local LIST = "array of string, string, number or boolean"

-- One field's value as a list of strings, or an error.
function util.field_values(name, value)
  if type(name) ~= "string" then
    error(('invalid header name "%s": got %s, expected string'):format(tostring(name), type(name)), 3)
  end
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" then return { tostring(value) } end
  if kind ~= "table" then
    error(('invalid header value for "%s": got %s, expected %s'):format(name, kind, LIST), 3)
  end
  local values = {}
  for index, element in ipairs(value) do
    local element_kind = type(element)
    if element_kind ~= "string" and element_kind ~= "number" and element_kind ~= "boolean" then
      error(('invalid header value in array "%s": got %s, expected string, number or boolean')
        :format(name, element_kind), 3)
    end
    values[index] = tostring(element)
  end
  return values
end

-- Several fields at once: name to list of strings.
function util.all_fields(headers)
  if type(headers) ~= "table" then error("headers must be a table", 3) end
  local fields = {}
  for name, value in pairs(headers) do fields[name] = util.field_values(name, value) end
  return fields
end

local case_blind = {
  __index = function(fields, name)
    if type(name) ~= "string" then return nil end
    return rawget(fields, (name:lower():gsub("_", "-")))
  end,
}

-- A flat list of names and values as a table; a name that is there several times has a list.
function util.field_table(flat, max)
  local fields = {}
  for index = 1, math.min(#flat, 2 * max), 2 do
    local name, value = flat[index]:lower(), flat[index + 1]
    local before = fields[name]
    if before == nil then
      fields[name] = value
    elseif type(before) == "table" then
      before[#before + 1] = value
    else
      fields[name] = { before, value }
    end
  end
  return setmetatable(fields, case_blind)
end

function util.limit(value, what, default)
  if value == nil then return default end
  if type(value) ~= "number" then error(what .. " must be a number", 3) end
  if value < 1 then error(what .. " must be >= 1", 3) end
  if value > 1000 then error(what .. " must be <= 1000", 3) end
  return value
end

function util.sorted_keys(of)
  local keys = {}
  for key in pairs(of) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

-- `a=1&b` out of a table, in the order of the names.
function util.encode_args(args)
  local pairs_ = {}
  local function add(name, value)
    local key = host.escape_uri(tostring(name))
    if value == true then
      pairs_[#pairs_ + 1] = key
    elseif value ~= false and value ~= nil then
      pairs_[#pairs_ + 1] = key .. "=" .. host.escape_uri(tostring(value))
    end
  end
  for _, name in ipairs(util.sorted_keys(args)) do
    local value = args[name]
    if type(value) == "table" then
      for _, element in ipairs(value) do add(name, element) end
    else
      add(name, value)
    end
  end
  return table.concat(pairs_, "&")
end

-- The message and media type of a body in JSON; `nil` and an error when it cannot be written.
function util.json(value)
  local text, err = host.json_encode(value)
  if not text then error("body encoding failed while flattening: " .. err, 3) end
  return text
end

return util
