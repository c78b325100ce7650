// One side as a picture: lanes with bars, below them the accept queue, throughput and p99, all over
// the same seconds, so that what happens at one moment stands below one another.

import { NO_LANE, nameOf } from "./model.js";
import { HANDLING, PAUSED, READING, WAITING, colours, fills } from "./phases.js";

const GAP = 4, MOST_ROWS = 20, TALLEST = 260;
const SMALLEST = 11; // pixels of a letter
const LEAST = { [HANDLING]: 3 }; // pixels of a bar; the others may be as thin as a line
const LONG_MS = 700; // a phase that lasts so long is named in its bar
const SAID = { [READING]: "sends slowly", [HANDLING]: "being handled", [PAUSED]: "waits for its turn" };

export function draw(canvas, model, moment, span, notes) {
  const width = canvas.clientWidth, height = canvas.clientHeight, scale = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const size = Math.max(14, Math.min(22, Math.round(width / 40))); // of letters
  const title = size + 9, strip = 2 * title; // pixels, the height of a row of words, and of a strip
  const picture = {
    pen, width, size, title, strip, colour: colours(), fill: fills(pen), start: moment - span, span,
    x: (at) => ((at - (moment - span)) / span) * width,
    chips: [], // painted at the end, so that no line runs through words
  };
  const lanesHeight = height - 3 * (strip + GAP) - title;
  drawLanes(picture, model, moment, lanesHeight);
  drawNotes(picture, notes, lanesHeight, height);
  const strips = [
    ["queue", "accept queue", (one) => one.queue, 5, String],
    ["rate", "served a second", (one) => one.rate, 20, String],
    ["late", "p99 of the last 5 s", (one) => one.late, 100, inTime],
  ];
  strips.forEach(([name, said, value, least, text], number) => {
    const top = lanesHeight + title + GAP + number * (strip + GAP);
    drawStrip(picture, model, top, name, said, value, least, text);
  });
  for (const one of picture.chips) paintChip(picture, ...one);
}

export function inTime(ms) {
  if (ms === null || ms === undefined) return "–";
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms)} ms`;
}

function drawLanes(picture, model, moment, height) {
  const { pen, width, colour, size } = picture;
  const bars = model.bars.filter((bar) => bar.lane !== NO_LANE && (bar.to ?? moment) >= picture.start && bar.from <= moment);
  const rows = []; // of each lane that has something to show: how many
  for (const bar of bars) rows[bar.lane] = Math.max(rows[bar.lane] ?? 0, bar.row + 1);
  for (const death of model.deaths) if (death.lane !== NO_LANE) rows[death.lane] ??= 1;
  const lanes = [...rows.keys()].filter((lane) => rows[lane]);
  if (!lanes.length) {
    chip(picture, model.state.problem ? "no server" : "no worker has anything to do", 8, 10, colour("faint"));
    return;
  }
  const each = Math.min(TALLEST, Math.floor((height - GAP) / lanes.length));
  const tops = [];
  lanes.forEach((lane, place) => {
    tops[lane] = place * each;
    pen.fillStyle = colour("page");
    pen.fillRect(0, tops[lane], width, each - GAP);
  });
  const rowHeight = (lane) => (each - GAP) / Math.min(rows[lane], MOST_ROWS);
  for (const bar of bars) {
    if (bar.row >= MOST_ROWS) continue;
    const tall = rowHeight(bar.lane), top = tops[bar.lane] + bar.row * tall;
    const left = Math.max(-20, picture.x(bar.from));
    const right = Math.min(width, picture.x(bar.to ?? moment));
    const wide = Math.max(LEAST[bar.phase] ?? 1, right - left);
    pen.fillStyle = picture.fill[bar.phase];
    pen.fillRect(left, top, wide, Math.max(2, tall - (tall > 6 ? 2 : 0.5)));
    if (wide > 6 && tall > 8) {
      pen.strokeStyle = colour("ink");
      pen.lineWidth = 1;
      pen.strokeRect(left + 0.5, top + 0.5, wide - 1, tall - 3);
    }
  }
  for (const bar of bars) labelBar(picture, model, bar, moment, rowHeight(bar.lane), tops[bar.lane]);
  for (const lane of lanes) labelLane(picture, model, lane, tops[lane], rows[lane], each);
  for (const death of model.deaths) {
    if (tops[death.lane] === undefined) continue;
    pen.fillStyle = colour("alarm");
    pen.fillRect(picture.x(death.at) - 2, tops[death.lane], 4, each - GAP);
    const small = Math.max(SMALLEST, Math.min(size, each - GAP - 2));
    chip(picture, "✕ killed", picture.x(death.at) + 4, tops[death.lane] + (each - GAP - small - pad(small)) / 2, colour("alarm"), small);
  }
}

function labelBar(picture, model, bar, moment, tall, top) {
  const lasted = (bar.to ?? moment) - bar.from;
  const size = Math.min(picture.size, tall - 4);
  if (lasted < LONG_MS || bar.row >= MOST_ROWS || size < SMALLEST) return;
  const left = Math.max(4, picture.x(bar.from) + 4);
  const does = bar.phase === WAITING ? (bar.requests ? "waited for" : "silent") : SAID[bar.phase] ?? "reads slowly";
  const text = `client ${bar.connection} ${does} ${(lasted / 1000).toFixed(1)} s`;
  const room = Math.min(picture.width, picture.x(bar.to ?? moment)) - left;
  picture.pen.font = `600 ${size}px system-ui, sans-serif`;
  const middle = top + bar.row * tall + (tall - size - pad(size)) / 2;
  const wide = picture.pen.measureText(text).width + 12;
  if (wide < room) chip(picture, text, Math.max(left, left + (room - wide) / 2), middle, picture.colour("ink"), size);
}

function labelLane(picture, model, lane, top, rows, each) {
  const worker = model.lanes[lane];
  const size = Math.min(picture.size, each - GAP - 2);
  if (!worker || size < SMALLEST) return;
  const more = rows > MOST_ROWS ? `, ${rows - MOST_ROWS} more below` : "";
  chip(picture, nameOf(worker) + more, 4, top + Math.max(0, Math.min(3, each - GAP - size - pad(size))), picture.colour("ink"), size);
}

const pad = (size) => (size < 15 ? 2 : 6); // pixels above and below letters

function chip(picture, text, left, top, ink, size = picture.size) {
  picture.chips.push([text, left, top, ink, size]);
}

function paintChip(picture, text, left, top, ink, size) {
  const { pen, colour } = picture;
  pen.font = `600 ${size}px system-ui, sans-serif`;
  const wide = pen.measureText(text).width + 10;
  left = Math.min(left, picture.width - wide - 2);
  pen.fillStyle = colour("chip");
  pen.fillRect(left, top, wide, size + pad(size));
  pen.fillStyle = ink;
  pen.textBaseline = "top";
  pen.fillText(text, left + 5, top + pad(size) / 2);
}

/** What somebody did: a line through all, and below the lanes words for the last, marks for the others. */
function drawNotes(picture, notes, top, bottom) {
  const { pen, colour, size, width } = picture;
  pen.font = `600 ${size}px system-ui, sans-serif`;
  pen.textBaseline = "top";
  pen.strokeStyle = pen.fillStyle = colour("ink");
  pen.lineWidth = 2;
  let free = width; // the last has what it needs, those before it what is left
  for (const note of [...notes].reverse()) {
    const line = picture.x(note.at), isLast = free === width;
    const text = isLast ? note.text : note.mark ?? "", wide = pen.measureText(text).width;
    if (line > width || line < -wide) continue;
    pen.setLineDash([6, 4]);
    pen.beginPath();
    for (const [from, to] of [[0, top], [top + picture.title, bottom]]) { // not through the words
      pen.moveTo(line, from);
      pen.lineTo(line, to);
    }
    pen.stroke();
    pen.setLineDash([]);
    const left = Math.max(0, Math.min(line - 4, width - wide - 4));
    if (!isLast && left + wide > free - 10) continue; // no room: the line says it
    pen.fillText(text, left, top + 3);
    free = left;
  }
}

function drawStrip(picture, model, top, name, said, value, least, text) {
  const { pen, width, colour, title, strip } = picture;
  pen.fillStyle = colour("page");
  pen.fillRect(0, top, width, strip);
  const past = model.past.filter((one) => typeof value(one) === "number");
  if (!past.length) {
    const unknown = model.past.length && name === "queue";
    chip(picture, unknown ? `${said}: this system does not tell` : said, 4, top + 3, colour("faint"));
    return;
  }
  const most = Math.max(least, ...past.map(value));
  const y = (number) => top + strip - 2 - (number / most) * (strip - title);
  pen.beginPath();
  past.forEach((one, place) => {
    const x = picture.x(one.at);
    if (!place) pen.moveTo(x, y(value(one)));
    else {
      pen.lineTo(x, y(value(past[place - 1])));
      pen.lineTo(x, y(value(one)));
    }
  });
  pen.strokeStyle = pen.fillStyle = colour(name);
  pen.lineWidth = 3;
  pen.stroke();
  pen.lineTo(picture.x(past[past.length - 1].at), top + strip);
  pen.lineTo(picture.x(past[0].at), top + strip);
  pen.globalAlpha = name === "queue" ? 0.55 : 0.15;
  pen.fill();
  pen.globalAlpha = 1;
  // What it is now stands above the picture; here, what its upper edge means.
  chip(picture, `${said}, up to ${text(most)}`, 4, top + 3, colour("ink"));
}
