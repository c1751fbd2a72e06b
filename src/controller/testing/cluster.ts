// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { Test } from "tap";
import { accessRules } from "../../kinds/access.ts";
import { KubeError } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import { LEASES, NAMESPACES, NODES, PODS, type ResourceType, typeName } from "../../kube/resources.ts";
import { type FakeKube, fakeKube } from "../../kube/testing/fake.ts";
import type { Pod } from "../../kube/types.ts";
import type { OvsdbClient } from "../../ovsdb/client.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { type FakeOvsdb, fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { refusedMatches } from "../../policy/testing/ovn-matches.ts";
import { type Clock, SYSTEM_CLOCK } from "../../time/clock.ts";
import { Controller } from "../controller.ts";
import type { ControllerParts } from "../controller-parts.ts";
import { Northbound } from "../databases/northbound.ts";
import { Election } from "../leadership/election.ts";
import { SETTINGS } from "./settings.ts";

const quiet = (): void => {};
const LOG = { debug: quiet, info: quiet, warn: quiet, error: quiet } as unknown as Logger;

/** A fake API server with a node and a namespace, and a fake northbound database. `clock`: the API server's. */
export async function cluster(t: Test, clock: Clock = SYSTEM_CLOCK): Promise<{ kube: FakeKube; server: FakeOvsdb }> {
  const kube = fakeKube({ clock });
  const server = fakeOvsdb(OVN_NB);
  t.teardown(() => server.close());
  server.onTransact = (operations) => {
    const rows = operations.flatMap((operation) =>
      operation.op === "insert" ? [{ table: operation.table, uuid: operation.uuid ?? "", columns: operation.row }] : [],
    );
    for (const wrong of refusedMatches(rows)) t.fail(wrong);
    return undefined;
  };
  await kube.create(NODES, { metadata: { name: "n1" } });
  await kube.create(NAMESPACES, { metadata: { name: "default" } });
  return { kube, server };
}

/** The API server as the controller's account may use it: what the chart's roles do not allow is refused, and fails the test. */
function permitted(t: Test, kube: Kube): Kube {
  const check = (verb: string, type: ResourceType, subresource?: string, name?: string): void => {
    // Its own Lease is the matter of a Role.
    if (type.plural === LEASES.plural || isAllowed(verb, type, subresource, name)) return;
    const message = `the ClusterRole does not allow to ${verb} ${[typeName(type), subresource].filter(Boolean).join("/")}`;
    t.fail(message);
    throw new KubeError("forbidden", message, { status: 403 });
  };
  return {
    get: async (type, ref, options) => {
      check("get", type, undefined, ref.name);
      return await kube.get(type, ref, options);
    },
    list: async (type, options) => {
      check("list", type, undefined, nameIn(options));
      return await kube.list(type, options);
    },
    create: async (type, object, options) => {
      check("create", type);
      return await kube.create(type, object, options);
    },
    update: async (type, object, options) => {
      check("update", type, options?.subresource, object.metadata.name);
      return await kube.update(type, object, options);
    },
    patch: async (type, ref, patch, options) => {
      check("patch", type, options?.subresource, ref.name);
      return await kube.patch(type, ref, patch, options);
    },
    delete: async (type, ref, options) => {
      check("delete", type, undefined, ref.name);
      await kube.delete(type, ref, options);
    },
    watch: async (type, options, onEvent) => {
      check("watch", type, undefined, nameIn(options));
      await kube.watch(type, options, onEvent);
    },
  };
}

/** The one name that a list or a watch is limited to, as the authorizer sees it (Kubernetes' request attributes). */
function nameIn({ fieldSelector = "" }: { readonly fieldSelector?: string } = {}): string | undefined {
  return /^metadata\.name=(.+)$/.exec(fieldSelector)?.[1];
}

/** A controller that stands for election, on a connection of its own. It is stopped when the test ends. `onFailure`: it gives itself up. */
export function candidate(
  t: Test,
  kube: FakeKube,
  server: { connect(): OvsdbClient },
  more: Partial<ControllerParts> = {},
  onFailure: () => void = () => t.fail("failed to start leading"),
) {
  const client = server.connect();
  const northbound = new Northbound(client);
  const parts = {
    kube: permitted(t, kube),
    northbound,
    settings: SETTINGS,
    log: LOG,
    clock: { ...SYSTEM_CLOCK, random: () => 0.5 },
    ...more,
  };
  const controller = new Controller(parts);
  const election = new Election(parts, controller, onFailure);
  election.start();
  const stop = async (): Promise<void> => {
    await election.stop();
    await client.close();
  };
  t.teardown(stop);
  return { controller, election, client, northbound, stop };
}

/** Waits until `found` gives something, for about `ms`; a slow machine gets as many turns. */
export async function eventually<T>(what: string, found: () => T | undefined, ms = 20_000): Promise<T> {
  for (let i = 0; i < ms / 2; i++) {
    const value = found();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`not within time: ${what}`);
}

/** The address that a pod of the default namespace has been given. */
export function addressOf(kube: FakeKube, name: string): string | undefined {
  return kube.object<Pod>(PODS, { namespace: "default", name })?.metadata.annotations?.["ovn.kubernetes.io/ip_address"];
}

/** Adds a pod that the scheduler has bound. */
export async function addPod(kube: FakeKube, name: string): Promise<void> {
  const spec = { nodeName: "n1", hostNetwork: false };
  await kube.create(PODS, { metadata: { namespace: "default", name }, spec });
}

/** Whether the ClusterRole and Role allow a request. */
function isAllowed(verb: string, type: ResourceType, subresource?: string, name?: string): boolean {
  const resource = subresource === undefined ? type.plural : `${type.plural}/${subresource}`;
  return accessRules().some(
    (rule) =>
      rule.group === type.group &&
      rule.resource === resource &&
      rule.verbs.includes(verb) &&
      (rule.names === undefined || (name !== undefined && rule.names.includes(name))),
  );
}
