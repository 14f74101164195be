-- kong.request and kong.client
local host, util, kong = ...
local request, client = {}, {}
kong.request, kong.client = request, client

local with_body = util.only_in("rewrite, access, response, error, admin_api")
local while_known = util.only_in("rewrite, access, header_filter, response, body_filter, log, balancer")
local at_access = util.only_in("access, header_filter, response, body_filter, log, balancer")
local to_authenticate = util.only_in("access")

for _, name in ipairs({
  "scheme", "host", "port", "forwarded_scheme", "forwarded_host", "forwarded_port", "forwarded_path",
  "forwarded_prefix", "http_version", "method", "path", "raw_path", "raw_query", "start_time",
}) do
  request["get_" .. name] = function() return host.get(name) end
end

function request.get_path_with_query()
  local query = host.get("raw_query")
  local path = host.get("raw_path")
  return query == "" and path or path .. "?" .. query
end

function request.get_query_arg(name)
  util.expect(type(name) == "string", "query argument name must be a string")
  local value = host.decode_args(host.get("raw_query"), 1000)[name]
  if type(value) == "table" then return value[1] end
  return value
end

function request.get_query(max_args)
  max_args = util.limit(max_args, "max_args", 100)
  return host.decode_args(host.get("raw_query"), max_args)
end

function request.get_header(name)
  util.expect(type(name) == "string", "header name must be a string")
  return host.request_field((name:gsub("_", "-")))
end

function request.get_headers(max_headers)
  max_headers = util.limit(max_headers, "max_headers", 100)
  return util.field_table(host.request_fields(), max_headers)
end

function request.get_uri_captures()
  at_access()
  return host.captures()
end

function request.get_raw_body()
  with_body()
  return util.body() or ""
end

function request.get_body(mimetype, max_args)
  with_body()
  local received = host.request_field("content-type")
  local content_type = type(mimetype) == "string" and mimetype or received
  if not content_type then return nil, "missing content type" end
  return util.decode_body(util.body() or "", content_type, received, max_args)
end

client.get_ip = function() return host.get("peer_ip") end
client.get_forwarded_ip = function() return host.get("client_ip") end
client.get_port = function() return host.get("peer_port") end
client.get_forwarded_port = function() return host.get("client_port") end

function client.get_protocol(allow_terminated)
  at_access()
  if allow_terminated then return host.get("forwarded_protocol") end
  return host.get("protocol")
end

function client.get_credential()
  while_known()
  return host.credential()
end

function client.get_consumer()
  while_known()
  return host.consumer()
end

local UUID = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

function client.load_consumer(consumer_id, search_by_username)
  util.expect(type(consumer_id) == "string", "consumer_id must be a string")
  util.expect(search_by_username or consumer_id:match(UUID), "cannot load a consumer with an id that is not a uuid")
  return host.load_consumer(consumer_id, search_by_username and true or false)
end

function client.authenticate(consumer, credential)
  to_authenticate()
  util.expect(consumer == nil or type(consumer) == "table", "consumer must be a table or nil")
  util.expect(credential == nil or type(credential) == "table", "credential must be a table or nil")
  util.expect(consumer or credential, "either credential or consumer must be provided")
  host.authenticate(consumer, credential)
end

local function none() return nil end
client.tls = {
  get_full_client_certificate_chain = none,
  request_client_certificate = function()
    return nil, "client certificates are not asked for by functions"
  end,
  disable_session_reuse = function() return nil, "not available to functions" end,
}
