// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { readQosRequest } from "./bandwidth-annotations.ts";
import { decodePodQos, encodePodQos, type PodQos, showBandwidth, showNetem } from "./qos-record.ts";

const read = (annotations: Readonly<Record<string, string>>, provider = "ovn") => readQosRequest(annotations, provider);

t.test(
  "rates and bursts are Mbit, a burst that is not stated is 80 % of the rate, and a rate of 0 is no limit",
  (t) => {
    const { ingress, egress } = read({
      "ovn.kubernetes.io/ingress_rate": "10",
      "ovn.kubernetes.io/egress_rate": " 3 ",
      "ovn.kubernetes.io/egress_burst": "1",
    });
    t.strictSame(ingress, { state: "valid", value: { rate: 10_000, burst: 8_000 } });
    t.strictSame(egress, { state: "valid", value: { rate: 3_000, burst: 1_000 } });
    const none = read({ "ovn.kubernetes.io/ingress_rate": "0", "ovn.kubernetes.io/ingress_burst": "5" });
    t.strictSame(none.ingress, { state: "absent" });
    t.strictSame(none.netem, { state: "absent" });
    t.end();
  },
);

t.test("an interface has the annotations of its own provider", (t) => {
  const annotations = { "net1.shop.ovn.kubernetes.io/ingress_rate": "5", "kubernetes.io/ingress-bandwidth": "10M" };
  t.strictSame(read(annotations, "net1.shop.ovn").ingress, { state: "valid", value: { rate: 5_000, burst: 4_000 } });
  t.strictSame(read(annotations, "net2.shop.ovn").ingress, { state: "absent" });
  t.end();
});

t.test("the bandwidth plugin's annotations are quantities of bit/s, used if Kube-OVN's are absent", (t) => {
  const rate = (text: string, more: Readonly<Record<string, string>> = {}): unknown => {
    const { egress } = read({ "kubernetes.io/egress-bandwidth": text, ...more });
    return egress.state === "valid" ? egress.value.rate : egress.state;
  };
  t.equal(rate("10M"), 10_000);
  t.equal(rate("1Gi"), 1_073_742);
  t.equal(rate("1.5G"), 1_500_000);
  t.equal(rate("1e6"), 1_000);
  t.equal(rate("500k"), 500);
  t.equal(rate("10M", { "ovn.kubernetes.io/egress_rate": "2" }), 2_000);
  for (const bad of ["fast", "-1M", "100", "999", "0.6k", "0", "1P", "1Ei", "10 M", "1e99", "NaN"])
    t.equal(rate(bad), "invalid", bad);
  t.end();
});

t.test("the default burst passes the largest packet, at the lowest rates too", (t) => {
  for (const [text, rate, burst] of [
    ["1k", 1, 80],
    ["50k", 50, 80],
    ["100k", 100, 80],
    ["101k", 101, 80],
    ["200k", 200, 160],
  ] as const) {
    const { ingress } = read({ "kubernetes.io/ingress-bandwidth": text });
    t.strictSame(ingress, { state: "valid", value: { rate, burst } }, text);
  }
  t.end();
});

t.test("the message for an invalid annotation has its name, its value and what would be accepted", (t) => {
  const problem = (annotations: Readonly<Record<string, string>>): string | undefined => {
    const { ingress } = read(annotations);
    return ingress.state === "invalid" ? ingress.problem : undefined;
  };
  const rates = ["-1", "3M", "fast", "1.5", "99999999", "1e3", "9".repeat(400)];
  for (const bad of rates) {
    const text = problem({ "ovn.kubernetes.io/ingress_rate": bad });
    t.match(
      text,
      /^annotation ovn.kubernetes.io\/ingress_rate is ".*", which is invalid: it must be a whole number from 1 to 4294967/,
    );
    t.ok((text ?? "").length < 300);
  }
  t.match(
    problem({ "ovn.kubernetes.io/ingress_burst": "5" }),
    /ingress_burst is "5".*there is no rate; set ovn.kubernetes.io\/ingress_rate/,
  );
  const burst = (text: string) =>
    problem({ "ovn.kubernetes.io/ingress_rate": "10", "ovn.kubernetes.io/ingress_burst": text });
  t.match(burst("0"), /must let at least one packet of the MTU through; it must be 1 or more/);
  t.match(burst("x"), /whole number from 1 to 4294967 \(Mbit\)/);
  t.end();
});

t.test("emulation is read in Kube-OVN's units, and an invalid value of one annotation refuses all four", (t) => {
  const all = {
    "ovn.kubernetes.io/latency": "600",
    "ovn.kubernetes.io/jitter": "400",
    "ovn.kubernetes.io/limit": "2000",
  };
  const { netem } = read({ ...all, "ovn.kubernetes.io/loss": "0.5" });
  t.strictSame(netem, { state: "valid", value: { latency: 600, jitter: 400, limit: 2000, loss: 0.5 } });
  for (const bad of ["101", "-1", "ten"])
    t.match(read({ ...all, "ovn.kubernetes.io/loss": bad }).netem, {
      state: "invalid",
      annotation: "ovn.kubernetes.io/loss",
    });
  t.match(read({ "ovn.kubernetes.io/latency": "1.5" }).netem, { state: "invalid", problem: /milliseconds/ });
  t.strictSame(read({ "ovn.kubernetes.io/latency": "0" }).netem, { state: "absent" });
  t.end();
});

t.test("a record is read as it was written, and malformed parts are left out", (t) => {
  const qos: PodQos = {
    ovn: { ingress: { rate: 10_000, burst: 8_000 }, netem: { latency: 5, loss: 0.1 } },
    "net1.shop.ovn": { problem: "no", refused: true },
  };
  t.strictSame(decodePodQos(encodePodQos(qos)), qos);
  t.equal(encodePodQos({ ovn: {} }), undefined);
  t.strictSame(decodePodQos(undefined), {});
  t.strictSame(decodePodQos("["), {});
  t.strictSame(decodePodQos('{"ovn":{"ingress":{"rate":-1,"burst":2},"egress":5,"refused":"yes"},"x":3}'), { ovn: {} });
  t.end();
});

t.test("limits are shown in the unit of annotations", (t) => {
  t.equal(showBandwidth({ rate: 10_000, burst: 8_000 }), "10 Mbit/s (burst 8 Mbit)");
  t.equal(showBandwidth({ rate: 500, burst: 400 }), "500 kbit/s (burst 400 kbit)");
  t.equal(showNetem({ latency: 5, loss: 0.1 }), "latency 5 ms, loss 0.1 %");
  t.end();
});
