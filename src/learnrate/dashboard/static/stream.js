// One stream of events from the server: of one page, or of all open pages in a shared worker.

const DISCONNECTED = "The connection to the dashboard is lost. This page shows the last known state. Reconnecting…";
const UNAUTHORIZED = "The dashboard was restarted and needs a new token. Open the address it printed.";
const LONGEST_SILENCE = 15000; // milliseconds; the server sends an event at least every 5 seconds

/**
 * Follows topics ("runs", or the id of a run), also after restarts of the server, and calls `tell` with
 * messages: {kind: "state", topic, state}, {kind: "live"} or {kind: "lost", text} for all topics, or for one.
 * An EventSource does not reconnect after a refused request, so a new one is opened each time.
 */
export class Stream {
  constructor(tell) {
    this.tell = tell;
    this.topics = [];
    this.wait = 500;
    this.source = null;
    this.timer = null;
    this.latest = new Map(); // messages by their topic; that of the connection by null
    setInterval(() => {
      if (this.source !== null && Date.now() - this.lastEvent > LONGEST_SILENCE) this.reconnect();
    }, 1000);
  }

  follow(topics) {
    if (topics.join() === this.topics.join()) return;
    this.topics = topics;
    for (const topic of this.latest.keys()) if (topic !== null && !topics.includes(topic)) this.latest.delete(topic);
    this.open();
  }

  say(message) {
    this.latest.set(message.topic ?? null, message);
    this.tell(message);
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  open() {
    this.close();
    if (this.topics.length === 0) return;
    this.lastEvent = Date.now();
    this.source = new EventSource(`/api/events?${this.topics.map((topic) => `topic=${topic}`).join("&")}`);
    const live = () => {
      this.lastEvent = Date.now();
      this.wait = 500;
      if (this.latest.get(null)?.kind !== "live") this.say({ kind: "live" });
    };
    this.source.addEventListener("alive", live);
    this.source.addEventListener("state", (event) => {
      live();
      const { topic, ...state } = JSON.parse(event.data);
      this.say({ kind: "state", topic, state });
    });
    this.source.addEventListener("trouble", (event) => {
      this.lastEvent = Date.now();
      const { topic, error } = JSON.parse(event.data);
      this.say({ kind: "lost", topic, text: `${error} Reconnecting…` });
    });
    this.source.addEventListener("error", () => this.reconnect());
  }

  async reconnect() {
    this.close();
    this.say({ kind: "lost", text: DISCONNECTED });
    this.timer = setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(this.wait * 2, 5000);
    const status = await fetch("/api/runs?limit=1").then((response) => response.status, () => 0);
    if (status === 401) this.say({ kind: "lost", text: UNAUTHORIZED });
  }
}
