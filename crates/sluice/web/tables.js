// Tables of what the relay lists, a page at a time.

import { element, enable } from "./page.js";

const ROWS = 50;

/** What `/api/v1` answers. */
export async function api(path) {
  const response = await fetch(`api/v1/${path}`);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.error ?? `the relay answers ${response.status}`), { status: response.status });
  return answer;
}

/** One list of the relay. `columns` are a name, what a cell shows of a row (and of the same row the last
 * time, and the seconds since), and a class. */
export class Table {
  constructor(parent, { title, path, rows = (answer) => answer.rows, empty, id, columns }) {
    Object.assign(this, { path, rows, id, columns });
    this.known = new Map();
    this.starts = [""];
    this.body = element("tbody");
    this.empty = element("p", { className: "quiet", hidden: true }, empty);
    const heads = columns.map(([name, , kind = ""]) => element("th", { scope: "col", className: kind }, name || element("span", { className: "hidden" }, "Links")));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), this.body);
    table.setAttribute("aria-label", title);
    this.scroll = element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": `${title}, table` }, table);
    this.back = element("button", { onclick: () => this.turn(-1) }, "Previous");
    this.on = element("button", { onclick: () => this.turn(1) }, "Next");
    this.pages = element("div", { className: "row", hidden: true }, this.back, this.on);
    const head = element("div", { className: "row spread" }, element("h2", {}, title), this.pages);
    parent.append(element("section", { className: "card", "aria-label": title }, head, this.scroll, this.empty));
  }

  turn(by) {
    if (by > 0 && this.next) this.starts.push(this.next);
    if (by < 0 && this.starts.length > 1) this.starts.pop();
    this.refresh();
  }

  async refresh() {
    const start = this.starts.at(-1);
    const answer = await api(`${this.path}?limit=${ROWS}${start && `&after=${start}`}`);
    if (start !== this.starts.at(-1)) return;
    this.next = answer.next;
    const rows = this.rows(answer);
    if (rows.length === 0 && this.starts.length > 1) return this.turn(-1);
    this.show(rows);
    this.empty.hidden = rows.length > 0;
    this.scroll.hidden = rows.length === 0;
    this.pages.hidden = this.starts.length === 1 && !this.next;
    enable(this.back, this.starts.length > 1);
    enable(this.on, this.next);
  }

  /** Rows that stay keep their elements, and with them the focus. */
  show(rows) {
    const now = performance.now();
    const kept = new Map();
    const ids = new Set(rows.map(this.id));
    for (const [id, { line }] of this.known) if (!ids.has(id)) line.remove();
    rows.forEach((row, at) => {
      const id = this.id(row);
      const last = this.known.get(id);
      const line = last?.line ?? element("tr", {}, ...this.columns.map(([, , kind = ""]) => element("td", { className: kind })));
      this.columns.forEach(([, show], column) => {
        const value = show(row, last?.row, last && (now - last.at) / 1000);
        const cell = line.children[column];
        const [text, target] = value instanceof Node ? [value.textContent, value.href] : [value];
        if (cell.textContent !== text || cell.firstElementChild?.href !== target) cell.replaceChildren(value);
      });
      if (this.body.children[at] !== line) this.body.insertBefore(line, this.body.children[at] ?? null);
      kept.set(id, { row, line, at: now });
    });
    this.known = kept;
  }
}
