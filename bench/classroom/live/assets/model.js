// What one server is doing at the moment that is shown, as its events tell it.
//
// A worker is a thread of a process. It has a lane, and each connection that it holds a row there.
// A connection has one open bar at a time; the next event closes it and begins the next phase.

import { HANDLING, PAUSED, READING, WAITING, WRITING } from "./phases.js";

const LANES = 9; // workers beyond these are counted
export const NO_LANE = -1;
const KEPT_MS = 8000; // bars that ended earlier are forgotten
const QUIET_MS = 300; // so long after it was accepted, nothing will say who waits for a client
const FORGOTTEN_MS = 30000; // a connection that nothing was heard of for so long: its end was lost

// As calcbench.core.serving.lifecycle numbers them.
const OPENED = 0, FIRST_OCTET = 1, PARSED = 2, BEGUN = 3, HANDLED = 4, WRITTEN = 5, CLOSED = 6, HELD = 7;
const PHASE_AFTER = {
  [OPENED]: WAITING, [FIRST_OCTET]: READING, [PARSED]: PAUSED, [BEGUN]: HANDLING,
  [HANDLED]: WRITING, [WRITTEN]: WAITING, [HELD]: WAITING,
};
const DONE = ["is accepted", "sends its first octet", "is read", "is being handled", "is handled",
  "has its response", "is closed", "is waited for"];

export class Model {
  constructor() {
    this.state = { strategy: "", pid: 0, problem: "" };
    this.clear();
  }

  clear() {
    this.workers = new Map(); // "process:thread" → worker
    this.lanes = []; // the worker that each lane has now
    this.connections = new Map(); // number → connection
    this.bars = [];
    this.figures = null;
    this.past = []; // figures of the last seconds
    this.deaths = []; // lanes whose worker was killed, and when
    this.threads = this.processes = 0;
    this.share = { of: 1, at: -Infinity };
  }

  /** Take what changes seldom; with another process, all that the last one held is over. */
  setState(state, at) {
    if (state.pid !== this.state.pid) {
      for (const connection of [...this.connections.values()]) this.leave(connection, at);
      this.workers.clear();
      this.lanes = [];
      this.threads = this.processes = 0;
    }
    this.state = state;
  }

  setFigures(figures, at) {
    this.figures = figures;
    this.past.push({ at, rate: figures.rate, late: figures.p99, queue: figures.queue });
    if (figures.left_out) this.share = { of: Math.max(2, this.share.of), at };
    while (this.past[0].at < at - KEPT_MS) this.past.shift();
    this.forget(at);
  }

  forget(now) {
    this.bars = this.bars.filter((bar) => bar.to === null || bar.to > now - KEPT_MS);
    this.deaths = this.deaths.filter((death) => death.at > now - KEPT_MS);
    for (const connection of this.connections.values()) {
      if (connection.heard < now - FORGOTTEN_MS) this.leave(connection, now);
      else if (!connection.worker && connection.heard < now - QUIET_MS) {
        const { pid, thread, heard } = connection;
        const free = this.workers.get(`${pid}:${thread}`)?.free ?? heard;
        this.begin(connection, WAITING, pid, thread, Math.max(heard, free), false);
      }
    }
    for (const [key, worker] of this.workers) {
      if (worker.heard < now - FORGOTTEN_MS && !worker.rows.some(Boolean)) this.dismiss(key, worker);
    }
  }

  dismiss(key, worker) {
    this.workers.delete(key);
    if (this.lanes[worker.lane] === worker) this.lanes[worker.lane] = null;
  }

  /** Take one event: [moment, kind, connection, request, process, thread, one of how many]. */
  apply([at, kind, number, request, pid, thread, share]) {
    if (request && share >= this.share.of) this.share = { of: share, at };
    else if (at > this.share.at + 2000) this.share = { of: share || 1, at };
    let connection = this.connections.get(number);
    if (kind === CLOSED) {
      if (connection) this.leave(connection, at);
      return;
    }
    if (!connection) {
      connection = { number, worker: null, row: 0, bar: null, heard: at, request: 0, pid, thread };
      this.connections.set(number, connection);
    }
    connection.heard = at;
    connection.request = request || connection.request;
    // Accepted is not yet served: it may wait in a queue of the server. Whoever speaks next has it.
    if (kind === OPENED) return;
    this.begin(connection, PHASE_AFTER[kind], pid, thread, at, kind >= BEGUN && kind !== HELD);
    this.pauseOthers(connection, at);
  }

  /** A thread does one thing at a time: whoever else it had begun to handle waits meanwhile. */
  pauseOthers(connection, at) {
    const { worker } = connection;
    for (const other of worker.rows) {
      if (other && other !== connection && other.bar?.phase === HANDLING) {
        this.begin(other, PAUSED, worker.pid, worker.thread, at, true);
      }
    }
  }

  /** How many connections are accepted and held by no worker: those that the clients have, less the others. */
  queued() {
    const { connected, queue } = this.figures;
    if (connected === undefined || queue === null) return null;
    const held = [...this.connections.values()].filter((one) => one.worker).length;
    return Math.max(0, connected - queue - held);
  }

  /** Begin a bar of *connection* on the worker that has it now, and *works* for it. */
  begin(connection, phase, pid, thread, at, works) {
    const worker = this.workerOf(pid, thread, at);
    if (worker.rows.some((other) => other && other !== connection)) {
      worker.isShared = true;
      worker.isLoop ||= works;
    }
    this.endBar(connection, at);
    if (connection.worker !== worker) {
      this.release(connection, at);
      let row = worker.rows.findIndex((held) => !held);
      if (row < 0) row = worker.rows.length;
      worker.rows[row] = connection;
      Object.assign(connection, { worker, row });
    }
    connection.bar = {
      lane: worker.lane, row: connection.row, from: at, to: null, phase,
      connection: connection.number, requests: connection.request,
    };
    this.bars.push(connection.bar);
  }

  endBar(connection, at) {
    if (connection.bar) connection.bar.to = at;
    connection.bar = null;
  }

  release(connection, at) {
    const { worker, row } = connection;
    if (!worker) return;
    worker.rows[row] = null;
    if (!worker.rows.some(Boolean)) worker.free = at;
    connection.worker = null;
  }

  leave(connection, at) {
    this.endBar(connection, at);
    this.release(connection, at);
    this.connections.delete(connection.number);
  }

  /** A process was killed: its connections end with it. */
  kill(pid, at) {
    for (const connection of [...this.connections.values()]) {
      if ((connection.worker ?? connection).pid === pid) this.leave(connection, at);
    }
    for (const [key, worker] of this.workers) {
      if (worker.pid !== pid) continue;
      this.deaths.push({ lane: worker.lane, at });
      this.workers.delete(key);
    }
  }

  workerOf(pid, thread, at) {
    const key = `${pid}:${thread}`;
    let worker = this.workers.get(key);
    if (!worker || this.lanes[worker.lane] !== worker) {
      worker ??= { pid, thread, rows: [], isLoop: false, isShared: false, heard: at, name: this.nameOf(pid, thread) };
      worker.lane = this.laneFor();
      if (worker.lane !== NO_LANE) this.lanes[worker.lane] = worker;
      this.workers.set(key, worker);
    }
    worker.heard = at;
    return worker;
  }

  nameOf(pid, thread) {
    if (pid !== this.state.pid) return `process ${++this.processes}`;
    return thread === pid ? "main thread" : `thread ${++this.threads}`;
  }

  /** The first free lane, or that of whoever holds nobody for longest; NO_LANE if all hold somebody. */
  laneFor() {
    for (let lane = 0; lane < LANES; lane++) if (!this.lanes[lane]) return lane;
    const idle = this.lanes.filter((worker) => !worker.rows.some(Boolean));
    idle.sort((a, b) => a.heard - b.heard);
    return idle.length ? idle[0].lane : NO_LANE;
  }

  /** The connections that each worker holds now, the oldest first. */
  held() {
    return [...this.workers.values()].map((worker) => ({
      worker,
      connections: worker.rows.filter((held) => held && held.bar)
        .sort((a, b) => a.bar.from - b.bar.from),
    })).sort((a, b) => a.worker.lane - b.worker.lane);
  }

  /** Whether *worker* has clients beside one another, or leaves the serving to others. */
  isShared(worker) {
    const others = [...this.workers.values()].some((one) => one !== worker && one.pid === worker.pid);
    return worker.isShared || (worker.thread === worker.pid && others);
  }

  unseenWorkers() {
    return [...this.workers.values()].filter((worker) =>
      this.lanes[worker.lane] !== worker && worker.rows.some(Boolean)).length;
  }
}

export function inWords(model, [, kind, number]) {
  return `${model.state.strategy}: client ${number} ${DONE[kind]}`;
}

export function nameOf(worker) {
  return worker.isLoop ? "event loop" : worker.name;
}
