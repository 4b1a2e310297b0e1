// The list of runs: kept up to date by fetching the rows again from the server.
import { byId, follow, news, oneAtATime } from "./common.js";

const form = byId("choice");
const chosen = () => [...form.querySelectorAll("input[name=run]:checked")].map((box) => box.value);

const settle = () => {
  const count = chosen().length;
  const button = byId("compare");
  button.disabled = count < 2 || count > 8;
  button.textContent = count ? `Compare the ${count} chosen` : "Compare the chosen";
};

const refresh = oneAtATime(async () => {
  const response = await fetch(location.href);
  if (!response.ok) return;
  const found = new DOMParser().parseFromString(await response.text(), "text/html");
  const [old, rows] = [byId("rows"), found.getElementById("rows")];
  if (rows === null || old === null) {
    if ((rows === null) !== (old === null)) location.reload(); // the first run, or the last one gone
    return;
  }
  const kept = new Set(chosen());
  const focused = document.activeElement?.closest?.("#rows tr")?.querySelector("input")?.value;
  const onLink = document.activeElement?.tagName === "A";
  for (const box of rows.querySelectorAll("input[name=run]")) box.checked = kept.has(box.value);
  old.replaceWith(document.adoptNode(rows));
  const back = focused && rows.querySelector(`input[value="${CSS.escape(focused)}"]`);
  if (back) (onLink ? back.closest("tr").querySelector("a") : back).focus();
  byId("count").textContent = found.getElementById("count").textContent;
  settle();
});

form.addEventListener("change", settle);
settle();
let first = true;
let last = 0;
let planned = null;
follow("/api/events", (state) => {
  if (first) {
    first = false;
    return;
  }
  news(`${state.live} runs are live.`, { minor: true });
  if (planned !== null) return;
  planned = setTimeout(() => {
    planned = null;
    last = Date.now();
    refresh();
  }, Math.max(0, last + 1000 - Date.now()));
});
