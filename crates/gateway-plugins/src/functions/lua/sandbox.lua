-- What code of the operator sees as its globals, and how it is run.
local host, util, kong, ngx = ...
local raw = { pcall = pcall, xpcall = xpcall, resume = coroutine.resume, error = error }
local yield, create, status = coroutine.yield, coroutine.create, coroutine.status

local function copy(of, ...)
  local made = {}
  for _, name in ipairs({ ... }) do made[name] = of[name] end
  return made
end

-- Code that was stopped must not go on because it caught the error.
local function guard(ok, ...)
  if not ok and host.expired() then raw.error((...), 0) end
  return ok, ...
end

-- What a coroutine of the code's own asks of the host is passed on.
local relay
local function resume(co, ...) return relay(co, raw.resume(co, ...)) end
function relay(co, ok, first, ...)
  if ok and (first == util.EXIT or first == util.READ_BODY) and status(co) == "suspended" then
    yield(first)
    return resume(co)
  end
  return guard(ok, first, ...)
end

local function unwrap(ok, ...)
  if not ok then raw.error((...), 0) end
  return ...
end

local function globals()
  local env = {
    kong = setmetatable({}, { __index = kong }),
    ngx = setmetatable({}, {
      __index = ngx,
      __newindex = function(_, name, value) ngx[name] = value end,
    }),
    assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, print = kong.log.notice,
    select = select, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack, _VERSION = _VERSION,
    pcall = function(f, ...) return guard(raw.pcall(f, ...)) end,
    xpcall = function(f, handler, ...) return guard(raw.xpcall(f, handler, ...)) end,
    require = function(name) raw.error("require '" .. tostring(name) .. "' not allowed within sandbox", 2) end,
    math = copy(math, "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "deg", "exp", "floor", "fmod",
      "frexp", "huge", "ldexp", "log", "log10", "max", "min", "modf", "pi", "pow", "rad", "random", "sin", "sinh",
      "sqrt", "tan", "tanh"),
    string = copy(string, "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep",
      "reverse", "sub", "upper"),
    table = copy(table, "concat", "insert", "maxn", "remove", "sort"),
    os = { clock = os.clock, difftime = os.difftime, time = os.time, date = os.date },
    coroutine = {
      create = create, resume = resume, status = status, yield = yield, running = coroutine.running,
      wrap = function(f)
        local co = create(f)
        return function(...) return unwrap(resume(co, ...)) end
      end,
    },
    bit = bit,
  }
  env._G = env
  return env
end

local sandbox = {}

-- Compiles the codes of one phase. Each has globals of its own.
function sandbox.prepare(codes)
  local slots = {}
  for index, code in ipairs(codes) do
    local compiled, err = host.load(code)
    if not compiled then return nil, err end
    slots[index] = { run = setfenv(compiled, globals()), fresh = true }
  end
  return slots
end

-- Runs what `prepare` made. Code that returns a function when it first runs stands for that function from then on.
function sandbox.run(slots)
  for index = 1, #slots do
    local slot = slots[index]
    if slot.fresh then
      local made = slot.run()
      slot.fresh = false
      if type(made) == "function" then
        slot.run = made
        made()
      end
    else
      slot.run()
    end
  end
end

return sandbox
