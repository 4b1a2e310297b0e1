// One run: its curves, live; its findings and edits; the controls.
import { Refused, ask, byId, clock, count, element, follow, news, oneAtATime, send, short } from "./common.js";
import { described, draw, line, paintTwice } from "./plots.js";

const run = byId("run").dataset.run;
const api = `/api/runs/${run}`;
const COLUMNS = ["loss", "validation", "lr", "gradient_norm", "update_ratio"];
const SMALL = { gradient_norm: "Gradient norm", update_ratio: "Update ratio" };

let about = null; // RunDetail
let seen = null; // Curves
let coming = null; // Ahead
let told = null; // the last `state` event
let range = null; // what the curves show: null, or [first, last]

// What is drawn

const marks = () => {
  const edits = about.edits
    .filter((edit) => edit.step !== null)
    .map((edit) => ({ step: edit.step, label: `E${edit.sequence}`, colour: "@chosen-text", dash: "solid" }));
  const findings = about.findings
    .map((finding, index) => ({ step: finding.step, label: `F${index + 1}`, colour: "@diverged-text", dash: "dot" }))
    .filter((mark) => mark.step !== null);
  const attempts = about.attempts
    .slice(1)
    .map((one) => ({ step: one.begins, label: "↺", colour: "@best", dash: "dash" }));
  return [...attempts, ...findings, ...edits];
};

const key = (place, items) => {
  byId(place).replaceChildren(
    ...items.map(([colour, sign, words]) =>
      element("span", {}, element("i", { class: colour, "aria-hidden": "true" }, sign), words),
    ),
  );
};

const shownRange = (withAhead) => {
  if (range !== null) return range;
  const ends = [0, seen.last ?? 0, ...(withAhead && coming ? coming.step.slice(-1) : [])];
  return [Math.min(seen.first ?? 0, ...ends), Math.max(...ends, 1)];
};

// Loss and rate first; what is below them once they are on the screen.
let waiting = null;
const later = (work) => {
  clearTimeout(waiting);
  waiting = setTimeout(work, 30);
};

const paint = () => {
  if (about === null || seen === null) return;
  const { curves } = seen;
  const log = byId("log").checked;
  const common = { marks: marks(), log, zoomed: show };

  const losses = [];
  const many = curves.loss_mean !== undefined;
  losses.push({ ...line(curves.loss, "loss", "@measured", { width: many ? 1 : 2 }), opacity: many ? 0.35 : 1 });
  if (many) losses.push(line(curves.loss_mean, "mean loss", "@measured", { width: 2.5 }));
  const validated = curves.validation.step.length > 0;
  if (validated) losses.push(line(curves.validation, "validation loss", "@best", { markers: curves.validation.step.length < 60 }));
  draw(byId("plot-loss"), losses, { ...common, range: shownRange(false), y: "loss" });
  key("key-loss", [
    ["measured", "━", many ? "loss; strong: its mean over short stretches" : "loss"],
    ...(validated ? [["best", "━", "validation loss"]] : []),
    ...(seen.not_finite.length > 0 ? [["diverged", "×", `not a finite number at ${seen.not_finite.length >= 100 ? "100 steps or more" : `step ${seen.not_finite.slice(0, 3).map(count).join(", ")}`}`]] : []),
  ]);

  const rates = [line(curves.lr, "rate", "@measured")];
  const ahead = coming !== null && coming.step.length > 0;
  if (ahead) rates.push(line({ step: coming.step, value: coming.before }, "rate ahead", "@measured", { dash: "dot" }));
  const prepared = ahead && coming.after !== null;
  if (prepared) rates.push(line({ step: coming.after_step, value: coming.after }, "with the edit", "@chosen", { width: 2.5 }));
  draw(byId("plot-lr"), rates, { ...common, log: false, range: shownRange(true), y: "rate", zero: true });
  key("key-lr", [
    ["measured", "━", "used"],
    ...(ahead ? [["measured", "┅", "ahead"]] : []),
    ...(prepared ? [["chosen", "━", "ahead with the edit being prepared"]] : []),
  ]);
  for (const [name, title] of Object.entries({ loss: "Loss", lr: "Rate", ...SMALL })) {
    byId(`plot-${name}`).setAttribute("aria-label", `${described(title, curves[name])}. The table below has figures.`);
  }
  later(() => {
    for (const [name, title] of Object.entries(SMALL)) {
      byId(`plot-${name}`).closest("figure").hidden = curves[name].step.length === 0;
      if (curves[name].step.length === 0) continue;
      const data = [line(curves[name], title.toLowerCase(), "@measured", { width: 1.5 })];
      draw(byId(`plot-${name}`), data, { ...common, range: shownRange(false), y: title.toLowerCase() });
    }
  });
  key("marks-key", [
    ...(about.edits.some((edit) => edit.step !== null) ? [["chosen", "│", "E: an edit"]] : []),
    ...(about.findings.some((finding) => finding.step !== null) ? [["diverged", "┊", "F: a finding"]] : []),
    ...(about.attempts.length > 1 ? [["best", "╎", "↺ resumed or rolled back"]] : []),
  ]);
  if (window.Plotly === undefined) {
    performance.mark("sketched");
    return;
  }
  if (byId("run").dataset.drawn === undefined) performance.mark("drawn");
  byId("run").dataset.drawn = String(seen.last ?? -1);
};

const figures = async () => {
  if (!byId("figures").open) return;
  const query = range === null ? "" : `&first=${range[0]}&last=${range[1]}`;
  const { columns, rows } = await ask(`${api}/table?rows=25${query}`);
  const head = element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name.replace("_", " "))));
  const body = rows.map((row) =>
    element("tr", {}, ...row.map((value, at) => element(at ? "td" : "th", at ? {} : { scope: "row" }, at ? short(value, 4) : count(value)))),
  );
  byId("figures-table").replaceChildren(
    element("caption", {}, `${rows.length} rows of the ${count(seen.rows)} recorded`),
    element("thead", {}, head),
    element("tbody", {}, ...body),
  );
};

const replay = async () => {
  if (!byId("replay").open) return;
  try {
    const { schedule, total_steps, edits, command } = await ask(`${api}/replay`);
    const rows = [
      [`its schedule with ${edits.length === 1 ? "its edit" : `its ${edits.length} edits`}, ${count(total_steps)} updates`, element("code", {}, schedule)],
      ...(edits.length ? [["edits, in order", element("ol", {}, ...edits.map((words) => element("li", {}, words)))]] : []),
      ["to repeat it, rollbacks included", element("code", {}, command)],
    ];
    byId("replay-said").textContent = "";
    byId("replay-shown").replaceChildren(...rows.flatMap(([term, what]) => [element("dt", {}, term), element("dd", {}, what)]));
  } catch (error) {
    byId("replay-said").textContent = error instanceof Refused ? error.message : "The dashboard cannot be reached.";
  }
};

// Reading

const load = oneAtATime(async () => {
  const columns = COLUMNS.map((name) => `column=${name}`).join("&");
  const query = range === null ? "" : `&first=${range[0]}&last=${range[1]}`;
  [about, seen, coming] = await Promise.all([ask(api), ask(`${api}/curves?${columns}${query}`), ask(aheadPath())]);
  summary(about.run);
  lists();
  paintTwice(paint);
  prepare();
  await Promise.all([figures(), replay()]);
  if (told !== null && told.run.updated > about.run.updated) load(); // came while this was read
});

const show = (wanted) => {
  range = wanted;
  byId("first").value = wanted === null ? "" : wanted[0];
  byId("last").value = wanted === null ? "" : wanted[1];
  load();
};

/** What tells whether there is something new, of a RunDetail and of a `state` event alike. */
const known = (state) => {
  const sizes = ["findings", "edits", "attempts", "snapshots"].map((name) => state[name].length ?? state[name]);
  const answered = state.answered ?? state.edits.filter((edit) => edit.status !== "pending").length;
  return JSON.stringify([state.run.updated, state.run.status, answered, ...sizes]);
};

// Words

const summary = (now) => {
  const status = byId("status");
  if (status.textContent !== now.status) {
    status.className = `status status-${now.status}`;
    status.textContent = now.status;
    news(`The run is ${now.status}.`);
  }
  byId("step").textContent = count(now.step);
  byId("lr").textContent = short(now.lr);
  byId("loss").textContent = short(now.loss, 4);
  if (byId("progress")) byId("progress").value = now.step;
  news(`Step ${count(now.step)}, loss ${short(now.loss)}, rate ${short(now.lr)}.`, { minor: true });
};

const words = (edit) => {
  const value = edit.value !== null && typeof edit.value === "object" ? `${edit.value.steps} ${edit.value.shape}` : edit.value;
  const shown = typeof value === "number" ? short(value, 6) : value;
  return `${edit.kind}${shown === null ? "" : ` ${shown}`}${edit.group === null ? "" : ` of group ${edit.group}`}`;
};

const stood = new Map(); // status of each edit as last said
const lists = () => {
  const edits = [...about.edits].reverse().map((edit) => {
    const became = { pending: "waits for the run", applied: `took effect at step ${count(edit.step)}`, refused: "refused" }[edit.status];
    const before = stood.get(edit.sequence);
    if (before !== undefined && before !== edit.status) news(`${words(edit)}: ${became}. ${edit.answer}`);
    stood.set(edit.sequence, edit.status);
    return element(
      "li",
      { class: `event event-${edit.status}`, value: edit.sequence },
      element("strong", {}, `E${edit.sequence} ${words(edit)}`),
      element("span", { class: "what" }, ` ${became}`),
      ...(edit.answer ? [element("p", {}, edit.answer)] : []),
      ...(edit.reason ? [element("p", { class: "reason" }, edit.reason)] : []),
      element("p", { class: "quiet" }, `${edit.author}, ${clock(edit.time)}`),
    );
  });
  byId("edits").replaceChildren(...(edits.length ? edits : [element("li", { class: "none" }, "none yet")]));
  const findings = about.findings.map((finding, index) =>
    element(
      "li",
      { class: `event event-${finding.severity}` },
      element("strong", {}, `F${index + 1} ${finding.code} ${finding.severity}`),
      finding.step === null ? "" : element("span", { class: "what" }, ` from step ${count(finding.step)}`),
      element("p", {}, finding.message),
      element("p", { class: "remedy" }, finding.remedy),
    ),
  );
  byId("findings").replaceChildren(...(findings.length ? findings : [element("li", { class: "none" }, "none")]));
  facts();
};

const facts = () => {
  const rows = [
    ["schedule", about.schedule ?? "not ours: another scheduler sets the rate"],
    ["started", `${clock(about.run.started)} on ${about.host}, process ${about.pid}`],
    ...about.attempts.slice(1).map((one) => [`from step ${count(one.begins)}`, `${one.reason || "resumed"} (${clock(one.time)})`]),
    ...Object.entries(about.limits).map(([name, value]) => [`limit: ${name}`, JSON.stringify(value)]),
    ...Object.entries(about.facts).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
  ];
  byId("facts").replaceChildren(
    ...rows.map(([name, value]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", { class: "word long" }, value))),
  );
};

// Controls

const form = byId("steer");
const VALUES = {
  scale: ["Factor", "times the rate, and all that is planned for later", "0.5", ["0.5", "0.7", "0.8", "1.25", "2"]],
  set: ["Rate", "the highest rate of the next update", "", []],
  decay: ["Steps", "from the rate it has down to the end of the run", "", []],
  stretch: ["Total", "updates of the whole run", "", []],
  follow: ["Schedule", "its text; the rate is the one it has at each step", "", ["1e-3 * linear()", "1e-3 * cosine()"]],
  rollback: ["Step", "weights, optimizer and schedule as they were before it", "", []],
};

const edit = () => {
  const kind = form.kind.value;
  const made = { kind };
  if (kind === "follow") {
    made.schedule = form.value.value.trim();
    if (made.schedule === "") return { ...made, missing: "Schedule: a text is needed, such as 1e-3 * linear()." };
  } else if (kind in VALUES) {
    const text = form.value.value.trim().replace(",", ".");
    const number = text === "" ? NaN : Number(text);
    if (!Number.isFinite(number)) return { ...made, missing: `${VALUES[kind][0]}: a number is needed.` };
    made.value = number;
  }
  if (kind === "decay" && form.shape.value.trim()) made.shape = form.shape.value.trim();
  if (!byId("group-row").hidden && form.group.value !== "") made.group = Number(form.group.value);
  return made;
};

const aheadPath = () => {
  const wanted = form === null || about === null || about.run.status !== "running" ? null : edit();
  if (wanted === null || wanted.missing) return `${api}/ahead`;
  return `${api}/ahead?${new URLSearchParams(wanted)}`;
};

/** The form as the run allows it, and in words what the edit would do. */
const prepare = () => {
  if (form === null) return;
  const live = about.run.status === "running";
  form.hidden = !live;
  byId("ended").hidden = live;
  byId("ended").textContent = live ? "" : `The run is ${about.run.status}; only a running one can be steered.`;
  if (!live) return;
  const groups = (about.facts.group_lr ?? []).length;
  byId("group-row").hidden = groups < 2 || !["scale", "set", "hold", "release", "decay"].includes(form.kind.value);
  if (form.group.options.length !== groups + 1) {
    const options = [...Array(groups).keys()].map((at) => element("option", { value: at }, `group ${at}`));
    form.group.replaceChildren(element("option", { value: "" }, "all groups"), ...options);
  }
  if (form.kind.value === "rollback") {
    const steps = about.snapshots.map((one) => one.step);
    byId("values").replaceChildren(...steps.map((step) => element("option", { value: step })));
    byId("value-help").textContent = steps.length ? `snapshots: ${steps.map(count).join(", ")}` : "there is no snapshot yet";
  }
  const now = coming?.before?.[0];
  const then = coming?.after?.[0];
  let said = "";
  if (coming?.refused && !edit().missing) said = coming.refused;
  else if (then !== undefined && now !== undefined) {
    said = now === then ? `The rate stays ${short(now)} at first; see the curve.` : `The rate goes from ${short(now)} to ${short(then)}.`;
  }
  if (byId("ahead").textContent !== said) byId("ahead").textContent = said;
};

const preview = oneAtATime(async () => {
  coming = await ask(aheadPath());
  paint();
  prepare();
});

const changed = () => {
  byId("refused").textContent = ""; // of the edit as it was; now, as a refusal may come before the preview
  preview();
};

const chosen = () => {
  const known = VALUES[form.kind.value];
  byId("value-row").hidden = known === undefined;
  byId("shape-row").hidden = form.kind.value !== "decay";
  if (known !== undefined) {
    byId("value-label").textContent = known[0];
    byId("value-help").textContent = known[1];
    form.value.inputMode = form.kind.value === "follow" ? "text" : "decimal";
    form.value.value = form.kind.value === "rollback" ? String(about?.snapshots.at(-1)?.step ?? "") : known[2];
    byId("values").replaceChildren(...known[3].map((value) => element("option", { value })));
  }
  if (about !== null) {
    prepare();
    changed();
  }
};

const asked = async (event) => {
  event.preventDefault();
  const wanted = edit();
  const refused = byId("refused");
  if (wanted.missing) {
    refused.textContent = wanted.missing;
    form.value.focus();
    return;
  }
  byId("ask").disabled = true;
  try {
    const made = await send(`${api}/edits`, { ...wanted, reason: form.reason.value, author: form.author.value });
    refused.textContent = "";
    form.reason.value = "";
    news(`Asked the run: ${words(made)}.`);
    load();
  } catch (error) {
    refused.textContent = error instanceof Refused ? error.message : "The dashboard cannot be reached; nothing was changed.";
  } finally {
    byId("ask").disabled = false;
  }
};

if (form !== null) {
  form.author.value = localStorage.getItem("learnrate-author") ?? "";
  form.author.addEventListener("change", () => localStorage.setItem("learnrate-author", form.author.value));
  form.kind.addEventListener("change", chosen);
  for (const field of [form.value, form.shape, form.group]) field.addEventListener("input", changed);
  form.addEventListener("submit", asked);
  chosen();
}

byId("view").addEventListener("submit", (event) => {
  event.preventDefault();
  const [from, to] = [byId("first"), byId("last")].map((field) => (field.value === "" ? null : Number(field.value)));
  show(from === null && to === null ? null : [from ?? 0, to ?? Math.max(seen?.last ?? 1, 1)]);
});
byId("whole").addEventListener("click", () => show(null));
byId("log").addEventListener("change", paint);
byId("figures").addEventListener("toggle", figures);
byId("replay").addEventListener("toggle", replay);
addEventListener("colours", paint);
follow(`${api}/events`, (state) => {
  told = state;
  if (about !== null && known(about) !== known(state)) load();
});
load();
