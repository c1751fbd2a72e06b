// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../../src/kube/errors.ts";
import type { CallOptions, Kube, ListOptions, ObjectList, WatchEvent, WatchOptions } from "../../src/kube/kube.ts";
import { type KubeObject, keyOf, type ObjectRef } from "../../src/kube/object.ts";
import { type ResourceType, typeName } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { Channel } from "./channel.ts";
import type { SimProcess } from "./process.ts";
import { Random } from "./random.ts";
import { type RandomFaults, refusal } from "./random-faults.ts";
import type { Scheduler } from "./scheduler.ts";

/** Options of a link to the API server. */
export interface KubeLinkOptions {
  readonly scheduler: Scheduler;
  readonly randomFaults: RandomFaults;
  readonly server: FakeKube;
  readonly process: SimProcess;
  /** The replica of the process; periods of random faults can name it. */
  readonly replica: string;
  readonly seed: string;
  /** Called with an object that the process has listed or watched. */
  readonly received: <T extends KubeObject>(type: ResourceType, object: T) => T;
  /** Called for each write that reaches the server. */
  readonly onWrite: (verb: string, type: ResourceType, ref: ObjectRef) => void;
}

const DEFAULT_DEADLINE_MS = 30_000;

interface OpenWatch {
  readonly type: string;
  /** Ends it, with an error or normally. Events in transit may or may not arrive before. */
  readonly end: (error?: KubeError) => void;
  readonly channel: Channel;
}

/**
 * The API server as one process sees it: each request and response is delayed separately; each watch is an ordered stream.
 * `RandomFaults` decides which of them are slow or fail. Lists are read in one state, as the real server does with its continue tokens.
 */
export class KubeLink implements Kube {
  readonly #options: KubeLinkOptions;
  readonly #watches = new Set<OpenWatch>();
  /** Continue token → the rest of its list. */
  readonly #pages = new Map<string, { readonly items: readonly KubeObject[]; readonly version: string }>();
  #requests = 0;

  constructor(options: KubeLinkOptions) {
    this.#options = options;
  }

  get<T extends KubeObject>(type: ResourceType, ref: ObjectRef, options: CallOptions = {}): Promise<T> {
    return this.#call("get", type, ref, options, () => this.#options.server.get<T>(type, ref));
  }

  list<T extends KubeObject>(type: ResourceType, options: ListOptions = {}): Promise<ObjectList<T>> {
    return this.#call("list", type, { name: "" }, options, async () => {
      const { limit = 100, continue: token, ...selection } = options;
      const page = token === undefined ? await this.#whole<T>(type, selection) : this.#pages.get(token);
      if (page === undefined) throw new KubeError("gone", "the continue token has expired", { status: 410 });
      const { received } = this.#options;
      const items = (page.items.slice(0, limit) as readonly unknown[] as readonly T[]).map((one) =>
        received(type, one),
      );
      if (items.length === page.items.length) return { items, resourceVersion: page.version };
      const next = `${page.version}/${page.items.length - limit}/${this.#requests}`;
      this.#pages.set(next, { items: page.items.slice(limit), version: page.version });
      return { items, resourceVersion: page.version, continue: next };
    });
  }

  create: Kube["create"] = (type, object, options = {}) => {
    const { name = "", namespace } = object.metadata;
    const ref = namespace === undefined ? { name } : { name, namespace };
    return this.#call("create", type, ref, options, () => this.#options.server.create(type, object, options), object);
  };

  update: Kube["update"] = (type, object, options = {}) =>
    this.#call("update", type, object.metadata, options, () => this.#options.server.update(type, object, options));

  patch: Kube["patch"] = (type, ref, patch, options = {}) =>
    this.#call("patch", type, ref, options, () => this.#options.server.patch(type, ref, patch, options), patch.body);

  delete: Kube["delete"] = (type, ref, options = {}) =>
    this.#call("delete", type, ref, options, () => this.#options.server.delete(type, ref, options));

  watch<T extends KubeObject>(
    type: ResourceType,
    options: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
  ): Promise<void> {
    const { scheduler, server, process, randomFaults } = this.#options;
    const random = this.#fork();
    const what = `watch ${typeName(type)}`;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const serverSide = new AbortController();
    const down = this.#channel(random);
    let open = true;
    const finish = (error?: KubeError): void => {
      if (!open) return;
      open = false;
      this.#watches.delete(watch);
      options.signal.removeEventListener("abort", onAbort);
      serverSide.abort();
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = (): void => finish(new KubeError("aborted", what));
    const answer = (run: () => void): void => down.send(() => process.deliver(() => open && run()));
    const watch: OpenWatch = {
      type: typeName(type),
      channel: down,
      end: (error) => {
        serverSide.abort();
        answer(() => finish(error));
      },
    };
    this.#watches.add(watch);
    options.signal.addEventListener("abort", onAbort, { once: true });
    if (options.signal.aborted) onAbort();
    scheduler.after(this.#delay(random), () => {
      if (!open || !process.alive) return;
      if (randomFaults.apiDown || randomFaults.happens("refused", random, this.#options.replica)) {
        watch.end(new KubeError("unavailable", what, { status: 503 }));
        return;
      }
      const { signal } = serverSide;
      const onOpen = (): void => answer(() => options.onOpen?.());
      server
        .watch<T>(type, { ...options, signal, onOpen }, (heard) => {
          const event = "object" in heard ? { ...heard, object: this.#options.received(type, heard.object) } : heard;
          answer(() => onEvent(event));
          if (randomFaults.happens("repeated-event", random, this.#options.replica)) answer(() => onEvent(event));
        })
        .then(
          () => watch.end(),
          (error: KubeError) => {
            if (!signal.aborted) watch.end(error);
          },
        );
    });
    return promise;
  }

  /** Breaks the watches of a type, or all. `code` is the error for their client; without one they end normally. */
  endWatches(plural: string | undefined, code: "unavailable" | "gone" | undefined): number {
    const ended = [...this.#watches].filter((watch) => plural === undefined || watch.type.startsWith(plural));
    const status = code === "gone" ? { status: 410, reason: "Expired" } : {};
    for (const watch of ended) {
      watch.end(code === undefined ? undefined : new KubeError(code, `watch ${watch.type}: simulated`, status));
    }
    return ended.length;
  }

  /** The watches of a type (or all) send nothing more, but stay open: a half-open connection. */
  stallWatches(plural: string | undefined): number {
    const stalled = [...this.#watches].filter((watch) => plural === undefined || watch.type.startsWith(plural));
    for (const watch of stalled) watch.channel.close();
    return stalled.length;
  }

  async #whole<T extends KubeObject>(type: ResourceType, selection: object) {
    const { items, resourceVersion } = await this.#options.server.list<T>(type, selection);
    return { items, version: resourceVersion };
  }

  #fork(): Random {
    const { seed, process } = this.#options;
    return new Random(`${seed}/kube/${process.name}/${this.#requests++}`);
  }

  #delay(random: Random): number {
    const slow = this.#options.randomFaults.happens("slow-network", random, this.#options.replica);
    return slow ? random.delay(400, 20_000) : random.delay(5, 500);
  }

  #channel(random: Random): Channel {
    return new Channel(this.#options.scheduler, () => this.#delay(random));
  }

  /** One request: it arrives, is executed, and answered, unless a fault occurs. */
  #call<T>(
    verb: string,
    type: ResourceType,
    ref: ObjectRef,
    { signal, deadlineMs = DEFAULT_DEADLINE_MS }: CallOptions,
    act: () => Promise<T>,
    body?: object,
  ): Promise<T> {
    const { scheduler, randomFaults, process, replica, onWrite } = this.#options;
    const random = this.#fork();
    const what = `${verb} ${typeName(type)} ${keyOf(ref)}`;
    const write = verb !== "get" && verb !== "list";
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let open = true;
    const finish = (run: () => void): void => {
      if (!open) return;
      open = false;
      cancelDeadline();
      signal?.removeEventListener("abort", onAbort);
      run();
    };
    const onAbort = (): void => finish(() => reject(new KubeError("aborted", what)));
    const cancelDeadline = process.clock.after(deadlineMs, () => {
      finish(() => reject(new KubeError("timeout", `${what}: no answer within ${deadlineMs} ms`)));
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();

    const [there, back] = [this.#delay(random), this.#delay(random)];
    const late = randomFaults.happens("late", random, replica) ? 10_000 + random.next() * 50_000 : 0;
    const lost = randomFaults.happens("lost", random, replica);
    const refused = randomFaults.happens("refused", random, replica);
    const unanswered = randomFaults.happens("unanswered", random, replica);
    const twice = write && randomFaults.happens("twice", random, replica);
    const survives = random.chance(0.5);
    const answer = (outcome: string, run: () => void): void => {
      if (write || outcome !== "ok") scheduler.note(`${process.name} ${what}: ${outcome}${briefly(type, body)}`);
      scheduler.after(back, () => process.deliver(() => finish(run)));
    };
    const broken = (): KubeError => new KubeError("unavailable", `${what}: simulated: the connection broke`);
    scheduler.after(there + late, () => {
      // Requests that a process sent before it died may still be in transit.
      if (!process.alive && !survives) return;
      if (randomFaults.apiDown || lost) return answer("lost", () => reject(broken()));
      if (refused) {
        const error = refusal(random, what, write);
        return answer(error.code, () => reject(error));
      }
      if (write) onWrite(verb, type, ref);
      const done = twice ? act().then(act, act) : act();
      done.then(
        (value) => (unanswered ? answer("ok, unanswered", () => reject(broken())) : answer("ok", () => resolve(value))),
        (error: KubeError) =>
          unanswered ? answer("failed, unanswered", () => reject(broken())) : answer(error.code, () => reject(error)),
      );
    });
    return promise;
  }
}

/** The written object, for the trace. Events and Leases are left out, because they contain nothing new. */
function briefly(type: ResourceType, body: object | undefined): string {
  if (body === undefined || type.plural === "events" || type.plural === "leases") return "";
  return ` ${JSON.stringify(body).slice(0, 400)}`;
}
