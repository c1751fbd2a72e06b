// SPDX-License-Identifier: Apache-2.0

import type { ControllerParts } from "../../src/controller/controller-parts.ts";
import { SETTINGS } from "../../src/controller/testing/settings.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { KubeObject, ObjectRef } from "../../src/kube/object.ts";
import {
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  EVENTS,
  IPS,
  NAMESPACES,
  NODES,
  PODS,
  type ResourceType,
  VPCS,
} from "../../src/kube/resources.ts";
import { type FakeKube, fakeKube } from "../../src/kube/testing/fake.ts";
import { addressesSharedByRows } from "../sim/address-uses.ts";
import { merge } from "../sim/cluster.ts";
import type { CodeMutation } from "../sim/code-mutation.ts";
import { type DatabaseContent, databaseContent, rowDifferences } from "../sim/database-content.ts";
import { NorthboundServer } from "../sim/database-server.ts";
import { Throwing } from "../sim/injected-exceptions.ts";
import { MachineClocks } from "../sim/machine-clocks.ts";
import { RandomFaults } from "../sim/random-faults.ts";
import { Replica } from "../sim/replica.ts";
import { Scheduler } from "../sim/scheduler.ts";
import { RunTrace } from "../sim/trace.ts";
import { addressesGivenTwice } from "./addresses.ts";
import { EDITED, type Edit } from "./edits.ts";

/** Longer than any back-off, and than a node's chassis may be missing before it is reported, in ms. */
const QUIET_MS = 130_000;
/** Deadline for the cluster to settle, in ms. */
const PATIENCE_MS = 20 * 60_000;

/** A bug in the controllers of a world, to show that it is found. */
export type Plant = Pick<CodeMutation, "parts" | "controller" | "install">;

/** An API server, a northbound database and one controller, in simulated time and without faults. */
export class HistoryWorld {
  readonly faults: string[] = [];
  readonly #scheduler: Scheduler;
  readonly #kube: FakeKube;
  readonly #seed: string;
  readonly #plant: Plant | undefined;
  readonly #applied = new Map<string, readonly string[]>();
  #northbound: NorthboundServer;
  #replica: Replica;
  #databases = 0;
  #lastWrite = 0;
  #writes: string[] = [];
  /** A transaction writes only rows that are missing. */
  #isFilling = false;

  constructor(seed: string, plant?: Plant, print?: (line: string) => void) {
    this.#seed = seed;
    this.#plant = plant;
    this.#scheduler = new Scheduler(new RunTrace(print));
    const clock = { wall: this.#scheduler.now, after: this.#scheduler.after };
    this.#kube = fakeKube({ clock, schedule: (deliver) => deliver() });
    this.#northbound = this.#database();
    this.#replica = this.#controller();
  }

  /** Records an error of the code itself. */
  fault(what: string): void {
    if (!this.faults.includes(what)) this.faults.push(what);
  }

  /** Creates a small cluster, with a controller that has had nothing to do for a while. */
  async begin(): Promise<void> {
    for (const name of ["default", "kube-system", "blue"]) await this.#kube.create(NAMESPACES, { metadata: { name } });
    await this.#edit({ after: 0, do: "put", type: NODES, ref: { name: "n1" }, body: {} });
    this.#replica.start();
    await this.settle();
  }

  /** Executes an edit at its time. */
  async carryOut(edit: Edit): Promise<void> {
    await this.#scheduler.run(edit.after);
    this.#scheduler.note(`EDIT ${JSON.stringify(edit)}`);
    if (edit.do !== "restart") await this.#edit(edit);
    else if (edit.crash) this.#replica.crash(500, "at once");
    else void this.#replica.restart(500);
  }

  /** Waits until nothing has been written for a while. */
  async settle(): Promise<void> {
    const began = this.#scheduler.elapsed;
    this.#lastWrite = began;
    while (this.#scheduler.elapsed - this.#lastWrite < QUIET_MS) {
      await this.#scheduler.run(5_000);
      if (this.#scheduler.elapsed - began < PATIENCE_MS) continue;
      this.fault(`still writing after ${PATIENCE_MS / 60_000} minutes: ${this.#writes.slice(-4).join("; ")}`);
      return;
    }
    if (!this.#replica.leading) this.fault("no controller leads");
  }

  /** Asserts that a controller without state writes nothing, and writes the present rows to an empty database. */
  async judgeFresh(): Promise<void> {
    for (const shared of addressesGivenTwice(this.#kube)) this.fault(`given twice: ${shared}`);
    await this.#judgeSuccessor("a fresh controller", false);
    await this.#judgeSuccessor("a fresh controller with an empty database", true);
    for (const event of this.#kube.objects<KubeObject & { reason?: string; message?: string }>(EVENTS))
      if (event.reason === "InternalError") this.fault(`Event InternalError: ${event.message}`);
  }

  /** Deletes all objects of edits, in one order of types or the other: the cluster must be as at the beginning. */
  async deleteAll(reverse: boolean): Promise<void> {
    const types = reverse ? EDITED.toReversed() : EDITED;
    for (const type of types) {
      for (const { metadata } of this.#kube.objects(type)) {
        if (STANDING.has(metadata.name) || isOfRule(metadata.name)) continue;
        await this.#edit({ after: 0, do: "delete", type, ref: refOf(metadata) });
      }
      if (reverse) await this.#scheduler.run(2_000);
    }
    for (const name of ["n2", "n3"]) await this.#edit({ after: 0, do: "delete", type: NODES, ref: { name } });
    const ready = { status: { conditions: null } };
    await this.#kube.patch(NODES, { name: "n1" }, merge(ready), { subresource: "status" });
    await this.#edit({ after: 0, do: "put", type: NODES, ref: { name: "n1" }, body: {} });
    await this.#edit({ after: 0, do: "put", type: VPCS, ref: { name: "ovn-cluster" }, body: { spec: {} } });
    await this.#edit({ after: 0, do: "put", type: NAMESPACES, ref: { name: "blue" }, body: {} });
    await this.settle();
  }

  /** Names of all objects except those that only report events. */
  names(): readonly string[] {
    return CHECKED.flatMap((type) =>
      this.#kube.objects(type).map(({ metadata: { namespace = "", name, finalizers = [] } }) => {
        return `${type.plural} ${namespace}/${name} ${finalizers.join()}`;
      }),
    );
  }

  /** The rows of the database: table and uuid → columns, sorted. */
  rows(): DatabaseContent {
    return databaseContent(this.#northbound);
  }

  /** Stops everything. */
  end(): void {
    this.#replica.process?.kill();
  }

  async #judgeSuccessor(who: string, isEmpty: boolean): Promise<void> {
    const before = this.rows();
    this.end();
    // Pending messages arrive, and its lock ends.
    for (const wire of this.#northbound.wires()) wire.cut({ upArrives: false, downArrives: false });
    await this.#scheduler.run(60_000);
    if (isEmpty) this.#northbound = this.#database();
    this.#writes = [];
    this.#isFilling = isEmpty;
    this.#replica = this.#controller();
    this.#replica.start();
    await this.settle();
    this.#isFilling = false;
    if (this.#writes.length > 0) this.fault(`${who} wrote: ${this.#writes.slice(0, 4).join("; ")}`);
    for (const difference of rowDifferences(before, this.rows())) this.fault(`${who}: ${difference}`);
  }

  async #edit(edit: Extract<Edit, { ref: object }>): Promise<void> {
    const kube = this.#kube;
    const { type, ref } = edit;
    const id = `${type.plural} ${ref.namespace}/${ref.name}`;
    const present = kube.object(type, ref);
    try {
      if (edit.do === "delete") {
        this.#applied.delete(id);
        if (present !== undefined) await kube.delete(type, ref, type === PODS ? { gracePeriodSeconds: 0 } : {});
        return;
      }
      const { metadata: { annotations = {}, labels } = {}, status, ...fields } = edit.body;
      // As `kubectl apply` does: fields that the user set before and does not set now are removed, those of others stay.
      if (present === undefined) {
        const more = type === PODS ? { spec: { nodeName: "n1", hostNetwork: false, containers: [] } } : {};
        const served = type === ENDPOINT_SLICES && { "kubernetes.io/service-name": ref.name.replace(/-x$/, "") };
        await kube.create(type, {
          metadata: { ...ref, annotations, labels: { ...labels, ...served } },
          ...fields,
          ...more,
        });
      } else {
        const { annotations: had = {}, labels: wore = {} } = present.metadata;
        const dropped = this.#applied.get(id) ?? [];
        const others = Object.fromEntries(Object.entries(had).filter(([key]) => !dropped.includes(key)));
        const metadata = {
          ...present.metadata,
          annotations: { ...others, ...annotations },
          labels: type === NODES ? (labels ?? {}) : wore,
        };
        await kube.update(type, { ...present, ...allowed(type, present, fields), metadata });
      }
      this.#applied.set(id, Object.keys(annotations));
      if (type === NODES) {
        const addresses = [{ type: "InternalIP", address: `172.18.0.${10 + Number(ref.name.slice(1))}` }];
        await kube.patch(type, ref, merge({ status: { addresses, ...(status as object) } }), { subresource: "status" });
      }
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
    }
  }

  #database(): NorthboundServer {
    const nothing = (): void => {};
    const watcher = {
      onTransact: nothing,
      onCommit: (_: unknown, operations: readonly object[]) => this.#committed(operations),
    };
    return new NorthboundServer(this.#scheduler, new RandomFaults(), `${this.#seed}/${this.#databases++}`, watcher);
  }

  #controller(): Replica {
    const scheduler = this.#scheduler;
    return new Replica(`c${this.#databases}`, {
      scheduler,
      randomFaults: new RandomFaults(),
      clocks: new MachineClocks(scheduler),
      kube: this.#kube,
      northbound: this.#northbound,
      settings: { ...SETTINGS, ovnNb: "sim" },
      seed: this.#seed,
      throwing: new Throwing(scheduler, this.#seed, []),
      mutation: { ...this.#plant, parts: (parts) => this.#watched(this.#plant?.parts?.(parts) ?? parts) },
      onWrite: (_process, verb, { plural }, { namespace, name }) => {
        // Objects that only report events, and the controller's own annotations of its pod.
        if (plural === "leases" || plural === "events" || (plural === "pods" && namespace === "kube-system")) return;
        this.#lastWrite = scheduler.elapsed;
        this.#writes.push(`${verb} ${plural} ${name}`);
      },
      hostile: false,
      onBug: (what) => this.fault(what),
    });
  }

  /** A transaction that the database refuses is a fault: only the controller writes there. */
  #watched(parts: ControllerParts): ControllerParts {
    const commit = parts.northbound.commit.bind(parts.northbound);
    parts.northbound.commit = async (plan) => {
      const outcome = await commit(plan);
      if (outcome.kind === "refused") this.fault(`a transaction is refused: ${outcome.error.message}`);
      return outcome;
    };
    return parts;
  }

  #committed(operations: readonly object[]): void {
    const writes = operations.filter((operation) => !("op" in operation) || !QUESTIONS.has(String(operation.op)));
    if (writes.length === 0) return;
    this.#lastWrite = this.#scheduler.elapsed;
    for (const shared of addressesSharedByRows(this.#northbound, OUTSIDE)) this.fault(`used twice: ${shared}`);
    if (!this.#isFilling) this.#writes.push(JSON.stringify(writes).slice(0, 500));
  }
}

/** The addresses of external subnets. */
const OUTSIDE = /^(172\.(29|30)\.0\.|fd(29|30)::)/;
/** Operations that change nothing. */
const QUESTIONS: ReadonlySet<string> = new Set(["assert", "select", "wait"]);
/** The objects that exist without any edit. */
const STANDING: ReadonlySet<string> = new Set(["ovn-cluster", "ovn-default", "join"]);
/** Types of objects of which none may be left. */
const CHECKED = [...EDITED, NAMESPACES, NODES, IPS, DEPLOYMENTS];

function refOf({ namespace, name }: ObjectRef): ObjectRef {
  return namespace === undefined ? { name } : { namespace, name };
}

/** Whether the controller creates and deletes the object: the Service of a SwitchLBRule or RouterLBRule. */
function isOfRule(name: string): boolean {
  return /^(slr-r|rlr-b)\d$/.test(name);
}

/** Fields of a spec that cannot be changed once they are set, as rules in `crds/` say, which the API server in memory does not know. */
const FIXED: Readonly<Record<string, readonly string[]>> = {
  subnets: ["vpc"],
  vips: ["subnet", "namespace", "v4ip", "v6ip", "type"],
  "vpc-dnses": ["vpc", "subnet"],
};

/** The fields that an edit may set. */
function allowed(
  { plural }: ResourceType,
  present: KubeObject,
  { spec, ...rest }: Readonly<Record<string, unknown>>,
): object {
  if (spec === undefined) return rest;
  const had = Object.entries(present.spec ?? {}).filter(([, value]) => value !== "");
  const fixed = had.filter(([field]) => FIXED[plural]?.includes(field));
  const cidr =
    plural === "subnets" &&
    (spec as { cidrBlock?: string }).cidrBlock === "" &&
    had.filter(([field]) => field === "cidrBlock");
  return { ...rest, spec: { ...spec, ...Object.fromEntries([...fixed, ...(cidr || [])]) } };
}
