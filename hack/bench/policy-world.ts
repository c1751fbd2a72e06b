// SPDX-License-Identifier: Apache-2.0

import type { WeftEffect } from "../../src/compile/effects.ts";
import { sampleFacts } from "../../src/compile/testing/sample-facts.ts";
import { LEADER_LOCK, Northbound } from "../../src/controller/databases/northbound.ts";
import type { NetworkPolicySpec } from "../../src/facts/network-policy.ts";
import { projectNamespace, projectPod } from "../../src/facts/project-core.ts";
import { projectIp } from "../../src/facts/project-ip.ts";
import { projectNetworkPolicy } from "../../src/facts/project-policy.ts";
import { everyFact, type FactStore } from "../../src/facts/store.ts";
import { rootsOf, UNIT_KINDS } from "../../src/kinds/units.ts";
import { ipFromValue } from "../../src/net/address.ts";
import { OVN_NB } from "../../src/ovsdb/generated/ovn-nb.ts";
import { openOvsdb } from "../../src/ovsdb/open.ts";
import { findOvsTools } from "../../src/ovsdb/testing/ovs-tools.ts";
import { TestFolder } from "../../src/ovsdb/testing/server.ts";
import { Engine } from "../../src/reconcile/engine.ts";
import { Tracker } from "../../src/reconcile/tracker.ts";
import { SYSTEM_CLOCK } from "../../src/time/clock.ts";

/** The result of one change. */
export interface PolicyChange {
  /** From the fact to the commit, in ms. */
  readonly ms: number;
  readonly transactions: number;
  readonly operations: number;
}

/**
 * The controller's own part of a cluster, without an API server: facts are set directly, units compile, and a real ovsdb-server with
 * the northbound schema commits.
 */
export class PolicyWorld {
  readonly facts: FactStore = sampleFacts();
  readonly engine: Engine<WeftEffect>;
  readonly #northbound: Northbound;
  readonly #folder: TestFolder;

  private constructor(folder: TestFolder, northbound: Northbound) {
    this.#folder = folder;
    this.#northbound = northbound;
    this.engine = new Engine<WeftEffect>({
      database: "OVN_Northbound",
      tracker: new Tracker(UNIT_KINDS, this.facts, rootsOf),
      view: northbound.view,
      commit: (plan) => northbound.commit(plan),
      whenReady: () => northbound.whenReady(),
      offerEffects: () => {},
      timers: SYSTEM_CLOCK,
      onUnitFailure: (unit, error) => {
        throw new Error(`the database rejected the transaction of ${unit}`, { cause: error });
      },
      onDeposed: () => {
        throw new Error(`another client holds the lock ${LEADER_LOCK}`);
      },
    });
    this.facts.subscribe((change) => this.engine.noteFact(change));
    northbound.subscribe((changes) => this.engine.noteDatabase(changes));
  }

  /** Creates it with an empty database. Throws if the machine has no programs of Open vSwitch. */
  static async make(): Promise<PolicyWorld> {
    const tools = findOvsTools();
    if (typeof tools === "string") throw new Error(tools);
    const folder = await TestFolder.make(tools);
    const server = await folder.standalone(OVN_NB);
    const client = openOvsdb({ remotes: [server.remote], database: OVN_NB.name, maxMessageBytes: 2 ** 30 });
    const northbound = new Northbound(client);
    await northbound.lock.whenHeld();
    await northbound.whenReady();
    return new PolicyWorld(folder, northbound);
  }

  /** Begins to write; resolves when everything is committed. */
  async start(): Promise<void> {
    // Facts from before the engine listened must be marked explicitly.
    for (const change of everyFact(this.facts)) this.engine.noteFact(change);
    this.engine.start();
    await this.engine.whenIdle();
  }

  /** A pod with its address and its labels, on one of the two nodes. */
  pod(i: number, namespace: string, labels: Readonly<Record<string, string>>): void {
    const name = `pod-${i}`;
    const node = `weft-${(i % 2) + 1}`;
    const uid = `uid-${namespace}-${name}`;
    const v4 = ipFromValue(4, 0x0a100100n + BigInt(i)).text;
    const object = {
      metadata: {
        name: `${name}.${namespace}`,
        uid: `uid-ip-${namespace}-${name}`,
        annotations: { "weft.kubeovn.io/pod-uid": uid },
      },
      spec: {
        podName: name,
        namespace,
        nodeName: node,
        subnet: "ovn-default",
        v4IpAddress: v4,
        macAddress: `02:00:00:${hex(i >> 16)}:${hex(i >> 8)}:${hex(i)}`,
      },
    };
    this.facts.set("ips", object.metadata.name, projectIp(object));
    const metadata = { name, namespace, uid, labels };
    this.facts.set("pods", `${namespace}/${name}`, projectPod({ metadata, spec: { nodeName: node } }));
  }

  namespace(name: string): void {
    const labels = { "kubernetes.io/metadata.name": name };
    this.facts.set("namespaces", name, projectNamespace({ metadata: { name, uid: `uid-${name}`, labels } }));
  }

  /** Sets a policy or, without a spec, removes it. */
  policy(namespace: string, name: string, spec?: NetworkPolicySpec): void {
    const metadata = { name, namespace, uid: `uid-np-${namespace}-${name}` };
    this.facts.set("networkPolicies", `${namespace}/${name}`, spec && projectNetworkPolicy({ metadata, spec }));
  }

  /** Carries out a change and waits until it is committed. */
  async measure(change: () => void): Promise<PolicyChange> {
    const { transactions, operations } = this.engine.stats;
    const started = performance.now();
    change();
    await this.engine.whenIdle();
    const ms = performance.now() - started;
    const { stats } = this.engine;
    return { ms, transactions: stats.transactions - transactions, operations: stats.operations - operations };
  }

  /** Rows of a table, and members of one of its columns in all. */
  count(table: string, column?: string): { readonly rows: number; readonly members: number } {
    let rows = 0;
    let members = 0;
    for (const row of this.#northbound.rows()) {
      if (row.table !== table) continue;
      rows++;
      const value = column === undefined ? undefined : row.columns[column];
      if (Array.isArray(value)) members += value.length;
    }
    return { rows, members };
  }

  async close(): Promise<void> {
    this.engine.stop();
    await this.#northbound.close();
    await this.#folder.close();
  }
}

function hex(value: number): string {
  return (value & 0xff).toString(16).padStart(2, "0");
}
