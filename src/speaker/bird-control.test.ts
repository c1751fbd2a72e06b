// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { birdCommand } from "./bird-control.ts";

/** A short path: the kernel's limit is 107 characters. */
function socketPath(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), "weft-bird-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return join(folder, "bird.ctl");
}

/** A control socket that greets as BIRD does and answers each command with a text. */
async function control(t: Test, answer: string): Promise<string> {
  const path = socketPath(t);
  const server = createServer((socket) => {
    socket.write("0001 BIRD 2.17.6 ready.\n");
    socket.on("data", () => (answer === "" ? socket.end() : socket.write(answer)));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => server.close());
  return path;
}

t.test("the lines of an answer, without their codes", async (t) => {
  const path = await control(t, "0002-Reading configuration from bird.conf\n more of it\n0003 Reconfigured\n");
  const { code, lines } = await birdCommand(path, "configure");
  t.equal(code, 3);
  t.same(lines, ["Reading configuration from bird.conf", "more of it", "Reconfigured"]);
});

t.test("a refusal is an error with BIRD's words", async (t) => {
  const path = await control(t, "8002 bird.conf:3:1 syntax error\n");
  await t.rejects(birdCommand(path, "configure"), { code: "refused", message: /syntax error/ });
});

t.test("no answer is an error", async (t) => {
  await t.rejects(birdCommand(await control(t, ""), "configure"), { code: "unreachable" });
  await t.rejects(birdCommand(await control(t, "0002-\n"), "configure", 50), { code: "unreachable" });
  await t.rejects(birdCommand(socketPath(t), "configure"), { code: "unreachable" });
});
