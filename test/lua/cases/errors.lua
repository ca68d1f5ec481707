-- Levels, rethrown errors, errors that are no strings.
print(pcall(error, "msg")) print(pcall(error, "msg", 0)) print(pcall(error, "msg", 1)) print(pcall(error, "msg", 2)) print(pcall(error)) print(pcall(error, nil)) print(pcall(error, 42)) print(pcall(error, { 1 })) print(pcall(error, true))
local function level1() error("level 1") end
local function level2() error("level 2", 2) end
local function level3() error("level 3", 3) end
local function level0() error("level 0", 0) end
local function outer(f)
  f()
  return 1
end
print(pcall(outer, level1))
print(pcall(outer, level2))
print(pcall(outer, level3))
print(pcall(outer, level0))
local function number() error(12) end print(pcall(outer, number))
print(select(2, pcall(function() local ok, e = pcall(error, "inner", 0) error(e .. " outer", 0) end)))
local object = { code = 5 } local ok, e = pcall(error, object) print(ok, e == object, e.code)
print(pcall(pcall, error, "x")) print(pcall(pcall)) print(select("#", pcall(function() return 1, nil, nil end))) print(pcall(function(...) return ... end, 1, 2, 3))
print(xpcall(function() return 1, 2 end, print)) print(xpcall(function() error("e", 0) end, function(m) return "handled " .. m end)) print(xpcall(function() error({ 1 }) end, function(m) return type(m) end)) print(xpcall(function() local x = nil; x() end, function(m) return m:upper() end)) print(xpcall(error, function(m) return "got " .. tostring(m) end))
print(pcall(function() assert(false) end)) print(pcall(function() assert(nil, "why") end)) print(pcall(assert, 1, 2, 3)) print(pcall(assert, false, 5)) print(pcall(function() return assert(1, "unused") end))
-- Where things fail.
local t = {}
print(pcall(function() return t.a.b end)) print(pcall(function() return t.a.b.c end)) print(pcall(function() t.a.b = 1 end)) print(pcall(function() return t[1][2] end)) print(pcall(function() local k = "key" return t[k].x end)) print(pcall(function() return undefinedglobal.x end)) print(pcall(function() undefinedglobal() end)) print(pcall(function() t.method() end)) print(pcall(function() t:method() end)) print(pcall(function() t.a.b() end)) print(pcall(function() t.x.y:z() end)) print(pcall(function() local l l.x = 1 end)) print(pcall(function() local l = 5 l.x = 1 end)) print(pcall(function() local l = 5 return l.x end)) print(pcall(function() local l = true return l.x end)) print(pcall(function() return (1).x end)) print(pcall(function() return ("x").y.z end)) print(pcall(function() local s = "x" return s.y.z end)) print(pcall(function() return t() end)) print(pcall(function() return t.x() end)) print(pcall(function() return ("x")() end)) print(pcall(function() return (function() end)()() end)) print(pcall(function() local a = {} a.b.c.d = 1 end)) print(pcall(function() for i = 1, 10 do t[i].x = 1 end end))
print(pcall(function() return t + 1 end)) print(pcall(function() return 1 + t end)) print(pcall(function() return t.x + 1 end)) print(pcall(function() return 1 - t.x end)) print(pcall(function() return t.x * t.y end)) print(pcall(function() return "abc" + 1 end)) print(pcall(function() return 1 / "x" end)) print(pcall(function() return {} % 2 end)) print(pcall(function() return 2 ^ {} end)) print(pcall(function() return -t end)) print(pcall(function() return -t.x end)) print(pcall(function() return #t.x end)) print(pcall(function() return #5 end)) print(pcall(function() local n = 5 return #n end)) print(pcall(function() local s = "x" return -s end)) print(pcall(function() return undefinedglobal + 1 end)) print(pcall(function() return 1 .. t end)) print(pcall(function() return t.x .. "a" end)) print(pcall(function() return "a" .. t.x .. "b" end)) print(pcall(function() return "a" .. "b" .. nil end)) print(pcall(function() return true .. "" end)) print(pcall(function() local a, b, c = "x", nil, "y" return a .. b .. c end)) print(pcall(function() local a, b, c = "x", "z", {} return a .. b .. c end)) print(pcall(function() local a, b, c = {}, "z", "x" return a .. b .. c end))
print(pcall(function() return 1 < "2" end)) print(pcall(function() return "a" < 1 end)) print(pcall(function() return {} < {} end)) print(pcall(function() return nil < 1 end)) print(pcall(function() return nil > 1 end)) print(pcall(function() return true <= false end)) print(pcall(function() return print < print end)) print(pcall(function() return {} >= 1 end)) print(pcall(function() return t.x < 5 end))
print(pcall(function() for i = nil, 2 do end end)) print(pcall(function() for i = 1, "x" do end end)) print(pcall(function() for i = 1, 2, {} do end end)) print(pcall(function() for k in 5 do end end)) print(pcall(function() for k in {} do end end)) print(pcall(function() for k in pairs(nil) do end end)) print(pcall(function() for k in ipairs() do end end)) print(pcall(function() for k, v in next, nil do end end))
print(pcall(function() t[nil] = 1 end)) print(pcall(function() t[0 / 0] = 1 end)) print(pcall(function() return t[nil] end)) print(pcall(function() return { [nil] = 1 } end)) print(pcall(rawset, {}, nil, 1)) print(pcall(rawset, {}, 0 / 0, 1)) print(pcall(next, {}, "nope"))
-- Upvalues and lines.
local up, upf
print(pcall(function() return up.x end)) print(pcall(function() up.x = 1 end)) print(pcall(function() return upf() end)) print(pcall(function() return up + 1 end)) print(pcall(function() return up .. "x" end)) print(pcall(function() return #up end)) print(pcall(function() up:method() end))
print(pcall(function()
  local a = 1
  local b = a +
    nil
end))
print(pcall(function()
  t
  .x
  .y
  = 1
end))
print(pcall(function()
  string.rep(
    "x",
    {}
  )
end))
print(pcall(function()
  return t
    .one
    .two
end))
print(pcall(function() return 1 +
2 +
{} end))
print(pcall(function()
  local r = string.rep("x", 2) .. string.rep("y", 2) ..
    string.rep({}, 2)
end))
print(pcall(function() string.rep() end)) print(pcall(function() ("x"):rep() end)) print(pcall(function() ("x"):rep({}) end)) print(pcall(function() local r = string.rep r() end)) print(pcall(function() t.rep = string.rep t.rep() end)) print(pcall(function() t.rep({}, {}) end)) print(pcall(function() (string.rep)() end)) print(pcall(function() return string.rep() end)) print(pcall(function() return ({ string.rep })[1]() end)) print(pcall(string.rep)) print(pcall(string.rep, "x")) print(pcall(string.rep, "x", nil)) print(pcall(string.rep, "x", "y")) print(pcall(string.rep, nil, 1)) print(pcall(math.floor, {})) print(pcall(setmetatable, 1, {})) print(pcall(tonumber, "1", 1)) print(pcall(select, 0)) print(pcall(string.char, 256)) print(pcall(string.char, "x")) print(pcall(table.insert, {}, 1, 2, 3)) print(pcall(table.concat, { {} })) print(pcall(ipairs)) print(pcall(unpack)) print(pcall(unpack, {}, 1, 1e6)) print(pcall(loadstring)) print(pcall(load, "x"))
print(loadstring("x =")) print(loadstring("x =", "@name")) print(loadstring("x =", "=name")) print(loadstring("x =\n\ny", "some code")) print(loadstring(("x"):rep(200) .. " =")) print(loadstring("error('in chunk')", "@c")) print(pcall(loadstring("error('in chunk')", "@c"))) print(pcall(loadstring("local x = 1\nreturn x.y.z"))) print(loadstring("return ...", "c")(1, 2)) print(load((function() local n = 0 return function() n = n + 1 return ({ "return", " 1", "+2" })[n] end end)())())
