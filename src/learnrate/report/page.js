"use strict";
(() => {
  const { themes, figures } = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const painted = (value, colours) => {
    if (typeof value === "string") return value.startsWith("@") ? colours[value.slice(1)] : value;
    if (Array.isArray(value)) return value.map((entry) => painted(entry, colours));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, painted(v, colours)]));
  };
  const draw = (colours, size) => {
    for (const [id, figure] of Object.entries(figures)) {
      const { data, layout } = painted(figure, colours);
      const config = { displayModeBar: false, responsive: true };
      Plotly.react(id, data, { ...layout, ...size(document.getElementById(id)) }, config);
    }
  };
  const fitted = () => ({ autosize: true });
  const paper = (place) => ({ width: place.closest(".rungs") ? 310 : 640, height: 255 });
  const redraw = () => draw(themes[dark.matches ? "dark" : "light"], fitted);

  dark.addEventListener("change", redraw);
  addEventListener("beforeprint", () => draw(themes.light, paper));
  addEventListener("afterprint", redraw);
  redraw();

  for (const button of document.querySelectorAll(".copy button")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = button.closest(".copy").querySelector("code");
      const outcome = await navigator.clipboard.writeText(code.textContent).then(
        () => "Copied",
        () => (getSelection().selectAllChildren(code), "Selected"),
      );
      button.textContent = outcome;
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
  }
})();
