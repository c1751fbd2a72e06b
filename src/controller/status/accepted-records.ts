// SPDX-License-Identifier: Apache-2.0

import { recordAnnotations, recordText } from "../../facts/accepted.ts";
import type { FactKind, ObjectKind } from "../../facts/types.ts";
import { kindOf, knownAs } from "../../kinds/objects.ts";
import type { KubeObject } from "../../kube/object.ts";

/** The record of an object. */
export interface AcceptedRecord {
  /** The kind of the object's fact. */
  readonly resource: ObjectKind;
  readonly name: string;
  readonly uid: string;
  readonly text: string;
  /** Another client has removed it from the object. */
  readonly lost: boolean;
}

/**
 * The last known `ACCEPTED_ANNOTATION`s. Replacing an object (`kubectl replace`) removes its annotations, and with them the record
 * of its accepted configuration; an invalid field in the same manifest would then remove its configuration. So the last record is used until the
 * controller, which never removes one, has restored it.
 */
export class AcceptedRecords {
  readonly #known = new Map<string, AcceptedRecord>();
  readonly #onChange: (record: AcceptedRecord) => void;

  /** `onChange` is called when a record was removed and when it is restored. */
  constructor(onChange: (record: AcceptedRecord) => void) {
    this.#onChange = onChange;
  }

  /** The removed records. */
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
    // Also for an object that is being deleted: it stays active until it is not used any more.
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

  /** The object was deleted. */
  forget(kind: FactKind, name: string): void {
    const of = kindOf(kind);
    if (of?.remembers !== undefined) this.#known.delete(`${knownAs(of)}/${name}`);
  }
}
