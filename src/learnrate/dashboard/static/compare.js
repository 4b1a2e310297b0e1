// Several runs in the same plots.
import { byId, get } from "./common.js";
import { SERIES_COLOURS, describeCurve, draw, line, paintTwice, withColours } from "./plots.js";

const rows = [...document.querySelectorAll("tr[data-run]")];
const COLUMNS = ["loss", "validation", "lr"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
let responses = null; // CurvesResponse of each run

const style = (index) => [SERIES_COLOURS[index % SERIES_COLOURS.length], DASHES[Math.floor(index / 4) % DASHES.length]];

const paint = () => {
  rows.forEach((row, index) => {
    row.querySelector(".swatch").style.background = withColours(style(index)[0]);
  });
  if (responses === null) return;
  const share = byId("axis").value === "share";
  const onAxis = (curve, total) => (share && total ? { ...curve, step: curve.step.map((step) => step / total) } : curve);
  for (const column of COLUMNS) {
    const data = responses.map(({ curves, run }, index) => {
      const curve = column === "loss" ? (curves.loss_mean ?? curves.loss) : curves[column];
      const [colour, dash] = style(index);
      return line(onAxis(curve, Number(rows[index].dataset.total)), run, colour, { dash, markers: column === "validation" && curve.step.length < 60 });
    });
    const place = byId(`plot-${column}`);
    const drawn = data.filter((trace) => trace.x.length > 0);
    place.closest("figure").hidden = drawn.length === 0;
    if (drawn.length === 0) continue;
    draw(place, drawn, { log: byId("log").checked && column !== "lr", x: share ? "share of the run" : "step", y: column === "lr" ? "rate" : column === "loss" ? "loss" : "validation loss" });
    place.setAttribute("aria-label", responses.map(({ curves, run }) => describeCurve(run, curves[column])).join(". "));
  }
  if (window.Plotly !== undefined) document.body.dataset.drawn = "yes";
};

byId("log").addEventListener("change", paint);
byId("axis").addEventListener("change", paint);
addEventListener("colours", paint);
const query = COLUMNS.map((name) => `column=${name}`).join("&");
responses = await Promise.all(rows.map((row) => get(`/api/runs/${row.dataset.run}/curves?${query}&points=600`)));
paintTwice(paint);
