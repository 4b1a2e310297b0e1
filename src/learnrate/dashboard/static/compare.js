// Several runs in the same plots.
import { byId, element, get } from "./common.js";
import { SERIES_COLOURS, describeCurve, draw, line, paintTwice, scaleOf, withColours } from "./plots.js";

const rows = [...document.querySelectorAll("tr[data-run]")];
const COLUMNS = ["loss", "validation", "lr"];
const TITLES = { loss: "loss", validation: "validation loss", lr: "rate" };
const AXES = { step: "step", share: "share of the run", epoch: "epoch", time: "seconds of training", tokens: "tokens" };
const DASHES = ["solid", "dash", "dot", "dashdot"];
let responses = null; // CurvesResponse of each run

const style = (index) => [SERIES_COLOURS[index % SERIES_COLOURS.length], DASHES[Math.floor(index / 4) % DASHES.length]];

const title = (name) => TITLES[name] ?? name.replace(/^lr\[(\d+)\]$/, "rate of group $1").replaceAll("_", " ");

/** What an open section draws besides: gradient norm, rates of groups, and what probes and the system measured. */
const furtherColumns = () => {
  const known = [...new Set((responses ?? []).flatMap((response) => response.columns))].filter((name) => !COLUMNS.includes(name)).slice(0, 40);
  byId("measured").hidden = known.length === 0;
  if (!byId("measured").open) return [];
  if (byId("measured-plots").children.length !== known.length) {
    byId("measured-plots").replaceChildren(
      ...known.map((name) => element("figure", {}, element("figcaption", {}, title(name)), element("div", { class: "plot small", role: "img", id: `plot-${name}` }))),
    );
  }
  return known;
};

const paint = () => {
  rows.forEach((row, index) => {
    row.querySelector(".swatch").style.background = withColours(style(index)[0]);
  });
  if (responses === null) return;
  const axis = byId("axis").value;
  const scales = responses.map((response, index) => {
    const total = Number(rows[index].dataset.total);
    const share = { step: [0, total], value: [0, 1] };
    return scaleOf(axis === "share" && total ? share : axis === "share" || axis === "step" ? { step: [], value: [] } : response.axis);
  });
  const onAxis = (curve, index) => ({ ...curve, step: curve.step.map(scales[index].toAxis) });
  for (const column of [...COLUMNS, ...furtherColumns().filter((name) => responses.every(({ curves }) => name in curves))]) {
    const data = responses.map(({ curves, run }, index) => {
      const curve = column === "loss" ? (curves.loss_mean ?? curves.loss) : curves[column];
      const [colour, dash] = style(index);
      return line(onAxis(curve, index), run, colour, { dash, markers: column === "validation" && curve.step.length < 60 });
    });
    const place = byId(`plot-${column}`);
    const drawn = data.filter((trace) => trace.x.length > 0);
    place.closest("figure").hidden = drawn.length === 0;
    if (drawn.length === 0) continue;
    draw(place, drawn, { log: byId("log").checked && !column.startsWith("lr"), logX: byId("log-x").checked, x: AXES[axis], y: title(column) });
    place.setAttribute("aria-label", responses.map(({ curves, run }) => describeCurve(run, curves[column])).join(". "));
  }
  if (window.Plotly !== undefined) document.body.dataset.drawn = "yes";
};

const load = async () => {
  const axis = byId("axis").value === "share" ? "step" : byId("axis").value;
  const query = `${[...COLUMNS, ...furtherColumns()].map((name) => `column=${encodeURIComponent(name)}`).join("&")}&points=600&smooth=${byId("smooth").value}&axis=${axis}`;
  responses = await Promise.all(rows.map((row) => get(`/api/runs/${row.dataset.run}/curves?${query}`)));
  const axes = ["step", "share", ...responses[0].axes.filter((name) => name !== "step" && responses.every((response) => response.axes.includes(name)))];
  if (byId("axis").options.length < axes.length) {
    byId("axis").replaceChildren(...axes.map((name) => new Option(AXES[name], name)));
  }
};
for (const id of ["log", "log-x"]) byId(id).addEventListener("change", paint);
for (const id of ["axis", "smooth"]) byId(id).addEventListener("change", () => load().then(paint));
byId("measured").addEventListener("toggle", () => load().then(paint));
addEventListener("colours", paint);
await load();
paintTwice(paint);
