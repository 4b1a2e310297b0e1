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
  hovertemplate: `%{text} %{x:,.6~g}<br>${name} %{customdata:.4~g}<extra></extra>`,
});

/** The steps of a run on another axis: straight between the known values of that axis, and beyond them. */
export const scaleOf = ({ step, value }) => {
  if (step.length < 2) return { toAxis: (x) => x, toStep: (x) => x };
  const between = (from, to) => (x) => {
    let index = 1;
    for (let end = from.length - 1; index < end; ) {
      const middle = (index + end) >> 1;
      if (from[middle] < x) index = middle + 1;
      else end = middle;
    }
    const width = from[index] - from[index - 1];
    return to[index - 1] + (width === 0 ? 0 : ((x - from[index - 1]) / width) * (to[index] - to[index - 1]));
  };
  return { toAxis: between(step, value), toStep: between(value, step) };
};
const STEPS = { toAxis: (x) => x, toStep: (x) => x };

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
  x: mark.label_x,
  y: 1,
  yref: "paper",
  yanchor: "bottom",
  text: mark.label,
  showarrow: false,
  font: { color: mark.colour, size: 12 },
});

/** Marks whose labels would overlap have one label, such as "E1 E2" or "E1 … E5". */
const labels = (marks, [first, last], width) => {
  const groups = [];
  for (const mark of [...marks].sort((a, b) => a.label_x - b.label_x)) {
    const pixel = ((mark.label_x - first) / (last - first || 1)) * width;
    const group = groups.at(-1);
    if (group !== undefined && pixel - group.pixel < 4 * (group.label.length + mark.label.length) + 4) {
      group.label = group.count === 1 ? `${group.first} ${mark.label}` : `${group.first} … ${mark.label}`;
      group.count += 1;
    } else groups.push({ ...mark, first: mark.label, count: 1, pixel });
  }
  return groups.map(label);
};

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

// A value of 0 is left out of a logarithmic axis; a negative one makes it symmetric around 0.
const some = (data, condition) => data.some((trace) => trace.y.some(condition));
const positivePart = (trace) => ({ ...trace, x: trace.x.filter((_, index) => trace.y[index] > 0), y: trace.y.filter((value) => value > 0) });

/** A symmetric logarithm: linear for values below a thousandth of the largest; its ticks are powers of ten. */
const symmetricAxis = (data) => {
  const largest = data.reduce((most, trace) => trace.y.reduce((high, value) => Math.max(high, Math.abs(value)), most), 0);
  const top = Math.ceil(Math.log10(largest));
  const threshold = 10 ** (top - 3);
  const scale = (value) => Math.asinh(value / threshold);
  const powers = [...Array(4).keys()].map((back) => 10 ** (top - back));
  const ticks = [...powers.map((power) => -power), 0, ...powers].sort((a, b) => a - b);
  return { scale, title: `symmetric logarithm<br>linear within ±${short(threshold)}`, ticks: { tickvals: ticks.map(scale), ticktext: ticks.map((tick) => short(tick)) } };
};

const drawn = new Set(); // places whose cursors are linked

/** Show the values at the same place of the horizontal axis in all other plots. */
const linkCursors = (place) => {
  drawn.add(place);
  const others = () => [...drawn].filter((other) => other !== place && other.isConnected && other.offsetParent !== null);
  place.on("plotly_hover", ({ points, event }) => {
    if (event === undefined) return; // it came from another plot
    for (const other of others()) {
      const { x } = other.data[0];
      let nearest = 0;
      x.forEach((value, index) => (Math.abs(value - points[0].x) < Math.abs(x[nearest] - points[0].x) ? (nearest = index) : 0));
      if (x.length) Plotly.Fx.hover(other, [{ curveNumber: 0, pointNumber: nearest }]);
    }
  });
  place.on("plotly_unhover", ({ event }) => event !== undefined && others().forEach((other) => Plotly.Fx.unhover(other)));
};

/**
 * Draw lines against the step, or against another axis that `scale` maps steps to.
 * marks: [{step, label, colour, dash}]; range: steps [first, last] or null; log and logX: whether an
 * axis is logarithmic; onZoom: called with a new range of steps.
 */
export const draw = (place, traces, { marks = [], range = null, log = false, y = "", x = "step", zero = false, scale = STEPS, logX = false, onZoom = null } = {}) => {
  const shown = range === null ? marks : marks.filter((mark) => mark.step >= range[0] && mark.step <= range[1]);
  const toPlot = (step) => (logX ? Math.log10(Math.max(scale.toAxis(step), scale.toAxis(1) || 1e-9)) : scale.toAxis(step));
  const symmetric = log && some(traces, (value) => value < 0) ? symmetricAxis(traces) : null;
  const logarithmic = log && symmetric === null && some(traces, (value) => value > 0);
  const data = (logarithmic ? traces.map(positivePart) : traces).map((trace) => ({
    ...trace,
    x: trace.x.map(scale.toAxis),
    y: symmetric === null ? trace.y : trace.y.map(symmetric.scale),
    customdata: trace.y,
    text: x,
  }));
  if (window.Plotly === undefined) {
    sketch(place, withColours(data.map((trace) => ({ ...trace, colour: "@ink" }))), { range: range?.map(scale.toAxis) ?? null, logarithmic, zero });
    return;
  }
  const visibleMarks = shown.map((mark) => ({ ...mark, step: logX ? 10 ** toPlot(mark.step) : toPlot(mark.step), label_x: toPlot(mark.step) }));
  const places = range === null ? data.flatMap((trace) => [trace.x[0], trace.x.at(-1)]).filter(Number.isFinite).map((at) => (logX ? Math.log10(at) : at)).filter(Number.isFinite) : range.map(toPlot);
  const ends = [...places, ...visibleMarks.map((mark) => mark.label_x)];
  const layout = {
    xaxis: { ...axis(x), type: logX ? "log" : "linear", tickformat: x === "share of the run" ? ".0%" : ",~r", ...(range === null ? {} : { range: range.map(toPlot), autorange: false }) },
    yaxis: { ...axis(symmetric === null ? y : `${y}, ${symmetric.title}`), type: logarithmic ? "log" : "linear", exponentformat: "e", ...(logarithmic ? { tickformat: "~g" } : {}), rangemode: zero ? "tozero" : "normal", fixedrange: true, nticks: 6, ...symmetric?.ticks },
    shapes: visibleMarks.map(verticalLine),
    annotations: visibleMarks.length > 40 ? [] : labels(visibleMarks, [Math.min(...ends), Math.max(...ends)], place.clientWidth - 80),
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
  place.axes = { scale, logX }; // for ranges by dragging
  if (first) place.replaceChildren();
  Plotly.react(place, figure.data, figure.layout, { displayModeBar: false, responsive: true });
  if (first) linkCursors(place);
  if (!first || onZoom === null) return;
  place.on("plotly_relayout", (change) => {
    const [from, to] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    const { scale: current, logX: isLog } = place.axes;
    const stepAt = (value) => current.toStep(isLog ? 10 ** value : value);
    if (from !== undefined) onZoom([Math.max(0, Math.floor(stepAt(from))), Math.ceil(stepAt(to))]);
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
