// Draws plots with plotly in the colours of the page. Texts of the user never go into a plot, since
// plotly interprets some texts as HTML.
import { count, element, short } from "./common.js";

let loading = null;
/** Load plotly. It is large, and parsing it blocks the page. */
export const loadPlotly = () => {
  loading ??= new Promise((resolve) => {
    const script = element("script", { src: document.getElementById("plotly").href });
    script.addEventListener("load", resolve);
    document.head.append(script);
  });
  return loading;
};

/** Paint now, as a sketch if plotly is not loaded, and again when it is. */
export const paintTwice = (paint) => {
  paint();
  if (window.Plotly === undefined) requestAnimationFrame(() => setTimeout(() => loadPlotly().then(paint)));
};

const themeColours = () => {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
};

/** A copy of a figure in which each `@name` is replaced by that colour of the theme. */
export const withColours = (value, colour = themeColours()) => {
  if (typeof value === "string") return value.startsWith("@") ? colour(value.slice(1)) : value;
  if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map((part) => withColours(part, colour));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, withColours(v, colour)]));
};

export const SERIES_COLOURS = ["@measured", "@chosen", "@best", "@diverged", "@warn", "@link", "@quiet", "@ink"];

const axis = (title) => ({
  title: { text: title, standoff: 8 },
  automargin: true,
  gridcolor: "@line",
  zeroline: false,
  linecolor: "@quiet",
  tickcolor: "@quiet",
  ticks: "outside",
});

/** A line of a plot. */
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

const verticalLine = (mark) => ({
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

/** Draw lines and the ends of their axes without plotly. */
const sketch = (place, data, { range, logarithmic, zero }) => {
  const [width, height, left, top] = [place.clientWidth, place.clientHeight, 64, 20];
  const svg = (name, attributes, ...children) => {
    const created = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value);
    created.append(...children);
    return created;
  };
  const ends = (values) => values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  const [x0, x1] = range ?? ends(data.flatMap((trace) => trace.x));
  const [y0, y1] = ends([...data.flatMap((trace) => trace.y), ...(zero ? [0] : [])]);
  if (!(x1 >= x0 && y1 >= y0)) return;
  const share = (v, low, high) => (high > low ? (v - low) / (high - low) : 0.5);
  const pixelX = (x) => left + share(x, x0, x1) * (width - left - 14);
  const scale = logarithmic ? Math.log : (y) => y;
  const pixelY = (y) => height - 40 - share(scale(y), scale(y0), scale(y1)) * (height - 40 - top);
  const path = (trace) => trace.x.map((x, index) => `${index ? "L" : "M"}${pixelX(x).toFixed(1)} ${pixelY(trace.y[index]).toFixed(1)}`).join("");
  const lines = data.map((trace) =>
    svg("path", { d: path(trace), fill: "none", stroke: trace.line.color, "stroke-width": trace.line.width, opacity: trace.opacity ?? 1, "stroke-dasharray": trace.line.dash === "solid" ? "none" : "3 3" }),
  );
  const text = (x, y, label, anchor) => svg("text", { x, y, "text-anchor": anchor, fill: data[0].colour, "font-size": 13 }, label);
  const labels = [text(left - 8, pixelY(y0), short(y0), "end"), text(left - 8, pixelY(y1) + 10, short(y1), "end"), text(left, height - 14, count(x0), "middle"), text(width - 14, height - 14, count(x1), "end")];
  place.replaceChildren(svg("svg", { width, height, "aria-hidden": "true" }, ...lines, ...labels));
};

// A loss of 0 is left out of a logarithmic axis; a negative loss makes the axis linear.
const canBeLogarithmic = (data) => data.some((trace) => trace.y.some((value) => value > 0)) && !data.some((trace) => trace.y.some((value) => value < 0));
const positivePart = (trace) => ({ ...trace, x: trace.x.filter((_, index) => trace.y[index] > 0), y: trace.y.filter((value) => value > 0) });

/**
 * Draw lines against the step.
 * marks: [{step, label, colour, dash}]; range: [first, last] or null; log: whether the vertical axis
 * is logarithmic; onZoom: called with a new range.
 */
export const draw = (place, traces, { marks = [], range = null, log = false, y = "", x = "step", zero = false, onZoom = null } = {}) => {
  const visibleMarks = range === null ? marks : marks.filter((mark) => mark.step >= range[0] && mark.step <= range[1]);
  const logarithmic = log && canBeLogarithmic(traces);
  const data = logarithmic ? traces.map(positivePart) : traces;
  if (window.Plotly === undefined) {
    sketch(place, withColours(data.map((trace) => ({ ...trace, colour: "@ink" }))), { range, logarithmic, zero });
    return;
  }
  const layout = {
    xaxis: { ...axis(x), tickformat: x === "step" ? ",~r" : ".0%", ...(range === null ? {} : { range, autorange: false }) },
    yaxis: { ...axis(y), type: logarithmic ? "log" : "linear", exponentformat: "e", rangemode: zero ? "tozero" : "normal", fixedrange: true, nticks: 6 },
    shapes: visibleMarks.map(verticalLine),
    annotations: visibleMarks.length > 40 ? [] : visibleMarks.map(label),
    margin: { l: 12, r: 14, t: 20, b: 12 },
    showlegend: false,
    dragmode: "zoom",
    hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 13, color: "@ink" },
    hoverlabel: { bgcolor: "@card", bordercolor: "@line", font: { color: "@ink" } },
  };
  const figure = withColours({ data, layout });
  const first = place.data === undefined;
  if (first) place.replaceChildren();
  Plotly.react(place, figure.data, figure.layout, { displayModeBar: false, responsive: true });
  if (!first || onZoom === null) return;
  place.on("plotly_relayout", (change) => {
    const [from, to] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (from !== undefined) onZoom([Math.max(0, Math.floor(from)), Math.ceil(to)]);
    if (change["xaxis.autorange"]) onZoom(null);
  });
};

/** A curve in one sentence, for screen readers. */
export const describeCurve = (title, curve) => {
  if (curve === undefined || curve.step.length === 0) return `${title}: nothing recorded`;
  const last = curve.step.length - 1;
  const [lowest, highest] = curve.value.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  return (
    `${title}: ${short(curve.value[0])} at step ${curve.step[0].toLocaleString("en")}, ` +
    `${short(curve.value[last])} at step ${curve.step[last].toLocaleString("en")}, ` +
    `lowest ${short(lowest)}, highest ${short(highest)}`
  );
};
