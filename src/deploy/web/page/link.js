// The page's way to the program: commands, the event feed, and the live picture.

/** Ask or command; resolves to the answer, rejects with the program's one line. */
export async function call(name, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const answer = await fetch("/api/" + name, options);
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

/** Server-sent events that come back by themselves, also after a refusal, where the browser gives up. */
export class Feed {
  constructor(handlers, onState) {
    this.handlers = handlers;
    this.onState = onState;
    this.last = "";
    this.heard = 0;
    setInterval(() => { if (this.source && Date.now() - this.heard > 6000) this.again(); }, 1000);
  }

  start() {
    if (this.source) return;
    this.heard = Date.now();
    this.source = new EventSource("/events" + (this.last ? "?after=" + encodeURIComponent(this.last) : ""));
    for (const name of ["event", "status", "faces", "alive"]) {
      this.source.addEventListener(name, (message) => {
        this.heard = Date.now();
        this.last = message.lastEventId || this.last;
        this.onState(true);
        if (this.handlers[name]) this.handlers[name](JSON.parse(message.data));
      });
    }
    this.source.addEventListener("error", () => {
      this.onState(false);
      if (this.source && this.source.readyState === EventSource.CLOSED) this.again();
    });
  }

  again() {
    this.onState(false);
    this.stop();
    this.timer = setTimeout(() => this.start(), 2000);
  }

  stop() {
    clearTimeout(this.timer);
    if (this.source) this.source.close();
    this.source = null;
  }
}

/**
 * The MJPEG stream, drawn on a canvas: unlike an <img> it shows when pictures stop coming and whether they are live.
 * Of the pictures that have arrived only the newest is drawn.
 */
export class Picture {
  constructor(canvas, onPicture) {
    this.canvas = canvas;
    this.onPicture = onPicture;
    this.running = false;
    this.arrived = 0;
  }

  start() {
    if (this.running) return;
    this.running = true;
    this.stopper = new AbortController();
    this.run(this.stopper.signal);
  }

  stop() {
    this.running = false;
    if (this.stopper) this.stopper.abort();
  }

  /** Whether nothing has come for longer than the program's heartbeat allows. */
  get silent() {
    return Date.now() - this.arrived > 5000;
  }

  async run(signal) {
    while (!signal.aborted) {
      // A connection that is stuck is given up: the interval looks, because reading does not return by itself.
      const attempt = new AbortController();
      const end = () => attempt.abort();
      signal.addEventListener("abort", end);
      let heard = Date.now();
      const watch = setInterval(() => { if (Date.now() - heard > 8000) attempt.abort(); }, 1000);
      try {
        const answer = await fetch("/stream.mjpg?labels=none", { signal: attempt.signal });
        if (answer.ok) await this.read(answer.body.getReader(), () => { heard = Date.now(); });
      } catch (error) {
        if (!signal.aborted && error.name !== "AbortError" && !(error instanceof TypeError)) console.warn(error.message);
      } finally {
        clearInterval(watch);
        signal.removeEventListener("abort", end);
        attempt.abort();
      }
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 1500));
    }
  }

  async read(reader, heard) {
    let buffer = new Uint8Array(0);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const joined = new Uint8Array(buffer.length + value.length);
      joined.set(buffer);
      joined.set(value, buffer.length);
      buffer = joined;
      let newest = null;
      for (let part = cut(buffer); part; part = cut(buffer)) {
        newest = part;
        buffer = buffer.subarray(part.end);
      }
      if (newest) await this.draw(newest);
    }
  }

  async draw(part) {
    const bitmap = await createImageBitmap(new Blob([part.jpeg], { type: "image/jpeg" }));
    if (this.canvas.width !== bitmap.width || this.canvas.height !== bitmap.height) {
      this.canvas.width = bitmap.width;
      this.canvas.height = bitmap.height;
    }
    this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    this.arrived = Date.now();
    this.canvas.dataset.number = part.number;
    this.onPicture(part.live, part.faces);
  }
}

/** Bytes of the largest head of a part: it has the faces of a crowd. */
const LONGEST_HEAD = 65536;

/** Cut the first complete part from a multipart buffer; null where there is none yet. */
function cut(buffer) {
  let head = -1;
  for (let at = 0; at + 3 < buffer.length && at < LONGEST_HEAD; at++) {
    if (buffer[at] === 13 && buffer[at + 1] === 10 && buffer[at + 2] === 13 && buffer[at + 3] === 10) { head = at; break; }
  }
  if (head < 0) {
    if (buffer.length > LONGEST_HEAD) throw new Error("the stream is not multipart");
    return null;
  }
  const lines = new TextDecoder("latin1").decode(buffer.subarray(0, head));
  const field = (name) => Number((lines.match(new RegExp("^" + name + ": *(\\d+)", "im")) || [])[1]);
  const faces = JSON.parse((lines.match(/^X-Kface-Faces: *(.*)$/im) || [])[1] || "[]");
  const from = head + 4, end = from + field("Content-Length");
  if (!(end >= from)) throw new Error("a part has no length");
  if (buffer.length < end) return null;
  return { jpeg: buffer.subarray(from, end), end, number: field("X-Kface-Number"), live: field("X-Kface-Live") === 1, faces };
}
