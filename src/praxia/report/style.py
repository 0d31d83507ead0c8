"""The page's look: light, printable, readable on a phone. No fonts or files from elsewhere."""

STYLE = """
:root { --ink: #1f2933; --soft: #52606d; --line: #dfe4ea; --ground: #f6f8fa; --blue: #0b6fa4;
  --green: #0b7a53; --red: #b3261e; --amber: #8a5300; color-scheme: light; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 3.5rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: #fff;
  color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, header, nav div, footer { max-width: 1000px; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.2rem; }
h1 { font-size: 2.1rem; line-height: 1.15; margin: 0 0 1.2rem; letter-spacing: -0.01em; }
h2 { font-size: 1.5rem; margin: 0 0 .8rem; letter-spacing: -0.01em; }
h3 { font-size: 1.12rem; margin: 2rem 0 .5rem; }
h4 { margin: 1rem 0 .3rem; font-size: .95rem; }
p { margin: .5rem 0; }
.kicker { color: var(--blue); font-weight: 600; margin: 0 0 .2rem; font-size: .9rem; }
.lead { max-width: 46rem; } .lead ul { margin: .3rem 0; padding-left: 1.2rem; }
.note { color: var(--soft); font-size: .88rem; } .empty { color: var(--soft); font-style: italic; }
section { padding: 2.2rem 0 .4rem; border-top: 1px solid var(--line); margin-top: 2.2rem; }
main > section:first-child { border-top: 0; margin-top: 0; padding-top: 1.6rem; }
nav { position: sticky; top: 0; z-index: 2; background: rgba(255, 255, 255, .96); border-bottom: 1px solid var(--line); margin-top: 1.4rem; }
nav div { display: flex; gap: 1.3rem; overflow-x: auto; padding-top: .65rem; padding-bottom: .65rem; white-space: nowrap; }
a { color: var(--blue); text-decoration: none; }
a:hover { text-decoration: underline; }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }

.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .7rem 1.6rem; margin: 0; }
.facts .wide { grid-column: 1 / -1; }
dt { color: var(--soft); font-size: .82rem; } dd { margin: 0; overflow-wrap: anywhere; }

.verdict { font-size: 1.12rem; padding: .9rem 1.1rem; border-left: 4px solid; border-radius: 0 6px 6px 0; max-width: 52rem; }
.verdict.good { border-color: var(--green); background: #edf7f2; } .verdict.open { border-color: var(--amber); background: #fdf5e6; }
.tiles { display: grid; grid-template-columns: 1.25fr 1fr 1fr; gap: .9rem; margin: 1.2rem 0; }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; } .tile:first-child { background: #f0f7fb; border-color: #c5dfed; }
.tile p { margin: 0; color: var(--soft); font-size: .9rem; }
.tile .name { color: var(--ink); font-weight: 600; }
.tile svg, .legend svg { vertical-align: -2px; }
.tile .big { color: var(--ink); font-size: 2.1rem; font-weight: 650; line-height: 1.25; }
.tile:first-child .big { font-size: 2.9rem; line-height: 1.1; }

.intervals { margin: 1.2rem 0 1.4rem; }
.row { display: grid; grid-template-columns: 10.5rem 1fr 4rem; column-gap: 1.2rem;
  align-items: center; padding: .15rem 0; border-bottom: 1px solid var(--line); }
.row.mean { font-weight: 650; background: var(--ground); } .row.axis { border: 0; }
.row .label { padding-left: .4rem; } .row .rate { text-align: right; padding-right: .4rem; font-variant-numeric: tabular-nums; }
.track { display: block; width: 100%; overflow: visible; } .track .grid { stroke: var(--line); } .track text { fill: var(--soft); font-size: 12px; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin: .4rem 0; font-size: .93rem; }

.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .92rem; min-width: min(24rem, 100%); font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .38rem .9rem .38rem .4rem; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--soft); font-weight: 600; font-size: .84rem; border-bottom-width: 2px; white-space: nowrap; vertical-align: bottom; }
tbody th { font-weight: 500; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
tr.strong > * { font-weight: 650; background: var(--ground); }
details { margin: .9rem 0; } summary { cursor: pointer; color: var(--blue); } details td { overflow-wrap: anywhere; }

.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: .8rem 1rem; margin: .8rem 0; }
.plot { width: 100%; height: auto; }
figure { margin: 0; break-inside: avoid; } figcaption { font-size: .9rem; line-height: 1.4; margin-top: .35rem; }
.films { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: 1.4rem 1.2rem; margin: 1rem 0; }
video { width: 100%; height: auto; display: block; border-radius: 4px; background: #000; image-rendering: pixelated; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(14rem, 100%), 1fr)); gap: 1.1rem; margin: 1rem 0; }
.strips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); gap: 1rem; margin: 1rem 0; }
.strips img { width: 100%; height: auto; border-radius: 3px; display: block; }
.sheet.wide { grid-template-columns: repeat(auto-fill, minmax(min(11.5rem, 46%), 1fr)); }
.views { display: flex; gap: 3px; } .views img { flex: 1 1 0; min-width: 0; width: 100%; height: auto; }
.pixels { image-rendering: pixelated; } .sheet img { border-radius: 3px; display: block; }
.overlaid { position: relative; }
.overlaid img { width: 100%; height: auto; }
.overlaid svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.yes { color: var(--green); font-weight: 650; } .no { color: var(--red); font-weight: 650; }
footer { color: var(--soft); font-size: .85rem; padding-top: 2.5rem; padding-bottom: 3rem; }

@media (max-width: 640px) {
  h1 { font-size: 1.7rem; } .tiles { grid-template-columns: 1fr 1fr; } .tile:first-child { grid-column: 1 / -1; }
  .row { grid-template-columns: 1fr auto; row-gap: .1rem; padding: .4rem 0; }
  .row .track { grid-row: 2; grid-column: 1 / -1; margin: 0 .9rem; width: calc(100% - 1.8rem); }
  .row.axis .label, .row.axis .rate { display: none; }
}
@media print {
  nav { display: none; }
  body { font-size: 11pt; }
  main, header, footer { max-width: none; padding: 0; }
  .tile, .row, tr, .plot { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .verdict, .tile, .row.mean, tr.strong > * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
"""
