import { ipLabels } from "../api/annotations.ts";
import { FINALIZER } from "../api/names.ts";
import { type IpObject, POD_UID_ANNOTATION } from "../facts/project-ip.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject } from "../kube/object.ts";
import { IPS } from "../kube/resources.ts";
import { retryDelay } from "../reconcile/effects.ts";
import type { Timers } from "../reconcile/timers.ts";
import type { IpRecord } from "./allocator.ts";

/** Records written at once at most. More only queue up in the API client. */
const LIMIT = 24;

type State =
  | { readonly kind: "queued" }
  | { readonly kind: "writing"; withdrawn: boolean }
  | { readonly kind: "waiting"; readonly cancel: () => void };

interface Entry {
  readonly record: IpRecord;
  attempts: number;
  state: State;
}

/** What the recorder is given. */
export interface IpRecorderOptions {
  readonly kube: Kube;
  readonly timers: Timers;
  /** The object as the API server stored it. */
  readonly onRecorded: (object: IpObject) => void;
  /** A withdrawn record whose write failed: it does not exist. */
  readonly onDropped: (name: string) => void;
  readonly onError: (record: IpRecord, error: unknown) => void;
}

/**
 * Writes decided addresses as `IP` objects, in order, some at once, each until it succeeds or is withdrawn. One write for
 * each address: the object is created complete, with its labels and finalizer.
 */
export class IpRecorder {
  readonly #options: IpRecorderOptions;
  /** Object name → the record to write. */
  readonly #entries = new Map<string, Entry>();
  readonly #queue = new Set<string>();
  #writing = 0;

  constructor(options: IpRecorderOptions) {
    this.#options = options;
  }

  /** How many records are not written yet. */
  get pending(): number {
    return this.#entries.size;
  }

  /** Writes `record` as soon as there is room. */
  record(record: IpRecord): void {
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
      this.#options.onRecorded(object as IpObject);
    } catch (error) {
      this.#options.onError(entry.record, error);
      if (state.withdrawn) {
        if (this.#entries.get(name) === entry) this.#entries.delete(name);
        this.#options.onDropped(name);
      } else {
        this.#retry(name, entry);
      }
    } finally {
      this.#writing--;
      this.#pump();
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

function write(kube: Kube, { name, lease, node, pod, takeOver }: IpRecord): Promise<KubeObject> {
  const labels = ipLabels({ subnet: lease.subnet, node, reserved: takeOver?.reserved ?? false });
  const annotations = pod === undefined ? {} : { [POD_UID_ANNOTATION]: pod.uid };
  const spec = {
    podName: pod?.name ?? node,
    namespace: pod?.namespace ?? "",
    subnet: lease.subnet,
    nodeName: node,
    ipAddress: [lease.v4, lease.v6].filter((address) => address !== undefined).join(","),
    v4IpAddress: lease.v4 ?? "",
    v6IpAddress: lease.v6 ?? "",
    macAddress: lease.mac ?? "",
    attachIps: [],
    attachMacs: [],
    attachSubnets: [],
    containerID: "",
    podType: pod?.owner?.kind === "StatefulSet" ? "StatefulSet" : "",
  };
  if (takeOver === undefined)
    return kube.create(IPS, { metadata: { name, labels, annotations, finalizers: [FINALIZER] }, spec });
  const body = { metadata: { uid: takeOver.uid, labels, annotations }, spec: { nodeName: node } };
  return kube.patch(IPS, { name }, { type: "merge", body });
}
