import type { Logger } from "pino";
import { CONTROLLER_COMPONENT } from "../api/names.ts";
import type { Claimant } from "../claims/claim.ts";
import {
  annotate,
  type ConditionEffect,
  conditionsIn,
  type ReportEffect,
  releaseIp,
  type WeftEffect,
} from "../compile/effects.ts";
import { isOwnKey, isSharedMap } from "../compile/map-keys.ts";
import { podUnit } from "../compile/pod.ts";
import { type Failure, type FailureSubject, Failures } from "../desired/failures.ts";
import { qualify, rowUuid } from "../desired/identity.ts";
import { unitId } from "../desired/unit-kind.ts";
import { ACCEPTED_ANNOTATION } from "../facts/accepted.ts";
import type { FactChange } from "../facts/fact-change.ts";
import type { IpFact } from "../facts/ip.ts";
import type { PodFact } from "../facts/pod.ts";
import { type FactStore, strictReader } from "../facts/store.ts";
import type { FactKind } from "../facts/types.ts";
import { Ipam } from "../ipam/ipam.ts";
import { hashedMacs, type MacSource } from "../ipam/macs.ts";
import { eventMessage, type Refusal } from "../ipam/refusal.ts";
import { DerivedFacts } from "../kinds/derived.ts";
import { KINDS } from "../kinds/index.ts";
import { kindOf, knownAs, typeOf } from "../kinds/objects.ts";
import { factStore } from "../kinds/store.ts";
import { rootsOf, UNIT_KINDS } from "../kinds/units.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject } from "../kube/object.ts";
import { type EventRecorder, eventRecorder } from "../kube/recorder.ts";
import { IPS, PODS, SUBNETS } from "../kube/resources.ts";
import { parseDualCidr } from "../net/dual.ts";
import { OVN_NB } from "../ovsdb/generated/ovn-nb.ts";
import { isReference } from "../ovsdb/schema.ts";
import type { Contended } from "../reconcile/contention.ts";
import { EffectRunner } from "../reconcile/effects.ts";
import { Engine } from "../reconcile/engine.ts";
import { Tracker } from "../reconcile/tracker.ts";
import { retryDelay } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import { formatTime } from "../time/rfc3339.ts";
import { AddressRecorder } from "./allocation/address-recorder.ts";
import { addressState } from "./allocation/address-state.ts";
import { Allocator } from "./allocation/allocator.ts";
import { CommitBatching } from "./databases/commit-batching.ts";
import { EXCLUSIVE, type Northbound, OWN_COLUMNS } from "./databases/northbound.ts";
import type { Southbound } from "./databases/southbound.ts";
import { ensureDefaults } from "./defaults.ts";
import type { DnsClient } from "./domains/dns-client.ts";
import { Domains } from "./domains/domains.ts";
import { clusterIdOf, countAnchors, publishClusterId, readKubeSystem } from "./leadership/cluster-id.ts";
import { fenced, WriteFence } from "./leadership/fencing.ts";
import { sweepOnce } from "./leadership/sweep-once.ts";
import type { Settings } from "./settings.ts";
import { Sources } from "./sources.ts";
import type { AcceptedRecord } from "./status/accepted-records.ts";
import { ChassisWatch } from "./status/chassis-watch.ts";
import { gatewayEvents } from "./status/gateway-events.ts";
import { failedObjects, failedUnit, failureMessage, INTERNAL_ERROR } from "./status/report-failure.ts";
import { runEffect } from "./status/run-effect.ts";
import { type StatusResource, StatusWriter } from "./status/status-writer.ts";
import { StuckPods } from "./status/stuck-pods.ts";
import { unitObjects } from "./status/unit-objects.ts";

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
  /** In [0, 1). */
  readonly random: () => number;
  /** Asks the cluster's DNS for the names that policies have; none: nobody does. */
  readonly dns?: DnsClient;
  /** Of how many pods and IP objects at most a new leader reads all; see `sources.ts`. */
  readonly listedWhole?: number;
}

/** How long a start waits for the lock, in ms, before it reads as a standby. */
const LOCK_MS = 300;

/** So often what throws at an object when everything is read is tried before this process decides without it. */
const ATTEMPTS = 3;

/** How long a transaction waits, in ms, for the pods whose addresses are being recorded just then. */
const GATHER_MS = 400;
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

/** What a leader writes to Kubernetes with. Each term has its own, so that nothing of an earlier one gets into it. */
interface Term {
  readonly fence: WriteFence;
  readonly kube: Kube;
  readonly recorder: AddressRecorder;
  readonly statuses: StatusWriter;
  readonly effects: EffectRunner<WeftEffect>;
}

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
  readonly unserved: StuckPods;
  readonly #parts: ControllerParts;
  readonly #sources: Sources;
  readonly #derived: DerivedFacts;
  readonly ipam = new Ipam({ macs: (owner, attempt) => this.#macs(owner, attempt) });
  readonly #events: EventRecorder;
  readonly #gather: CommitBatching;
  readonly #domains: Domains;
  readonly #chassis: ChassisWatch;
  #macSource: MacSource | undefined;
  #kubeSystem: KubeObject | undefined;
  /** With which rows are made; known when everything has been read, and the same for as long as this process lives. */
  #clusterId: string | undefined;
  #term: Term | undefined;
  /** Everything was read after the lock had been won, and it has not been lost since. */
  #fresh = false;

  constructor(parts: ControllerParts) {
    this.#parts = parts;
    const clusterId = (): string => {
      if (this.#clusterId === undefined) throw new Error("not everything has been read yet");
      return this.#clusterId;
    };
    const rowUuidHere = (table: string, ownerId: string): string => qualify(rowUuid(table, ownerId), clusterId());
    const { kube, northbound, southbound, log, clock, random } = parts;
    this.failures = new Failures(
      clock,
      (failure) => this.#failed(failure),
      (subject) => this.#recovered(subject),
    );
    this.facts = factStore(this.failures);
    this.#derived = new DerivedFacts(this.facts);
    this.#gather = new CommitBatching(clock, GATHER_MS);
    const onStatus = (resource: StatusResource, name: string, gone: boolean): void => {
      if (gone) this.#term?.statuses.forget(resource, name);
      else this.#term?.statuses.touch(resource, name);
    };
    this.#sources = new Sources(parts, this.facts, onStatus, (record) => this.#putBack(record));
    this.#events = eventRecorder(kube, {
      component: CONTROLLER_COMPONENT,
      clock,
      random,
      onError: (error) => log.warn({ err: error }, "an Event could not be written"),
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
    this.allocator = new Allocator({
      facts: this.facts,
      rowUuid: rowUuidHere,
      ipam: this.ipam,
      record: (record) => this.#term?.recorder.record(record),
      withdraw: (name) => this.#term?.recorder.withdraw(name) ?? true,
      discard: (ip) => this.#offer(`discard:${ip.name}`, ip),
      refused: (claimant, refusal) => this.#refused(claimant, refusal),
      decided: (claimant) => {
        if (claimant.kind === "pods") this.unserved.decided(claimant);
      },
      disputed: (ip, message) => this.#disputed(ip, message),
      restored: (pod, message) => this.#restored(pod, message),
      usageChanged: (subnet) => {
        for (const kind of COUNTED)
          for (const name of kind.counters?.changedBy(this.facts, subnet) ?? [])
            this.#term?.statuses.touch(knownAs(kind) as StatusResource, name);
      },
    });
    this.engine = new Engine<WeftEffect>({
      tracker: new Tracker(UNIT_KINDS, strictReader(this.facts), rootsOf),
      database: "OVN_Northbound",
      view: northbound.view,
      identity: { clusterId, isReference: (table, column) => isReference(OVN_NB, table, column) },
      ownColumns: OWN_COLUMNS,
      exclusive: (table) => EXCLUSIVE.get(table) ?? [],
      othersKeys: (table, column, keys) =>
        isSharedMap(table, column) ? keys.filter((key) => !isOwnKey(table, column, key)) : undefined,
      onContention: (unit, what, pause) => this.#contended(unit, what, pause),
      commit: (plan) => northbound.commit(plan),
      whenReady: async () => {
        if (this.#term !== undefined) await this.#gather.wait(this.#term.recorder);
        // The lead may have been lost meanwhile, and the connection be closed.
        if (this.#term !== undefined) await northbound.whenReady();
      },
      offerEffects: (unit, effects, renew) => this.#term?.effects.offer(unit, effects, renew),
      timers: clock,
      failures: this.failures,
      onUnitFailure: (unit, error) => this.#notTaken(unit, error),
      onDeposed: () => log.warn("another controller leads now"),
      onCommit: ({ plan, units, repairs, ms }) =>
        log.debug(
          {
            units,
            repairs,
            ms: Math.round(ms),
            inserts: plan.inserts.length,
            updates: plan.updates.length,
            mutations: plan.mutations.length,
            deletes: plan.deletes.length,
          },
          "committed",
        ),
    });
    this.unserved = new StuckPods({
      facts: this.facts,
      clock,
      isTold: (pod, provider) => this.allocator.isTold(pod, provider),
      report: (pods, count) => this.#unserved(pods, count),
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
      if (!BURSTS.has(change.kind)) this.#gather.hurry();
      if (change.kind === "subnetSpecs") this.#gatewayChanged(change as FactChange<"subnetSpecs">);
    }, "controller");
    facts.subscribe((change) => this.allocator.noteFact(change), "allocator");
    facts.subscribe((change) => this.unserved.noteFact(change), "unserved");
    facts.subscribe((change) => this.#chassis.noteFact(change), "chassis");
    northbound.feed(facts);
    southbound?.feed(facts);
    northbound.subscribe((changes) => this.engine.noteDatabase(changes));
    northbound.lock.onChange((state) => {
      if (state !== "held") this.#fresh = false;
    });
  }

  /** How many effects and records wait to be written to Kubernetes. */
  get pendingWrites(): number {
    return this.#term === undefined ? 0 : this.#term.effects.pending + this.#term.recorder.pending;
  }

  /** How many facts of each kind there are. */
  counts(): Readonly<Record<string, number>> {
    return this.#sources.counts();
  }

  /** Whether this process leads. */
  get leading(): boolean {
    return this.#term !== undefined;
  }

  /** Reads everything, and follows it from then on. Resolves when facts and mirror are complete. */
  async sync(signal?: AbortSignal): Promise<void> {
    const { settings, northbound } = this.#parts;
    this.facts.set("cluster", "cluster", {
      key: "cluster",
      router: settings.clusterRouter,
      defaultSubnet: settings.defaultSubnet,
      joinSubnet: settings.nodeSwitch,
      serviceCidr: cidrTexts(settings.serviceCidr),
      nodeRanges: settings.nodeCidrs,
      nodePorts: settings.nodePorts,
      keepVmIp: settings.keepVmIp,
    });
    // A controller that is alone has the lock in an instant. What it reads afterwards need not be read again when it leads.
    await until(northbound.lock.whenHeld(signal), LOCK_MS, this.#parts.clock);
    this.#fresh = northbound.lock.state === "held";
    this.#sources.start();
    [this.#kubeSystem] = await Promise.all([
      readKubeSystem(this.#parts, signal),
      this.#sources.whenSynced(signal),
      northbound.whenReady(signal),
    ]);
    this.#clusterId = this.#findClusterId();
    this.#derived.start();
    if (!this.#fresh) this.engine.keepWarm();
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
    // A leader of an older version may have written since everything was read, or an old copy of the database may be in its place.
    if (this.#findClusterId() !== this.#clusterId)
      throw new Error(
        "the database has rows that were made with another cluster id than this process has compiled its rows with, which would all be made anew",
      );
    publishClusterId(term.kube, this.#kubeSystem, this.#clusterId).catch((error: unknown) =>
      log.warn({ err: error }, "the namespace kube-system could not be annotated with the cluster id"),
    );
    try {
      await ensureDefaults(term.kube, settings, this.#sources);
    } catch (error) {
      // Who leads no more need not give up.
      if (!over()) throw error;
    }
    // What threw by chance is known by then, and nobody is taken for gone who could not be read at first.
    await this.failures.whenTried(ATTEMPTS);
    if (over()) return;
    this.allocator.start();
    this.unserved.start();
    this.#domains.lead();
    for (const record of this.#sources.records.lost()) this.#putBack(record);
    this.engine.start();
    const tools = { engine: this.engine, northbound, log, allowed: settings.allowMassDelete };
    for (let attempt = 1; ; attempt++) {
      await this.engine.whenIdle();
      if (over() || (await sweepOnce(tools))) break;
      await new Promise<void>((resolve) => void clock.after(retryDelay(attempt), resolve));
    }
    if (over()) return;
    const { compiled, transactions } = this.engine.stats;
    log.info(
      { ms: Math.round(clock.now() - started), compiled, transactions },
      "everything is compiled and in the database",
    );
    this.#sweepWhatWasKept(over).catch((error: unknown) =>
      log.error(
        { err: error },
        "what is left of units that could not be compiled was not removed; the next leader does that",
      ),
    );
  }

  /** What an earlier run left of units that could not be compiled stays until they can. */
  async #sweepWhatWasKept(over: () => boolean): Promise<void> {
    const { northbound, log, settings, clock } = this.#parts;
    const tools = { engine: this.engine, northbound, log, allowed: settings.allowMassDelete };
    if (this.engine.uncompiled.size === 0) return;
    for (let attempt = 1; ; attempt++) {
      await this.engine.whenCompiled();
      await this.engine.whenIdle();
      if (over() || (this.engine.uncompiled.size === 0 && (await sweepOnce(tools)))) return;
      await new Promise<void>((resolve) => void clock.after(retryDelay(attempt), resolve));
      if (over()) return;
    }
  }

  /** With which id rows are to be made in the database as it is. */
  #findClusterId(): string {
    const { northbound, log } = this.#parts;
    const uid = this.#kubeSystem?.metadata.uid ?? "";
    const anchors = countAnchors(northbound.rows(), uid);
    const id = clusterIdOf(anchors, uid);
    if (anchors.plain > 0 && anchors.own > 0)
      log.warn(
        anchors,
        "some rows were made with this cluster's id and some without; those of which there are fewer are made anew",
      );
    return id;
  }

  /** Stops deciding and writing; goes on reading. */
  follow(): void {
    this.#endTerm();
    this.engine.keepWarm();
  }

  #endTerm(): void {
    const term = this.#term;
    this.#term = undefined;
    term?.fence.close();
    this.unserved.stop();
    this.engine.stop();
    this.#domains.follow();
    this.allocator.stop();
    term?.recorder.clear();
    term?.effects.stop();
    term?.statuses.stop();
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    this.#endTerm();
    this.#chassis.stop();
    this.failures.stop();
    await Promise.all([this.#events.stop(), this.#domains.stop(), this.#sources.stop()]);
  }

  #newTerm(): Term {
    const { northbound, log, clock } = this.#parts;
    const now = secondsOf(clock);
    const fence = new WriteFence({ clock, confirm: () => northbound.confirmLock() });
    const kube = fenced(this.#parts.kube, fence);
    const recorder = new AddressRecorder({
      kube,
      timers: clock,
      onRecorded: (kind, object) => this.#sources.made(kind, object),
      onDropped: (name) => {
        if (this.#term?.recorder === recorder) this.allocator.dropped(name);
      },
      onError: (record, error) =>
        log.warn({ err: error, owner: record.name }, "an address could not be written; it is tried again"),
    });
    const statuses = new StatusWriter({
      kube,
      timers: clock,
      now,
      current: (resource, name) => this.#sources.status(resource, name),
      usage: (resource, name) => kindOf(resource)?.counters?.of(this.facts, this.ipam, name) ?? {},
      onError: (name, error) =>
        log.warn({ err: error, object: name }, "a status could not be written; it is tried again"),
      onWritten: (resource, object) => this.#sources.written(resource, object),
      failures: this.failures,
    });
    const tools = {
      kube,
      facts: this.facts,
      observed: (kind: FactKind, object: KubeObject) => this.#sources.made(kind, object),
      state: (state: ConditionEffect) => this.#state(state),
      report: (effect: ReportEffect) => this.#report(effect),
      now,
    };
    const effects = new EffectRunner<WeftEffect>({
      run: (effect, isWanted) => runEffect(tools, effect, isWanted),
      timers: clock,
      limit: 24,
      onError: (effect, error) => log.warn({ err: error, effect: effect.key }, "an effect failed; it is tried again"),
    });
    return { fence, kube, recorder, statuses, effects };
  }

  /** New MACs depend on the cluster, so that two clusters on one wire differ where their pods have the same names. */
  #macs(owner: string, attempt: number): Uint8Array {
    this.#macSource ??= hashedMacs(this.facts.get("namespaces", "kube-system")?.uid ?? "weft");
    return this.#macSource(owner, attempt);
  }

  #state(effect: ConditionEffect): void {
    this.#term?.statuses.state(effect);
    const { resource, name, uid, notes = [] } = effect;
    const about = { type: typeOf(resource), name, uid };
    for (const { reason, message } of notes) this.#events.record(about, "Warning", reason, message);
    const problem = effect.refused ?? (effect.ready ? undefined : effect);
    // Why an object that is its own record has no address was said when that was decided.
    const told = effect.refused === undefined && kindOf(resource)?.claim?.holds !== undefined;
    if (problem === undefined || told) return;
    this.#events.record(about, "Warning", problem.reason, problem.message);
  }

  #gatewayChanged({ old, new: now }: FactChange<"subnetSpecs">): void {
    if (this.#term === undefined || now === undefined) return;
    const about = { type: SUBNETS, name: now.name, uid: now.uid };
    for (const { reason, message } of gatewayEvents(old, now)) this.#events.record(about, "Normal", reason, message);
  }

  /**
   * A unit is not in the database as it is to be: its objects say so until it is. Whoever finds out that the connection breaks with it may not lead
   * any more, for the lock went with the connection.
   */
  #notTaken(unit: string, error: Error): void {
    this.#parts.log.error({ err: error, unit }, "the northbound database refuses this unit; it is tried again");
    const said = { reason: "NorthboundRefused", message: refusalMessage(error) };
    for (const object of unitObjects(this.facts, unit))
      this.#events.record(object, "Warning", said.reason, said.message);
    for (const effect of conditionsIn(this.engine.desired.fragment(unit)?.effects ?? []))
      this.#term?.statuses.state({ ...effect, ready: false, ...said });
  }

  /** Two writers undo each other. */
  #contended(unit: string, { table, row, column, member }: Contended, pause: number): void {
    const label = this.engine.desired.row(row)?.row.label ?? row;
    const field = member === undefined ? column : `member ${member} of ${column}`;
    const message = `Another program keeps changing ${field} of ${table} "${label}" in OVN's northbound database; from now on Weft puts it back after ${pause / 1000} s.`;
    this.#parts.log.warn(
      { unit, table, row, column, member, pause },
      "another program keeps changing what Weft writes",
    );
    for (const object of unitObjects(this.facts, unit))
      this.#events.record(object, "Warning", "NorthboundContended", message);
  }

  /** Our own code threw at an object, or at what follows from it: that stays as it was and is tried again, and everything else goes on. */
  #failed(failure: Failure): void {
    const { part, where, kind, key, error, attempts } = failure;
    if (part === "projection") this.facts.setUnread(kind as FactKind, key, true);
    // Of what goes on failing less and less is logged.
    if (Math.log2(attempts) % 1 === 0)
      this.#parts.log.error(
        { err: error, part, where, kind, key, attempts },
        "our own code threw; what it was about stays as it was",
      );
    if (this.#term === undefined) return;
    for (const { about, condition } of failedObjects(this.facts, failure)) {
      this.#events.record(about, "Warning", INTERNAL_ERROR, failureMessage(failure));
      if (condition !== undefined) this.#term.statuses.state(condition);
    }
  }

  /** What was said of it is to be said anew. */
  #recovered(subject: FailureSubject): void {
    const unit = this.#term && failedUnit(subject);
    if (unit !== undefined && this.engine.desired.fragment(unit) !== undefined) this.engine.retry(unit);
  }

  #report({ about: { resource, namespace, name, uid }, reason, message }: ReportEffect): void {
    const type = typeOf(resource);
    const object = { type, name, uid, ...(namespace === "" ? {} : { namespace }) };
    this.#events.record(object, "Warning", reason, message);
    this.#parts.log.warn({ object: `${type.plural}/${namespace}/${name}` }, message);
  }

  #refused({ kind, key, ...about }: Claimant, refusal: Refusal): void {
    this.#events.record({ ...about, type: typeOf(kind) }, "Warning", "AcquireAddressFailed", eventMessage(refusal));
    this.#parts.log.warn({ object: `${kind}/${key}`, code: refusal.code }, refusal.message);
  }

  #disputed(ip: IpFact, message: string): void {
    this.#events.record({ type: IPS, name: ip.name, uid: ip.uid }, "Warning", "AddressConflict", message);
    this.#parts.log.error({ ip: ip.name }, message);
  }

  #unserved(pods: readonly PodFact[], count: number): void {
    const states = pods.map((pod) => ({
      pod: pod.key,
      node: pod.node,
      address: addressState(this.facts, this.allocator, pod),
      unit: this.engine.stateOf(unitId(podUnit.name, pod.holder)),
    }));
    const { pendingWrites, engine } = this;
    this.#parts.log.warn(
      { count, pods: states, engineIdle: engine.idle, pendingWrites },
      "pods have had neither a network nor a reason for 5 s or longer; they are tried again",
    );
  }

  #restored({ name, namespace, uid, key }: PodFact, message: string): void {
    this.#events.record({ type: PODS, name, namespace, uid }, "Warning", "AddressRestored", message);
    this.#parts.log.warn({ pod: key }, message);
  }

  /** What is in force stays remembered, whoever has taken that off the object. What is there again need not be put back. */
  #putBack({ resource, name, uid, text, lost }: AcceptedRecord): void {
    const key = `record:${resource}/${name}`;
    const effects = annotate(resource, { name, uid, annotations: {} }, { [ACCEPTED_ANNOTATION]: text });
    // Its key is its own: the object's unit may want other annotations at the same time.
    this.#term?.effects.offer(key, lost ? effects.map((effect) => ({ ...effect, key })) : [], true);
  }

  #offer(unit: string, ip: IpFact): void {
    this.#term?.effects.offer(unit, [releaseIp(ip)]);
  }
}

function refusalMessage({ message }: Error): string {
  return `OVN's northbound database does not take what follows from this object, so its network is as it was before: ${message}`;
}

function cidrTexts(text: string): { v4?: string; v6?: string } {
  const { v4, v6 } = parseDualCidr(text) ?? {};
  return { ...(v4 && { v4: v4.text }), ...(v6 && { v6: v6.text }) };
}

/** The time in RFC 3339, written once a second: statuses are looked at for each pod. */
function secondsOf(clock: Clock): () => string {
  let [second, text] = [Number.NaN, ""];
  return () => {
    const now = Math.floor(clock.wall() / 1000);
    if (now !== second) [second, text] = [now, formatTime(now * 1000)];
    return text;
  };
}

/** Resolves when `promise` does or fails, or after `ms`. */
async function until(promise: Promise<void>, ms: number, clock: Clock): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(ms, resolve);
  await Promise.race([promise.catch(() => undefined), late]);
  cancel();
}
