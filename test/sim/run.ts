// SPDX-License-Identifier: Apache-2.0

import type { Settings } from "../../src/controller/settings.ts";
import { SETTINGS } from "../../src/controller/testing/settings.ts";
import {
  ENDPOINT_SLICES,
  IP_POOLS,
  IPS,
  NAMESPACES,
  NODES,
  PODS,
  SERVICES,
  STATEFUL_SETS,
  SUBNETS,
  VIPS,
  VPCS,
} from "../../src/kube/resources.ts";
import { fakeKube } from "../../src/kube/testing/fake.ts";
import { AddressHistory } from "./address-history.ts";
import { BfdSessions } from "./bfd-sessions.ts";
import { Cluster } from "./cluster.ts";
import { ClusterView, type SimulatedPod } from "./cluster-view.ts";
import type { CodeMutation } from "./code-mutation.ts";
import { databaseContent, rowDifferences } from "./database-content.ts";
import { NorthboundServer } from "./database-server.ts";
import { EndpointSlices } from "./endpoint-slices.ts";
import { Faults } from "./faults.ts";
import { leavesByDead, wrongGateways } from "./gateways.ts";
import { isFault } from "./generate.ts";
import { Hostile } from "./hostile.ts";
import { Throwing } from "./injected-exceptions.ts";
import { Invariants } from "./invariants.ts";
import { API_SERVER, MachineClocks } from "./machine-clocks.ts";
import { wrongNat } from "./nat-oracle.ts";
import { NAT_TYPES, NatUsers } from "./nat-users.ts";
import { Nodes } from "./node/nodes.ts";
import { judge, waitsForNothing } from "./oracle.ts";
import { OtherClient } from "./other-client.ts";
import { PortLossCheck } from "./port-loss.ts";
import { Quiet } from "./quiet.ts";
import { Random } from "./random.ts";
import { RandomFaults } from "./random-faults.ts";
import { Replica } from "./replica.ts";
import { Scheduler } from "./scheduler.ts";
import type {
  Action,
  BfdAction,
  ChassisAction,
  DatabaseAction,
  FaultAction,
  NatAction,
  NodeAction,
  Script,
  TenantAction,
  ThrowAction,
  UserAction,
} from "./script.ts";
import { SimulatedSouthbound } from "./southbound.ts";
import { Tenancy, wrongTenancy } from "./tenancy.ts";
import { TenantUsers } from "./tenant-users.ts";
import { RunTrace } from "./trace.ts";
import { TranslationChecks } from "./translation-checks.ts";
import { Users } from "./users.ts";

/** How a run ended. */
export interface RunOutcome {
  readonly seed: string;
  /** The violations, each with the time at which it was detected; empty if there are none. */
  readonly violations: readonly string[];
  /** Equal for equal runs. */
  readonly hash: string;
  /** The executed and injected actions, and how often. */
  readonly counts: Readonly<Record<string, number>>;
  readonly events: number;
  /** Simulated ms. */
  readonly simulated: number;
}

/** Options of {@link runScript}. */
export interface SimulationOptions {
  /** Called with every line of the trace. */
  readonly print?: (line: string) => void;
  /** A bug in all controllers of the run. */
  readonly mutation?: CodeMutation;
  /** Whether the run ends with its first violation: while the script runs, or when the cluster is at rest. */
  readonly untilViolation?: boolean;
}

/** After this time in ms without an event every pod has its addresses, as far as available. */
const QUIET_ENOUGH_MS = 5_000;
/** The types that decide which pod can have an address. */
const WATCHED = [PODS, IPS, SUBNETS, IP_POOLS, VIPS, VPCS, NODES, NAMESPACES, STATEFUL_SETS];
/** After this time in ms no route leads to a dead node that other nodes monitor by BFD: long before its Node is NotReady, and longer than a new group's sessions need. */
const FAIL_OVER_MS = 15_000;
/** After this time since the end of faults, remaining effects such as a half-open watch have been detected, in ms. */
const LATE_MS = 160_000;
/** How long the cluster must be quiet to be regarded as settled: longer than any back-off, in ms. */
const QUIET_MS = 200_000;
/** A silent watch is detected after 150 s, and late requests arrive within 60 s. */
const CALM_MS = 240_000;
const MAX_SETTLE_MS = 30 * 60_000;
/** Number of violations that are kept. */
const MAX_VIOLATIONS = 20;

/** The current run in this process, for uncaught exceptions of its code. */
let current: { readonly onBug: (what: string) => void } | undefined;
process.on("unhandledRejection", (error) => {
  if (current === undefined) throw error;
  current.onBug(`uncaught: ${error instanceof Error ? error.stack : String(error)}`);
});
// An exception of a microtask.
process.on("uncaughtException", (error) => {
  if (current !== undefined) {
    current.onBug(`uncaught: ${error.stack}`);
    return;
  }
  console.error(error);
  process.exit(2);
});

/** Runs a script, waits until the cluster has settled, and checks it. One run at a time in one thread. */
export async function runScript(script: Script, options: SimulationOptions = {}): Promise<RunOutcome> {
  const scheduler = new Scheduler(new RunTrace(options.print));
  const throws = script.actions.filter((action) => action.do === "throw");
  const throwing = new Throwing(scheduler, script.seed, throws);
  const undo = [options.mutation?.install?.(), ...(throws.length > 0 ? [throwing.install()] : [])];
  try {
    return await carryOut(script, options, scheduler, throwing);
  } finally {
    current = undefined;
    for (const one of undo.reverse()) one?.();
  }
}

async function carryOut(
  script: Script,
  options: SimulationOptions,
  scheduler: Scheduler,
  throwing: Throwing,
): Promise<RunOutcome> {
  const randomFaults = new RandomFaults();
  const violations: string[] = [];
  const violate = (what: string): void => {
    const known = violations.some((other) => other.endsWith(`: ${what}`));
    if (known || violations.length >= MAX_VIOLATIONS) return;
    scheduler.note(`VIOLATION ${what}`);
    violations.push(`after ${Math.round(scheduler.elapsed)} ms: ${what}`);
  };
  const clocks = new MachineClocks(scheduler);
  const kube = fakeKube({
    clock: { wall: () => clocks.wall(API_SERVER), after: scheduler.after },
    schedule: (deliver) => deliver(),
  });
  let nodes: Nodes | undefined;
  const activity = { kubeWrites: 0, commits: 0, last: 0 };
  let onActivity = (): void => {};
  const cluster = new Cluster(kube, scheduler, script.seed);
  const hostile = new Hostile(kube, cluster, script.seed);
  const users: Users = new Users(kube, cluster, () => addressHistory.look());
  const northbound: NorthboundServer = new NorthboundServer(scheduler, randomFaults, script.seed, {
    onTransact: (from, operations) => invariants.onTransact(from, operations),
    onCommit: (from, operations) => {
      // A query changes nothing.
      if (operations.every(({ op }) => op === "assert" || op === "select")) return;
      activity.commits++;
      activity.last = scheduler.elapsed;
      onActivity();
      scheduler.note(`${from?.name ?? "another client"} commits ${operations.length} operations`);
      otherClient.committed(from, operations);
      invariants.onCommit(from);
      nodes?.onNorthbound();
      portLoss.onCommit(from);
      tenancy?.onCommit();
      sessions?.onCommit(from);
      external?.onCommit(from);
      southbound?.onNorthbound();
    },
  });
  const empty = northbound.backup();
  const otherClient = new OtherClient(northbound, scheduler, randomFaults);
  const invariants = new Invariants({ kube, northbound, otherClient, onViolation: violate });
  const addressHistory: AddressHistory = new AddressHistory(kube, users.touched, violate);
  const portLoss = new PortLossCheck({
    scheduler,
    kube,
    northbound,
    throwing,
    touched: users.touched,
    onViolation: violate,
  });
  const tenants = script.actions.some(isTenant) ? new TenantUsers(kube, cluster) : undefined;
  const tenancy = tenants && new Tenancy({ kube, northbound, onViolation: violate });
  const nat = script.actions.some(isNat) ? new NatUsers(kube, cluster, northbound) : undefined;
  const external =
    nat && new TranslationChecks({ kube, northbound, touched: otherClient.touched, onViolation: violate });
  const slices = tenants === undefined && nat === undefined ? undefined : new EndpointSlices(kube, cluster);
  const sessions = script.actions.some(isBfd)
    ? new BfdSessions({ kube, cluster, northbound, onViolation: violate })
    : undefined;
  const southbound: SimulatedSouthbound | undefined = script.actions.some(isChassis)
    ? new SimulatedSouthbound({ scheduler, randomFaults, kube, cluster, northbound, seed: script.seed, onDeath })
    : undefined;
  current = { onBug: violate };
  const world = {
    scheduler,
    throwing,
    randomFaults,
    clocks,
    kube,
    northbound,
    southbound: southbound?.server,
    settings: settingsOf(script),
    seed: script.seed,
    mutation: options.mutation,
    onWrite: (_process: unknown, _verb: string, type: { plural: string }, { namespace }: { namespace?: string }) => {
      if (type.plural === "leases" || type.plural === "events") return;
      // The controller's own annotations of its pod.
      if (type.plural === "pods" && namespace === "kube-system") return;
      activity.kubeWrites++;
      activity.last = scheduler.elapsed;
      onActivity();
    },
    onBug: violate,
    hostile: script.actions.some((action) => action.do === "hostile"),
  };
  const replicas = Array.from({ length: script.replicas }, (_, i) => new Replica(`c${i}`, world));
  const faults = new Faults(world, replicas);
  const { signal } = new AbortController();
  const throws = script.actions.some((action) => action.do === "throw");
  for (const type of [PODS, STATEFUL_SETS, IPS]) {
    cluster.ignore(
      kube.watch(type, { resourceVersion: "0", timeoutSeconds: 1e9, signal }, () => addressHistory.look()),
    );
  }
  if (throws) {
    cluster.ignore(kube.watch(PODS, { resourceVersion: "0", timeoutSeconds: 1e9, signal }, () => portLoss.look()));
  }
  // Without faults no pod waits for an address that it could have: not for 5 s, and not until another event triggers
  // it.
  const faultless = script.actions.every(({ do: name }) => !isFault(name) && name !== "nb-restore");
  if (faultless) {
    const quiet = new Quiet(scheduler, QUIET_ENOUGH_MS, () => {
      for (const what of waitsForNothing(new ClusterView(kube), mayWait))
        violate(`for ${QUIET_ENOUGH_MS / 1_000} s, ${what}`);
    });
    onActivity = () => quiet.disturbed();
    for (const type of WATCHED) {
      cluster.ignore(kube.watch(type, { resourceVersion: "0", timeoutSeconds: 1e9, signal }, () => quiet.disturbed()));
    }
  }
  if (tenancy !== undefined) {
    for (const type of [VPCS, SUBNETS]) {
      cluster.ignore(kube.watch(type, { resourceVersion: "0", timeoutSeconds: 1e9, signal }, () => tenancy.look()));
    }
  }
  if (external !== undefined) {
    for (const type of Object.values(NAT_TYPES)) {
      cluster.ignore(kube.watch(type, { resourceVersion: "0", timeoutSeconds: 1e9, signal }, () => external.look()));
    }
  }
  if (slices !== undefined) {
    for (const type of [PODS, SERVICES, ENDPOINT_SLICES]) {
      cluster.ignore(kube.watch(type, { resourceVersion: "0", timeoutSeconds: 1e9, signal }, () => cluster.wake()));
    }
    cluster.onWake = () => slices.look();
  }
  if (script.actions.some((action) => action.do === "daemons")) {
    nodes = new Nodes({
      scheduler,
      randomFaults,
      clocks,
      kube,
      seed: script.seed,
      hasPort: (name) => northbound.rows("Logical_Switch_Port").some((row) => row.name === name),
      onWrite: () => {
        activity.last = scheduler.elapsed;
      },
      onNetwork: () => cluster.wake(),
      mutation: options.mutation,
      onViolation: violate,
      onBug: violate,
    });
    nodes.start();
    cluster.kubelets = nodes;
  }
  cluster.start();
  southbound?.start();
  // As long as it does not exist rows have the uuids of versions without cluster ids: a controller that starts later upgrades the cluster.
  const upgrade = new Random(`${script.seed}/cluster-id`);
  scheduler.after(upgrade.chance(0.6) ? 0 : upgrade.int(0, script.length), () =>
    cluster.ignore(kube.create(NAMESPACES, { metadata: { name: "kube-system" } })),
  );
  for (const action of script.actions) {
    scheduler.after(action.at, () => {
      randomFaults.count(action.do);
      scheduler.note(`ACTION ${JSON.stringify(action)}`);
      if (action.do === "hostile") hostile.act(action);
      else if (isNode(action)) nodes?.act(action);
      else if (isTenant(action)) tenants?.act(action);
      else if (isBfd(action)) sessions?.act(action);
      else if (isNat(action)) nat?.act(action);
      else if (isChassis(action)) southbound?.act(action);
      else if (action.do === "clock-jump") clocks.act(action);
      else if (action.do !== "daemons") act(action, users, otherClient, faults);
    });
  }
  for (const [i, replica] of replicas.entries()) scheduler.after(i * 700, () => replica.start());
  const isOver = (): boolean => options.untilViolation === true && violations.length > 0;
  await scheduler.run(script.length, isOver);
  if (!isOver()) await settleAndJudge();
  for (const replica of replicas) replica.process?.kill();
  nodes?.kill();
  const counts: Record<string, number> = { ...Object.fromEntries(randomFaults.injected) };
  counts["writes to Kubernetes"] = activity.kubeWrites;
  counts["northbound transactions"] = activity.commits;
  return {
    seed: script.seed,
    violations,
    hash: scheduler.trace.hash,
    counts,
    events: scheduler.events,
    simulated: scheduler.elapsed,
  };

  /** Ends the faults, waits, and checks the cluster at rest and after a restart of the controllers. */
  async function settleAndJudge(): Promise<void> {
    faults.end();
    randomFaults.clear();
    scheduler.note("the faults end");
    await settle(scheduler, activity, violate);
    // The controller's watchdog handles lost triggers: without faults it must not be needed.
    const overlooked = replicas.reduce((sum, { controller }) => sum + (controller?.stuckPods.count ?? 0), 0);
    if (faultless && !throws && overlooked > 0)
      violate(`${overlooked} times a pod had neither a network nor a reason for 5 s`);
    const before = { ...activity };
    await judgeNow("at rest");
    if (isOver()) return;
    // A restarted controller finds nothing to do: no state was in memory only.
    for (const replica of replicas) replica.crash(1, "at once");
    nodes?.crash();
    await scheduler.run(60_000);
    const { kubeWrites, commits } = activity;
    if (kubeWrites + commits > before.kubeWrites + before.commits && violations.length === 0) {
      violate(
        `a fresh controller wrote ${kubeWrites - before.kubeWrites} times to Kubernetes and ${commits - before.commits} times to the database although nothing had changed`,
      );
    }
    await judgeNow("after a restart");
    const system = kube.object(NAMESPACES, { name: "kube-system" });
    // Without a cluster id rows have the uuids of former versions; in an empty database they get others.
    if (nat !== undefined && system?.metadata.annotations?.["weft.kubeovn.io/cluster-id"] !== undefined)
      await judgeEmptyDatabase();
    const leaders = replicas.filter((replica) => replica.leading).length;
    if (leaders !== 1) violate(`${leaders} controllers lead`);
  }

  /** If nothing else happens meanwhile, traffic that left through a dead node uses another one long before the dead one's Node is NotReady. */
  function onDeath(node: string): void {
    const since = scheduler.elapsed;
    // Messages that faults have delayed have arrived by then.
    if (!faultless && since < script.length + LATE_MS) return;
    scheduler.after(FAIL_OVER_MS, () => {
      const isCalm = !script.actions.some(
        ({ at }) => at > since - FAIL_OVER_MS && at <= since + FAIL_OVER_MS && at !== since,
      );
      if (!isCalm || southbound?.isWatched(node) !== true || replicas.every(({ leading }) => !leading)) return;
      randomFaults.count("fail-over judged");
      for (const what of leavesByDead(node, new ClusterView(kube), northbound, southbound))
        violate(`${FAIL_OVER_MS / 1_000} s after ${node} died, ${what}`);
    });
  }

  /** Whether code throws for a pod, or for an object that it needs. */
  function mayWait(pod: SimulatedPod): boolean {
    if (throwing.healed) return false;
    const needs: readonly (readonly [readonly string[], string])[] = [
      [["pods", "pod"], `${pod.namespace}/${pod.machine ?? pod.name}`],
      [["pods", "pod"], `${pod.namespace}/${pod.name}`],
      [["ips"], pod.port],
      [["namespaces", "namespace", "profiles"], pod.namespace],
      [["nodes", "node"], pod.node ?? ""],
      [["vpcs", "vpc"], "ovn-cluster"],
      ...new ClusterView(kube).subnets.map(
        ({ name }) => [["subnets", "subnet", "subnetSpecs", "verdicts"], name] as const,
      ),
    ];
    return needs.some(([kinds, key]) => throwing.concerns(kinds, key));
  }

  /** Rows follow from the objects alone: controllers with an empty database write the same ones. */
  async function judgeEmptyDatabase(): Promise<void> {
    randomFaults.count("empty database judged");
    const foreign = new Set(
      northbound
        .rows("Logical_Switch_Port")
        .flatMap(({ name, _uuid }) => (otherClient.foreignPorts.has(name) ? [_uuid] : [])),
    );
    const rows = databaseContent(northbound, foreign);
    const edited = otherClient.editedColumns();
    const { kubeWrites } = activity;
    northbound.stop();
    for (const replica of replicas) replica.crash(1_000, "at once");
    northbound.restore(empty);
    otherClient.forgetOwned();
    northbound.start(true);
    await scheduler.run(180_000);
    const written = activity.kubeWrites - kubeWrites;
    if (written > 0) violate(`fresh controllers with an empty database wrote ${written} times to Kubernetes`);
    // What another client has set in columns that the controllers do not write stays.
    const others = new Set([...edited].filter((key) => !otherClient.isOwned(key)));
    for (const difference of rowDifferences(rows, databaseContent(northbound), others).slice(0, 5))
      violate(`fresh controllers with an empty database: ${difference}`);
  }

  async function judgeNow(when: string): Promise<void> {
    const picture = new ClusterView(kube);
    const evidence = { picture, northbound, touched: users.touched, foreignPorts: otherClient.foreignPorts, clocks };
    for (const what of judge(evidence)) violate(`${when}, ${what}`);
    if (tenancy !== undefined) for (const what of wrongTenancy(kube, picture, northbound)) violate(`${when}, ${what}`);
    for (const what of sessions?.wrong() ?? []) violate(`${when}, ${what}`);
    for (const what of external?.shared() ?? []) violate(`${when}, ${what}`);
    if (nat !== undefined) for (const what of wrongNat(kube, picture, northbound)) violate(`${when}, ${what}`);
    if (southbound !== undefined)
      for (const what of wrongGateways(picture, northbound, southbound)) violate(`${when}, ${what}`);
    if (nodes === undefined) return;
    const judged = nodes.judge(users.touched);
    await scheduler.run(5_000);
    for (const what of await judged) violate(`${when}, ${what}`);
  }
}

/** Waits until the cluster has settled: a long time without a write. */
async function settle(
  scheduler: Scheduler,
  activity: { readonly last: number },
  violate: (what: string) => void,
): Promise<void> {
  const began = scheduler.elapsed;
  await scheduler.run(CALM_MS);
  while (scheduler.elapsed - activity.last < QUIET_MS) {
    if (scheduler.elapsed - began > MAX_SETTLE_MS) {
      violate(`half an hour after the last fault there are still writes`);
      return;
    }
    await scheduler.run(10_000);
  }
}

function isNode(action: Action): action is NodeAction & Action {
  return /^(daemon-|ovs-|node-|cni-|subnet-mistake)/.test(action.do);
}

function isTenant(action: Action): action is TenantAction & Action {
  return action.do.startsWith("tenant-");
}

function isBfd(action: Action): action is BfdAction & Action {
  return action.do.startsWith("bfd-");
}

function isNat(action: Action): action is NatAction & Action {
  return action.do.startsWith("nat-");
}

function isChassis(action: Action): action is ChassisAction & Action {
  return action.do.startsWith("chassis-");
}

function act(
  action: UserAction | DatabaseAction | FaultAction | ThrowAction,
  users: Users,
  otherClient: OtherClient,
  faults: Faults,
): void {
  if (isFault(action.do) || action.do === "throw") faults.act(action as FaultAction | ThrowAction);
  else if (action.do.startsWith("nb-")) otherClient.act(action as DatabaseAction);
  else users.act(action as UserAction);
}

function settingsOf({ cidrs }: Script): Settings {
  return { ...SETTINGS, ovnNb: "sim", identity: "", ...cidrs };
}
