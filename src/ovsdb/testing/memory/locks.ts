// SPDX-License-Identifier: Apache-2.0

/** The locks of the server, RFC 7047 §4.1.8. `Owner` is a session. */
export class MemoryLocks<Owner extends object> {
  /** Name → the holder, followed by the waiting owners in order. */
  readonly #lines = new Map<string, Owner[]>();
  readonly #notify: (owner: Owner, method: "locked" | "stolen", name: string) => void;

  /** `notify` sends the notification. */
  constructor(notify: (owner: Owner, method: "locked" | "stolen", name: string) => void) {
    this.#notify = notify;
  }

  holder(name: string): Owner | undefined {
    return this.#lines.get(name)?.[0];
  }

  /** Whether the owner holds the lock or waits for it. */
  hasAsked(owner: Owner, name: string): boolean {
    return this.#lines.get(name)?.includes(owner) === true;
  }

  /** Whether it is held now. */
  lock(owner: Owner, name: string): boolean {
    const line = this.#line(name);
    line.push(owner);
    return line.length === 1;
  }

  steal(owner: Owner, name: string): void {
    const line = this.#line(name);
    const [victim] = line;
    line.unshift(owner);
    if (victim !== undefined) this.#notify(victim, "stolen", name);
  }

  unlock(owner: Owner, name: string): void {
    const line = this.#line(name);
    const at = line.indexOf(owner);
    if (at < 0) return;
    line.splice(at, 1);
    const [next] = line;
    if (at === 0 && next !== undefined) this.#notify(next, "locked", name);
  }

  /** The session has ended. */
  drop(owner: Owner): void {
    for (const [name, line] of this.#lines) if (line.includes(owner)) this.unlock(owner, name);
  }

  #line(name: string): Owner[] {
    let line = this.#lines.get(name);
    if (line === undefined) {
      line = [];
      this.#lines.set(name, line);
    }
    return line;
  }
}
