// The list of runs: rows are fetched again from the server when the store changes.
import { announce, byId, followEvents, oneAtATime } from "./common.js";

const form = byId("choice");
const selectedRuns = () => [...form.querySelectorAll("input[name=run]:checked")].map((box) => box.value);

const updateButton = () => {
  const count = selectedRuns().length;
  const button = byId("compare");
  button.disabled = count < 2 || count > 8;
  button.textContent = count ? `Compare ${count} selected runs` : "Compare selected runs";
};

const refresh = oneAtATime(async () => {
  const response = await fetch(location.href);
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const [old, rows] = [byId("rows"), page.getElementById("rows")];
  if (rows === null || old === null) {
    if ((rows === null) !== (old === null)) location.reload(); // the first run was added, or the last one removed
    return;
  }
  const selected = new Set(selectedRuns());
  const focused = document.activeElement?.closest?.("#rows tr")?.querySelector("input")?.value;
  const onLink = document.activeElement?.tagName === "A";
  for (const box of rows.querySelectorAll("input[name=run]")) box.checked = selected.has(box.value);
  old.replaceWith(document.adoptNode(rows));
  const focusedBox = focused && rows.querySelector(`input[value="${CSS.escape(focused)}"]`);
  if (focusedBox) (onLink ? focusedBox.closest("tr").querySelector("a") : focusedBox).focus();
  byId("count").textContent = page.getElementById("count").textContent;
  updateButton();
});

form.addEventListener("change", updateButton);
updateButton();
let firstEvent = true;
let lastRefresh = 0;
let timer = null;
followEvents("/api/events", (state) => {
  if (firstEvent) {
    firstEvent = false;
    return;
  }
  announce(`${state.live} runs are running.`, { minor: true });
  if (timer !== null) return;
  timer = setTimeout(() => {
    timer = null;
    lastRefresh = Date.now();
    refresh();
  }, Math.max(0, lastRefresh + 1000 - Date.now()));
});
