// A shared worker. A browser opens at most six connections to a server, so all pages share one stream.
import { Stream } from "./stream.js";

const topics = new Map(); // of each page, by its port
const stream = new Stream((message) => {
  for (const [port, topic] of topics) if (message.topic === undefined || message.topic === topic) port.postMessage(message);
});

onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data: topic }) => {
    if (topic === null) topics.delete(port);
    else {
      topics.set(port, topic);
      for (const key of [null, topic]) if (stream.latest.has(key)) port.postMessage(stream.latest.get(key));
    }
    stream.follow([...new Set(topics.values())].sort());
  };
};
