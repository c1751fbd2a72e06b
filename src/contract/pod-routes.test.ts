// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { parseCidr } from "../net/cidr.ts";
import { readPodRoutes } from "./pod-routes.ts";

const CIDRS = [parseCidr("10.16.0.0/16")!, parseCidr("fd00:16::/64")!];

t.test("routes of both families, with what they leave out", async (t) => {
  const text =
    '[{"dst":"10.9.1.1/16","gw":"10.16.0.9"},{"gw":"10.16.0.8"},{"dst":"10.8.0.0/16"},{"dst":"2001:DB8::/32","gw":"fd00:16::9"}]';
  t.strictSame(readPodRoutes(text, CIDRS), {
    routes: [
      { dst: "10.9.0.0/16", gw: "10.16.0.9" },
      { gw: "10.16.0.8" },
      { dst: "10.8.0.0/16" },
      { dst: "2001:db8::/32", gw: "fd00:16::9" },
    ],
    problems: [],
  });
  t.strictSame(readPodRoutes("", CIDRS), { routes: [], problems: [] });
  t.strictSame(readPodRoutes("[]", CIDRS), { routes: [], problems: [] });
});

t.test("an invalid route is left out and reported, the others are used", async (t) => {
  const good = { dst: "10.9.0.0/16", gw: "10.16.0.9" };
  for (const [bad, why] of [
    [
      { dst: "10.8.0.0/16", gw: "192.168.0.1" },
      /gw 192.168.0.1 is not in the subnet of the interface \(10.16.0.0\/16\)/,
    ],
    [{ dst: "10.8.0.0", gw: "10.16.0.9" }, /dst "10.8.0.0" is not a valid CIDR/],
    [{ dst: "10.8.0.0/16", gw: "gw" }, /gw "gw" is not a valid address/],
    [{ dst: "10.8.0.0/16", gw: "fd00:16::9" }, /different families/],
    [{}, /neither dst nor gw/],
    ["10.8.0.0/16", /not an object/],
    [{ dst: 5 }, /must be texts/],
  ] as const) {
    const { routes, problems } = readPodRoutes(JSON.stringify([bad, good]), CIDRS);
    t.strictSame(routes, [good], JSON.stringify(bad));
    t.equal(problems.length, 1);
    t.match(problems[0], why);
    t.match(problems[0], /^route .* is ignored: /);
  }
  t.match(readPodRoutes('[{"dst":"fd01::/64"}]', CIDRS.slice(0, 1)).problems, [/has no IPv6 address/]);
});

t.test("any input is parsed without an exception", async (t) => {
  t.match(readPodRoutes("{", CIDRS).problems, [/not JSON/]);
  t.match(readPodRoutes('{"dst":"10.0.0.0/8"}', CIDRS).problems, [/not a JSON list/]);
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => readPodRoutes(text, CIDRS).routes.length >= 0));
});
