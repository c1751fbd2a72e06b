// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { formatDual } from "../net/dual.ts";
import { type RequestInput, requestFromAnnotations } from "./request-annotations.ts";

function read(annotations: Record<string, string>, more: Partial<RequestInput> = {}) {
  return requestFromAnnotations({
    owner: "web-0.default",
    provider: "ovn",
    subnets: ["ns-subnet"],
    annotations,
    ...more,
  });
}

/** The request's `want` in short form, or the code of the refusal. */
function want(outcome: ReturnType<typeof read>): string {
  if (!outcome.ok) return outcome.code;
  const { want } = outcome.request;
  switch (want.kind) {
    case "any":
      return "any";
    case "static":
      return formatDual(want.addresses);
    case "choice":
      return want.tuples.map(formatDual).join(" | ");
    case "pool":
      return `pool ${want.pools.join(" ")}`;
  }
}

t.test("a pod without annotations gets any address of its namespace's subnets", (t) => {
  t.same(read({}), {
    ok: true,
    request: {
      owner: "web-0.default",
      subnets: ["ns-subnet"],
      want: { kind: "any" },
      family: undefined,
      mac: undefined,
    },
  });
  t.match(read({ "ovn.kubernetes.io/logical_switch": "mine" }), { request: { subnets: ["mine"] } });
  t.match(
    read({ "ovn.kubernetes.io/ip_address": "" }),
    { request: { want: { kind: "any" } } },
    "empty is as good as absent",
  );
  t.end();
});

t.test("addresses, MAC and family are read", (t) => {
  t.equal(want(read({ "ovn.kubernetes.io/ip_address": "10.16.0.5" })), "10.16.0.5");
  t.equal(want(read({ "ovn.kubernetes.io/ip_address": "fd00::5, 10.16.0.5" })), "10.16.0.5,fd00::5");
  t.match(read({ "ovn.kubernetes.io/mac_address": "00-00-5E-00-53-01" }), { request: { mac: "00:00:5e:00:53:01" } });
  t.match(read({ "ovn.kubernetes.io/ip_family": "ipv6" }), { request: { family: 6 } });
  t.end();
});

t.test("ip_pool is read in all its forms", (t) => {
  for (const [value, expected] of [
    ["pool-1", "pool pool-1"],
    ["10.16.0.300", "pool 10.16.0.300"],
    ["10.16.0.5", "10.16.0.5"],
    ["10.16.0.5,10.16.0.6, 10.16.0.7", "10.16.0.5 | 10.16.0.6 | 10.16.0.7"],
    ["10.16.0.5,fd00::5", "10.16.0.5,fd00::5"],
    ["10.16.0.5,fd00::5;10.16.0.6,fd00::6", "10.16.0.5,fd00::5 | 10.16.0.6,fd00::6"],
    ["10.16.0.5; 10.16.0.6", "10.16.0.5 | 10.16.0.6"],
    ["10.16.0.5,fd00::5,10.16.0.6", "10.16.0.5 | fd00::5 | 10.16.0.6"],
  ] as const) {
    t.equal(want(read({ "ovn.kubernetes.io/ip_pool": value })), expected, value);
  }
  t.end();
});

t.test("an IPPool itself names its subnet", (t) => {
  t.match(read({ "ovn.kubernetes.io/ip_pool": "pool-1" }), { request: { subnets: [] } });
  t.match(read({ "ovn.kubernetes.io/ip_pool": "pool-1", "ovn.kubernetes.io/logical_switch": "mine" }), {
    request: { subnets: ["mine"] },
  });
  t.match(read({}, { namespacePools: ["a", "b"] }), {
    request: { subnets: ["ns-subnet"], want: { kind: "pool", pools: ["a", "b"] } },
  });
  t.equal(want(read({ "ovn.kubernetes.io/ip_address": "10.16.0.5" }, { namespacePools: ["a"] })), "10.16.0.5");
  t.end();
});

t.test("a StatefulSet's pods take the entries of a list by their number", (t) => {
  const annotations = { "ovn.kubernetes.io/ip_pool": "10.16.0.5,fd00::5;10.16.0.6,fd00::6" };
  t.equal(want(read(annotations, { ordinal: 0 })), "10.16.0.5,fd00::5");
  t.equal(want(read(annotations, { ordinal: 1 })), "10.16.0.6,fd00::6");
  t.match(read(annotations, { ordinal: 2 }), {
    code: "PoolListTooShort",
    message: /lists 2 addresses, but pod number 2 .* needs entry 3/,
  });
  t.equal(want(read({ "ovn.kubernetes.io/ip_pool": "pool-1" }, { ordinal: 7 })), "pool pool-1");
  t.end();
});

t.test("an attachment's own form takes precedence over the provider's", (t) => {
  const network = { nad: "net", namespace: "default", interfaceName: "net1", ips: "", mac: "", addressOnly: false };
  const more = { provider: "net.default.ovn", attachment: network };
  const annotations = {
    "ovn.kubernetes.io/ip_address": "10.16.0.5",
    "net.default.ovn.kubernetes.io/ip_address": "10.17.0.5",
    "net.default.kubernetes.io/ip_address.net1": "10.17.0.6",
    "net.default.kubernetes.io/mac_address.net1": "02:00:00:00:00:06",
  };
  t.equal(want(read(annotations, more)), "10.17.0.6");
  t.match(read(annotations, more), { request: { mac: "02:00:00:00:00:06" } });
  t.equal(want(read(annotations, { provider: "net.default.ovn" })), "10.17.0.5");
  t.match(
    read({}, { provider: "net.default", attachment: { ...network, addressOnly: true } }),
    { request: { mac: "none" } },
    "another plugin's interface has its own MAC",
  );
  const plugins = { ...network, mac: "02:00:00:00:00:07", addressOnly: true };
  t.match(
    read(annotations, { provider: "net.default", attachment: plugins }),
    { request: { mac: "none" } },
    "or a named one",
  );
  const listed = { ...more, attachment: { ...network, interfaceName: "", ips: "10.17.0.7", mac: "02:00:00:00:00:07" } };
  t.equal(want(read(annotations, listed)), "10.17.0.7", "the list of networks goes before the provider's annotations");
  t.match(read(annotations, listed), { request: { mac: "02:00:00:00:00:07" } });
  const bad = { ...listed, attachment: { ...listed.attachment, ips: "oops" } };
  t.match(read(annotations, bad), { code: "AddressMalformed", message: /"ips" in k8s\.v1\.cni\.cncf\.io\/networks/ });
  t.end();
});

t.test("invalid values are refused with the value and what would be accepted", (t) => {
  for (const [key, value, code, message] of [
    ["ip_address", "10.16.0.256", "AddressMalformed", /"10\.16\.0\.256".*it must be one address/],
    ["ip_address", "10.16.0.5/16", "AddressMalformed", /without a prefix length/],
    ["ip_address", "10.16.0.5,10.16.0.6", "AddressMalformed", /more than one address of a family/],
    ["mac_address", "02:00:00:00:00", "MacMalformed", /six bytes/],
    ["mac_address", "ff:ff:ff:ff:ff:ff", "MacMalformed", /not multicast/],
    ["ip_family", "IPv4", "FamilyMalformed", /must be one of: ipv4, ipv6/],
    ["ip_pool", "10.16.0.5,oops", "PoolMalformed", /"oops"/],
    ["ip_pool", "10.16.0.5;", "PoolMalformed", /""/],
    ["ip_pool", "10.16.0.5,10.16.0.5", "PoolMalformed", /twice/],
    ["ip_pool", "10.16.0.5,10.16.0.6;fd00::5", "PoolMalformed", /"10\.16\.0\.5,10\.16\.0\.6"/],
  ] as const) {
    t.match(read({ [`ovn.kubernetes.io/${key}`]: value }), { ok: false, code, message }, `${key}: ${value}`);
  }
  t.match(read({ "ovn.kubernetes.io/ip_address": "10.16.0.5", "ovn.kubernetes.io/ip_family": "ipv6" }), {
    code: "FamilyMismatch",
    message: /10\.16\.0\.5.*ipv6/,
  });
  t.match(read({ "ovn.kubernetes.io/ip_pool": "fd00::5,fd00::6", "ovn.kubernetes.io/ip_family": "ipv4" }), {
    code: "FamilyMismatch",
  });
  t.end();
});

t.test("a typing error in the name of an annotation is detected", (t) => {
  for (const key of [
    "ovn.kubernetes.io/ip_adress",
    "ovn.kubernetes.io/ip-address",
    "ovn.kubernetes.io/ipaddress",
    "ovn.kubernetes.io/ip_adderss",
    "ovn.kubernetes.io/IP_ADDRESS",
    "ovn.kubernets.io/ip_address",
    "onv.kubernetes.io/ip_address",
  ]) {
    t.match(
      read({ [key]: "10.16.0.5" }),
      { code: "AnnotationUnknown", message: /"ovn\.kubernetes\.io\/ip_address" may be meant/ },
      key,
    );
  }
  for (const key of [
    "ovn.kubernetes.io/vip",
    "ovn.kubernetes.io/eip",
    "ovn.kubernetes.io/logical_router",
    "ovn.kubernetes.io/routed",
    "ovn.kubernetes.io/cidr",
    "net.default.ovn.kubernetes.io/ip_address",
    "example.com/ip_address",
    "ip_adress",
  ]) {
    t.match(read({ [key]: "10.16.0.5" }), { ok: true, request: { want: { kind: "any" } } }, key);
  }
  t.end();
});

t.test("reading never throws, whatever the annotations hold", (t) => {
  const value = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:.,; ]{0,30}$/));
  const name = fc.constantFrom("ip_address", "mac_address", "ip_pool", "ip_family", "logical_switch", "ip_adress");
  const annotations = fc.dictionary(
    name.map((name) => `ovn.kubernetes.io/${name}`),
    value,
  );
  fc.assert(
    fc.property(annotations, fc.option(fc.nat(4), { nil: undefined }), (annotations, ordinal) => {
      const outcome = read(annotations, { ordinal });
      return outcome.ok || outcome.message.endsWith(".");
    }),
  );
  t.end();
});
