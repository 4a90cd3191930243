// What the pages have in common: elements, numbers for people, the relay's address, what is live.

import { connect, namespaceOf } from "./session.js";
import { pause } from "./source.js";

/** What is listed where the draft cannot list everything, besides what the relay tells there is. */
const PREFIXES_14 = ["live", "demo"];
const LOOK_MS = 3_000;

export const query = new URLSearchParams(location.search);

/** The relay of this page: that which served it, unless `?relay=` names another. */
export const relay = query.get("relay") ?? `https://${location.host}/moq`;

/** The first element that matches. */
export const $ = (selector) => document.querySelector(selector);

/** An element with properties and children; `class`, `data-…` and `aria-…` become attributes. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made && !name.includes("-")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** The address of a page of this site, with the relay kept if it was named. */
export function link(page, parameters = {}) {
  const given = new URLSearchParams(parameters);
  if (query.has("relay")) given.set("relay", relay);
  // Slashes need no escape in a query, and links are read by people.
  const text = given.toString().replaceAll("%2F", "/");
  return text === "" ? page : `${page}?${text}`;
}

export const watchLink = (namespace) => link("player.html", { namespace });

export const milliseconds = (value) =>
  value === undefined ? "–" : Math.abs(value) < 995 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(2)} s`;

export const bits = (value) =>
  value >= 995_000 ? `${(value / 1e6).toFixed(2)} Mbit/s` : `${Math.round((value || 0) / 1000)} kbit/s`;

/** Why a page of this site cannot reach a relay in this browser, if it cannot. */
export function noTransport() {
  if (typeof WebTransport !== "undefined") return undefined;
  return "This browser has no WebTransport: use Chrome 97+, Edge, Firefox 114+ or Safari 26+.";
}

/** What a failure means for who reads it. */
export function explain(error) {
  const told = error?.message ?? "";
  return told.replace(/^(connect|setup|session): /, "");
}

/** Follows which namespaces are live; `handle` gets the sorted paths and the session, and again with
 * every change. Connects again whenever the session ends. */
export async function followLive(handle, failed = () => {}) {
  for (;;) {
    const live = new Set();
    try {
      const session = await connect(relay);
      const tell = () => handle([...live].sort(), session);
      const list = (prefix) => session.subscribeNamespace(prefix, {
        added: (fields) => (live.add(fields.join("/")), tell()),
        removed: (fields) => (live.delete(fields.join("/")), tell()),
      });
      if (session.draft.isOldest) await listByFirstField(session, list, tell);
      else await list("");
      tell();
      await session.closed;
    } catch (error) {
      failed(error);
    }
    await pause(1_500);
  }
}

/** Lists by first fields, those that are known and, where the relay tells, all that there are. */
async function listByFirstField(session, list, tell) {
  const known = new Set();
  let rows = [];
  let isOpen = true;
  session.closed.then(() => (isOpen = false));
  while (isOpen && rows) {
    rows = query.has("relay") ? undefined : await namespaces();
    const paths = [...PREFIXES_14, query.get("namespace") ?? "", ...(rows ?? []).map(({ namespace }) => namespace)];
    for (const [field] of paths.map(namespaceOf)) {
      if (field === undefined || known.has(field)) continue;
      known.add(field);
      await list(field);
    }
    tell();
    if (rows) await pause(LOOK_MS);
  }
}

/** What `/api/v1` says is published; undefined where it is not told. */
async function namespaces() {
  const answer = await fetch("api/v1/namespaces?limit=500").catch(() => ({}));
  return answer.ok ? (await answer.json()).rows : undefined;
}

/** Fills a list with links to what is live. */
export function showLive(list, paths, current) {
  list.replaceChildren(
    ...paths.map((path) => {
      const here = path === current ? { "aria-current": "true" } : {};
      const dot = element("span", { className: "dot" });
      dot.setAttribute("aria-hidden", "true");
      return element("li", {}, element("a", { href: watchLink(path), ...here }, dot, path));
    }),
  );
}

/** Names with values; what is there is changed, so that nothing jumps. */
export function setFigures(list, figures) {
  const entries = Object.entries(figures);
  while (list.children.length > entries.length) list.lastChild.remove();
  entries.forEach(([name, value], at) => {
    const box = list.children[at] ?? list.appendChild(element("div", {}, element("dt"), element("dd")));
    box.children[0].textContent = name;
    box.children[1].textContent = box.children[1].title = value;
  });
}

/** A button that means nothing now keeps the focus all the same. */
export function enable(button, isOn) {
  button.setAttribute("aria-disabled", String(!isOn));
}

/** Shows a text in an element, or hides it. */
export function say(target, text) {
  target.hidden = !text;
  if (text) target.textContent = text;
}
