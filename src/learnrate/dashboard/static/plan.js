// A plan or a range test: the report's figures, drawn here, and its texts to copy.
import { ask, byId } from "./common.js";
import { painted, plotly } from "./plots.js";

const figures = await ask(`/api/plans/${byId("main").dataset.plan}/figures`);
const paint = () => {
  for (const [id, figure] of Object.entries(figures)) {
    const { data, layout } = painted(figure);
    Plotly.react(id, data, { ...layout, autosize: true }, { displayModeBar: false, responsive: true });
  }
};
await plotly();
paint();
addEventListener("colours", paint);

for (const button of document.querySelectorAll(".copy button")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = button.closest(".copy").querySelector("code");
    const said = await navigator.clipboard.writeText(code.textContent).then(
      () => "Copied",
      () => (getSelection().selectAllChildren(code), "Selected"),
    );
    button.textContent = said;
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}
