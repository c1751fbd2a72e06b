// SPDX-License-Identifier: Apache-2.0

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { Bird } from "./bird.ts";

t.test("a BIRD that does not answer is ended, to be started again", async (t) => {
  const folder = t.testdir();
  const program = join(folder, "bird");
  // It listens nowhere.
  writeFileSync(program, "#!/bin/sh\necho 'bird: Started' >&2\nexec sleep 60\n", { mode: 0o755 });
  let ended = (_reason: string): void => undefined;
  const end = new Promise<string>((resolve) => {
    ended = resolve;
  });
  const bird = new Bird({
    folder,
    gracefulRestart: true,
    program,
    deadlineMs: 500,
    onLine: () => undefined,
    onExit: (reason) => ended(reason),
  });
  t.teardown(() => bird.stop());
  await bird.apply("first");
  for (let i = 0; i < 3; i++) {
    t.equal(bird.running, true);
    await t.rejects(bird.apply("second"), { code: "unreachable" });
  }
  t.equal(await end, "it ended with SIGKILL");
  t.equal(bird.running, false);
  await bird.apply("second");
  t.equal(bird.running, true);
});
