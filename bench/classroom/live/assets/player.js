// Time: what was told so far, and which moment of it is shown. Live, a little behind; frozen; step by
// step; slowly; or from an earlier moment on. A recording is the same with nothing more to come.

const BEHIND_MS = 250; // live, so that what comes in tenths of a second is shown evenly
const JUMP_MS = 1500; // live and further off than this, the time jumps
const MOST = 120000; // items that are kept, about a minute of the busiest
const KEPT_MS = 60000;
export const SLOW = 0.2;

export class Player {
  /** *apply* is called with each item when its time comes, and *clear* when time goes back. */
  constructor(apply, clear) {
    this.apply = apply;
    this.clear = clear;
    this.items = []; // { at, kind, side, data }, in the order of their moments
    this.next = 0; // the first that is not shown yet
    this.now = 0;
    this.latest = -Infinity;
    this.frozen = this.slow = this.stepping = this.recorded = false;
    this.following = true;
  }

  /** Take a message of the server. */
  take(message) {
    const { kind, at } = message;
    this.latest = Math.max(this.latest, at);
    if (kind === "tick") {
      message.sides.forEach((side, number) => {
        for (const event of side.events) this.add({ at: event[0], kind: "event", side: number, data: event });
        this.add({ at, kind: "figures", side: number, data: side });
      });
    } else {
      this.add({ at, kind, data: message });
    }
    this.trim();
  }

  add(item) {
    let place = this.items.length;
    while (place > this.next && this.items[place - 1].at > item.at) place--;
    this.items.splice(place, 0, item);
  }

  trim() {
    if (this.recorded) return;
    let gone = 0;
    while (gone < this.next && this.items[gone].at < this.latest - KEPT_MS) gone++;
    gone = Math.max(gone, this.items.length - MOST);
    if (gone < 500) return;
    const states = this.items.slice(0, gone).filter((item) => item.kind === "state").slice(-1);
    this.items.splice(0, gone, ...states);
    this.next = Math.max(0, this.next - gone + states.length);
  }

  /** Let *elapsed* milliseconds of the room's time pass. */
  pass(elapsed) {
    if (this.frozen || !this.items.length) return;
    const target = this.latest - BEHIND_MS;
    if (this.following) {
      const off = target - this.now;
      this.now += Math.abs(off) > JUMP_MS ? off : elapsed * (1 + Math.max(-0.5, Math.min(0.5, off / 500)));
    } else {
      this.now += elapsed * (this.slow ? SLOW : 1);
      const end = this.recorded ? this.latest : target;
      if (this.now >= end) {
        this.now = end;
        if (this.recorded) this.frozen = true;
        else if (!this.slow) this.following = true;
      }
    }
    this.show();
  }

  show() {
    while (this.next < this.items.length && this.items[this.next].at <= this.now) {
      this.apply(this.items[this.next++]);
    }
  }

  /** Show the next event, and freeze there; return its item, or null if there is none. */
  step() {
    this.frozen = this.stepping = true;
    this.following = false;
    while (this.next < this.items.length) {
      const item = this.items[this.next++];
      this.now = Math.max(this.now, item.at);
      this.apply(item);
      if (item.kind === "event") return item;
    }
    return null;
  }

  freeze(on) {
    this.frozen = on;
    this.stepping = this.stepping && on;
    if (on) this.following = false;
    else if (this.recorded && this.now >= this.latest) this.from(this.items[0].at);
  }

  slowDown(on) {
    this.slow = on;
    this.following = false;
    this.frozen = this.stepping = false;
  }

  /** Go back to *moment* and play from there. */
  from(moment) {
    const first = this.items.findIndex((item) => item.at >= moment);
    this.clear();
    this.next = Math.max(first, 0);
    this.items.slice(0, this.next).forEach(this.apply); // who is there then has come before
    this.now = Math.max(moment, this.items[0].at);
    this.following = this.frozen = this.stepping = false;
  }

  /** Show what is happening now; of a recording, its end. */
  toNow() {
    this.frozen = this.slow = this.stepping = false;
    this.following = !this.recorded;
    if (this.recorded) this.now = this.latest;
  }

  behind() {
    return Math.max(0, this.latest - BEHIND_MS - this.now);
  }
}
