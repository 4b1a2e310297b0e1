// Drawing with plotly in the colours of the page. Only numbers and words of ours go into a plot:
// plotly reads some of its text as HTML.
import { count, element, short } from "./common.js";

let loading = null;
/** Until plotly is there: it is large, and to read it keeps the page from all else meanwhile. */
export const plotly = () => {
  loading ??= new Promise((resolve) => {
    const script = element("script", { src: document.getElementById("plotly").href });
    script.addEventListener("load", resolve);
    document.head.append(script);
  });
  return loading;
};

/** Paint now, which without plotly is a sketch, and again with it once that is on the screen. */
export const paintTwice = (paint) => {
  paint();
  if (window.Plotly === undefined) requestAnimationFrame(() => setTimeout(() => plotly().then(paint)));
};

const colours = () => {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
};

/** A figure in which `@name` stands for a colour of the theme. */
export const painted = (value, colour = colours()) => {
  if (typeof value === "string") return value.startsWith("@") ? colour(value.slice(1)) : value;
  if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map((one) => painted(one, colour));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, painted(v, colour)]));
};

export const SERIES = ["@measured", "@chosen", "@best", "@diverged", "@warn", "@link", "@quiet", "@ink"];

const axis = (title) => ({
  title: { text: title, standoff: 8 },
  automargin: true,
  gridcolor: "@line",
  zeroline: false,
  linecolor: "@quiet",
  tickcolor: "@quiet",
  ticks: "outside",
});

/** A line; `style` may hold width, dash, fill. */
export const line = (curve, name, colour, { width = 2, dash = "solid", markers = false } = {}) => ({
  type: "scatter",
  mode: markers ? "lines+markers" : "lines",
  x: curve.step,
  y: curve.value,
  name,
  line: { color: colour, width, dash },
  marker: { color: colour, size: 6 },
  hovertemplate: `step %{x:,}<br>${name} %{y:.4~g}<extra></extra>`,
});

const upright = (mark) => ({
  type: "line",
  x0: mark.step,
  x1: mark.step,
  y0: 0,
  y1: 1,
  yref: "paper",
  line: { color: mark.colour, width: 1.5, dash: mark.dash },
});

const label = (mark) => ({
  x: mark.step,
  y: 1,
  yref: "paper",
  yanchor: "bottom",
  text: mark.label,
  showarrow: false,
  font: { color: mark.colour, size: 12 },
});

/** The lines with the ends of their axes, until plotly draws them. */
const sketch = (place, data, { range, logarithmic, zero }) => {
  const [width, height, left, top] = [place.clientWidth, place.clientHeight, 64, 20];
  const drawn = (name, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const ends = (values) => values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  const [x0, x1] = range ?? ends(data.flatMap((one) => one.x));
  const [y0, y1] = ends([...data.flatMap((one) => one.y), ...(zero ? [0] : [])]);
  if (!(x1 >= x0 && y1 >= y0)) return;
  const share = (v, low, high) => (high > low ? (v - low) / (high - low) : 0.5);
  const across = (x) => left + share(x, x0, x1) * (width - left - 14);
  const level = logarithmic ? Math.log : (y) => y;
  const up = (y) => height - 40 - share(level(y), level(y0), level(y1)) * (height - 40 - top);
  const path = (one) => one.x.map((x, at) => `${at ? "L" : "M"}${across(x).toFixed(1)} ${up(one.y[at]).toFixed(1)}`).join("");
  const lines = data.map((one) =>
    drawn("path", { d: path(one), fill: "none", stroke: one.line.color, "stroke-width": one.line.width, opacity: one.opacity ?? 1, "stroke-dasharray": one.line.dash === "solid" ? "none" : "3 3" }),
  );
  const text = (x, y, words, anchor) => drawn("text", { x, y, "text-anchor": anchor, fill: data[0].colour, "font-size": 13 }, words);
  const words = [text(left - 8, up(y0), short(y0), "end"), text(left - 8, up(y1) + 10, short(y1), "end"), text(left, height - 14, count(x0), "middle"), text(width - 14, height - 14, count(x1), "end")];
  place.replaceChildren(drawn("svg", { width, height, "aria-hidden": "true" }, ...lines, ...words));
};

// A loss of 0 has no place on a logarithmic axis and is left out there; one below 0 makes the axis linear.
const logarithmed = (data) => data.some((one) => one.y.some((value) => value > 0)) && !data.some((one) => one.y.some((value) => value < 0));
const positive = (one) => ({ ...one, x: one.x.filter((_, at) => one.y[at] > 0), y: one.y.filter((value) => value > 0) });

/**
 * Draw lines against the step.
 * marks: [{step, label, colour, dash}], range: [first, last] or null, log: whether the values are.
 */
export const draw = (place, given, { marks = [], range = null, log = false, y = "", x = "step", zero = false, zoomed = null } = {}) => {
  const seen = range === null ? marks : marks.filter((mark) => mark.step >= range[0] && mark.step <= range[1]);
  const logarithmic = log && logarithmed(given);
  const data = logarithmic ? given.map(positive) : given;
  if (window.Plotly === undefined) {
    sketch(place, painted(data.map((one) => ({ ...one, colour: "@ink" }))), { range, logarithmic, zero });
    return;
  }
  const layout = {
    xaxis: { ...axis(x), tickformat: x === "step" ? ",~r" : ".0%", ...(range === null ? {} : { range, autorange: false }) },
    yaxis: { ...axis(y), type: logarithmic ? "log" : "linear", exponentformat: "e", rangemode: zero ? "tozero" : "normal", fixedrange: true, nticks: 6 },
    shapes: seen.map(upright),
    annotations: seen.length > 40 ? [] : seen.map(label),
    margin: { l: 12, r: 14, t: 20, b: 12 },
    showlegend: false,
    dragmode: "zoom",
    hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 13, color: "@ink" },
    hoverlabel: { bgcolor: "@card", bordercolor: "@line", font: { color: "@ink" } },
  };
  const figure = painted({ data, layout });
  const first = place.data === undefined;
  if (first) place.replaceChildren();
  Plotly.react(place, figure.data, figure.layout, { displayModeBar: false, responsive: true });
  if (!first || zoomed === null) return;
  place.on("plotly_relayout", (change) => {
    const [from, to] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (from !== undefined) zoomed([Math.max(0, Math.floor(from)), Math.ceil(to)]);
    if (change["xaxis.autorange"]) zoomed(null);
  });
};

/** What a plot shows in a sentence, for those who do not see it. */
export const described = (title, curve) => {
  if (curve === undefined || curve.step.length === 0) return `${title}: nothing recorded`;
  const [a, b] = [0, curve.step.length - 1];
  const values = curve.value.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  return (
    `${title}: ${short(curve.value[a])} at step ${curve.step[a].toLocaleString("en")}, ` +
    `${short(curve.value[b])} at step ${curve.step[b].toLocaleString("en")}, ` +
    `lowest ${short(values[0])}, highest ${short(values[1])}`
  );
};
