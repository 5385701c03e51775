// Boxes and labels over the live picture, drawn in the screen's own pixels: in a small picture that is enlarged they would be soft.
import { text } from "/text.js";

// As deploy/view.py has them: colours that people with red-green weakness can tell apart (Okabe and Ito).
const COLOURS = { recognised: [0, 158, 115], unknown: [213, 94, 0], undecided: [240, 228, 66] };

/** What stands at a face: the name and the score, or that it is unknown or undecided. */
function label(face) {
  const track = face.track === null ? "" : ` #${face.track}`;
  if (face.state !== "recognised") return text(face.state + "Face") + track;
  return face.name + (face.score === null ? "" : ` ${face.score.toFixed(2)}`) + track;
}

export class Labels {
  /** `canvas` lies over `picture`, a canvas with the stream's pixels. */
  constructor(canvas, picture) {
    this.canvas = canvas;
    this.picture = picture;
    this.faces = [];
    new ResizeObserver(() => this.show(this.faces)).observe(picture);
  }

  /** Draw faces, boxes in the picture's pixels, in place of those before. */
  show(faces) {
    this.faces = faces;
    const ratio = window.devicePixelRatio || 1, place = this.picture.getBoundingClientRect();
    const width = Math.round(place.width * ratio), height = Math.round(place.height * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    const line = Math.max(Math.round(height / 240), 1);
    const bar = Math.min(Math.max(Math.round(height / 22), Math.round(14 * ratio)), Math.round(40 * ratio));
    pen.font = `${Math.round(bar * 0.7)}px ${getComputedStyle(document.body).fontFamily}`;
    pen.textBaseline = "middle";
    pen.lineWidth = line;
    for (const face of faces) this.draw(pen, face, width / this.picture.width, line, bar);
  }

  draw(pen, face, scale, line, bar) {
    const [x1, y1, x2, y2] = face.box.map((side) => Math.round(side * scale));
    const colour = COLOURS[face.state] || COLOURS.undecided, [red, green, blue] = colour;
    pen.strokeStyle = pen.fillStyle = `rgb(${colour.join(" ")})`;
    pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
    const words = label(face), wide = Math.ceil(pen.measureText(words).width + bar / 2);
    const bottom = y1 - line < bar ? y2 + line + bar : y1 - line;
    const left = Math.min(Math.max(x1, 0), Math.max(pen.canvas.width - wide, 0));
    const top = Math.min(Math.max(bottom - bar, 0), Math.max(pen.canvas.height - bar, 0));
    pen.fillRect(left, top, wide, bar);
    pen.fillStyle = 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000" : "#fff";
    pen.fillText(words, left + bar / 4, top + bar / 2);
  }
}
