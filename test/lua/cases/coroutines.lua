-- Coroutines: what Lua 5.1 does with them.
-- not in a coroutine: it asks coroutine.running()
local co = coroutine.create(function(a, b)
  print("start", a, b)
  local c = coroutine.yield(a + b)
  print("got", c)
  local d, e = coroutine.yield(c * 2)
  print("got", d, e)
  return "done", 99
end)
print(coroutine.resume(co, 1, 2))
print(coroutine.status(co))
print(coroutine.resume(co, 10))
print(coroutine.resume(co, "x", "y"))
print(coroutine.status(co))
print(coroutine.resume(co))

local function numbers(n)
  return coroutine.wrap(function()
    for i = 1, n do coroutine.yield(i, i * i) end
  end)
end
for i, square in numbers(4) do print(i, square) end

-- Through several levels of Lua functions.
local function visit(tree)
  if tree == nil then return end
  visit(tree.left)
  coroutine.yield(tree.value)
  visit(tree.right)
end
local tree = { value = 4, left = { value = 2, left = { value = 1 }, right = { value = 3 } }, right = { value = 6 } }
for value in coroutine.wrap(function() visit(tree) end) do out = (out or "") .. value .. " " end
print(out)

-- Producer and consumer.
local producer = coroutine.create(function()
  for _, item in ipairs({ "a", "b", "c" }) do coroutine.yield(item) end
  return nil
end)
local consumer = coroutine.create(function()
  while true do
    local _, item = coroutine.resume(producer)
    if not item then break end
    coroutine.yield("<" .. item .. ">")
  end
end)
while true do
  local ok, item = coroutine.resume(consumer)
  if not item then break end
  print(ok, item)
end

-- Errors inside.
local bad = coroutine.create(function() local t = nil; return t.x end)
print(coroutine.resume(bad))
print(coroutine.status(bad))
local bad2 = coroutine.create(function() coroutine.yield(1); error({ code = 7 }) end)
print(coroutine.resume(bad2))
local ok, e = coroutine.resume(bad2)
print(ok, type(e), e.code)
print(pcall(coroutine.wrap(function() error("inside") end)))
local w = coroutine.wrap(function() return 1 end)
print(w())
print(pcall(w))

-- Status and running.
local outer
outer = coroutine.create(function()
  print(coroutine.status(outer), coroutine.running() == outer)
  local inner = coroutine.create(function()
    print(coroutine.status(outer))
    print(coroutine.resume(outer))
  end)
  coroutine.resume(inner)
  print(coroutine.resume(outer))
end)
coroutine.resume(outer)
print(coroutine.running())

-- Upvalues are shared between the coroutine and the rest.
local count = 0
local counter = coroutine.wrap(function() while true do count = count + 1; coroutine.yield() end end)
counter(); counter(); count = count + 10; counter()
print(count)

-- Varargs, methods, tail calls, closures made inside.
local Point = {}
Point.__index = Point
function Point:wait(...) return coroutine.yield(self.x, select("#", ...), ...) end
local made = coroutine.wrap(function(...)
  local p = setmetatable({ x = 5 }, Point)
  local first = p:wait(...)
  local add = function(n) return coroutine.yield(n + first) end
  return add(100)
end)
print(made(nil, nil))
print(made(7))
print(made("last"))

-- Many coroutines at once.
local all = {}
for i = 1, 50 do
  all[i] = coroutine.wrap(function() for j = 1, 3 do coroutine.yield(i * j) end return 0 end)
end
local sum = 0
for round = 1, 4 do for i = 1, 50 do sum = sum + all[i]() end end
print(sum)

-- Permutations, the textbook's example.
local function permute(a, n)
  if n <= 1 then coroutine.yield(table.concat(a, "")) return end
  for i = 1, n do
    a[n], a[i] = a[i], a[n]
    permute(a, n - 1)
    a[n], a[i] = a[i], a[n]
  end
end
local list = {}
for p in coroutine.wrap(function() permute({ "x", "y", "z" }, 3) end) do list[#list + 1] = p end
print(table.concat(list, ","))
print(pcall(coroutine.resume, coroutine.create(function() for i = 1, 3 do coroutine.yield(i) end end), 1))
print(select("#", coroutine.resume(coroutine.create(function() coroutine.yield() end))))
print(pcall(coroutine.create, 3))
local arithmetic = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b % 7, b ^ 2, -b, #"abc", not b, b .. "x", b < 3, b == 5 end)
print(arithmetic(1)) print(arithmetic(5))
local assigning = coroutine.wrap(function() local t = {} t[1], t.x = coroutine.yield("t") t[#t + 1] = coroutine.yield(t[1], t.x) return t[2], { coroutine.yield("list") }, {k = coroutine.yield("field")} end)
print(assigning()) print(assigning(1, 2)) print(assigning(3)) print(assigning(4)) local a, b, c = assigning(5) print(a, b[1], c.k)
local logic = coroutine.wrap(function() local x = coroutine.yield(1) and coroutine.yield(2) or coroutine.yield(3) if coroutine.yield(x) then return "yes" end while coroutine.yield("while") do end repeat until coroutine.yield("repeat") return "no" end)
print(logic(), logic(true), logic(false), logic("v"), logic(false), logic(true), logic(false), logic(true))
