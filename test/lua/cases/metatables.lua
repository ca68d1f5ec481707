local log = {}
local function note(...) log[#log + 1] = table.concat({ ... }, " ") end
local V = {}
V.__index = V
local function vec(x, y) return setmetatable({ x = x, y = y }, V) end
V.__add = function(a, b) note("add", type(a), type(b)) return vec((type(a) == "table" and a.x or a) + (type(b) == "table" and b.x or b), 0) end
V.__sub = function(a, b) return "sub" end
V.__mul = function(a, b) return type(a) .. "*" .. type(b) end
V.__div = function() return "div", "second" end
V.__mod = function() return "mod" end
V.__pow = function() return "pow" end
V.__unm = function(a, b) return "unm", rawequal(a, b) end
V.__concat = function(a, b) return (type(a) == "table" and "V" or a) .. "~" .. (type(b) == "table" and "V" or b) end
V.__eq = function(a, b) note("eq") return a.x == b.x end
V.__lt = function(a, b) note("lt") return a.x < b.x end
V.__le = function(a, b) note("le") return a.x <= b.x end
V.__call = function(self, ...) return "called", select("#", ...), ... end
V.__tostring = function(self) return "(" .. self.x .. "," .. self.y .. ")" end
V.__len = function() return 42 end
function V:len() return math.sqrt(self.x ^ 2 + self.y ^ 2) end
local a, b = vec(3, 4), vec(3, 5)
print(tostring(a), a:len(), (a + b).x, (a + 1).x, (1 + a).x, a - b, a * 2, "2" * a, a / 1, a % 1, a ^ 1, -a)
print(a == b, a ~= b, a == vec(9, 9), rawequal(a, b), a == 1, a ~= nil, a < b, a <= b, a > vec(1, 1), a >= b)
print(a .. "x", "x" .. a, 1 .. a, a .. b, "p" .. "q" .. a .. "r" .. "s")
print(a(1, nil, 3)) print(a()) print(pcall(a, 5)) print(#a, table.getn(a))
print(table.concat(log, ";"))
-- __index and __newindex as functions and tables, chained.
local base = setmetatable({ deep = "deep" }, { __index = function(_, key) return "made " .. tostring(key) end })
local middle = setmetatable({ mid = 1 }, { __index = base })
local top = setmetatable({}, { __index = middle })
print(top.mid, top.deep, top.other, top[5], rawget(top, "mid"))
local store = {}
local proxy = setmetatable({}, { __newindex = store, __index = store })
proxy.x = 1 proxy[1] = "one" proxy[2] = "two"
print(proxy.x, rawget(proxy, "x"), store.x, #store, proxy[2])
local writes = setmetatable({ have = 1 }, { __newindex = function(t, k, v) rawset(t, k, v and v .. "!" or "nil!") end })
writes.new = "n" writes.have = "h" writes[1] = "i" writes.new = "again"
print(writes.new, writes.have, writes[1])
-- Missing comparison methods.
print(pcall(function() return setmetatable({}, {}) < setmetatable({}, {}) end))
print(pcall(function() return vec(1, 1) < 1 end))
print(pcall(function() return setmetatable({}, { __lt = function() return true end }) < setmetatable({}, { __lt = function() return true end }) end))
local OnlyLt = { __lt = function(a, b) return a.v < b.v end }
local m, n = setmetatable({ v = 1 }, OnlyLt), setmetatable({ v = 2 }, OnlyLt)
print(m < n, m <= n, n <= m, m > n, m >= n)
-- __eq only for two tables with the same method.
local e1, e2 = { __eq = function() return true end }, { __eq = function() return true end }
print(setmetatable({}, e1) == setmetatable({}, e1), setmetatable({}, e1) == setmetatable({}, e2), setmetatable({}, e1) == {})
-- __metatable, protected.
local locked = setmetatable({}, { __metatable = "locked" })
print(getmetatable(locked), pcall(setmetatable, locked, {}))
print(getmetatable("x").__index == string, getmetatable({}), getmetatable(1))
-- Loops of __index.
local l1, l2 = {}, {}
setmetatable(l1, { __index = l2 }) setmetatable(l2, { __index = l1 })
print(pcall(function() return l1.x end))
print(pcall(function() local t = {} setmetatable(t, { __newindex = t }) t.x = 1 end))
-- Inheritance.
local Animal = {} Animal.__index = Animal
function Animal.new(name) return setmetatable({ name = name }, Animal) end
function Animal:speak() return self.name .. " makes a noise" end
local Dog = setmetatable({}, { __index = Animal }) Dog.__index = Dog
function Dog.new(name) local d = Animal.new(name) return setmetatable(d, Dog) end
function Dog:speak() return Animal.speak(self) .. ": woof" end
print(Animal.new("cat"):speak(), Dog.new("rex"):speak())
-- __call chains, errors inside metamethods.
print(pcall(function() return setmetatable({}, { __call = 5 })() end))
print(pcall(function() return setmetatable({}, { __index = function() error("boom") end }).x end))
print(pcall(function() return setmetatable({}, { __add = function() error({}) end }) + 1 end))
print(pcall(function() return {} + 1 end)) print(pcall(function() return a.x.y.z end)) print(pcall(function() a.nope.x = 1 end))
print(tostring(setmetatable({}, { __tostring = function() return "custom" end })))
print(pcall(tostring, setmetatable({}, { __tostring = function() error("in tostring") end })))
local weak = setmetatable({}, { __mode = "k" }) weak[{}] = 1 print(type(weak))
print(rawget(setmetatable({}, { __index = { x = 1 } }), "x"), rawequal("a", "a"))
local seq = setmetatable({}, { __index = function(_, i) if i <= 3 then return i * 10 end end })
for i, v in ipairs(seq) do print("never", i, v) end
print(next({}), next({ 5 }), type(next), next({ x = 1 }))
