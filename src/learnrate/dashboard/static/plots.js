// Drawing with plotly in the colours of the page. Only numbers and words of ours go into a plot:
// plotly reads some of its text as HTML.

/** Until plotly is there: it is large, and loads beside the data. */
export const ready =
  window.Plotly !== undefined
    ? Promise.resolve()
    : new Promise((resolve) => document.getElementById("plotly").addEventListener("load", resolve));

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

const positive = (data) => data.every((one) => one.y.every((value) => value > 0));

/**
 * Draw lines against the step.
 * marks: [{step, label, colour, dash}], range: [first, last] or null, log: whether the values are.
 */
export const draw = (place, data, { marks = [], range = null, log = false, y = "", x = "step", zero = false, zoomed = null } = {}) => {
  const seen = range === null ? marks : marks.filter((mark) => mark.step >= range[0] && mark.step <= range[1]);
  const logarithmic = log && positive(data);
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
  Plotly.react(place, figure.data, figure.layout, { displayModeBar: false, responsive: true });
  if (!first || zoomed === null) return;
  place.on("plotly_relayout", (change) => {
    const [from, to] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (from !== undefined) zoomed([Math.max(0, Math.floor(from)), Math.ceil(to)]);
    if (change["xaxis.autorange"]) zoomed(null);
  });
};

/** What a plot shows in a sentence, for those who do not see it. */
export const described = (title, curve, short) => {
  if (curve === undefined || curve.step.length === 0) return `${title}: nothing recorded`;
  const [a, b] = [0, curve.step.length - 1];
  const values = curve.value.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  return (
    `${title}: ${short(curve.value[a])} at step ${curve.step[a].toLocaleString("en")}, ` +
    `${short(curve.value[b])} at step ${curve.step[b].toLocaleString("en")}, ` +
    `lowest ${short(values[0])}, highest ${short(values[1])}`
  );
};
