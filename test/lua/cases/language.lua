-- Assignment: all right sides are evaluated before anything is assigned.
local a, b = 1, 2
a, b = b, a
print(a, b)
local i, t = 1, {}
i, t[i] = i + 1, 20
print(i, t[1], t[2])
local function three() return 1, 2, 3 end
local x, y, z, w = three()
print(x, y, z, w)
x, y = three(), 10
print(x, y)
x, y, z = 0, three()
print(x, y, z)
local p, q = (three())
print(p, q)
t = { three(), three() }
print(#t, t[1], t[2], t[4])
t = { three(), (three()) }
print(#t)
t = { [1] = "keyed", "positional", n = 3, [10] = 10; "second" }
print(t[1], t[2], t.n, t[10], #t)
do local a = a; a = a + 1; print(a) end
print(a)
local s = 0
local t1 = { 1, 2 }
local function f(n) s = s * 10 + n return n end
t1[f(1)], t1[f(2)] = f(3), f(4)
print(s, t1[1], t1[2])
-- A local operand is read after the right side has run; an upvalue and a global before.
local late = 1
local function change() late = 10 return 1 end
print(late + change())
late = 1
print((function() return late + change() end)())
-- Numeric for.
local last for i = 1, 3 do last = i end
print(last)
for i = 3, 1, -1 do s = i end print(s)
for i = 1, 0 do print("never") end
for i = 1, 2, 0.5 do print(i) end
for i = 0.1, 1, 0.3 do print(i) end
for i = "1", "3", "2" do print(i) end
for i = 5, 1 do print("never") end
for i = 1, 3 do local j = i i = i * 10 print(i, j) end
for i = 10, 1, -4 do print(i) end
for i = 2^53, 2^53 + 4, 2 do print(i - 2^53) end
for i = -1, -3, -1 do print(i) end
do local n = 0 for i = 1, math.huge do n = n + 1 if n == 5 then break end end print(n) end
local step = -2
for i = 4, 0, step do print(i) end
-- Closures get a fresh variable each turn.
local fs = {}
for i = 1, 3 do fs[i] = function() i = i + 1 return i end end
print(fs[1](), fs[1](), fs[2](), fs[3]())
local k = 1
local gs = {}
while k <= 3 do local j = k gs[k] = function() j = j + k return j end k = k + 1 end
print(gs[1](), gs[2](), gs[3]())
repeat local done = k > 5 k = k + 1 until done
print(k)
local hs = {}
for _, v in ipairs({ "a", "b" }) do hs[#hs + 1] = function(n) v = v .. n return v end end
print(hs[1]("x"), hs[1]("y"), hs[2]("z"))
local function counter() local n = 0 return function() n = n + 1 return n end, function() return n end end
local inc, get = counter()
inc() inc()
print(get())
local function parameter(v) local g = function() v = v + 1 return v end g() return v, g() end
print(parameter(5))
-- Varargs.
local function va(...) return select("#", ...), ... end
print(va()) print(va(nil)) print(va(1, nil, nil))
local function va2(a, ...) local b, c = ... return a, b, c, select("#", ...) end
print(va2(1)) print(va2(1, 2)) print(va2(1, 2, 3, 4))
local function va3(...) return (...), { ... }, #{ n = 1, ... } end
print((va3(7, 8)), select(3, va3(7, 8)))
local function old(...) return arg.n, arg[1], arg[2] end
print(old(5, 6)) print(old())
local function tail(...) return va(...) end
print(tail(1, 2))
print((function(...) local a, b = ... return b, a end)(1, 2))
-- and, or, not.
print(nil and 1, false and 1, 0 and 1, "" and 1, nil or 1, false or nil, 1 or error("no"), not nil, not 0)
print(1 and 2 and 3, 1 and nil and 3, nil or false or 5, (nil or 1) and 2, 1 == 1 and "yes" or "no")
local nothing
print(nothing and nothing.x, nothing == nil, nothing ~= nil, not nothing == true)
if nothing or a == 2 and b == 1 then print("then") elseif a then print("elseif") else print("else") end
if not (a == 2) then print("a") elseif b == 1 and not nothing then print("b") end
while not (a > 100) do a = a * 2 if a > 50 then break end end print(a)
-- Numbers and strings.
print(10 / 4, 7 % 3, -7 % 3, 7 % -3, 2 ^ 10, 2 ^ 0.5, -2 ^ 2, 2 ^ -1, 2 ^ 3 ^ 2, 7 % 2.5, 1e15, 1e14, 2^53, 1e100, -0.0 == 0)
print("10" + 5, "3" * "4", 10 .. 20, "0x10" + 0, " 5 " * 2, -"2", "1e1" % 3)
print(1 < 2, "a" < "b", "a" < "B", "" < "a", "a\0b" < "a\0c", "10" < "9", 2 >= 2, "x" >= "x", 1 ~= "1", "abc" == "abc")
print(1 .. "", 1.5 .. "|" .. -0.1 .. "|" .. 1e300 .. 2^63, 0.1 + 0.2, 100000000000000, 123456789012345.6)
print(#"abc", #"a\0b", #{ 1, 2, 3 }, -(-3), - -3, not not nil, 5 .. 6)
print("a\65\066\x41\n\t\\\"\'b", 'single "quoted"', [[long
string]], [==[with ]] inside]==], "line\
break", "\a\b\f\v" == "\7\8\12\11", #"\0\00\000")
print(0xff, 0XA, 1e2, .5, 3., 5e-1)
-- Method calls and nested tables.
local object = { value = 5 }
function object:get(n) return self.value + (n or 0) end
function object.static(n) return n * 2 end
object.inner = { deep = { call = function(self, v) return v end } }
function object.inner.deep:method(v) return self == object.inner.deep, v end
print(object:get(), object:get(1), object.static(4), object.inner.deep:method(3), object.inner.deep:call(9))
print(("x"):rep(3), ("%d"):format(5), #("abc"):upper(), ("a,b"):find(",", 1, true))
print(type(print), type(nil), type({}), type("x"), type(2), type(true), type(function() end))
-- Recursion, mutual and deep.
local even, odd
function even(n) if n == 0 then return true end return odd(n - 1) end
function odd(n) if n == 0 then return false end return even(n - 1) end
print(even(10), odd(7), even(100001))
local function loop(n, acc) if n == 0 then return acc end return loop(n - 1, acc + 1) end
print(loop(200000, 0))
local tailer = {} function tailer:go(n) if n == 0 then return "end" end return self:go(n - 1) end
print(tailer:go(50000))
local function sum(n) if n == 0 then return 0 end return n + sum(n - 1) end
print(sum(3000))
local function ack(m, n) if m == 0 then return n + 1 end if n == 0 then return ack(m - 1, 1) end return ack(m - 1, ack(m, n - 1)) end
print(ack(2, 6))
print(pcall(function() local function deep(n) return 1 + deep(n + 1) end return deep(1) end))
print(select(2, pcall(function() local function deep(n) local x = deep(n + 1) return x end return deep(1) end)))
print(pcall(string.rep, "x", -5))
-- Semicolons, comments, blocks.
do end (function() print("called") end)()
do --[[ block
comment ]] print("after") end --[==[ another ]==] print("end")
local function noReturn() end
print(noReturn(), (noReturn()), select("#", noReturn()), pcall(type, noReturn()))
