// What every page uses: the API, news, and contact with the server.

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text, never HTML. */
export const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
};

export const count = (number) => (number === null ? "" : number.toLocaleString("en"));

/** A rate or a loss for people: three digits, e-5 and not e-05. */
export const short = (number, digits = 3) => {
  if (number === null || number === undefined) return "";
  if (number === 0) return "0";
  const size = Math.abs(number);
  if (size < 1e-4 || size >= 1e6) {
    const [mantissa, power] = number.toExponential(digits - 1).split("e");
    return `${Number(mantissa)}e${Number(power)}`;
  }
  return String(Number(number.toPrecision(digits)));
};

export const clock = (seconds) => {
  const time = new Date(seconds * 1000);
  const day = time.toDateString() === new Date().toDateString() ? "" : `${time.toLocaleDateString()} `;
  return day + time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
};

export class Refused extends Error {}

const answered = async (response) => {
  const body = await response.json().catch(() => ({ error: `status ${response.status}` }));
  if (!response.ok) throw new Refused(body.error ?? `status ${response.status}`);
  return body;
};

export const ask = async (path) => answered(await fetch(path));

export const send = async (path, body) =>
  answered(
    await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );

/** Say something to a screen reader; what only counts up is said every 20 seconds at most. */
let saidLast = 0;
export const news = (text, { minor = false } = {}) => {
  const now = Date.now();
  if (minor && now - saidLast < 20000) return;
  saidLast = now;
  byId("news").textContent = text;
};

const contact = (state, words) => {
  const place = byId("contact");
  if (place.dataset.state !== state) {
    place.dataset.state = state;
    place.textContent = { live: "live", lost: "no contact" }[state];
  }
  const lost = byId("lost");
  if (lost.hidden !== (words === null)) lost.hidden = words === null;
  if (lost.textContent !== (words ?? "")) lost.textContent = words ?? "";
};

const LOST = "Contact with the dashboard is lost; this page shows what it knew last. Trying again.";
const LOCKED =
  "The dashboard was started anew and does not know this page any more. Open the address it printed.";
const SILENCE = 15000; // milliseconds; a sign of life comes every 5 seconds

/**
 * Follow server-sent events for as long as the page is open, also over restarts of the server.
 * An EventSource gives up where it is refused once, so each loss opens a new one.
 */
export const follow = (path, changed) => {
  let source = null;
  let heard = Date.now();
  let wait = 500;
  const lost = async () => {
    source.close();
    contact("lost", LOST);
    setTimeout(open, wait);
    wait = Math.min(wait * 2, 5000);
    const status = await fetch("/api/runs?most=1").then((found) => found.status, () => 0);
    if (status === 401) contact("lost", LOCKED);
  };
  const well = () => {
    heard = Date.now();
    wait = 500;
    contact("live", null);
  };
  const open = () => {
    heard = Date.now();
    source = new EventSource(path);
    source.addEventListener("alive", well);
    source.addEventListener("state", (event) => {
      well();
      changed(JSON.parse(event.data));
    });
    source.addEventListener("trouble", (event) => {
      heard = Date.now();
      contact("lost", `${JSON.parse(event.data).error} Trying again.`);
    });
    source.addEventListener("error", lost);
  };
  open();
  setInterval(() => {
    if (Date.now() - heard > SILENCE && source.readyState !== EventSource.CLOSED) lost();
  }, 1000);
  addEventListener("pagehide", () => source.close());
};

/**
 * Calls `work` at once, and then one at a time: a call meanwhile is made up for after it, with a
 * pause as long again, so that drawing leaves the page time to be used on a slow machine too.
 */
export const oneAtATime = (work) => {
  let busy = false;
  let again = false;
  const run = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      do {
        again = false;
        const began = performance.now();
        await work();
        const pause = Math.min(3000, Math.max(200, performance.now() - began));
        if (again) await new Promise((resolve) => setTimeout(resolve, pause));
      } while (again);
    } catch (error) {
      if (!(error instanceof Refused || error instanceof TypeError)) throw error;
      // TypeError: no contact, which `follow` reports
    } finally {
      busy = false;
    }
  };
  return run;
};
