// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t from "tap";
import type { ClientState, OvsdbOptions } from "./client.ts";
import { openOvsdb } from "./open.ts";
import { insert } from "./operation.ts";
import { findOvsTools, type OvsTools } from "./testing/ovs-tools.ts";
import { TEST } from "./testing/schema.ts";
import { TestFolder } from "./testing/server.ts";
import { until } from "./testing/until.ts";

const tools = findOvsTools();
const skip = typeof tools === "string" ? tools : false;

const group = (name: string) => [insert(TEST, "Group", randomUUID(), { name })];

t.test(
  "a leader that hangs is left when another one has been elected, not only after two probes",
  { skip },
  async (t) => {
    const folder = await TestFolder.make(tools as OvsTools);
    t.teardown(() => folder.close());
    const servers = await folder.cluster(TEST, 3, 300);
    const connect = (options: Partial<OvsdbOptions>) => {
      const remotes = servers.map(({ remote }) => remote);
      const client = openOvsdb({ remotes, database: TEST.name, leaderOnly: true, probeIntervalMs: 60_000, ...options });
      t.teardown(() => client.close());
      return client;
    };
    const client = connect({});
    await client.whenConnected();
    const frozen = servers.find(({ remote }) => remote === client.remote)!;
    frozen.freeze(true);
    await until(
      (check) => client.onStateChange(check),
      () => client.state !== "connected",
      "the leader to be left",
    );
    await client.whenConnected();
    t.not(client.remote, frozen.remote);
    await client.transact(TEST.name, group("without it"));

    const states: ClientState[] = [];
    client.onStateChange((state) => states.push(state));
    frozen.freeze(false);
    const woken = connect({ leaderOnly: false, remotes: [frozen.remote] }).monitor(TEST, { Group: ["name"] });
    await woken.whenSynced();
    await client.transact(TEST.name, group("with it"));
    await until(
      (check) => woken.subscribe(check),
      () => woken.size("Group") === 2,
      "the former leader to follow",
    );
    t.same(states, [], "when it continues and still reports that it leads, no client leaves the new leader");
  },
);
