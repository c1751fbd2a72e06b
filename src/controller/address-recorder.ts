import { ipLabels, LABEL } from "../api/annotations.ts";
import { FINALIZER } from "../api/names.ts";
import { holderName } from "../claims/pod-interfaces.ts";
import { podTypeOf } from "../claims/retention.ts";
import { POD_UID_ANNOTATION, PROVIDER_ANNOTATION } from "../facts/project-ip.ts";
import type { Lease } from "../ipam/types.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject } from "../kube/object.ts";
import { IPS, VIPS } from "../kube/resources.ts";
import { retryDelay, type Timers } from "../unit/timers.ts";
import type { AddressRecord } from "./allocator.ts";

/** Records written at once at most. More only queue up in the API client. */
const LIMIT = 24;

type State =
  | { readonly kind: "queued" }
  | { readonly kind: "writing"; withdrawn: boolean }
  | { readonly kind: "waiting"; readonly cancel: () => void };

interface Entry {
  readonly record: AddressRecord;
  attempts: number;
  state: State;
}

/** What the recorder is given. */
export interface AddressRecorderOptions {
  readonly kube: Kube;
  readonly timers: Timers;
  /** The object as the API server stored it: an IP, or a Vip. */
  readonly onRecorded: (kind: "ips" | "vips", object: KubeObject) => void;
  /** A withdrawn record whose write failed: it does not exist. */
  readonly onDropped: (name: string) => void;
  readonly onError: (record: AddressRecord, error: unknown) => void;
}

/**
 * Writes decided addresses into Kubernetes: `IP` objects and Vips, in order, some at once, each until it succeeds or is withdrawn. One write for
 * each address: the object is created complete, with its labels and finalizer. What is there already is changed only as it was known
 * when that was decided: a leader that has been deposed without having noticed must not write over its successor's decisions.
 */
export class AddressRecorder {
  readonly #options: AddressRecorderOptions;
  /** Object name → the record to write. */
  readonly #entries = new Map<string, Entry>();
  readonly #queue = new Set<string>();
  #writing = 0;
  /** Those who wait until nothing is being written. */
  #waiting: (() => void)[] = [];

  constructor(options: AddressRecorderOptions) {
    this.#options = options;
  }

  /** How many records are not written yet. */
  get pending(): number {
    return this.#entries.size;
  }

  /** Whether something is being written; what failed and waits to be tried again does not count. */
  get writing(): boolean {
    return this.#writing > 0;
  }

  /** Resolves when nothing is being written. */
  whenWritten(): Promise<void> {
    if (!this.writing) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Writes `record` as soon as there is room. */
  record(record: AddressRecord): void {
    this.#entries.set(record.name, { record, attempts: 0, state: { kind: "queued" } });
    this.#queue.add(record.name);
    this.#pump();
  }

  /** Gives a record up. True where it was not being written: then nothing of it exists. */
  withdraw(name: string): boolean {
    const entry = this.#entries.get(name);
    if (entry === undefined) return true;
    if (entry.state.kind === "writing") {
      entry.state.withdrawn = true;
      return false;
    }
    if (entry.state.kind === "waiting") entry.state.cancel();
    this.#entries.delete(name);
    this.#queue.delete(name);
    return true;
  }

  /** Gives all records up. */
  clear(): void {
    for (const name of [...this.#entries.keys()]) this.withdraw(name);
  }

  #pump(): void {
    for (const name of this.#queue) {
      if (this.#writing >= LIMIT) return;
      this.#queue.delete(name);
      const entry = this.#entries.get(name);
      if (entry !== undefined) void this.#write(name, entry);
    }
  }

  async #write(name: string, entry: Entry): Promise<void> {
    const state: State = { kind: "writing", withdrawn: false };
    entry.state = state;
    this.#writing++;
    try {
      const object = await write(this.#options.kube, entry.record);
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
      this.#options.onRecorded(entry.record.kind === "vip" ? "vips" : "ips", object);
    } catch (error) {
      this.#options.onError(entry.record, error);
      if (state.withdrawn) {
        // Where another record of the name has followed, what it decided stands.
        if (this.#entries.get(name) !== entry) return;
        this.#entries.delete(name);
        this.#options.onDropped(name);
      } else {
        this.#retry(name, entry);
      }
    } finally {
      this.#writing--;
      this.#pump();
      if (!this.writing) for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  #retry(name: string, entry: Entry): void {
    entry.attempts++;
    const cancel = this.#options.timers.after(retryDelay(entry.attempts), () => {
      entry.state = { kind: "queued" };
      this.#queue.add(name);
      this.#pump();
    });
    entry.state = { kind: "waiting", cancel };
  }
}

function write(kube: Kube, record: AddressRecord): Promise<KubeObject> {
  switch (record.kind) {
    case "ip":
      return writeIp(kube, record);
    case "reservation":
      return writeReservation(kube, record);
    case "vip":
      return writeVip(kube, record);
  }
}

function writeIp(
  kube: Kube,
  { name, lease, node, pod, takeOver, provider }: Extract<AddressRecord, { kind: "ip" }>,
): Promise<KubeObject> {
  const labels = ipLabels({ subnet: lease.subnet, node, reserved: takeOver?.reserved ?? false });
  const annotations = {
    ...(pod !== undefined && { [POD_UID_ANNOTATION]: pod.uid }),
    ...(provider !== undefined && { [PROVIDER_ANNOTATION]: provider }),
  };
  const podType = pod === undefined ? "" : podTypeOf(pod);
  if (takeOver !== undefined) {
    const { uid, version } = takeOver;
    const { v4 = "", v6 = "", mac = "" } = lease;
    const grown = v4 !== takeOver.v4 || v6 !== takeOver.v6 || mac !== takeOver.mac;
    // A mark stays: an orphan's successor has the address by it.
    const marked = podType !== "" && podType !== takeOver.podType;
    const spec = { nodeName: node, ...(marked && { podType }), ...(grown && addressFields(lease)) };
    const body = { metadata: { uid, resourceVersion: version, labels, annotations }, spec };
    return kube.patch(IPS, { name }, { type: "merge", body });
  }
  const spec = {
    podName: pod === undefined ? node : holderName(pod),
    namespace: pod?.namespace ?? "",
    subnet: lease.subnet,
    nodeName: node,
    ...addressFields(lease),
    attachIps: [],
    attachMacs: [],
    attachSubnets: [],
    containerID: "",
    podType,
  };
  return kube.create(IPS, { metadata: { name, labels, annotations, finalizers: [FINALIZER] }, spec });
}

function writeReservation(
  kube: Kube,
  { name, lease, ip }: Extract<AddressRecord, { kind: "reservation" }>,
): Promise<KubeObject> {
  const labels = ipLabels({ subnet: lease.subnet, node: ip.node, reserved: true });
  const body = { metadata: { uid: ip.uid, resourceVersion: ip.version, labels }, spec: addressFields(lease) };
  return kube.patch(IPS, { name }, { type: "merge", body });
}

/** Kube-OVN's Vip has no status subresource: spec and status go in one patch. */
function writeVip(kube: Kube, { lease, vip }: Extract<AddressRecord, { kind: "vip" }>): Promise<KubeObject> {
  const [v4ip, v6ip, mac] = [lease.v4 ?? "", lease.v6 ?? "", lease.mac ?? vip.mac];
  const labels = { [LABEL.subnet]: lease.subnet, [LABEL.ipReserved]: "" };
  const body = {
    metadata: { uid: vip.uid, resourceVersion: vip.version, labels },
    spec: { v4ip, v6ip, macAddress: mac },
    status: { v4ip, v6ip, mac, type: vip.type },
  };
  return kube.patch(VIPS, { name: vip.name }, { type: "merge", body });
}

function addressFields(lease: Lease): Readonly<Record<string, string>> {
  return {
    ipAddress: [lease.v4, lease.v6].filter((address) => address !== undefined).join(","),
    v4IpAddress: lease.v4 ?? "",
    v6IpAddress: lease.v6 ?? "",
    macAddress: lease.mac ?? "",
  };
}
