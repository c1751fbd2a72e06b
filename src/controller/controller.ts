// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { SUBNET } from "../api/annotations.ts";
import { CONTROLLER_COMPONENT } from "../api/names.ts";
import { annotate, releaseIp, type WeftEffect } from "../compile/effects.ts";
import { podUnit } from "../compile/pod/pod.ts";
import { type FailureSubject, Failures } from "../desired/failures.ts";
import { unitId } from "../desired/unit-kind.ts";
import { recordAnnotations } from "../facts/accepted.ts";
import type { FactChange } from "../facts/fact-change.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactStore } from "../facts/store.ts";
import type { FactKind } from "../facts/types.ts";
import { Ipam } from "../ipam/ipam.ts";
import { hashedMacs, type MacSource } from "../ipam/macs.ts";
import { DerivedFacts } from "../kinds/derived.ts";
import { KINDS } from "../kinds/index.ts";
import { knownAs } from "../kinds/objects.ts";
import { factStore } from "../kinds/store.ts";
import type { Kube } from "../kube/kube.ts";
import { type EventRecorder, eventRecorder } from "../kube/recorder.ts";
import { parseDualCidr } from "../net/dual.ts";
import type { Engine } from "../reconcile/engine.ts";
import type { Clock } from "../time/clock.ts";
import { addressState } from "./allocation/address-state.ts";
import { Allocator } from "./allocation/allocator.ts";
import { CommitBatching } from "./databases/commit-batching.ts";
import type { CommitObserver } from "./databases/commit-observer.ts";
import type { Northbound } from "./databases/northbound.ts";
import { northboundEngine } from "./databases/northbound-engine.ts";
import type { Southbound } from "./databases/southbound.ts";
import { ensureDefaults } from "./defaults.ts";
import type { DnsClient } from "./domains/dns-client.ts";
import { Domains } from "./domains/domains.ts";
import { ClusterIdentity } from "./leadership/cluster-identity.ts";
import { initialSweep, sweepUncompiled } from "./leadership/initial-sweep.ts";
import { StrayRows } from "./leadership/stray-rows.ts";
import { Term } from "./leadership/term.ts";
import type { Settings } from "./settings.ts";
import { Sources } from "./sources.ts";
import type { AcceptedRecord } from "./status/accepted-records.ts";
import { ChassisWatch } from "./status/chassis-watch.ts";
import { EndedFlowsRecord } from "./status/ended-flows-record.ts";
import { GatewaySplits } from "./status/gateway-splits.ts";
import { GatewayWatch } from "./status/gateway-watch.ts";
import { failedUnit } from "./status/report-failure.ts";
import { Reporter } from "./status/reporter.ts";
import type { StatusResource } from "./status/status-writer.ts";
import { StuckPods } from "./status/stuck-pods.ts";

/** What a controller is made of. Everything that touches the world is handed to it. */
export interface ControllerParts {
  readonly kube: Kube;
  readonly northbound: Northbound;
  /** None: its facts are not known. */
  readonly southbound?: Southbound;
  readonly settings: Settings;
  readonly log: Logger;
  /** Time and chance, so that a simulation can own them. */
  readonly clock: Clock;
  /** Asks the cluster's DNS for the names that policies have; none: nobody does. */
  readonly dns?: DnsClient;
  /** Counts the transactions of the northbound database. */
  readonly observer?: CommitObserver;
  /** Of how many pods and IP objects at most a new leader reads all; see `sources.ts`. */
  readonly listedWhole?: number;
  /** Called when everything has been read, and again when everything is compiled: what only that needed can go. */
  readonly settled?: () => void;
}

/** How long a start waits for the lock, in ms, before it reads as a standby. */
const LOCK_MS = 300;

/**
 * How long a process that starts waits for the southbound database, in ms: without it, a new leader would have pods leave by a gateway node that is dead and
 * still counts as Ready. If it cannot be reached, kubelet's state decides.
 */
const SOUTHBOUND_MS = 2_000;

/** So often what throws at an object when everything is read is tried before this process decides without it. */
const ATTEMPTS = 3;

/** How long a transaction waits, in ms, for the pods whose addresses are being recorded just then. */
const BATCH_MS = 400;
/**
 * What comes in bursts, with what is derived from it; whatever else changes (a policy, a subnet, a node) hurries the transaction that is being
 * held back.
 */
const BURSTS: ReadonlySet<FactKind> = new Set([
  "pods",
  "ips",
  "addressConflicts",
  "profiles",
  "portNumbers",
  "ports",
  "downPorts",
]);

/** Addresses of a domain name and family; ms between two questions for it. */
const DOMAIN_LIMITS = { addresses: 128, minPauseMs: 1000, maxPauseMs: 300_000 };

/** The kinds whose status has counters of addresses. */
const COUNTED = KINDS.filter(({ counters }) => counters !== undefined);

/**
 * The controller: Kubernetes → facts → units → the northbound database, and back into annotations, statuses and Events.
 *
 * A standby does everything but decide and write, so that its caches are warm when it becomes the leader.
 */
export class Controller {
  /** What our own code throws, at whichever object. */
  readonly failures: Failures;
  readonly facts: FactStore;
  readonly engine: Engine<WeftEffect>;
  readonly allocator: Allocator;
  readonly stuckPods: StuckPods;
  readonly #parts: ControllerParts;
  readonly #identity: ClusterIdentity;
  readonly #sources: Sources;
  readonly #derived: DerivedFacts;
  readonly ipam = new Ipam({ macs: (owner, attempt) => this.#macs(owner, attempt) });
  readonly #events: EventRecorder;
  readonly #reporter: Reporter;
  readonly #batching: CommitBatching;
  readonly #domains: Domains;
  readonly #chassis: ChassisWatch;
  readonly #gateways: GatewayWatch;
  readonly #splits: GatewaySplits;
  #macSource: MacSource | undefined;
  #term: Term | undefined;
  /** While this process leads and has swept what it found. */
  #strays: StrayRows | undefined;
  readonly #endedFlows = new EndedFlowsRecord((text) => this.#recordEndedFlows(text));
  /** Everything was read after the lock had been won, and it has not been lost since. */
  #fresh = false;

  constructor(parts: ControllerParts) {
    this.#parts = parts;
    const identity = new ClusterIdentity(parts);
    this.#identity = identity;
    const rowUuidHere = identity.rowUuid.bind(identity);
    const { kube, northbound, southbound, log, clock } = parts;
    this.failures = new Failures(
      clock,
      (failure) => this.#reporter.internalError(failure),
      (subject) => this.#recovered(subject),
    );
    this.facts = factStore(this.failures);
    this.#derived = new DerivedFacts(this.facts, (subnet) => this.allocator.recordingIn(subnet));
    this.#batching = new CommitBatching(clock, BATCH_MS);
    const onStatus = (resource: StatusResource, name: string, gone: boolean): void => {
      if (gone) this.#term?.statuses.forget(resource, name);
      else this.#term?.statuses.touch(resource, name);
    };
    this.#sources = new Sources(parts, this.facts, onStatus, (record) => this.#restoreRecord(record));
    this.#events = eventRecorder(kube, {
      component: CONTROLLER_COMPONENT,
      clock,
      onError: (error) => log.warn({ err: error }, "failed to write an Event"),
    });
    this.#reporter = new Reporter({
      facts: this.facts,
      log,
      events: this.#events,
      desired: () => this.engine.desired,
      statuses: () => this.#term?.statuses,
    });
    this.#domains = new Domains({
      ...parts,
      facts: this.facts,
      view: northbound.view,
      rowUuid: rowUuidHere,
      dns: parts.dns,
      where: { servers: parts.settings.dnsServers, service: parts.settings.dnsService },
      limits: { ...DOMAIN_LIMITS, graceMs: parts.settings.domainGraceS * 1000 },
    });
    this.#chassis = new ChassisWatch(this.facts, clock);
    this.#gateways = new GatewayWatch(this.facts, clock);
    this.#splits = new GatewaySplits(this.facts, clock);
    this.allocator = new Allocator({
      facts: this.facts,
      rowUuid: rowUuidHere,
      ipam: this.ipam,
      record: (record) => this.#term?.recorder.record(record),
      withdraw: (name) => this.#term?.recorder.withdraw(name) ?? true,
      // Its key is its own: the pod's unit may release the same record.
      discard: (ip) => this.#term?.effects.offer(discarding(ip.name), [{ ...releaseIp(ip), key: discarding(ip.name) }]),
      keep: (name) => this.#term?.effects.offer(discarding(name), []),
      refused: (claimant, refusal) => this.#reporter.addressRefused(claimant, refusal),
      decided: (claimant) => {
        if (claimant.kind === "pods") this.stuckPods.decided(claimant);
      },
      disputed: (ip, message) => this.#reporter.addressConflict(ip, message),
      restored: (pod, message) => this.#reporter.addressRestored(pod, message),
      usageChanged: (subnet) => {
        this.#derived.reconsider([subnet]);
        for (const kind of COUNTED)
          for (const name of kind.counters?.changedBy(this.facts, subnet) ?? [])
            this.#term?.statuses.touch(knownAs(kind) as StatusResource, name);
      },
    });
    this.engine = northboundEngine({
      ...{ facts: this.facts, northbound, batching: this.#batching, reporter: this.#reporter },
      ...{ failures: this.failures, clock, log, observer: parts.observer },
      clusterId: () => identity.id,
      term: () => this.#term,
    });
    this.stuckPods = new StuckPods({
      facts: this.facts,
      clock,
      isTold: (pod, provider) => this.allocator.isTold(pod, provider),
      report: (pods, count) => this.#logStuck(pods, count),
      retry: (pod) => {
        this.allocator.retry(pod);
        this.engine.retry(unitId(podUnit.name, pod.holder));
      },
    });
    const { facts } = this;
    this.#derived.follow();
    facts.derive((change) => this.allocator.configure(change), "ipam");
    facts.subscribe((change) => this.#domains.noteFact(change), "domains");
    facts.subscribe((change) => this.engine.noteFact(change), "engine");
    facts.subscribe((change) => {
      if (!BURSTS.has(change.kind)) this.#batching.hurry();
      if (change.kind === "subnetSpecs") this.#reporter.gatewayChanged(change as FactChange<"subnetSpecs">);
    }, "controller");
    facts.subscribe((change) => this.allocator.noteFact(change), "allocator");
    facts.subscribe((change) => this.stuckPods.noteFact(change), "stuck pods");
    facts.subscribe((change) => this.#chassis.noteFact(change), "chassis");
    facts.subscribe((change) => this.#gateways.noteFact(change), "gateways");
    facts.subscribe((change) => this.#splits.noteFact(change), "gateway splits");
    northbound.onEndedFlows((ended) => this.#endedFlows.add(ended));
    northbound.feed(facts);
    southbound?.feed(facts);
    northbound.subscribe((changes) => {
      this.engine.noteDatabase(changes);
      this.#strays?.note(changes);
    });
    northbound.lock.onChange((state) => {
      if (state !== "held") this.#fresh = false;
    });
  }

  /** How many effects and records wait to be written to Kubernetes. */
  get pendingWrites(): number {
    return this.#term?.pending ?? 0;
  }

  /** How many facts of each kind there are. */
  counts(): Readonly<Record<string, number>> {
    return this.#sources.counts();
  }

  /** Whether this process leads. */
  get leading(): boolean {
    return this.#term !== undefined;
  }

  /** Resolves when everything has been read from the API server, whatever the databases do. */
  async whenListed(signal?: AbortSignal): Promise<void> {
    await this.#sources.whenSynced(signal);
  }

  /** Reads everything, and follows it from then on. Resolves when facts and mirror are complete. */
  async sync(signal?: AbortSignal): Promise<void> {
    const { settings, northbound, southbound } = this.#parts;
    this.facts.set("cluster", "cluster", {
      key: "cluster",
      router: settings.clusterRouter,
      defaultSubnet: settings.defaultSubnet,
      joinSubnet: settings.nodeSwitch,
      serviceCidr: cidrTexts(settings.serviceCidr),
      nodeRanges: settings.nodeCidrs,
      nodePorts: settings.nodePorts,
      ...(settings.kubeProxyReplacement && { kubeProxyReplacement: true }),
      ...(settings.nonPrimary && { nonPrimary: true }),
      keepVmIp: settings.keepVmIp,
    });
    // A controller that is alone has the lock in an instant. What it reads afterwards need not be read again when it leads.
    await until(northbound.lock.whenHeld(signal), LOCK_MS, this.#parts.clock);
    this.#fresh = northbound.lock.state === "held";
    this.#sources.start();
    await Promise.all([
      this.#identity.read(signal),
      this.#sources.whenSynced(signal),
      northbound.whenReady(signal),
      southbound && until(southbound.whenReady(signal), SOUTHBOUND_MS, this.#parts.clock),
    ]);
    this.#identity.settle();
    this.#derived.start();
    if (!this.#fresh) this.engine.keepWarm();
    this.#parts.settled?.();
  }

  /**
   * Begins to decide and to write. Call only when synced. Everything is read once more before, or the watches show how far they have come, for one that lags or is half open
   * would hide what the last leader has done: its addresses would be given again, and its ports be swept.
   */
  async lead(): Promise<void> {
    const { settings, log, northbound, clock } = this.#parts;
    const started = clock.now();
    const term = this.#newTerm();
    this.#term = term;
    const over = (): boolean => this.#term !== term;
    if (!this.#fresh) await this.#sources.refresh(term.kube);
    this.#fresh = false;
    await northbound.whenReady();
    if (over()) return;
    this.#identity.verify();
    this.#identity
      .publish(term.kube)
      .catch((error: unknown) =>
        log.warn({ err: error }, "failed to annotate namespace kube-system with the cluster id"),
      );
    northbound
      .setOptions()
      .catch((error: unknown) => log.warn({ err: error }, "failed to set the options of NB_Global for BFD in tunnels"));
    try {
      await ensureDefaults(term.kube, settings, this.#sources);
    } catch (error) {
      // Who leads no more need not give up.
      if (!over()) throw error;
    }
    // What threw by chance is known by then, and nobody is taken for gone who could not be read at first.
    await this.failures.whenTried(ATTEMPTS);
    if (over()) return;
    // What the last term was recording is an object by now, or never will be.
    this.#derived.reconsider();
    this.allocator.start();
    this.stuckPods.start();
    this.#domains.lead();
    for (const record of this.#sources.records.lost()) this.#restoreRecord(record);
    this.engine.start();
    const tools = { engine: this.engine, northbound, log, allowed: settings.allowMassDelete, clock, over };
    await initialSweep(tools);
    if (over()) return;
    this.#strays = new StrayRows(tools);
    const { compiled, transactions } = this.engine.stats;
    log.info({ ms: Math.round(clock.now() - started), compiled, transactions }, "all units are compiled and committed");
    this.#parts.settled?.();
    sweepUncompiled(tools).catch((error: unknown) =>
      log.error(
        { err: error },
        "failed to sweep the rows of units that could not be compiled; the next leader does that",
      ),
    );
  }

  /** Stops deciding and writing; goes on reading. */
  follow(): void {
    this.#endTerm();
    this.engine.keepWarm();
  }

  #endTerm(): void {
    const term = this.#term;
    this.#term = undefined;
    this.#strays?.stop();
    this.#strays = undefined;
    this.#endedFlows.clear();
    term?.close();
    this.stuckPods.stop();
    this.engine.stop();
    this.#domains.follow();
    this.allocator.stop();
    term?.clear();
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    this.#endTerm();
    this.#chassis.stop();
    this.#gateways.stop();
    this.#splits.stop();
    this.failures.stop();
    await Promise.all([this.#events.stop(), this.#domains.stop(), this.#sources.stop()]);
  }

  #newTerm(): Term {
    const { kube, northbound, log, clock } = this.#parts;
    return new Term({
      ...{ kube, northbound, log, clock, facts: this.facts, ipam: this.ipam, sources: this.#sources },
      ...{ failures: this.failures, reporter: this.#reporter },
      dropped: (owner) => this.allocator.dropped(owner),
    });
  }

  /** New MACs depend on the cluster, so that two clusters on one wire differ where their pods have the same names. */
  #macs(owner: string, attempt: number): Uint8Array {
    this.#macSource ??= hashedMacs(this.facts.get("namespaces", "kube-system")?.uid ?? "weft");
    return this.#macSource(owner, attempt);
  }

  /** A unit works again: its effects are due again, for its condition says otherwise. */
  #recovered(subject: FailureSubject): void {
    const unit = this.#term && failedUnit(subject);
    if (unit !== undefined && this.engine.desired.fragment(unit) !== undefined) this.engine.retry(unit);
  }

  #recordEndedFlows(text: string): void {
    const subnet = this.facts.get("subnets", this.#parts.settings.nodeSwitch);
    if (subnet === undefined) return;
    const { name, uid } = subnet;
    const key = "ended-flows";
    const effects = annotate("subnets", { name, uid, annotations: {} }, { [SUBNET.endedFlows]: text });
    // Its key is its own: the subnet's unit may want other annotations at the same time.
    this.#term?.effects.offer(
      key,
      effects.map((effect) => ({ ...effect, key })),
      true,
    );
  }

  #logStuck(pods: readonly PodFact[], count: number): void {
    const states = pods.map((pod) => ({
      pod: pod.key,
      node: pod.node,
      address: addressState(this.facts, this.allocator, pod),
      unit: this.engine.stateOf(unitId(podUnit.name, pod.holder)),
    }));
    const { pendingWrites, engine } = this;
    this.#parts.log.warn(
      { count, pods: states, engineIdle: engine.idle, pendingWrites },
      "pods have had neither a network nor an Event that says why for 5 s or longer; retrying",
    );
  }

  /** Restores the accepted configuration that another client has removed from an object. What is there again need not be restored. */
  #restoreRecord({ resource, name, uid, text, lost }: AcceptedRecord): void {
    const key = `record:${resource}/${name}`;
    const effects = annotate(resource, { name, uid, annotations: {} }, recordAnnotations(text));
    // Its key is its own: the object's unit may want other annotations at the same time.
    this.#term?.effects.offer(key, lost ? effects.map((effect) => ({ ...effect, key })) : [], true);
  }
}

function cidrTexts(text: string): { v4?: string; v6?: string } {
  const { v4, v6 } = parseDualCidr(text) ?? {};
  return { ...(v4 && { v4: v4.text }), ...(v6 && { v6: v6.text }) };
}

/** The key of the effect that deletes a record which is in the way. */
function discarding(name: string): string {
  return `discard:${name}`;
}

/** Resolves when `promise` does or fails, or after `ms`. */
async function until(promise: Promise<void>, ms: number, clock: Clock): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(ms, resolve);
  await Promise.race([promise.catch(() => undefined), late]);
  cancel();
}
