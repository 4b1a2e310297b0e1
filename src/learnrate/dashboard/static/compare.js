// Several runs in the same plots.
import { ask, byId } from "./common.js";
import { SERIES, described, draw, line, painted, paintTwice } from "./plots.js";

const rows = [...document.querySelectorAll("tr[data-run]")];
const COLUMNS = ["loss", "validation", "lr"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
let found = null;

const style = (index) => [SERIES[index % SERIES.length], DASHES[Math.floor(index / 4) % DASHES.length]];

const paint = () => {
  rows.forEach((row, index) => {
    row.querySelector(".swatch").style.background = painted(style(index)[0]);
  });
  if (found === null) return;
  const share = byId("against").value === "share";
  const against = (curve, total) => (share && total ? { ...curve, step: curve.step.map((step) => step / total) } : curve);
  for (const column of COLUMNS) {
    const data = found.map(({ curves, run }, index) => {
      const curve = column === "loss" ? (curves.loss_mean ?? curves.loss) : curves[column];
      const [colour, dash] = style(index);
      return line(against(curve, Number(rows[index].dataset.total)), run, colour, { dash, markers: column === "validation" && curve.step.length < 60 });
    });
    const place = byId(`plot-${column}`);
    const drawn = data.filter((one) => one.x.length > 0);
    place.closest("figure").hidden = drawn.length === 0;
    if (drawn.length === 0) continue;
    draw(place, drawn, { log: byId("log").checked && column !== "lr", x: share ? "share of the run" : "step", y: column === "lr" ? "rate" : column === "loss" ? "loss" : "validation loss" });
    place.setAttribute("aria-label", found.map(({ curves, run }) => described(run, curves[column])).join(". "));
  }
  if (window.Plotly !== undefined) document.body.dataset.drawn = "yes";
};

byId("log").addEventListener("change", paint);
byId("against").addEventListener("change", paint);
addEventListener("colours", paint);
const query = COLUMNS.map((name) => `column=${name}`).join("&");
found = await Promise.all(rows.map((row) => ask(`/api/runs/${row.dataset.run}/curves?${query}&points=600`)));
paintTwice(paint);
