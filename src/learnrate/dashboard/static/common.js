// Shared by all pages: requests to the API, announcements, and the connection to the server.
import { Stream } from "./stream.js";

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text, never HTML. */
export const element = (name, attributes = {}, ...children) => {
  const created = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) created.setAttribute(key, value);
  }
  created.append(...children);
  return created;
};

export const count = (number) => (number === null ? "" : number.toLocaleString("en"));

/** A rate or a loss as text: three digits, and e-5 rather than e-05. */
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

const jsonOf = async (response) => {
  const body = await response.json().catch(() => ({ error: `status ${response.status}` }));
  if (!response.ok) throw new Refused(body.error ?? `status ${response.status}`);
  return body;
};

export const get = async (path) => jsonOf(await fetch(path));

export const post = async (path, body) =>
  jsonOf(
    await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );

/** Announce a text to screen readers; minor ones at most every 20 seconds. */
let lastAnnouncement = 0;
export const announce = (text, { minor = false } = {}) => {
  const now = Date.now();
  if (minor && now - lastAnnouncement < 20000) return;
  lastAnnouncement = now;
  byId("announcement").textContent = text;
};

const showConnection = (state, message) => {
  const place = byId("connection");
  if (place.dataset.state !== state) {
    place.dataset.state = state;
    place.textContent = { live: "live", lost: "disconnected" }[state];
  }
  const banner = byId("disconnected");
  if (banner.hidden !== (message === null)) banner.hidden = message === null;
  if (banner.textContent !== (message ?? "")) banner.textContent = message ?? "";
};

/** Call a function with the state of a topic, "runs" or a run's id, whenever it changes while the page is open. */
export const followEvents = (topic, onState) => {
  const receive = (message) => {
    if (message.kind === "lost") showConnection("lost", message.text);
    else showConnection("live", null);
    if (message.kind === "state") onState(message.state);
  };
  const followAlone = () => {
    const stream = new Stream(receive);
    stream.follow([topic]);
    addEventListener("pagehide", () => stream.follow([]));
    addEventListener("pageshow", () => stream.follow([topic]));
  };
  if (window.SharedWorker === undefined) {
    followAlone();
    return;
  }
  const worker = new SharedWorker("/static/events.js", { type: "module" });
  worker.addEventListener("error", followAlone, { once: true });
  worker.port.onmessage = ({ data }) => receive(data);
  worker.port.postMessage(topic);
  addEventListener("pagehide", () => worker.port.postMessage(null));
  addEventListener("pageshow", ({ persisted }) => persisted && worker.port.postMessage(topic));
};

/**
 * A function that calls `work`, but never twice at once: calls during a call lead to one more call
 * after it, after a pause of the same length, so that the page stays usable on a slow machine.
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
      // TypeError: no connection, which `followEvents` shows
    } finally {
      busy = false;
    }
  };
  return run;
};
