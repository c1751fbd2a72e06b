// SPDX-License-Identifier: Apache-2.0

import type { Condition } from "../api/conditions.ts";
import { CONTROLLER_COMPONENT } from "../api/names.ts";
import type { WeftEffect } from "../compile/effects.ts";
import { podUnit } from "../compile/pod/pod.ts";
import { type FailureSubject, Failures } from "../desired/failures.ts";
import { unitId } from "../desired/unit-kind.ts";
import type { FactChange } from "../facts/fact-change.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactStore } from "../facts/store.ts";
import type { FactKind } from "../facts/types.ts";
import { Ipam } from "../ipam/ipam.ts";
import { clusterMacs, type MacSource } from "../ipam/mac-choice.ts";
import { DerivedFacts } from "../kinds/derived.ts";
import { KINDS } from "../kinds/index.ts";
import { knownAs } from "../kinds/objects.ts";
import { factStore } from "../kinds/store.ts";
import { type EventRecorder, eventRecorder } from "../kube/event-recorder.ts";
import type { Engine } from "../reconcile/engine.ts";
import { Recorder } from "../recording/recorder.ts";
import type { Clock } from "../time/clock.ts";
import { Allocator } from "./allocation/allocator.ts";
import { clusterFact } from "./cluster-fact.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { CommitDelay } from "./databases/commit-delay.ts";
import { northboundEngine } from "./databases/northbound-engine.ts";
import { ensureDefaults } from "./default-objects.ts";
import { Domains } from "./domains/domains.ts";
import { ClusterIdentity } from "./leadership/cluster-identity.ts";
import { initialSweep, sweepUncompiled } from "./leadership/initial-sweep.ts";
import { RestoredRows } from "./leadership/restored-rows.ts";
import { SyncAnswers } from "./leadership/sync-answers.ts";
import { Term } from "./leadership/term.ts";
import { Sources } from "./sources.ts";
import { ChassisWatch } from "./status/chassis-watch.ts";
import { GatewaySplits } from "./status/gateway-splits.ts";
import { GatewayWatch } from "./status/gateway-watch.ts";
import {
  discardRecord,
  type KeyedEffects,
  keepRecord,
  recordStaleFlows,
  restoreAccepted,
} from "./status/record-effects.ts";
import { failedUnit } from "./status/report-failure.ts";
import { Reporter } from "./status/reporter.ts";
import { StaleFlowsRecord } from "./status/stale-udp-record.ts";
import type { StatusResource } from "./status/status-writer.ts";
import { stuckPodState } from "./status/stuck-pod-state.ts";
import { StuckPods } from "./status/stuck-pods.ts";

/** How long a starting process waits for the lock, in ms, before it reads as a standby. */
const LOCK_MS = 300;

/**
 * How long a starting process waits for the southbound database, in ms. Without it, a new leader may choose a gateway node that is dead but
 * still Ready. If the database cannot be reached, kubelet's conditions decide.
 */
const SOUTHBOUND_MS = 2_000;

/** Attempts at an object that throws while everything is read, before this process decides without it. */
const ATTEMPTS = 3;

/** The longest that a transaction waits, in ms, for pods whose addresses are being recorded. */
const BATCH_MS = 400;
/** Kinds that change in bursts, and what is derived from them. A change of any other kind (a policy, a subnet, a node) starts a waiting transaction. */
const BURSTS: ReadonlySet<FactKind> = new Set([
  "pods",
  "ips",
  "addressConflicts",
  "profiles",
  "portNumbers",
  "ports",
  "downPorts",
]);

/** Addresses for each domain name and family; ms between two queries for it. */
const DOMAIN_LIMITS = { addresses: 128, minPauseMs: 1000, maxPauseMs: 300_000 };

/** The kinds whose status has counters of addresses. */
const COUNTED = KINDS.filter(({ counters }) => counters !== undefined);

/**
 * The controller: Kubernetes → facts → units → the northbound database, and back into annotations, statuses and Events.
 *
 * A standby reads and compiles but does not allocate or write, so its caches are warm when it becomes the leader.
 */
export class Controller {
  /** Exceptions thrown by our own code, by object. */
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
  readonly #batching: CommitDelay;
  readonly #domains: Domains;
  readonly #chassis: ChassisWatch;
  readonly #gateways: GatewayWatch;
  readonly #splits: GatewaySplits;
  #macSource: MacSource | undefined;
  #term: Term | undefined;
  /** Set while this process leads and has completed the initial sweep. */
  #restored: RestoredRows | undefined;
  /** As long as {@link #restored}. */
  #answers: SyncAnswers | undefined;
  readonly #recorder: Recorder | undefined;
  readonly #staleFlows = new StaleFlowsRecord((text) => this.#recordStaleFlows(text));
  /** Everything was read after the lock was acquired, and the lock has not been lost since. */
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
    this.#batching = new CommitDelay(clock, BATCH_MS);
    const onStatus = (resource: StatusResource, name: string, gone: boolean): void => {
      if (gone) this.#term?.statuses.forget(resource, name);
      else this.#term?.statuses.touch(resource, name);
    };
    this.#sources = new Sources(parts, this.facts, onStatus, (record) => this.#offer(restoreAccepted(record), true));
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
      discard: (ip) => this.#offer(discardRecord(ip)),
      keep: (name) => this.#offer(keepRecord(name)),
      refused: (claimant, refusal) => this.#reporter.addressRefused(claimant, refusal),
      decided: (claimant, { owner: ip, ...lease }) => {
        log.info({ object: `${claimant.kind}/${claimant.key}`, ip, ...lease }, "address allocated");
        if (claimant.kind === "pods") this.stuckPods.decided(claimant);
      },
      released: (ip, subnet) => log.info({ ip, subnet }, "address released"),
      reportConflict: (ip, message) => this.#reporter.addressConflict(ip, message),
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
      isReported: (pod, provider) => this.allocator.isReported(pod, provider),
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
    const clusterId = (): string => identity.id;
    const process = parts.settings.identity;
    this.#recorder = parts.record && new Recorder({ facts, northbound, clusterId, process, clock }, parts.record);
    northbound.onStaleFlows((ended) => this.#staleFlows.add(ended));
    northbound.feed(facts);
    southbound?.feed(facts);
    northbound.subscribe((changes) => {
      this.engine.noteDatabase(changes);
      this.#restored?.note(changes);
    });
    northbound.lock.onChange((state) => {
      if (state !== "held") this.#fresh = false;
    });
  }

  /** The number of effects and records that wait to be written to Kubernetes. */
  get pendingWrites(): number {
    return this.#term?.pending ?? 0;
  }

  /** The conditions in the status of an object of a kind whose status is written here, as last seen. */
  conditions(resource: StatusResource, name: string): readonly Condition[] {
    return this.#sources.status(resource, name)?.conditions ?? [];
  }

  /** The number of facts of each kind. */
  counts(): Readonly<Record<string, number>> {
    return this.#sources.counts();
  }

  /** Whether this process leads. */
  get leading(): boolean {
    return this.#term !== undefined;
  }

  /** Resolves when everything has been read from the API server, independent of the databases. */
  async whenListed(signal?: AbortSignal): Promise<void> {
    await this.#sources.whenSynced(signal);
  }

  /** Lists and watches everything. Resolves when facts and mirror are complete. */
  async sync(signal?: AbortSignal): Promise<void> {
    const { settings, northbound, southbound } = this.#parts;
    this.facts.set("cluster", "cluster", clusterFact(settings));
    // A single controller acquires the lock at once. What it reads after that need not be read again when it leads.
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
   * Starts allocation and writes. To be called only after `sync`. First everything is listed again, or the watches prove to be current: a watch that
   * lags or hangs would hide writes of the last leader, so that its addresses would be allocated again and its ports be swept.
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
      .setOptions(settings.ovnNb.includes(","))
      .catch((error: unknown) => log.warn({ err: error }, "failed to set the options of NB_Global"));
    try {
      await ensureDefaults(term.kube, settings, this.#sources);
    } catch (error) {
      // The error does not matter if leadership has been lost meanwhile.
      if (!over()) throw error;
    }
    // Transient errors are over by then: an object that could not be read at first must not count as deleted.
    await this.failures.whenTried(ATTEMPTS);
    if (over()) return;
    // A record of the last term is either an object already or was never written.
    this.#derived.reconsider();
    this.#recorder?.begin();
    this.allocator.start();
    this.stuckPods.start();
    this.#domains.lead();
    for (const record of this.#sources.records.lost()) this.#offer(restoreAccepted(record), true);
    this.engine.start();
    const tools = { engine: this.engine, northbound, log, allowed: settings.allowMassDelete, clock, over };
    await initialSweep(tools);
    if (over()) return;
    this.#restored = new RestoredRows(tools);
    this.#answers = new SyncAnswers({ ...tools, restored: this.#restored });
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

  /** Stops allocation and writes; continues to read. */
  follow(): void {
    this.#endTerm();
    this.engine.keepWarm();
  }

  #endTerm(): void {
    const term = this.#term;
    this.#term = undefined;
    this.#answers?.stop();
    this.#answers = undefined;
    this.#restored?.stop();
    this.#restored = undefined;
    this.#staleFlows.clear();
    term?.close();
    this.#recorder?.end();
    this.stuckPods.stop();
    this.engine.stop();
    this.#domains.follow();
    this.allocator.stop();
    term?.clear();
  }

  /** Stops everything. */
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

  /** The source of MACs, made when the cluster's facts are there. */
  #macs(owner: string, attempt: number): Uint8Array {
    this.#macSource ??= clusterMacs(this.facts.get("namespaces", "kube-system")?.uid);
    return this.#macSource(owner, attempt);
  }

  /** A unit compiles again: offers its effects again, because its condition still reports the failure. */
  #recovered(subject: FailureSubject): void {
    const unit = this.#term && failedUnit(subject);
    if (unit !== undefined && this.engine.desired.fragment(unit) !== undefined) this.engine.retry(unit);
  }

  #recordStaleFlows(text: string): void {
    const subnet = this.facts.get("subnets", this.#parts.settings.nodeSwitch);
    if (subnet === undefined) return;
    this.#offer(recordStaleFlows(subnet, text), true);
  }

  #offer({ key, effects }: KeyedEffects, renew = false): void {
    this.#term?.effects.offer(key, effects, renew);
  }

  #logStuck(pods: readonly PodFact[], count: number): void {
    const { facts, allocator, engine, pendingWrites } = this;
    const states = pods.map((pod) => stuckPodState(pod, { facts, allocator, engine }));
    this.#parts.log.warn(
      { count, pods: states, engineIdle: engine.idle, pendingWrites },
      "pods have had neither a network nor an Event that says why for 5 s or longer; retrying",
    );
  }
}

/** Resolves when `promise` settles, or after `ms`. */
async function until(promise: Promise<void>, ms: number, clock: Clock): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(ms, resolve);
  await Promise.race([promise.catch(() => undefined), late]);
  cancel();
}
