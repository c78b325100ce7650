// The phases of a request, and how each is painted: a colour and a pattern, so that either will do.

export const WAITING = "waiting", READING = "reading", HANDLING = "handling", PAUSED = "paused", WRITING = "writing";
export const PHASES = [WAITING, READING, HANDLING, PAUSED, WRITING];

const TILE = 10; // pixels, the side of the square that a pattern repeats

const marks = {
  [WAITING](pen) { // slanted lines
    pen.beginPath();
    for (const shift of [-TILE, 0, TILE]) {
      pen.moveTo(shift, TILE);
      pen.lineTo(shift + TILE, 0);
    }
    pen.stroke();
  },
  [READING](pen) { // dots
    pen.beginPath();
    pen.arc(TILE / 2, TILE / 2, 1.8, 0, 7);
    pen.fill();
  },
  [HANDLING]() {}, // plain
  [PAUSED](pen) { // upright lines
    pen.beginPath();
    pen.moveTo(TILE / 2, 0);
    pen.lineTo(TILE / 2, TILE);
    pen.stroke();
  },
  [WRITING](pen) { // level lines
    pen.beginPath();
    pen.moveTo(0, TILE / 2);
    pen.lineTo(TILE, TILE / 2);
    pen.stroke();
  },
};

let known = {}, tiles = null; // of the theme of now

export function colours() {
  return (name) => known[name] ??= getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Return what to fill a bar of each phase with, in the theme of now. */
export function fills(pen) {
  if (tiles) return tiles;
  const colour = colours();
  const found = {};
  for (const phase of PHASES) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = TILE;
    const brush = tile.getContext("2d");
    brush.fillStyle = colour(phase);
    brush.fillRect(0, 0, TILE, TILE);
    brush.strokeStyle = brush.fillStyle = colour(`${phase}-mark`);
    brush.lineWidth = 1.6;
    marks[phase](brush);
    found[phase] = pen.createPattern(tile, "repeat");
  }
  tiles = found;
  return found;
}

/** Take the colours of another theme. */
export function repaint() {
  known = {};
  tiles = null;
  for (const canvas of document.querySelectorAll(".swatch")) {
    canvas.width = 44;
    canvas.height = 20;
    const pen = canvas.getContext("2d");
    pen.fillStyle = fills(pen)[canvas.dataset.phase];
    pen.fillRect(0, 0, canvas.width, canvas.height);
  }
}
