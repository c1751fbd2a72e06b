// SPDX-License-Identifier: Apache-2.0

import { recordAnnotations, recordText } from "../../facts/accepted.ts";
import type { FactKind, ObjectKind } from "../../facts/types.ts";
import { kindOf, knownAs } from "../../kinds/objects.ts";
import type { KubeObject } from "../../kube/object.ts";

/** What an object remembers. */
export interface AcceptedRecord {
  /** The facts by which the object is known. */
  readonly resource: ObjectKind;
  readonly name: string;
  readonly uid: string;
  readonly text: string;
  /** Somebody has taken it off the object. */
  readonly lost: boolean;
}

/**
 * The `ACCEPTED_ANNOTATION`s as they were last seen. Replacing an object (`kubectl replace`) removes its annotations, and with them the record
 * of its accepted configuration; an invalid field in the same manifest would then remove everything. So an object without a record has its last one,
 * until the controller, which itself never removes one, has restored it.
 */
export class AcceptedRecords {
  readonly #known = new Map<string, AcceptedRecord>();
  readonly #onChange: (record: AcceptedRecord) => void;

  /** `onChange` is called when a record was seen to be gone, and when one is there again. */
  constructor(onChange: (record: AcceptedRecord) => void) {
    this.#onChange = onChange;
  }

  /** Those that are to be put back. */
  *lost(): Iterable<AcceptedRecord> {
    for (const record of this.#known.values()) if (record.lost) yield record;
  }

  /** The object with its record. */
  keep(kind: FactKind, object: KubeObject): KubeObject {
    const of = kindOf(kind);
    if (of?.remembers === undefined) return object;
    const resource = knownAs(of) as ObjectKind;
    const { name, uid, annotations = {} } = object.metadata;
    const key = `${resource}/${name}`;
    const text = recordText(annotations, of.remembers);
    const readable = of.remembers(text);
    const known = this.#known.get(key);
    if (readable) {
      const record = { resource, name, uid, text, lost: false };
      this.#known.set(key, record);
      if (known?.lost === true) this.#onChange(record);
    }
    if (readable || known === undefined) return object;
    // Also of what is being deleted: it goes on until nothing uses it any more.
    if (known.uid !== uid) {
      this.#known.delete(key);
      return object;
    }
    const lost = { ...known, lost: true };
    this.#known.set(key, lost);
    this.#onChange(lost);
    return {
      ...object,
      metadata: { ...object.metadata, annotations: { ...annotations, ...recordAnnotations(known.text) } },
    };
  }

  /** The object is gone. */
  forget(kind: FactKind, name: string): void {
    const of = kindOf(kind);
    if (of?.remembers !== undefined) this.#known.delete(`${knownAs(of)}/${name}`);
  }
}
