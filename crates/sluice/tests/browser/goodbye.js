// Opens a session, says so, and tells how it ended.

import { Session } from "./moqt.js";
import { draft, hash, report, url } from "./report.js";

async function run() {
  const session = await Session.open(url, hash, draft);
  await report("done", { ready: 1 });
  const goaway = await session.theirs.message();
  if (session.transport.draining !== undefined) await session.transport.draining;
  const { closeCode } = await session.transport.closed;
  await report("done", {
    message: goaway.kind,
    close_code: closeCode,
    has_draining: session.transport.draining === undefined ? 0 : 1,
  });
}

run().catch((error) => report("failed", { error: error?.stack ?? error }));
