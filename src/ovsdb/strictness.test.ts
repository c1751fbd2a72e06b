// SPDX-License-Identifier: Apache-2.0

import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import fc from "fast-check";
import t from "tap";
import { MessageSplitter } from "./framing.ts";
import type { Json, JsonObject } from "./json.ts";
import { fakeOvsdb } from "./testing/fake.ts";
import { findOvsTools, type OvsTools } from "./testing/ovs-tools.ts";
import { TEST } from "./testing/schema.ts";
import { TestFolder } from "./testing/server.ts";

const tools = findOvsTools();
const skip = typeof tools === "string" ? tools : false;

/** A raw peer that sends any text, and the server's reaction: its answers, and whether it closes the connection. */
class RawPeer {
  readonly #dial: () => Duplex;
  #stream: Duplex | undefined;

  constructor(dial: () => Duplex) {
    this.#dial = dial;
  }

  /** Sends texts, then an echo; returns the answers up to that of the echo, or up to the end of the connection. */
  tell(texts: readonly string[]): Promise<readonly JsonObject[]> {
    this.#stream ??= this.#dial();
    const stream = this.#stream;
    const splitter = new MessageSplitter(1e6);
    // The real server repeats unparsable input in its answer, also invalid UTF-8.
    const decoder = new StringDecoder("utf8");
    const answers: JsonObject[] = [];
    return new Promise((resolve) => {
      const settle = (): void => {
        stream.removeAllListeners();
        stream.on("error", () => {});
        resolve(answers);
      };
      const closed = (): void => {
        this.#stream = undefined;
        stream.destroy();
        answers.push({ closed: true });
        settle();
      };
      stream.on("data", (chunk: Uint8Array) =>
        splitter.push(Buffer.from(decoder.write(Buffer.from(chunk))), (message) => {
          if (message["id"] === "end") settle();
          else answers.push(message);
        }),
      );
      stream.on("error", closed);
      stream.on("end", closed);
      stream.on("close", closed);
      for (const text of [...texts, JSON.stringify({ method: "echo", params: [], id: "end" })]) stream.write(text);
    });
  }

  /** Closes the connection; the next texts are sent on a new one. */
  end(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
  }
}

const json = (value: fc.Arbitrary<unknown>): fc.Arbitrary<Json> => value as fc.Arbitrary<Json>;
const uuid = fc.nat(3).map((n) => `00000000-0000-4000-8000-00000000000${n}`);
const port = fc.nat(3).map((n) => `00000000-0000-4000-9000-00000000000${n}`);
const text = fc.oneof(
  { weight: 60, arbitrary: fc.constantFrom("a", "b", "c", "\u{1f600}") },
  { weight: 1, arbitrary: fc.constantFrom("\0", "x\ud800", "\udc00", "\ude00\ud83d", "\ufffe", "\\u0000") },
);
const number = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(0, 1, 2, 5000) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 0.5, 5e-324, -1e300) },
);
const reference = (of: fc.Arbitrary<string>): fc.Arbitrary<Json> => json(fc.tuple(fc.constant("uuid"), of));
const atom = fc.oneof(
  { weight: 6, arbitrary: json(text) },
  { weight: 3, arbitrary: json(number) },
  { weight: 3, arbitrary: reference(port) },
  { weight: 1, arbitrary: json(fc.constantFrom(true, null, ["uuid", "nonsense"], {})) },
);
/** Repeated members are as likely as not. */
const set = (member: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
  json(fc.tuple(fc.constant("set"), fc.array(member, { maxLength: 3 })));
const map = (key: fc.Arbitrary<Json>, value: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
  json(fc.tuple(fc.constant("map"), fc.array(fc.tuple(key, value), { maxLength: 2 })));
/** Mostly values that fit the column; else any value. */
const fitting = (value: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
  fc.oneof({ weight: 20, arbitrary: value }, { weight: 1, arbitrary: fc.oneof(atom, set(atom), map(atom, atom)) });

const COLUMNS: Readonly<Record<"Switch" | "Port" | "Group", Readonly<Record<string, fc.Arbitrary<Json>>>>> = {
  Switch: {
    name: fitting(json(text)),
    ports: fitting(set(reference(port))),
    groups: fitting(set(reference(uuid))),
    ids: fitting(map(json(text), json(text))),
    queues: fitting(map(json(number), json(number))),
    mode: fitting(fc.oneof(json(fc.constantFrom("fast", "slow", "x")), set(json(fc.constantFrom("fast", "slow"))))),
    generation: fitting(json(number)),
  },
  Port: {
    name: fitting(json(text)),
    addresses: fitting(set(json(text))),
    tag: fitting(fc.oneof(json(number), set(json(number)))),
    load: fitting(json(number)),
  },
  Group: {
    name: fitting(json(text)),
    ports: fitting(set(reference(port))),
    leader: fitting(fc.oneof(reference(port), set(reference(port)))),
  },
};
type Table = keyof typeof COLUMNS;
const table = fc.constantFrom<Table>("Switch", "Port", "Group");
const keyOf = (of: Table): fc.Arbitrary<string> => (of === "Port" ? port : uuid);
/** Mostly of one column, so that a refusal has one reason. */
const row = (of: Table): fc.Arbitrary<Json> =>
  fc.oneof(
    ...Object.entries(COLUMNS[of]).map(([column, value]) => value.map((one): Json => ({ [column]: one }))),
    json(fc.record(COLUMNS[of], { requiredKeys: [] })),
  );
/** A column, an operator, and a value for it. */
const triple = (of: Table, verbs: readonly string[]): fc.Arbitrary<Json> =>
  fc.oneof(
    ...Object.entries(COLUMNS[of]).map(([column, value]) =>
      json(fc.tuple(fc.constant(column), fc.constantFrom(...verbs), value)),
    ),
  );
const where = (of: Table): fc.Arbitrary<Json> =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: keyOf(of).map((key): Json => [["_uuid", "==", ["uuid", key]]]),
    },
    {
      weight: 1,
      arbitrary: json(fc.array(triple(of, ["==", "!=", "includes", "excludes", "<", ">="]), { maxLength: 2 })),
    },
  );
const MUTATORS = ["insert", "insert", "delete", "delete", "+=", "-=", "*=", "/=", "dance"];
const operation: fc.Arbitrary<Json> = table.chain((of) =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: json(fc.record({ op: fc.constant("insert"), table: fc.constant(of), uuid: keyOf(of), row: row(of) })),
    },
    {
      weight: 2,
      arbitrary: json(fc.record({ op: fc.constant("update"), table: fc.constant(of), where: where(of), row: row(of) })),
    },
    {
      weight: 4,
      arbitrary: json(
        fc.record({
          op: fc.constant("mutate"),
          table: fc.constant(of),
          where: where(of),
          mutations: fc.array(triple(of, MUTATORS), { minLength: 1, maxLength: 2 }),
        }),
      ),
    },
    {
      weight: 1,
      arbitrary: json(fc.record({ op: fc.constant("delete"), table: fc.constant(of), where: where(of) })),
    },
    { weight: 1, arbitrary: json(fc.record({ op: fc.constant("comment"), comment: text })) },
  ),
);
const transact = fc
  .array(operation, { minLength: 1, maxLength: 4 })
  .map((operations) => JSON.stringify({ method: "transact", params: [TEST.name, ...operations], id: 1 }));

/** A wait without end, cancelled or not, and a further message with its id or another. */
const waiting = fc.record({ cancel: fc.option(fc.nat(2)), next: fc.nat(2) }).map(({ cancel, next }) => [
  JSON.stringify({
    method: "transact",
    params: [
      TEST.name,
      { op: "wait", table: "Port", where: [], columns: ["name"], until: "==", rows: [{ name: "-" }] },
    ],
    id: 1,
  }),
  ...(cancel === null ? [] : [JSON.stringify({ method: "cancel", params: [cancel], id: null })]),
  JSON.stringify({ method: "transact", params: [TEST.name, { op: "comment", comment: "" }], id: next }),
]);
const locking = fc
  .array(fc.tuple(fc.constantFrom("lock", "steal", "unlock"), fc.constantFrom("@a", "@b", "with-hyphen")), {
    minLength: 1,
    maxLength: 5,
  })
  .map((calls) => calls.map(([method, name], id) => JSON.stringify({ method, params: [name], id })));
const script = fc.oneof(
  { weight: 8, arbitrary: transact.map((one) => [one]) },
  { weight: 1, arbitrary: waiting },
  { weight: 1, arbitrary: locking },
);

const CLEAR = JSON.stringify({
  method: "transact",
  params: [TEST.name, { op: "delete", table: "Switch", where: [] }, { op: "delete", table: "Group", where: [] }],
  id: 1,
});

t.test(
  "the fake refuses what the real server refuses, and closes the connection in the same cases",
  { skip },
  async (t) => {
    const folder = await TestFolder.make(tools as OvsTools);
    const fake = fakeOvsdb(TEST);
    const path = (await folder.standalone(TEST)).remote.slice("unix:".length);
    const peers = [new RawPeer(() => connect(path)), new RawPeer(() => fake.dial())];
    t.teardown(async () => {
      for (const peer of peers) peer.end();
      await fake.close();
      await folder.close();
    });
    const seen = new Map<string, number>();
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(script, { minLength: 5, maxLength: 20 }), async (scripts) => {
        for (const script of [[CLEAR], ...scripts]) {
          // Each on a connection of its own, with locks of its own: earlier waits and locks do not matter here.
          number++;
          for (const peer of peers) peer.end();
          const texts = script.map((text) => text.replaceAll('"@', `"l${number}`));
          const [real, faked] = await Promise.all(peers.map((peer) => peer.tell(texts)));
          const faults = faultsIn(texts.at(-1) ?? "");
          const [a, b] = [real ?? [], faked ?? []].map((answers) => answers.map((answer) => summary(answer, faults)));
          if (JSON.stringify(a) !== JSON.stringify(b)) {
            throw new Error(`real: ${JSON.stringify(real)}\nfake: ${JSON.stringify(faked)}\n${texts.join("\n")}`);
          }
          for (const outcome of a ?? []) for (const tag of outcome.tags) seen.set(tag, (seen.get(tag) ?? 0) + 1);
        }
      }),
      { numRuns: 150 },
    );
    t.comment([...seen].map(([tag, count]) => `${tag}: ${count}`).join(", "));
    for (const tag of ["ok", "closed", "ovsdb error", "constraint violation", "syntax error", "duplicate uuid"]) {
      t.ok((seen.get(tag) ?? 0) > 5, tag);
    }
  },
);

/** The number of possibly invalid values in each operation of a message. */
function faultsIn(message: string): readonly number[] {
  const { method, params } = JSON.parse(message) as { method: string; params: readonly JsonObject[] };
  if (method !== "transact") return [];
  const sizeOf = (value: Json | undefined): number =>
    typeof value === "object" && value !== null ? Object.keys(value).length : 0;
  return params.slice(1).map(({ row, where, mutations }) => {
    const byUuid = Array.isArray(where) && Array.isArray(where[0]) && where[0][0] === "_uuid";
    return sizeOf(row) + sizeOf(mutations) + (byUuid ? 0 : sizeOf(where));
  });
}

/**
 * An answer without its details. If an operation has more than one error, the real server reports the first one by a
 * hash of its column's name, so then only the refusal is compared.
 */
function summary(
  answer: JsonObject,
  faults: readonly number[],
): { readonly tags: readonly string[]; readonly rest: Json } {
  if (answer["closed"] === true) return { tags: ["closed"], rest: null };
  const { id = null, method = null, params = null, result = null, error = null } = answer;
  if (error !== null) return { tags: ["request"], rest: [id, tagOf(error)] };
  if (!Array.isArray(result)) return { tags: [], rest: [id, method, params, result] };
  const refused = (result as readonly Json[]).findIndex(isError);
  if (refused < 0) return { tags: ["ok"], rest: [id, result] };
  const tag = (faults[refused] ?? 0) > 1 ? "refused" : tagOf(result[refused] as Json);
  return { tags: [tag], rest: [id, ...(result as Json[]).with(refused, tag)] };
}

function isError(json: Json): boolean {
  return typeof json === "object" && json !== null && "error" in json;
}

function tagOf(error: Json): string {
  return typeof error === "object" && error !== null && "error" in error ? String(error["error"] as string) : "?";
}
