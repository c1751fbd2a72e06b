// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { errorFromErrno, errorFromFs } from "./error.ts";
import { scopeName, scopeNumber } from "./scope.ts";
import { throwsCode } from "./testing/codec-checks.ts";
import { linkAddressText, prefixText } from "./values.ts";

t.test("a link-layer address of zeros is undefined, and one of any length has a text", async (t) => {
  t.equal(linkAddressText(undefined), undefined);
  t.equal(linkAddressText(Buffer.alloc(0)), undefined);
  t.equal(linkAddressText(Buffer.alloc(6)), undefined);
  t.equal(linkAddressText(Buffer.from("020000000005", "hex")), "02:00:00:00:00:05");
  t.equal(linkAddressText(Buffer.from("0a000001", "hex")), "0a:00:00:01");
});

t.test("a prefix whose bytes the kernel omits consists of zeros", async (t) => {
  t.equal(prefixText(4, undefined, 0, "test"), "0.0.0.0/0");
  t.equal(prefixText(6, undefined, 0, "test"), "::/0");
  throwsCode(t, () => prefixText(4, Buffer.alloc(16), 8, "test"), "protocol");
  throwsCode(t, () => prefixText(4, undefined, 33, "test"), "protocol");
});

t.test("an unnamed scope reads as the next wider one", async (t) => {
  for (const scope of ["global", "site", "link", "host", "nowhere"] as const)
    t.equal(scopeName(scopeNumber(scope)), scope);
  t.equal(scopeName(199), "global");
  t.equal(scopeName(252), "site");
});

t.test("an error contains its operation, the kernel's message and the errno's name", async (t) => {
  const error = errorFromErrno("RTM_NEWROUTE", 113, "Nexthop has invalid gateway");
  t.match(error, { code: "unreachable", errno: 113, operation: "RTM_NEWROUTE" });
  t.equal(error.message, "RTM_NEWROUTE: Nexthop has invalid gateway (EHOSTUNREACH)");
  t.equal(errorFromErrno("socket", 24).message, "socket: EMFILE");
  t.equal(errorFromErrno("socket", 24).code, "system");
  t.equal(errorFromErrno("x", 4095).message, "x: errno 4095");
});

t.test("an error of a file keeps its cause", async (t) => {
  const cause = Object.assign(new Error("EACCES: permission denied"), { errno: -13, code: "EACCES" });
  t.match(errorFromFs("open", cause), { code: "permission", errno: 13, cause });
  t.match(errorFromFs("open", "what?"), { code: "system", cause: "what?" });
});
