// The page: what comes in goes to the player, what the player shows goes to the models, and those are
// drawn. The buttons ask the server; what they did comes back as everything else does.

import { draw, inTime } from "./drawing.js";
import { Model, inWords } from "./model.js";
import { repaint } from "./phases.js";
import { Player, SLOW } from "./player.js";
import { rows, seconds, sentence } from "./words.js";

const SPAN_MS = 6000; // shown at once
const STEP_SPAN_MS = 400;
const FRAME_MS = 30; // between two pictures, at least
const WORDS_MS = 250; // between two changes of what is written
const SPOKEN_MS = 4000; // and of what a screen reader says
const AGAIN_MS = 15000;

const get = (id) => document.getElementById(id);
const models = [new Model(), new Model()];
let notes = [];
let state = { many: false, keep: false };
let lastStep = "";

const player = new Player(apply, () => {
  models.forEach((model) => model.clear());
  notes = [];
});

// What comes in -------------------------------------------------------------------------------------

function apply({ kind, at, side, data }) {
  if (kind === "event") models[side].apply(data);
  else if (kind === "figures") models[side].setFigures(data, at);
  else if (kind === "killed") models[data.side].kill(data.pid, at);
  else if (kind === "note") notes = [...notes.slice(-19), { ...data, at }];
  else if (kind === "state") setState(data);
}

function setState(message) {
  state = message;
  message.sides.forEach((side, number) => {
    models[number].setState(side, message.at);
    const select = get(`strategy-${number}`);
    if (![...select.options].some((one) => one.value === side.strategy)) offer(select, [[side.strategy, side.strategy]]);
    select.value = side.strategy;
  });
  document.querySelector("[data-do=crowd]").setAttribute("aria-pressed", message.many);
  get("keep").checked = message.keep;
  get("cost").value = message.cost;
}

function setOffers({ strategies, costs }) {
  for (const number of [0, 1]) offer(get(`strategy-${number}`), strategies.map((name) => [name, name]), true);
  offer(get("cost"), Object.entries(costs), true);
}

function offer(select, pairs, afresh = false) {
  const value = select.value;
  if (afresh) select.replaceChildren();
  for (const [name, text] of pairs) select.append(new Option(text, name));
  if (value) select.value = value;
}

function take(message) {
  if (message.kind === "offers") setOffers(message);
  else player.take(message);
}

async function begin() {
  const recording = await fetch("recording");
  if (recording.status === 200) { // 204: there is none, it is live
    player.recorded = true;
    player.following = false;
    for (const line of (await recording.text()).split("\n")) if (line) take(JSON.parse(line));
    document.querySelectorAll("#acts button, #acts select, #acts input, .title select")
      .forEach((one) => { one.disabled = true; });
    get("again").firstChild.textContent = "Play again ";
    player.from(player.items[0].at);
    document.body.dataset.ready = "recording";
    return;
  }
  const stream = new EventSource("events");
  stream.onmessage = ({ data }) => {
    take(JSON.parse(data));
    document.body.dataset.ready = "live";
    document.body.dataset.connected = "yes";
  };
  stream.onopen = () => { // after a break all comes anew
    player.items = [];
    player.next = 0;
    player.latest = -Infinity;
    player.clear();
  };
  stream.onerror = () => { document.body.dataset.connected = "no"; };
}

// What is shown ---------------------------------------------------------------------------------------

let before = performance.now(), written = 0, spoken = 0, lastKinds = "";

function frame(at) {
  requestAnimationFrame(frame);
  if (at - before < FRAME_MS) return;
  player.pass(Math.min(at - before, 500));
  before = at;
  const span = player.stepping ? STEP_SPAN_MS : player.slow ? SPAN_MS * SLOW : SPAN_MS;
  models.forEach((model, number) => {
    const here = notes.filter(({ side }) => side === undefined || side === number);
    draw(get(`canvas-${number}`), model, player.now, span, here);
  });
  if (at - written > WORDS_MS) {
    written = at;
    write(at);
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function write(at) {
  const told = models.map((model) => sentence(model, player.now));
  models.forEach((model, number) => {
    const figures = model.figures;
    setText(get(`rate-${number}`), figures ? `${figures.rate}/s` : "–");
    setText(get(`late-${number}`), figures ? (figures.at_least ? "≥ " : "") + inTime(figures.p99) : "–");
    setText(get(`queue-${number}`), figures && figures.queue !== null ? String(figures.queue) : "–");
    setText(get(`sentence-${number}`), told[number].text);
    get(`sentence-${number}`).classList.toggle("alarm", told[number].alarm);
    get(`canvas-${number}`).setAttribute("aria-label", `${model.state.strategy}: ${told[number].text}`);
  });
  setText(get("clock"), clock());
  setText(get("drawn"), drawn());
  setText(get("last"), lastStep || (notes.length ? `Last: ${notes[notes.length - 1].text}` : ""));
  for (const [id, on] of [["freeze", player.frozen], ["slow-motion", player.slow]]) {
    get(id).setAttribute("aria-pressed", on);
  }
  document.body.dataset.shown = player.frozen ? "frozen" : player.slow ? "slow" : player.following ? "live" : "replay";
  if (get("words").open) writeTable();
  const kinds = told.map((one) => one.kind).join();
  if (kinds !== lastKinds && at - spoken > SPOKEN_MS) {
    [spoken, lastKinds] = [at, kinds];
    setText(get("spoken"), models.map((model, number) => `${model.state.strategy}: ${told[number].text}`).join(" "));
  }
}

function clock() {
  const time = seconds(Math.max(0, player.now));
  if (document.body.dataset.connected === "no") return "the server is gone; trying again";
  if (player.stepping) return `step by step at ${time}`;
  if (player.frozen) return `frozen at ${time}`;
  if (player.slow) return `slow motion at ${time}`;
  if (player.recorded) return `recording at ${time}`;
  return player.following ? `live at ${time}` : `replay at ${time}, ${seconds(player.behind())} ago`;
}

function drawn() {
  const parts = models.filter((model) => model.share.of > 1)
    .map((model) => `1 of ${model.share.of} (${model.state.strategy})`);
  const unseen = models.reduce((sum, model) => sum + model.unseenWorkers(), 0);
  const lanes = unseen ? ` ${unseen} more worker${unseen === 1 ? " has" : "s have"} no lane.` : "";
  return (parts.length ? `Too many requests: drawn is ${parts.join(", ")}.` : "Every request is drawn.") + lanes;
}

function writeTable() {
  const lines = models.flatMap((model) => rows(model, player.now)).map((texts) => {
    const line = document.createElement("tr");
    line.append(...texts.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    return line;
  });
  get("workers").replaceChildren(...lines);
}

// What is pressed -------------------------------------------------------------------------------------

async function ask(command) {
  const response = await fetch("command", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(command),
  });
  const { problem } = await response.json();
  lastStep = problem ? `Refused: ${problem}` : "";
}

function act(name) {
  ask(name === "crowd" ? { do: "crowd", on: !state.many } : { do: name });
}

const times = {
  freeze() { player.freeze(!player.frozen); lastStep = ""; },
  step() {
    const item = player.step();
    lastStep = item ? inWords(models[item.side], item.data) : "nothing more has happened yet";
  },
  "slow-motion"() { player.slowDown(!player.slow); lastStep = ""; },
  again() {
    player.from(player.recorded ? player.items[0].at : Math.max(player.items[0]?.at ?? 0, player.latest - AGAIN_MS));
    lastStep = "";
  },
  now() { player.toNow(); lastStep = ""; },
};

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  repaint();
}

function swapTheme() {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
}

for (const button of document.querySelectorAll("[data-do]")) {
  button.addEventListener("click", () => act(button.dataset.do));
}
for (const [id, press] of Object.entries(times)) get(id).addEventListener("click", () => { press(); write(performance.now()); });

/** When something is chosen at *id*, ask for what *command* makes of it; the keys are the page's again. */
function onChoice(id, command) {
  get(id).addEventListener("change", ({ target }) => {
    ask(command(target));
    target.blur();
  });
}

for (const side of [0, 1]) onChoice(`strategy-${side}`, (one) => ({ do: "swap", side, strategy: one.value }));
onChoice("cost", (one) => ({ do: "ask", cost: one.value }));
onChoice("keep", (one) => ({ do: "keep", on: one.checked }));
get("theme").addEventListener("click", swapTheme);
get("words").addEventListener("toggle", writeTable);

const KEYS = {
  " ": "freeze", ArrowRight: "step", m: "slow-motion", r: "again", l: "now", t: "theme",
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  // These are for what has the focus: a list finds its entries by letters, and space presses.
  if (event.target.closest("select") && !/^\d$/.test(event.key)) return;
  if (event.key === " " && event.target.closest("button, input, summary")) return;
  const digit = [...document.querySelectorAll("[data-do]")]
    .find((button) => button.querySelector("kbd").textContent === event.key);
  const button = digit ?? (KEYS[event.key] && get(KEYS[event.key]));
  if (!button || button.disabled) return;
  event.preventDefault();
  button.click();
});

setTheme(localStorage.getItem("theme")
  ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
begin();
requestAnimationFrame(frame);
