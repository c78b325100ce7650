// What the picture shows, as sentences and as a table: for who cannot see it, and for the last row.

import { nameOf } from "./model.js";
import { HANDLING, PAUSED, READING, WAITING, WRITING } from "./phases.js";

const LONG_MS = 700;
const HELD_BY = { // for how long
  [READING]: (time) => `has waited ${time} for the rest of a request`,
  [HANDLING]: (time) => `has been busy with one request for ${time}`,
  [PAUSED]: (time) => `has not gone on with a request for ${time}`,
  [WRITING]: (time) => `has waited ${time} for a slow reader`,
};
const DOES = {
  [WAITING]: "waits for its client", [READING]: "reads", [HANDLING]: "handles",
  [PAUSED]: "has begun to handle", [WRITING]: "writes to",
};

export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** What a worker is at: of several clients, an event loop is held up by none but one that it handles. */
function culprit(connections) {
  return connections.find((one) => one.bar.phase === HANDLING) ?? connections[0];
}

function withArticle(worker) {
  const name = nameOf(worker);
  return /\d/.test(name) ? name : `the ${name}`;
}

function heldBy(bar, time) {
  if (bar.phase === WAITING) return `has waited ${time} for a ${bar.requests ? "" : "silent "}client`;
  return HELD_BY[bar.phase](time);
}

/** Where *waiting* clients wait, as far as that is known. */
function whereTheyWait(model, waiting) {
  const accept = Math.min(waiting, model.figures.queue ?? 0);
  const own = Math.min(waiting - accept, model.queued() ?? 0);
  const places = [[own, "in the server's own queue"], [accept, "in the accept queue"]].filter(([number]) => number);
  const all = places.length === 1 && places[0][0] === waiting;
  const where = all ? ` ${places[0][1]}` : places.map(([number, place], nth) => `${nth ? " and" : ","} ${number}${nth ? "" : " of them"} ${place}`).join("");
  return `${count(waiting, "client")} wait${waiting === 1 ? "s" : ""}${where}.`;
}

/** Return what one server does at *now*: { text, alarm, kind }; *kind* changes seldom. */
export function sentence(model, now) {
  const { strategy, problem } = model.state;
  const figures = model.figures;
  if (problem) return { text: problem, alarm: true, kind: "problem" };
  if (!figures) return { text: "", alarm: false, kind: "nothing" };
  const held = model.held();
  const longest = held.map(({ worker, connections }) => ({ worker, held: culprit(connections) }))
    .filter((one) => one.held).sort((a, b) => a.held.bar.from - b.held.bar.from);
  const waiting = figures.waiting;
  if (waiting && figures.since > LONG_MS && figures.oldest > LONG_MS && longest.length) {
    const { worker, held: connection } = longest[0];
    const more = longest.length - 1;
    const others = more ? `; so ${more === 1 ? "has 1 other" : `have ${more} others`}` : "";
    const time = seconds(now - connection.bar.from);
    return {
      text: `Nobody is served: ${withArticle(worker)} ${heldBy(connection.bar, time)}${others}. `
        + whereTheyWait(model, waiting),
      alarm: true,
      kind: "stopped " + connection.bar.phase,
    };
  }
  const silent = longest.length ? held.flatMap(({ worker, connections }) => connections
    .filter((one) => one.bar.phase === WAITING && now - one.bar.from > 1500)
    .map((one) => ({ worker, since: one.bar.from }))) : [];
  const serves = `${count(figures.rate, "request")} a second ${figures.rate === 1 ? "is" : "are"} served`;
  if (figures.rate && silent.length) {
    const one = silent.length === 1, shared = silent.find(({ worker }) => model.isShared(worker));
    const who = one ? "1 client is silent" : `${silent.length} clients are silent`;
    const meanwhile = `, and ${shared?.worker.isLoop ? "the loop serves" : "the server serves"} the others meanwhile`;
    const what = shared ? meanwhile : one ? ", and takes a whole worker" : ", and take a worker each";
    return { text: `${serves}; ${who}${what}.`, alarm: false, kind: "with silent" };
  }
  if (figures.oldest > 1000) {
    return { text: `${serves}; the longest has waited for ${seconds(figures.oldest)}.`, alarm: false, kind: "late" };
  }
  return { text: `${serves}.`, alarm: false, kind: "served" };
}

/** Return the rows of the table: a list of texts for each worker that holds a client. */
export function rows(model, now) {
  return model.held().filter(({ connections }) => connections.length).map(({ worker, connections }) => {
    const first = connections[0];
    return [
      model.state.strategy, `${nameOf(worker)}`, `${DOES[first.bar.phase]} (client ${first.number})`,
      seconds(Math.max(0, now - first.bar.from)), String(connections.length),
    ];
  });
}
