// The first page: whether the relay works, step by step with the cure, and what is live.

import { CATALOG } from "./catalog.js";
import { $, element, explain, followLive, link, milliseconds, noTransport, relay, showLive, watchLink } from "./page.js";

const { host, port } = new URL(relay);
const MARKS = { good: "✓", bad: "✗", wait: "…" };

/** Name, what is said of it, and what to do when it fails. */
const STEPS = {
  browser: ["Browser", "Use Chrome 97+, Edge, Firefox 130+ or Safari 26+, and open this page with https or on localhost."],
  reach: [
    "QUIC over UDP",
    `Let UDP port ${port || 443} through every firewall between here and the relay: TCP alone, which brought this page, is not enough. ` +
      "If the relay was started anew, load this page again: it may have another certificate.",
  ],
  setup: ["MoQ session", "The relay speaks other drafts than this page: its --drafts setting limits them."],
  list: ["Namespaces", "The relay did not list what is live: its log says why."],
  object: ["First object", "A broadcast is listed, but nothing comes of it: is its publisher still there?"],
};
const shown = {};

function build() {
  for (const [name, [title]] of Object.entries(STEPS)) {
    const parts = { mark: element("span", { className: "mark" }), said: element("span", { className: "quiet small" }), cure: element("p", { className: "cure small", hidden: true }) };
    const item = element("li", {}, parts.mark, element("strong", {}, title), parts.said, parts.cure);
    shown[name] = { ...parts, item };
    set(name, "wait", "");
  }
  $("#steps").append(...Object.values(shown).map(({ item }) => item));
}

function set(name, state, said, cure) {
  const step = shown[name];
  step.item.dataset.state = state;
  step.mark.textContent = MARKS[state];
  step.said.textContent = said;
  step.cure.hidden = !cure;
  step.cure.textContent = cure ?? "";
}

function fail(name, error) {
  set(name, "bad", "failed", `${explain(error)}. ${STEPS[name][1]}`);
  $("#headline").textContent = "The relay cannot be used from here";
}

function headline(paths) {
  const count = paths.length === 1 ? "One broadcast is live" : `${paths.length} broadcasts are live`;
  $("#headline").textContent = paths.length === 0 ? "The relay works" : `The relay works. ${count}.`;
}

let asked;
let began = performance.now();

function show(paths, session) {
  if (asked?.session !== session) {
    const took = milliseconds(performance.now() - began);
    set("reach", "good", `${host} answers, ${took}`);
    set("setup", "good", `draft ${session.draft.number}`);
    asked = { session };
    session.closed.then(() => (began = performance.now()));
  }
  set("list", "good", paths.length === 0 ? "nothing is live" : `${paths.length} live`);
  headline(paths);
  showLive($("#live"), paths);
  $("#nothing").hidden = paths.length > 0;
  $("#to-watch").href = paths.length > 0 ? watchLink(paths[0]) : link("player.html");
  if (paths.length === 0) set("object", "wait", "when something is live");
  else if (!asked.path) firstObject(session, (asked.path = paths[0]));
}

/** The catalog of a broadcast is the first that any player asks for. */
async function firstObject(session, path) {
  const from = performance.now();
  const failed = (error) => asked.session === session && fail("object", error);
  const timer = setTimeout(() => failed(new Error(`${path}: no object within 10 s`)), 10_000);
  try {
    const subscription = await session.subscribe(path, CATALOG, { join: true });
    const { done } = await subscription.next();
    subscription.cancel();
    if (done) throw new Error(subscription.ended);
    set("object", "good", `${path}, ${milliseconds(performance.now() - from)}`);
  } catch (error) {
    failed(error);
    asked.path = undefined;
  } finally {
    clearTimeout(timer);
  }
}

build();
$("#where").textContent = relay;
$("#to-publish").href = link("encoder.html");
$("#terminal").textContent = [
  `ffmpeg -re -i VIDEO -c:v libx264 -bf 0 -c:a aac -f mp4 -movflags cmaf+separate_moof+delay_moov+frag_every_frame - \\`,
  `  | sluice publish ${relay} --namespace live/me`,
  `sluice subscribe ${relay} --namespace live/me | ffplay -v error -`,
].join("\n");
/** What this browser lacks. */
function lacking() {
  if (!isSecureContext) return "this page was not opened securely";
  if (noTransport()) return "no WebTransport";
  return typeof VideoDecoder === "undefined" ? "no WebCodecs" : undefined;
}

const lack = lacking();
if (lack) {
  fail("browser", new Error(lack));
} else {
  set("browser", "good", "WebTransport and WebCodecs");
  followLive(show, (error) => {
    asked = undefined;
    began = performance.now();
    const step = { connect: "reach", setup: "setup" }[error.step] ?? "list";
    if (step === "setup") set("reach", "good", host);
    fail(step, error);
    for (const later of ["setup", "list", "object"]) if (later !== step) set(later, "wait", "");
  });
}
