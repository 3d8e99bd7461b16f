--- A page of HTML that asks for nothing from any network: what reports have in common.
local core = require "scion.core"
local html = require "scion.report.html"
local style = require "scion.report.style"

local tag = html.tag

local function head(title, refresh)
  return tag("head", nil, tag("meta", { charset = "utf-8" }),
             tag("meta", { ["http-equiv"] = "Content-Security-Policy", content = "default-src 'none'; img-src data:; style-src 'unsafe-inline'" }),
             tag("meta", { name = "viewport", content = "width=device-width, initial-scale=1" }), tag("meta", { name = "color-scheme", content = "light dark" }),
             refresh and tag("meta", { ["http-equiv"] = "refresh", content = refresh }),
             tag("title", nil, html.escape(title)), tag("link", { rel = "icon", href = "data:," }), tag("style", nil, style.page))
end

---@class scion.Document
---@field title string plain text
---@field introduction string HTML below the title
---@field main string HTML
---@field refresh integer? after how many seconds the page loads itself anew

--- The page.
---@param of scion.Document
---@return string
return function(of)
  local body = tag("body", nil, tag("header", nil, tag("h1", nil, html.escape(of.title)), of.introduction), "\n", tag("main", nil, of.main), "\n",
                   tag("footer", nil, html.paragraph(("Written by Scion %s on %s."):format(core.version, os.date "%Y-%m-%d at %H:%M:%S"))))
  return "<!DOCTYPE html>\n" .. tag("html", { lang = "en" }, head(of.title, of.refresh), "\n", body) .. "\n"
end
