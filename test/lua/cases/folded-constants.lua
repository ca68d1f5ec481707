-- Lua 5.1 folds constants when it compiles, and then knows more names for its messages.
local s, n = "text", 1
print(pcall(function() return (1/3 and s[n])+n end))
print(pcall(function() return (1/0 and s[n])+n end))
print(pcall(function() return (5%0 and s[n])+n end))
print(pcall(function() return (2^3-1 and s[n])+n end))
print(pcall(function() return ((1 and 2) and s[n])+n end))
print(pcall(function() return (-(-1) and s[n])+n end))
print(pcall(function() return (not nil and s[n])+n end))
print(pcall(function() return (not 1 or s[n])+n end))
print(pcall(function() return (#"x" and s[n])+n end))
print(pcall(function() return ("a".."b" and s[n])+n end))
print(pcall(function() return (1<2 and s[n])+n end))
