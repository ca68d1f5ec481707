-- beyond 5.1: a yield passes through pcall, metamethods and iterators.
-- not in a coroutine: what it shows is what happens at its border
local co = coroutine.wrap(function()
  local ok, got = pcall(function() local x = coroutine.yield("in pcall") error("after " .. x, 0) end)
  coroutine.yield(tostring(ok) .. " " .. got)
  local object = setmetatable({}, {
    __index = function(_, key) return coroutine.yield("index " .. key) end,
    __newindex = function(_, key, value) coroutine.yield("newindex " .. key .. value) end,
    __add = function() return coroutine.yield("add") end,
    __sub = function() return coroutine.yield("sub") end,
    __unm = function() return coroutine.yield("unm") end,
    __concat = function() return coroutine.yield("concat") end,
    __call = function(_, a) return coroutine.yield("call " .. a) end,
    __lt = function() return coroutine.yield("lt") end,
    __le = function() return coroutine.yield("le") end,
    __eq = function() return coroutine.yield("eq") end,
  })
  local other = setmetatable({}, getmetatable(object))
  print("result", object.field) object.field = "v" print("result", object + 1, 1 - object, -object, object .. "x", "a" .. "b" .. object)
  print("result", object(5), object < other, object <= other, object == other, object ~= other, object > other)
  for a, b in function(_, last) return coroutine.yield("iterate " .. tostring(last)) end do print("loop", a, b) end
  print(xpcall(function() coroutine.yield("xpcall") error("x", 0) end, function(m) return "handled " .. m end))
  print(select(2, pcall(pcall, function() return coroutine.yield("nested pcall") end)))
  local function tail(n) if n == 0 then return coroutine.yield("tail") end return tail(n - 1) end
  print("tail", tail(1000))
  return "done"
end)
print(co()) print(co("resumed"))
for i = 1, 17 do print(i, co(i)) end
print(co(1, 2)) print(co(3)) print(co(nil)) print(co()) print(co("np")) print(co("tailed"))
-- Below a library function that calls back it can't.
print(coroutine.resume(coroutine.create(function() table.sort({ 3, 2, 1 }, function(a, b) coroutine.yield() return a < b end) end)))
print(coroutine.resume(coroutine.create(function() ("x"):gsub(".", coroutine.yield) end)))
print(pcall(coroutine.yield, 1))
-- Tail calls inside of coroutines don't grow the stack.
local deep = coroutine.wrap(function() local function loop(n) if n == 0 then return "bottom" end return loop(n - 1) end return loop(100000) end)
print(deep())
-- A coroutine that recurses without end gives a stack overflow, and the rest goes on.
local ok, message = coroutine.resume(coroutine.create(function() local function f() return 1 + f() end f() end))
print(ok, (message:gsub("^.-:%d+: ", "")))
local chain = nil for i = 1, 150 do local inner = chain chain = coroutine.wrap(function() if inner then return inner() end return "innermost" end) end print(chain())
print((pcall(function() local function nest(n) return coroutine.wrap(function() return nest(n + 1) end)() end return nest(1) end)))
