--- The looks of the report and of drawings: colours, light, dark and on paper, and how it is laid out. Whatever a colour tells is told by a
--- text, a stripe or a dash as well.
local style = {}

local light = "--paper:#fff;--ink:#1b1e22;--muted:#555c64;--line:#d3d8dd;--soft:#f4f6f8;--one:#0b64b0;--two:#a8440a;--stripe:#b4bcc4;--shade:#0005"
local dark = "--paper:#15181b;--ink:#e8eaed;--muted:#aab1b9;--line:#3b4148;--soft:#1f2327;--one:#74b5f2;--two:#f0a469;--stripe:#565e67;--shade:#fff6"

local drawing = [[
text{font:11px system-ui,sans-serif;fill:var(--ink)}
text.muted{fill:var(--muted);font-size:10px}
text.small{font-size:9px}
text.heading{font-weight:600;font-size:12px}
.grid{stroke:var(--line);stroke-width:1}
.axis{stroke:var(--muted);stroke-width:1}
.mark{stroke:var(--muted);stroke-width:1;stroke-dasharray:2 3}
.ideal{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:5 4}
polyline{fill:none;stroke-width:2;stroke-linejoin:round}
.line-1{stroke:var(--one)}
.line-2{stroke:var(--two);stroke-dasharray:6 3}
.dot-1{fill:var(--one)}
.dot-2{fill:var(--paper);stroke:var(--two);stroke-width:1.5}
.bar{fill:var(--one)}
.count{fill:var(--muted)}
.whisker{stroke:var(--one);stroke-width:2}
.cell{fill:var(--one)}
.edge{fill:none;stroke:var(--line);stroke-width:1}
.hit{fill:none;stroke:var(--ink);stroke-width:1}
.box{fill:var(--soft);stroke:var(--muted);stroke-width:1}
.frozen{fill:var(--soft)}
.stripe{stroke:var(--stripe);stroke-width:2.5}
.halo{fill:none;stroke:var(--soft);stroke-width:3;stroke-linejoin:round}
]]

--- The style of a drawing that is a file.
style.drawing_alone = ("svg{%s;background:var(--paper)}\n@media (prefers-color-scheme:dark){svg{%s}}\n%s"):format(light, dark, drawing)

--- The style of the page.
style.page = (":root{%s}\n@media (prefers-color-scheme:dark){:root{%s}}\n%s"):format(light, dark, drawing) .. [[
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
header,main,footer{max-width:70rem;margin:0 auto;padding:0 1rem}
h1{font-size:1.6rem;line-height:1.25;margin:1.5rem 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.5rem 0 .5rem;padding-top:.75rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.5rem 0 .5rem}
p{max-width:46rem;overflow-wrap:anywhere}
a{color:var(--one)}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;padding:0;margin:.5rem 0;list-style:none}
.note,footer{color:var(--muted)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1rem 2rem;align-items:start}
figure{margin:0 0 1rem;min-width:0}
.scroll+figure{margin-top:1.5rem}
figure.wide{grid-column:1/-1}
figure:not(.wide)>svg{max-width:36rem}
figcaption{margin-bottom:.5rem;font-size:.9rem;color:var(--muted);overflow-wrap:anywhere}
figcaption strong{display:block;color:var(--ink);font-size:1rem}
svg{display:block;width:100%;height:auto}
.scroll{overflow-x:auto;position:relative;background:linear-gradient(to right,var(--paper) 40%,transparent) 0 0/3rem 100% no-repeat local,]] ..
[[linear-gradient(to left,var(--paper) 40%,transparent) 100% 0/3rem 100% no-repeat local,]] ..
[[linear-gradient(to right,var(--shade),transparent) 0 0/1rem 100% no-repeat scroll,linear-gradient(to left,var(--shade),transparent) 100% 0/1rem 100% no-repeat scroll}
:focus-visible{outline:2px solid var(--one);outline-offset:2px}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;margin:.25rem 0}
caption{text-align:left;color:var(--muted);padding:.25rem 0}
th,td{padding:.2rem .75rem .2rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;unicode-bidi:isolate}
tbody th{font-weight:400;overflow-wrap:anywhere}
tbody th,td{min-width:5.5rem}
.right,th[scope=col]{white-space:nowrap}
th.right,td.right{text-align:right;min-width:0;overflow-wrap:normal!important}
details{margin:.5rem 0}
summary{cursor:pointer;color:var(--one)}
dl{margin:.5rem 0}
dl div{display:grid;grid-template-columns:minmax(7rem,12rem) 1fr;gap:0 1rem;border-bottom:1px solid var(--line);padding:.2rem 0}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere;unicode-bidi:isolate}
.facts{display:flex;flex-wrap:wrap;gap:.5rem 2rem;padding:0;margin:1rem 0;list-style:none}
.facts strong{display:block;font-size:1.4rem;line-height:1.2;font-variant-numeric:tabular-nums}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,15rem),1fr));gap:1rem}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:2px;margin-bottom:.25rem}
.pair img{width:100%;height:auto;display:block}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);padding:.75rem;font-size:.85rem}
@media (max-width:30rem){dl div{grid-template-columns:1fr} th,td{padding-right:.5rem}}
@media print{
]] .. (":root{%s}"):format(light) .. [[

body{font-size:10pt}
pre{font-size:7pt}
.charts{grid-template-columns:1fr 1fr}
header,main,footer{max-width:none;padding:0}
nav,details{display:none}
figure,tr,.pictures>*{break-inside:avoid}
h2,h3{break-after:avoid}
.scroll{overflow:visible;background:none}
td{overflow-wrap:anywhere}
.scroll svg{min-width:0!important}
}
]]

return style
