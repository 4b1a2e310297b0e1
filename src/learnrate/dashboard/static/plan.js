// A plan or a range test: draws the report's figures, and copies its texts to the clipboard.
import { byId, get } from "./common.js";
import { loadPlotly, withColours } from "./plots.js";

const figures = await get(`/api/plans/${byId("main").dataset.plan}/figures`);
const paint = () => {
  for (const [id, figure] of Object.entries(figures)) {
    const { data, layout } = withColours(figure);
    Plotly.react(id, data, { ...layout, autosize: true }, { displayModeBar: false, responsive: true });
  }
};
await loadPlotly();
paint();
addEventListener("colours", paint);

for (const button of document.querySelectorAll(".copy button")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = button.closest(".copy").querySelector("code");
    const label = await navigator.clipboard.writeText(code.textContent).then(
      () => "Copied",
      () => (getSelection().selectAllChildren(code), "Selected"),
    );
    button.textContent = label;
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}
