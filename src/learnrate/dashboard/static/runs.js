// The list of runs: the server makes the rows; this fetches them again when the filter or the store changes.
import { Refused, announce, byId, followEvents, oneAtATime, post } from "./common.js";

const filter = byId("filter");
const choice = byId("choice");
const boxes = () => [...choice.querySelectorAll("input[name=run]")];
const selectedRuns = () => boxes().filter((box) => box.checked).map((box) => box.value);

const updateButtons = () => {
  const count = selectedRuns().length;
  const button = byId("compare");
  button.disabled = count < 2 || count > 8;
  button.textContent = count > 1 ? `Compare ${count} selected runs` : "Compare selected runs";
  if (byId("labels")) byId("labels").hidden = count === 0;
  if (byId("all")) byId("all").checked = count > 0 && count === boxes().length;
};

// Rows

let isSearchRefused = false; // whether the message is about the search, not about a change

/** Fetch the list for the address of the page, and replace the rows and all that depends on them. */
const refresh = oneAtATime(async () => {
  const response = await fetch(location.href);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!response.ok || isSearchRefused) byId("refused").textContent = response.ok ? "" : page.querySelector("main p").textContent;
  isSearchRefused = !response.ok;
  if (isSearchRefused) return;
  const selected = new Set(selectedRuns());
  const focused = document.activeElement?.closest?.("#rows") ? document.activeElement : null;
  const again = focused && (focused.value ? `input[value="${CSS.escape(focused.value)}"]` : `[href="${CSS.escape(focused.getAttribute("href") ?? "")}"]`);
  const scrolled = byId("rows").querySelector(".table")?.scrollLeft ?? 0;
  byId("rows").replaceWith(document.adoptNode(page.getElementById("rows")));
  for (const box of boxes()) box.checked = selected.has(box.value);
  byId("rows").querySelector(".table")?.scrollTo(scrolled, 0);
  if (again) byId("rows").querySelector(again)?.focus();
  if (byId("count").textContent !== page.getElementById("count").textContent) {
    byId("count").textContent = page.getElementById("count").textContent;
    announce(byId("count").textContent);
  }
  for (const field of choice.querySelectorAll("input[type=hidden]")) field.value = filter[field.name].value;
  updateButtons();
});

const CHOSEN = ["column", "group", "sort", "differences"]; // saved for the next visit
const show = (address) => {
  history.replaceState(null, "", address);
  const query = new URLSearchParams(location.search);
  filter.sort.value = query.get("sort") ?? "-started";
  localStorage.setItem("learnrate-list", new URLSearchParams([...query].filter(([name]) => CHOSEN.includes(name))));
  refresh();
};
const USUAL = ["", "-started", "active"]; // values that need not be in the address
const showFiltered = () => show(`/?${new URLSearchParams([...new FormData(filter)].filter(([, value]) => !USUAL.includes(value)))}`);

let typing = null;
filter.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(showFiltered, 120);
});
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  showFiltered();
});
choice.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-sort]");
  if (link === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link.getAttribute("href"));
});
choice.addEventListener("change", (event) => {
  if (event.target.id === "all") for (const box of boxes()) box.checked = event.target.checked;
  updateButtons();
});

// Labels

const ACTIONS = {
  pin: () => ({ pinned: true }),
  unpin: () => ({ pinned: false }),
  tag: (text, tags) => ({ tags: [...tags, text] }),
  untag: (text, tags) => ({ tags: tags.filter((tag) => tag !== text) }),
  note: (text) => ({ note: text }),
  rename: (text) => ({ name: text }),
  archive: () => ({ lifecycle: "archived" }),
  delete: () => ({ lifecycle: "deleted" }),
  restore: () => ({ lifecycle: "active" }),
};
const undoSteps = [];

const attempt = async (work) => {
  byId("refused").textContent = "";
  try {
    await work();
  } catch (error) {
    byId("refused").textContent = error instanceof Refused ? error.message : "The dashboard cannot be reached. Nothing was changed.";
  }
  byId("undo").hidden = undoSteps.length === 0;
  byId("undo").textContent = undoSteps.length ? `Undo: ${undoSteps.at(-1).words}` : "Undo";
  await refresh();
};

const apply = () =>
  attempt(async () => {
    const [action, text, runs] = [byId("action").value, byId("label").value.trim(), selectedRuns()];
    const words = `${byId("action").selectedOptions[0].textContent} (${runs.length} ${runs.length === 1 ? "run" : "runs"})`;
    if (action === "purge") {
      if (!confirm(`Remove ${runs.length} deleted runs for good? This cannot be undone.`)) return;
      await post("/api/purge", { runs });
    } else {
      const tagsOf = (run) => JSON.parse(choice.querySelector(`input[value="${run}"]`).closest("tr").dataset.tags);
      const { undo } = await post("/api/labels", { changes: runs.map((run) => ({ run, ...ACTIONS[action](text, tagsOf(run)) })) });
      undoSteps.push({ undo, words });
    }
    announce(`Done: ${words}.`);
  });

if (byId("labels")) {
  const showLabel = () => (byId("label").hidden = !["tag", "untag", "note", "rename"].includes(byId("action").value));
  byId("action").addEventListener("change", showLabel);
  byId("apply").addEventListener("click", apply);
  byId("label").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // the form would compare the runs
    apply();
  });
  byId("undo").addEventListener("click", () =>
    attempt(async () => {
      await post("/api/labels", { changes: undoSteps.at(-1).undo });
      announce(`Undone: ${undoSteps.pop().words}.`);
    }),
  );
  showLabel();
}

// Changes of the store

updateButtons();
const stored = localStorage.getItem("learnrate-list");
if (location.search === "" && stored) location.replace(`/?${stored}`);
let lastState = null;
let lastRefresh = 0;
let timer = null;
followEvents("runs", (state) => {
  const changed = lastState !== null && lastState !== JSON.stringify(state);
  lastState = JSON.stringify(state);
  if (!changed || timer !== null) return;
  announce(`${state.live} runs are running.`, { minor: true });
  timer = setTimeout(() => {
    timer = null;
    lastRefresh = Date.now();
    refresh();
  }, Math.max(0, lastRefresh + 1000 - Date.now()));
});
