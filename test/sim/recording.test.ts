// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { modelOfFacts } from "../../src/cli/cluster-model.ts";
import type { Controller } from "../../src/controller/controller.ts";
import type { ControllerParts } from "../../src/controller/controller-parts.ts";
import { parseRecord } from "../../src/recording/record.ts";
import type { LineSink } from "../../src/recording/recorder.ts";
import { Replay } from "../../src/recording/replay.ts";
import { committedText, desiredOf, desiredText } from "../../src/recording/rows-text.ts";
import type { CodeMutation } from "./code-mutation.ts";
import { generateScript } from "./generate.ts";
import { MUTATIONS } from "./mutations.ts";
import { runScript } from "./run.ts";

const [ANY] = MUTATIONS;

/** The lines of one term. */
class Lines implements LineSink {
  lines: string[] = [];
  ended = true;
  readonly #snapshot: () => Iterable<string>;

  constructor(snapshot: () => Iterable<string>) {
    this.#snapshot = snapshot;
  }

  write(line: string): void {
    if (this.ended) this.lines = [...this.#snapshot()];
    this.ended = false;
    this.lines.push(line);
  }

  end(): void {
    this.ended = true;
  }
}

/** The state after these lines. */
function replayOf(lines: readonly string[]): Replay {
  const [first = "", ...rest] = lines.map((line, i) => parseRecord(line, `line ${i}`));
  if (typeof first === "string" || first.line !== "header") throw new TypeError("no header");
  const replay = new Replay(first);
  for (const line of rest) replay.apply(line);
  return replay;
}

for (const seed of [11]) {
  t.test(`seed ${seed}: what was recorded of a cluster with faults replays to its rows, byte for byte`, async (t) => {
    const sinks: { readonly parts: ControllerParts; readonly sink: Lines; controller?: Controller }[] = [];
    const recording: CodeMutation = {
      ...(ANY as CodeMutation),
      parts: (parts) => ({
        ...parts,
        settings: { ...parts.settings, sampledPercent: 100 },
        record: (snapshot) => {
          const sink = new Lines(snapshot);
          sinks.push({ parts, sink });
          return sink;
        },
      }),
      controller: (controller) => {
        const last = sinks.at(-1);
        if (last !== undefined) last.controller = controller;
      },
    };
    t.strictSame((await runScript(generateScript(seed), { mutation: recording })).violations, []);
    const leader = sinks.find(({ controller }) => controller?.leading);
    if (leader === undefined) return void t.fail("no controller leads");
    const replay = replayOf(leader.sink.lines);
    t.ok(replay.counts.changes > 0 && replay.counts.commits > 0, JSON.stringify(replay.counts));
    const desired = desiredOf(modelOfFacts(replay.facts, replay.header.clusterId).fragments);
    const replayed = desiredText(desired);
    t.ok(replayed.split("\n").length > 20);
    t.match(replayed, /^Sample /m);
    const rows = [...leader.parts.northbound.rows()];
    const own = rows.filter(({ ours, uuid, columns }) => {
      const ids = columns["external_ids"];
      return (
        ours === true ||
        desired.row(uuid) !== undefined ||
        (ids !== undefined && Object.hasOwn(ids as object, "weft-owner"))
      );
    });
    const database = new Map(own.map(({ uuid, table, columns }) => [uuid, { table, columns }]));
    t.equal(replayed, committedText(database, desired), "the facts give the rows of the database");
    t.equal(replayed, committedText(replay.rows.rows(), desired), "and so do the recorded transactions");
    const less = replayOf(leader.sink.lines.filter((line) => !line.includes('"kind":"ips"')));
    t.not(
      desiredText(desiredOf(modelOfFacts(less.facts, less.header.clusterId).fragments)),
      replayed,
      "which need what was recorded",
    );
  });
}
