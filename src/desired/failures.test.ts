// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { type FailureSubject, Failures } from "./failures.ts";

const about = (part: FailureSubject["part"]): FailureSubject => ({ part, where: "", kind: "pods", key: "shop/web-0" });

t.test(
  "failures are waited for until they have been retried often enough, except units, which are not retried meanwhile",
  async (t) => {
    const due: (() => void)[] = [];
    const after = (_ms: number, run: () => void): (() => void) => {
      due.push(run);
      return () => undefined;
    };
    const failures = new Failures({ after }, () => undefined);
    failures.failed(about("unit"), new Error("odd"), () => undefined);
    await failures.whenTried(3);
    let tried = 0;
    failures.run(about("projection"), () => {
      tried++;
      throw new Error("odd");
    });
    let done = false;
    const waiting = failures.whenTried(3).then(() => {
      done = true;
    });
    await Promise.resolve();
    t.notOk(done, "tried once");
    for (let again = due.pop(); tried < 3; again = due.pop()) again?.();
    await waiting;
    t.equal(tried, 3);
    t.equal(failures.size, 2, "both are failing still");
  },
);
