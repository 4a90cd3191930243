// Small live plots on canvases.

import { element } from "./page.js";

const POINTS = 120;

/** A plot of one value over the last two minutes, with its newest value as text. */
export class Plot {
  constructor(parent, label, format) {
    this.format = format;
    this.values = [];
    this.value = element("strong", {}, "–");
    this.canvas = element("canvas", { role: "img" });
    this.canvas.setAttribute("aria-label", `${label} over the last two minutes`);
    const caption = element("figcaption", {}, label, this.value);
    parent.append(element("figure", { className: "plot" }, caption, this.canvas));
  }

  add(value) {
    this.values.push(value);
    if (this.values.length > POINTS) this.values.shift();
    this.value.textContent = value === undefined ? "–" : this.format(value);
    this.draw();
  }

  draw() {
    const { canvas, values } = this;
    const width = (canvas.width = canvas.clientWidth * devicePixelRatio);
    const height = (canvas.height = canvas.clientHeight * devicePixelRatio);
    const known = values.filter((value) => value !== undefined);
    if (width === 0 || known.length === 0) return;
    const top = Math.max(...known, 1e-9) * 1.15;
    const low = Math.min(0, ...known);
    const x = (at) => width - ((values.length - 1 - at) / (POINTS - 1)) * width;
    const y = (value) => height - 2 - ((value - low) / (top - low)) * (height - 4);
    const context = canvas.getContext("2d");
    const colour = getComputedStyle(canvas).getPropertyValue("--accent");
    context.beginPath();
    values.forEach((value, at) => value !== undefined && context.lineTo(x(at), y(value)));
    context.strokeStyle = colour;
    context.lineWidth = 1.6 * devicePixelRatio;
    context.stroke();
    context.lineTo(width, height);
    context.lineTo(x(0), height);
    context.globalAlpha = 0.14;
    context.fillStyle = colour;
    context.fill();
  }
}
