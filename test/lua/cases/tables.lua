-- Borders, holes, insertion and removal.
local t = { 1, 2, 3, nil } print(#t)
t = { 1, nil, 3 } print(#t)
t = { nil, nil, 3 } print(#t)
t = { n = 1, nil, 2, nil } print(#t)
t = { nil } print(#t)
t = { 1, 2, 3, 4, 5 } t[5] = nil print(#t) t[3] = nil print(#t) t[4] = nil print(#t)
t = {} for i = 1, 10 do t[i] = i end for i = 10, 6, -1 do t[i] = nil end print(#t)
t[6] = 6 print(#t) t[#t + 1] = 7 print(#t, t[7])
t = {} t[1] = 1 t[2] = 2 t[4] = 4 print(#t)
t = {} for i = 100, 1, -1 do t[i] = i end print(#t, t[50])
t = {} t[3] = 3 t[2] = 2 t[1] = 1 print(#t)
t = {} t[0] = 0 t[-1] = -1 t[1.5] = 1.5 t[2^40] = 40 print(#t, t[0], t[-1], t[1.5], t[2^40], t[1])
t = {} t[1.0] = "a" t["1"] = "b" print(t[1], t["1"], #t)
table.insert(t, "c") table.insert(t, 1, "first") print(table.concat(t, ","), #t)
print(table.remove(t), table.remove(t, 1), #t, table.remove(t), table.remove(t), #t)
t = { 5, 2, 8, 1, 9, 3 } table.sort(t) print(table.concat(t, " "))
table.sort(t, function(a, b) return a > b end) print(table.concat(t, " "))
local words = { "pear", "Apple", "fig", "apple", "", "z" } table.sort(words) print(table.concat(words, "|"))
local records = {} for i = 1, 40 do records[i] = { key = i * 7 % 5, id = i } end
table.sort(records, function(a, b) return a.key < b.key end)
local ids = {} for i, r in ipairs(records) do ids[i] = r.key .. ":" .. r.id end print(table.concat(ids, " "))
local big = {} local seed = 7 for i = 1, 500 do seed = seed * 16807 % 2147483647 big[i] = seed % 1000 end
table.sort(big, function(a, b) return a > b end) print(big[1], big[250], big[500])
table.sort(big) print(big[1], big[250], big[500])
print(table.maxn({ 1, 2, [100] = 1, [50.5] = 2 }), table.maxn({}), table.getn({ 1, 2 }))
print(unpack({ 1, 2, 3 })) print(unpack({ 1, 2, 3 }, 2)) print(unpack({ 1, nil, 3 }, 1, 3)) print(unpack({}, 1, 0)) print(unpack({ 1, 2 }, -1, 1))
-- Traversal, with changes on the way.
local function sorted(t) local keys = {} for k in pairs(t) do keys[#keys + 1] = tostring(k) end table.sort(keys) return table.concat(keys, " ") end
print(sorted({ 1, 2, x = 1, y = 2, [3.5] = 1, [true] = 1 }))
t = {} for i = 1, 20 do t[i] = i t["k" .. i] = i end
local visited = 0 for k, v in pairs(t) do visited = visited + 1 t[k] = nil end print(visited, next(t))
t = { a = 1, b = 2, c = 3 } for k in pairs(t) do t[k] = t[k] * 10 end print(t.a, t.b, t.c)
t = { 10, 20, 30, x = 1 } local key, value = next(t) print(key, value) key, value = next(t, key) print(key, value) print(next(t, "x"))
t = { 1, 2, 3 } for i, v in ipairs(t) do if i == 1 then t[4] = 4 end visited = i end print(visited)
t = { 1, 2, nil, 4 } local n = 0 for _ in ipairs(t) do n = n + 1 end print(n)
for k, v in next, { 7 } do print(k, v) end
for k, v in pairs({}) do print("never") end
-- The order in which Lua 5.1 visits a hash.
local function order(t) local out = {} for k, v in pairs(t) do out[#out + 1] = tostring(k) .. "=" .. tostring(v) end print(table.concat(out, " ")) end
order({ a = 1, b = 2, c = 3, d = 4, e = 5 }) order({ name = "x", age = 3, id = 7, tags = 1, ok = true, email = 9, phone = 1, city = 2, zip = 3 })
t = {} for _, w in ipairs({ "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa" }) do t[w] = #w order(t) end
t = {} for i = 1, 40 do t["key:" .. i] = i end order(t)
t = {} for i = 10, 200, 10 do t[i] = i end order(t)
t = { 1, 2, 3, x = 1, y = 2 } order(t) t[4] = 4 t.z = 3 order(t) t[10] = 10 order(t)
t = { [1.5] = 1, [2.5] = 2, [-1] = 3, [0] = 4, [true] = 5, [false] = 6, s = 7 } order(t)
t = {} t.x = 1 t.y = 2 t.x = nil t.z = 3 order(t) t.w = 4 order(t) t.x = 5 order(t)
t = {} for i = 1, 8 do t[i * 3] = i end t.q = 1 order(t)
-- up to 31 bytes, above which Redis hashes otherwise than Lua 5.1: see ../redis/replies.txt
local short = {} for i = 1, 31 do short[("x"):rep(i)] = i end order(short)
t = {} for i = 1, 5 do t[i] = i end for i = 1, 5 do t["s" .. i] = i end t[6] = 6 t[7] = 7 t.s6 = 6 t[8] = 8 t[9] = 9 order(t)
-- Large and odd.
t = {} for i = 1, 100000 do t[i] = i end print(#t, t[99999]) for i = 100000, 1, -1 do t[i] = nil end print(#t, next(t))
t = {} for i = 2, 1000 do t[i] = true end print(t[2], t[1000], t[1001]) t[1] = true print(#t)
local nested = {} local at = nested for i = 1, 100 do at.child = { i } at = at.child end print(nested.child.child.child[1])
t = { { 1, 2 }, { 3, 4, x = { y = { z = "deep" } } } } print(t[2].x.y.z, t[1][2], #t[2])
local count = 0 for k in pairs({ 1, 2, nil, 4, nil, nil, 7, x = 1, y = nil }) do count = count + 1 end print(count)
print(#"x", #{ n = 3 }, #{ [1] = 1, [2] = 2, [3] = 3 })
local keys = { [print] = "function", [t] = "table", [true] = "boolean", [1] = "number", s = "string" } print(keys[print], keys[t], keys[true], keys[1], keys.s)
local queue = {} local head, tail = 1, 0 for round = 1, 2000 do tail = tail + 1 queue[tail] = round if round % 2 == 0 then queue[head] = nil head = head + 1 end end print(head, tail, queue[head], queue[tail], queue[head - 1])

-- table.insert of one value, which the compiler turns into a push where it can
do
  local t = {}
  table.insert(t, "a") table.insert(t, nil) table.insert(t, "b") print(#t, t[1], t[2])
  print(select("#", table.insert(t, "c")), #t)
  local proxy = setmetatable({}, { __newindex = function(_, k, v) print("newindex", k, v) end })
  table.insert(proxy, 1) print(rawget(proxy, 1), #proxy)
  print(pcall(function() table.insert(nil, 1) end))
  print(pcall(function() table.insert(5, 1) end))
  print(pcall(function() local x table.insert(x.y, 1) end))
  print(pcall(function() table.insert(t) end))
  print(pcall(function() nothing.insert(t, 1) end))
  local own = { insert = function(a, b) print("own", a, b) return 1, 2 end }
  own.insert(1, 2) own.insert(nil, nil)
  local tail = { insert = function(a, b) return own.insert(a, b) end }
  tail.insert(3, 4)
  local callable = { insert = setmetatable({}, { __call = function(self, a, b) print("callable", a, b) end }) }
  callable.insert(5, 6)
  local keyed = { name = "x", size = 2 }
  table.insert(keyed, "one") table.insert(keyed, "two") print(#keyed, keyed[1], keyed[2], keyed.name)
  local order = {}
  local function note(x) order[#order + 1] = x return x end
  table.insert(note(order), note("value")) print(#order, order[2], order[3])
  local shared = {}
  local function add(v) table.insert(shared, v) end
  add(1) add(2) shared = { "other" } add(3) print(#shared, shared[2])
  local co = coroutine.wrap(function() table.insert(t, coroutine.yield("yielded")) return #t end)
  print(co(), co("from outside"), t[#t])
  local words = {} for w in ("one two three"):gmatch("%a+") do table.insert(words, w) end print(table.concat(words, ","))
end
-- sorting numbers: integers of both signs, zeros, fractions
do
  local function sorted(n, make) local t = {} for i = 1, n do t[i] = make(i) end table.sort(t) return t end
  local function check(t) for i = 2, #t do if t[i - 1] > t[i] then return "not sorted at " .. i end end return t[1], t[2], t[#t - 1], t[#t] end
  print(check(sorted(1000, function(i) return (i * 7919) % 1009 - 500 end)))
  print(check(sorted(1000, function(i) return i * (-1) ^ i end)))
  print(check(sorted(600, function(i) return i % 2 == 0 and -2 ^ 31 + i or 2 ^ 31 - 1 - i end)))
  print(check(sorted(600, function(i) return i % 2 == 0 and 2 ^ 31 + i or -i end)))
  print(check(sorted(600, function(i) return (i * 31) % 600 + 0.5 end)))
  print(check(sorted(511, function(i) return -i end)))
end
