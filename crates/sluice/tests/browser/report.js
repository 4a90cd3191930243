// What the test tells the page, and what the page tells the test.

export const query = new URLSearchParams(location.search);
export const url = query.get("url");
export const draft = Number(query.get("draft"));
export const hash = Uint8Array.from(query.get("hash").match(/../g), (pair) => parseInt(pair, 16));

export function report(kind, lines) {
  const body = Object.entries(lines).map(([name, value]) => `${name}=${value}`);
  return fetch(kind, { method: "POST", body: body.join("\n") });
}

addEventListener("unhandledrejection", (event) => {
  report("failed", { error: event.reason?.stack ?? event.reason });
});
