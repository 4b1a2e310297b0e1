// The page of a run: live curves, findings and edits, and the form to request edits.
import { Refused, announce, byId, clock, count, element, followEvents, get, oneAtATime, post, short } from "./common.js";
import { SERIES_COLOURS, describeCurve, draw, line, paintTwice, scaleOf } from "./plots.js";

const run = byId("run").dataset.run;
const api = `/api/runs/${run}`;
const COLUMNS = ["loss", "validation", "lr", "gradient_norm", "update_ratio"];
const AXES = { step: "step", epoch: "epoch", time: "seconds of training", tokens: "tokens" };
const SMALL = { gradient_norm: "Gradient norm", update_ratio: "Update ratio" };

let detail = null; // RunDetail
/** What the steps of the run count: a loop that makes a row an epoch may say so. */
const unit = () => (["epoch", "row"].includes(detail?.facts.step_unit) ? detail.facts.step_unit : "step");
let recorded = null; // CurvesResponse
let preview = null; // PreviewResponse
let lastState = null; // data of the last `state` event
let range = null; // steps that the curves show: null for all, or [first, last]

// Curves

const marks = () => {
  const edits = detail.edits
    .filter((edit) => edit.step !== null)
    .map((edit) => ({ step: edit.step, label: `E${edit.sequence}`, colour: "@chosen-text", dash: "solid" }));
  const findings = detail.findings
    .map((finding, index) => ({ step: finding.step, label: `F${index + 1}`, colour: "@diverged-text", dash: "dot" }))
    .filter((mark) => mark.step !== null);
  const attempts = detail.attempts
    .slice(1)
    .map((attempt) => ({ step: attempt.begins, label: "↺", colour: "@best", dash: "dash" }));
  return [...attempts, ...findings, ...edits];
};

const showLegend = (place, entries) => {
  byId(place).replaceChildren(
    ...entries.map(([colour, sign, label]) =>
      element("span", {}, element("i", { class: colour, "aria-hidden": "true" }, sign), label),
    ),
  );
};

const shownRange = (withPreview) => {
  if (range !== null) return range;
  const ends = [0, recorded.last ?? 0, ...(withPreview && preview ? preview.step.slice(-1) : [])];
  return [Math.min(recorded.first ?? 0, ...ends), Math.max(...ends, 1)];
};

// Loss and rate are painted first, the small plots below them a little later.
let paintTimer = null;
const paintLater = (work) => {
  clearTimeout(paintTimer);
  paintTimer = setTimeout(work, 30);
};

const groupColour = (index) => SERIES_COLOURS[(index + 1) % SERIES_COLOURS.length];
/** What is drawn besides the usual curves: rates of groups, and in an open section what probes and the system measured. */
const furtherColumns = () => {
  const known = (recorded?.columns ?? []).filter((name) => !COLUMNS.includes(name));
  const groups = known.filter((name) => name.startsWith("lr["));
  const measured = known.filter((name) => !name.startsWith("lr["));
  byId("measured").hidden = measured.length === 0;
  if (byId("measured").open && byId("measured-plots").children.length !== measured.length) {
    byId("measured-plots").replaceChildren(
      ...measured.map((name) => element("figure", { "data-column": name }, element("figcaption", {}, name.replaceAll("_", " ")), element("div", { class: "plot small", role: "img" }))),
    );
  }
  return [...groups.slice(0, SERIES_COLOURS.length - 1), ...(byId("measured").open ? measured : [])];
};

const updateAxes = () => {
  if (byId("axis").options.length === recorded.axes.length) return;
  const chosen = byId("axis").value;
  byId("axis").replaceChildren(...recorded.axes.map((name) => element("option", { value: name }, AXES[name])));
  byId("axis").value = chosen;
};

const paint = () => {
  if (detail === null || recorded === null) return;
  const { curves } = recorded;
  const log = byId("log").checked;
  const axis = byId("axis").value;
  const common = { marks: marks(), log, onZoom: showRange, x: axis === "step" ? unit() : AXES[axis], logX: byId("log-x").checked, scale: scaleOf(axis === "step" ? { step: [], value: [] } : recorded.axis) };

  const losses = [];
  const withMean = curves.loss_mean !== undefined;
  const smooth = Number(byId("smooth").value);
  losses.push({ ...line(curves.loss, "loss", "@measured", { width: withMean ? 1 : 2 }), opacity: withMean ? 0.35 : 1 });
  if (withMean) losses.push(line(curves.loss_mean, "mean loss", "@measured", { width: 2.5 }));
  const hasValidation = curves.validation.step.length > 0;
  if (hasValidation) losses.push(line(curves.validation, "validation loss", "@best", { markers: curves.validation.step.length < 60 }));
  draw(byId("plot-loss"), losses, { ...common, range: shownRange(false), y: "loss" });
  showLegend("key-loss", [
    ["measured", "━", withMean ? `loss; thick line: mean over ${smooth > 1 ? `${count(smooth)} rows` : "short ranges"}` : "loss"],
    ...(hasValidation ? [["best", "━", "validation loss"]] : []),
    ...(recorded.not_finite.length > 0 ? [["diverged", "×", `not finite at ${recorded.not_finite.length >= 100 ? "100 or more steps" : `step ${recorded.not_finite.slice(0, 3).map(count).join(", ")}`}`]] : []),
  ]);

  const groups = recorded.columns.filter((name) => name in curves && name.startsWith("lr["));
  const rates = [line(curves.lr, "rate", "@measured"), ...groups.map((name, index) => line(curves[name], `rate of group ${name.slice(3, -1)}`, groupColour(index), { dash: "dash" }))];
  const hasPreview = preview !== null && preview.step.length > 0;
  if (hasPreview) rates.push(line({ step: preview.step, value: preview.before }, "planned rate", "@measured", { dash: "dot" }));
  const hasEdit = hasPreview && preview.after !== null && detail.run.status === "running";
  if (hasEdit) rates.push(line({ step: preview.after_step, value: preview.after }, "rate with the edit", "@chosen", { width: 2.5 }));
  draw(byId("plot-lr"), rates, { ...common, log: false, range: shownRange(true), y: "rate", zero: true });
  showLegend("key-lr", [
    ["measured", "━", groups.length ? "highest rate" : "recorded rate"],
    ...groups.map((name, index) => [groupColour(index).slice(1), "┅", `group ${name.slice(3, -1)}`]),
    ...(hasPreview ? [["measured", "┅", "planned rate"]] : []),
    ...(hasEdit ? [["chosen", "━", "planned rate with this edit"]] : []),
  ]);
  for (const [name, title] of Object.entries({ loss: "Loss", lr: "Rate", ...SMALL })) {
    byId(`plot-${name}`).setAttribute("aria-label", `${describeCurve(title, curves[name])}. The table below has values.`);
  }
  paintLater(() => {
    for (const [name, title] of Object.entries(SMALL)) {
      byId(`plot-${name}`).closest("figure").hidden = curves[name].step.length === 0;
      if (curves[name].step.length === 0) continue;
      const data = [line(curves[name], title.toLowerCase(), "@measured", { width: 1.5 })];
      draw(byId(`plot-${name}`), data, { ...common, range: shownRange(false), y: title.toLowerCase() });
    }
  });
  for (const figure of byId("measured-plots").children) {
    const name = figure.dataset.column;
    if (!byId("measured").open || !(name in curves)) continue;
    const title = name.replaceAll("_", " ");
    draw(figure.querySelector(".plot"), [line(curves[name], title, "@measured", { width: 1.5, markers: curves[name].step.length < 60 })], { ...common, range: shownRange(false), y: title });
    figure.querySelector(".plot").setAttribute("aria-label", describeCurve(title, curves[name]));
  }
  showLegend("marks-key", [
    ...(detail.edits.some((edit) => edit.step !== null) ? [["chosen", "│", "E: edit"]] : []),
    ...(detail.findings.some((finding) => finding.step !== null) ? [["diverged", "┊", "F: finding"]] : []),
    ...(detail.attempts.length > 1 ? [["best", "╎", "↺: resumed or rolled back"]] : []),
  ]);
  if (window.Plotly === undefined) {
    performance.mark("sketched");
    return;
  }
  if (byId("run").dataset.drawn === undefined) performance.mark("drawn");
  byId("run").dataset.drawn = String(recorded.last ?? -1);
};

const updateTable = async () => {
  if (!byId("table").open) return;
  const query = range === null ? "" : `&first=${range[0]}&last=${range[1]}`;
  const { columns, rows } = await get(`${api}/table?rows=25${query}`);
  const head = element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name.replace("_", " "))));
  const body = rows.map((row) =>
    element("tr", {}, ...row.map((value, column) => element(column ? "td" : "th", column ? {} : { scope: "row" }, column ? short(value, 4) : count(value)))),
  );
  byId("table-rows").replaceChildren(
    element("caption", {}, `${rows.length} of ${count(recorded.rows)} recorded rows`),
    element("thead", {}, head),
    element("tbody", {}, ...body),
  );
};

const updateReplay = async () => {
  if (!byId("replay").open) return;
  try {
    const { schedule, groups, total_steps, edits, command } = await get(`${api}/replay`);
    const rows = [
      [`Schedule with ${edits.length === 1 ? "its edit" : `its ${edits.length} edits`}, ${count(total_steps)} steps`, element("code", {}, schedule)],
      ...groups.flatMap((planned, group) => (planned === null ? [] : [[`Planned for group ${group}`, element("code", {}, planned)]])),
      ...(edits.length ? [["Edits, in order", element("ol", {}, ...edits.map((edit) => element("li", {}, edit)))]] : []),
      ["Command that repeats the run, with its rollbacks", element("code", {}, command)],
    ];
    byId("replay-message").textContent = "";
    byId("replay-rows").replaceChildren(...rows.flatMap(([term, content]) => [element("dt", {}, term), element("dd", {}, content)]));
  } catch (error) {
    byId("replay-message").textContent = error instanceof Refused ? error.message : "The dashboard cannot be reached.";
  }
};

// Loading

const load = oneAtATime(async () => {
  const further = furtherColumns();
  const columns = [...COLUMNS, ...further].map((name) => `column=${encodeURIComponent(name)}`).join("&");
  const query = `&smooth=${byId("smooth").value}&axis=${byId("axis").value}${range === null ? "" : `&first=${range[0]}&last=${range[1]}`}`;
  [detail, recorded, preview] = await Promise.all([get(api), get(`${api}/curves?${columns}${query}`), get(previewPath())]);
  updateAxes();
  showSummary(detail.run);
  showLists();
  paintTwice(paint);
  updateForm();
  if (furtherColumns().length > further.length) load(); // now their names are known
  await Promise.all([updateTable(), updateReplay()]);
  if (lastState !== null && lastState.run.updated > detail.run.updated) load(); // changed meanwhile
});

const showRange = (newRange) => {
  range = newRange;
  byId("first").value = range === null ? "" : range[0];
  byId("last").value = range === null ? "" : range[1];
  load();
};

/** A text that changes whenever the run does, from a RunDetail or from a `state` event. */
const fingerprint = (state) => {
  const sizes = ["findings", "edits", "attempts", "snapshots"].map((name) => state[name].length ?? state[name]);
  const answered = state.answered ?? state.edits.filter((edit) => edit.status !== "pending").length;
  return JSON.stringify([state.run.updated, state.run.status, answered, ...sizes]);
};

// Texts

const showSummary = (current) => {
  const status = byId("status");
  if (status.textContent !== current.status) {
    status.className = `status status-${current.status}`;
    status.textContent = current.status;
    announce(`The run is ${current.status}.`);
  }
  byId("step").textContent = count(current.step);
  byId("lr").textContent = short(current.lr);
  byId("loss").textContent = short(current.loss, 4);
  if (byId("progress")) byId("progress").value = current.step;
  announce(`Step ${count(current.step)}, loss ${short(current.loss)}, rate ${short(current.lr)}.`, { minor: true });
};

const editText = (edit) => {
  const value = edit.value !== null && typeof edit.value === "object" ? `${edit.value.steps} ${edit.value.shape}` : edit.value;
  const text = typeof value === "number" ? short(value, 6) : value;
  return `${edit.kind}${text === null ? "" : ` ${text}`}${edit.group === null ? "" : ` of group ${edit.group}`}`;
};

const lastStatus = new Map(); // the last known status of each edit
const showLists = () => {
  const edits = [...detail.edits].reverse().map((edit) => {
    const outcome = { pending: "waiting for the run", applied: `took effect at ${unit()} ${count(edit.step)}`, refused: "refused" }[edit.status];
    const before = lastStatus.get(edit.sequence);
    if (before !== undefined && before !== edit.status) announce(`${editText(edit)}: ${outcome}. ${edit.answer}`);
    lastStatus.set(edit.sequence, edit.status);
    return element(
      "li",
      { class: `event event-${edit.status}`, value: edit.sequence },
      element("strong", {}, `E${edit.sequence} ${editText(edit)}`),
      element("span", { class: "what" }, ` ${outcome}`),
      ...(edit.answer ? [element("p", {}, edit.answer)] : []),
      ...(edit.reason ? [element("p", { class: "reason" }, edit.reason)] : []),
      element("p", { class: "quiet" }, `${edit.author}, ${clock(edit.time)}`),
    );
  });
  byId("edits").replaceChildren(...(edits.length ? edits : [element("li", { class: "none" }, "No edits yet.")]));
  const findings = detail.findings.map((finding, index) =>
    element(
      "li",
      { class: `event event-${finding.severity}` },
      element("strong", {}, `F${index + 1} ${finding.code} ${finding.severity}`),
      finding.step === null ? "" : element("span", { class: "what" }, ` from ${unit()} ${count(finding.step)}`),
      element("p", {}, finding.message),
      element("p", { class: "remedy" }, finding.remedy),
    ),
  );
  byId("findings").replaceChildren(...(findings.length ? findings : [element("li", { class: "none" }, "No findings.")]));
  showFacts();
};

const showFacts = () => {
  const rows = [
    ["schedule", detail.schedule ?? "none: another scheduler sets the rate"],
    ["started", `${clock(detail.run.started)} on ${detail.host}, process ${detail.pid}`],
    ...detail.attempts.slice(1).map((attempt) => [`from step ${count(attempt.begins)}`, `${attempt.reason || "resumed"} (${clock(attempt.time)})`]),
    ...Object.entries(detail.limits).map(([name, value]) => [`limit: ${name}`, JSON.stringify(value)]),
    ...Object.entries(detail.facts).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
  ];
  byId("facts").replaceChildren(
    ...rows.map(([name, value]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", { class: "word long" }, value))),
  );
};

// The form

const form = byId("steer");
const FIELDS = {
  scale: ["Factor", "multiplies the rate now and at all later steps", "0.5", ["0.5", "0.7", "0.8", "1.25", "2"]],
  set: ["Rate", "the highest rate of all groups at the next step", "", []],
  decay: ["Steps", "length of the decay, from the current rate to the end of the run", "", []],
  stretch: ["Total steps", "of the whole run", "", []],
  follow: ["Schedule", "text of the new schedule; it sets the rate from the next step on", "", ["1e-3 * linear()", "1e-3 * cosine()"]],
  rollback: ["Step", "restores weights, optimizer and schedule as they were before this step", "", []],
};

/** The effect of an edit that leaves the schedule as it is. */
const UNCHANGED = {
  snapshot: "The rate does not change.",
  probe: "The rate does not change; the answer says which rate would do better.",
  stop: "The run ends before its next update.",
};

const editOfForm = () => {
  const kind = form.kind.value;
  const edit = { kind };
  if (kind === "follow") {
    edit.schedule = form.value.value.trim();
    if (edit.schedule === "") return { ...edit, missing: "Enter a schedule, such as 1e-3 * linear()." };
  } else if (kind in FIELDS) {
    const text = form.value.value.trim().replace(",", ".");
    const number = text === "" ? NaN : Number(text);
    if (!Number.isFinite(number)) return { ...edit, missing: `${FIELDS[kind][0]}: enter a number.` };
    edit.value = number;
  }
  if (kind === "decay" && form.shape.value.trim()) edit.shape = form.shape.value.trim();
  if (!byId("group-row").hidden && form.group.value !== "") edit.group = Number(form.group.value);
  return edit;
};

const previewPath = () => {
  const edit = form === null || detail === null || detail.run.status !== "running" ? null : editOfForm();
  if (edit === null || edit.missing) return `${api}/preview`;
  return `${api}/preview?${new URLSearchParams(edit)}`;
};

/** Adapt the form to the run, and show the effect of the edit in words. */
const updateForm = () => {
  if (form === null) return;
  const live = detail.run.status === "running";
  form.hidden = !live;
  byId("ended").hidden = live;
  byId("ended").textContent = live ? "" : `The run is ${detail.run.status}. Only a running run can be edited.`;
  if (!live) return;
  const groups = (detail.facts.group_lr ?? []).length;
  byId("group-row").hidden = groups < 2 || !["scale", "set", "hold", "release", "decay", "follow"].includes(form.kind.value);
  if (form.group.options.length !== groups + 1) {
    const options = [...Array(groups).keys()].map((group) => element("option", { value: group }, `group ${group}`));
    form.group.replaceChildren(element("option", { value: "" }, "all groups"), ...options);
  }
  if (form.kind.value === "rollback") {
    const steps = detail.snapshots.map((snapshot) => snapshot.step);
    byId("values").replaceChildren(...steps.map((step) => element("option", { value: step })));
    byId("value-help").textContent = steps.length ? `Snapshots: ${steps.map(count).join(", ")}` : "There is no snapshot yet.";
  }
  const before = preview?.before?.[0];
  const after = preview?.after?.[0];
  let text = "";
  // Not if the answer to a request shows the same sentence below.
  if (preview?.refused && !editOfForm().missing) text = preview.refused === byId("refused").textContent ? "" : preview.refused;
  else if (after !== undefined && before !== undefined) {
    text = form.kind.value in UNCHANGED ? UNCHANGED[form.kind.value] : before === after ? `The rate stays ${short(before)} at first; the plot shows the later rates.` : `The rate changes from ${short(before)} to ${short(after)}.`;
  }
  if (byId("preview").textContent !== text) byId("preview").textContent = text;
};

const updatePreview = oneAtATime(async () => {
  preview = await get(previewPath());
  paint();
  updateForm();
});

const onInput = () => {
  byId("refused").textContent = ""; // it was about the edit before this input
  updatePreview();
};

const onKind = () => {
  const field = FIELDS[form.kind.value];
  byId("value-row").hidden = field === undefined;
  byId("shape-row").hidden = form.kind.value !== "decay";
  if (field !== undefined) {
    byId("value-label").textContent = field[0];
    byId("value-help").textContent = field[1];
    form.value.inputMode = form.kind.value === "follow" ? "text" : "decimal";
    form.value.value = form.kind.value === "rollback" ? String(detail?.snapshots.at(-1)?.step ?? "") : field[2];
    byId("values").replaceChildren(...field[3].map((value) => element("option", { value })));
  }
  if (detail !== null) {
    updateForm();
    onInput();
  }
};

const onSubmit = async (event) => {
  event.preventDefault();
  const edit = editOfForm();
  const refuse = (text) => {
    byId("refused").textContent = text;
    updateForm();
  };
  if (edit.missing) {
    refuse(edit.missing);
    form.value.focus();
    return;
  }
  byId("request").disabled = true;
  try {
    const stored = await post(`${api}/edits`, { ...edit, reason: form.reason.value, author: form.author.value });
    refuse("");
    form.reason.value = "";
    announce(`Requested: ${editText(stored)}.`);
    load();
  } catch (error) {
    refuse(error instanceof Refused ? error.message : "The dashboard cannot be reached. Nothing was changed.");
  } finally {
    byId("request").disabled = false;
  }
};

if (form !== null) {
  form.author.value = localStorage.getItem("learnrate-author") ?? "";
  form.author.addEventListener("change", () => localStorage.setItem("learnrate-author", form.author.value));
  form.kind.addEventListener("change", onKind);
  for (const field of [form.value, form.shape, form.group]) field.addEventListener("input", onInput);
  form.addEventListener("submit", onSubmit);
  onKind();
}

byId("view").addEventListener("submit", (event) => {
  event.preventDefault();
  const [from, to] = [byId("first"), byId("last")].map((field) => (field.value === "" ? null : Number(field.value)));
  showRange(from === null && to === null ? null : [from ?? 0, to ?? Math.max(recorded?.last ?? 1, 1)]);
});
byId("whole").addEventListener("click", () => showRange(null));
for (const id of ["log", "log-x"]) byId(id).addEventListener("change", paint);
for (const id of ["smooth", "axis"]) byId(id).addEventListener("change", load);
byId("measured").addEventListener("toggle", load);
byId("table").addEventListener("toggle", updateTable);
byId("replay").addEventListener("toggle", updateReplay);
addEventListener("colours", paint);
followEvents(run, (state) => {
  lastState = state;
  if (detail !== null && fingerprint(detail) !== fingerprint(state)) load();
});
load();
