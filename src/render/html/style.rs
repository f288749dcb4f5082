//! The page's style: light, dark and print, one palette for the timeline
//! and the maps.

/// Colours of databases; each letter stands on one of them in white. The ninth
/// database has the first again, and another letter.
pub(super) const COLORS: usize = 8;

/// The style sheet.
pub(super) const CSS: &str = "
:root{--text:#1f2328;--muted:#59636e;--back:#fff;--panel:#f6f8fa;--line:#d1d9e0;
--error:#cf222e;--warning:#9a6700;--fine:#1a7f37;--bar:#1f6feb;--dead:#bc4c00}
@media (prefers-color-scheme:dark){:root{--text:#e6edf3;--muted:#9198a1;--back:#0d1117;--panel:#161b22;
--line:#3d444d;--error:#ff7b72;--warning:#d29922;--fine:#3fb950;--bar:#4493f8;--dead:#f0883e}}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem}
footer{max-width:60rem;margin:0 auto;padding:0 1.5rem 1.5rem;color:var(--muted)}
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid var(--line)}
a{color:var(--bar)}
h3{font-size:1rem;margin:1rem 0 .25rem;overflow-wrap:anywhere}
code,pre{font-family:ui-monospace,monospace;font-size:.92em}
pre{background:var(--panel);border:1px solid var(--line);border-radius:4px;padding:.4rem .6rem;margin:.3rem 0;
white-space:pre-wrap;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
.tables{table-layout:fixed}.tables th:first-child{width:35%}.number{text-align:right;white-space:nowrap}.facts th{width:9rem;color:var(--muted);font-weight:normal}
.verdict,article{border-left:4px solid var(--line);padding:.3rem .9rem;margin:.8rem 0;background:var(--panel)}
.error{border-color:var(--error)}.warning{border-color:var(--warning)}.fine{border-color:var(--fine)}
.error>h3,.verdict.error strong{color:var(--error)}.warning>h3,.verdict.warning strong{color:var(--warning)}
.fine>h3,.verdict.fine strong{color:var(--fine)}
details{margin:.3rem 0}details summary{cursor:pointer;color:var(--muted)}
article li{overflow-wrap:anywhere}article ul{margin:.3rem 0;padding-left:1.2rem}article p{margin:.2rem 0}
.bar{width:6rem;height:.5rem}.bar-back{fill:var(--line)}.bar-fill{fill:var(--bar)}
.timeline{width:100%;height:auto}.timeline text{font:bold 11px ui-monospace,monospace;text-anchor:middle}
.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem}
.legend li{display:flex;align-items:center;gap:.4rem}.legend svg{width:22px;height:22px;flex:none}
.legend text{font:bold 11px ui-monospace,monospace;text-anchor:middle}
.pages{width:100%;max-width:42rem;height:auto;display:block}
.cell{fill:var(--panel);stroke:var(--line)}.live{fill:var(--bar)}.dead{fill:var(--dead)}.broken{stroke:var(--error);stroke-width:2}
.c0{fill:#1f6feb}.c1{fill:#a04500}.c2{fill:#1a7f37}.c3{fill:#8250df}.c4{fill:#bf3989}.c5{fill:#0e7490}.c6{fill:#7c5800}.c7{fill:#57606a}
.on{fill:#fff}.plain{fill:var(--text)}.hollow{fill:none;stroke:var(--muted);stroke-width:1.5}
.open{fill:none;stroke:var(--error);stroke-width:1.5;stroke-dasharray:3 2}.damage{fill:var(--error)}
.strong{stroke:var(--text);stroke-width:2}.start{fill:var(--fine)}.checkpoint{fill:none;stroke:var(--text);stroke-width:1.5}
@media (max-width:40rem){main{padding:1rem}.facts th{width:4rem}.tables{font-size:.85em;table-layout:auto}.tables th,.tables td{padding:.25rem .2rem}
.tables th.number{white-space:normal}.tables th:last-child,.tables td:last-child{display:none}}
@media print{details::details-content{content-visibility:visible;height:auto}:root{--text:#000;--muted:#333;--back:#fff;--panel:#fff;--line:#999;--error:#a00;--warning:#750;--fine:#060;--bar:#36c;--dead:#b40}
body{font-size:11px}main{max-width:none;padding:0}article,table,pre,.map{break-inside:avoid}h2,h3,summary{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
";
