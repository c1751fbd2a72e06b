// SPDX-License-Identifier: Apache-2.0

/**
 * Values of annotations, for tests: the same are judged here and by an API server that has the chart's policy. Name of the annotation →
 * values that are let in, and such as are refused.
 */
export interface Samples {
  readonly good: readonly string[];
  readonly bad: readonly string[];
}

const OVN = "ovn.kubernetes.io";
const FURTHER = "net1.tenant.ovn.kubernetes.io";
const TWICE = "net1.tenant.ovn.eth1.kubernetes.io";
const PLAIN = "macvlan.tenant.kubernetes.io";

const ADDRESSES: Samples = {
  good: ["", "10.16.0.7", "fd00::7", "FD00::7", "10.16.0.7,fd00::7", "fd00::7 , 10.16.0.7", " 10.16.0.7 "],
  bad: [
    ...["10.10.10.10.10", "10.16.0.300", "10.16.0.7/16", "10.16.0.7,10.16.0.8", "10.16.0.7,", "fd00::g", "gw"],
    ...[
      "010.16.0.7",
      "10.16.0.7;fd00::7",
      "10.16.0.7,fd00::7,fd00::8",
      "::ffff:10.16.0.7",
      "10.16.0.7\n8",
      "1".repeat(200),
    ],
  ],
};
const MAC: Samples = {
  good: ["", "00:00:5e:00:53:01", "00-00-5E-00-53-01", "0000.5e00.5301"],
  bad: ["01:00:5e:00:00:01", "00:00:00:00:00:00", "00:00:5e:00:53", "00:00:5e:00:53:0g", "0000:5e00:5301", "5e005301"],
};
const BOOLEAN: Samples = { good: ["", "true", "false", " true"], bad: ["True", "yes", "1", "true,false", '"true"'] };
const NUMBER: Samples = {
  good: ["", "0", "3", "100000", " 5 "],
  bad: ["3M", "-1", "1.5", "fast", "1e3", "0x10", "9".repeat(20)],
};
const NAME: Samples = {
  good: ["", "ovn-default", "a.b", "0"],
  bad: ["Web", "a_b", "a/b", "-a", "a-", "a,b", "ü", "a".repeat(254)],
};
const NAMES: Samples = { good: ["", "web", "web,db", "web , db,"], bad: ["Web", "web;db", "web,d_b", "a/b"] };
const POOL: Samples = {
  good: [
    ...[
      "",
      "pool-1",
      "10.16.0.5",
      "10.16.0.5,10.16.0.6",
      "10.16.0.5, 10.16.0.6",
      "10.16.0.5,fd00::5;10.16.0.6,fd00::6",
    ],
    "x".repeat(5000),
  ],
  bad: ["pool_1", "10.16.0.5,", "10.16.0.5;10.16.0.300", "pool,other", "10.16.0.5..10.16.0.9", "10.16.0.300,10.16.0.5"],
};
const ANNOUNCED: Samples = { good: ["", "true", "false", "cluster", "local"], bad: ["yes", "Local", "all"] };

/** Of pods, and of the templates of workloads. */
export const POD_SAMPLES: Readonly<Record<string, Samples>> = {
  [`${OVN}/ip_address`]: ADDRESSES,
  [`${FURTHER}/ip_address`]: ADDRESSES,
  [`${TWICE}/ip_address`]: ADDRESSES,
  [`${PLAIN}/ip_address`]: ADDRESSES,
  [`${PLAIN}/ip_address.eth1`]: ADDRESSES,
  [`${OVN}/mac_address`]: MAC,
  [`${PLAIN}/mac_address.net1`]: MAC,
  [`${OVN}/ip_pool`]: POOL,
  [`${FURTHER}/ip_pool`]: POOL,
  [`${OVN}/ip_family`]: { good: ["", "ipv4", "ipv6"], bad: ["IPv4", "4", "dual"] },
  [`${OVN}/logical_switch`]: NAME,
  [`${FURTHER}/logical_switch`]: NAME,
  [`${OVN}/security_groups`]: NAMES,
  [`${FURTHER}/security_groups`]: NAMES,
  [`${OVN}/port_security`]: BOOLEAN,
  [`${OVN}/layer2_forward`]: BOOLEAN,
  [`${OVN}/mirror`]: BOOLEAN,
  [`${FURTHER}/default_route`]: BOOLEAN,
  [`${OVN}/port_vips`]: {
    good: ["", "10.16.0.9", "10.16.0.9, fd00::9", "10.16.0.0/28,10.16.0.9/28", "10.16.0.9,,fd00::9"],
    bad: ["10.16.0.300", "10.16.0.9/33", "10.16.0.9;fd00::9", "vip", "10.16.0.9 fd00::9"],
  },
  [`${OVN}/ingress_rate`]: NUMBER,
  [`${OVN}/egress_rate`]: NUMBER,
  [`${PLAIN}/ingress_burst`]: NUMBER,
  [`${FURTHER}/egress_burst`]: NUMBER,
  [`${OVN}/latency`]: NUMBER,
  [`${OVN}/limit`]: NUMBER,
  [`${OVN}/jitter`]: NUMBER,
  [`${OVN}/loss`]: { good: ["", "0", "0.5", "100", "99.99"], bad: ["101", "-1", "1%", "half", "100.5", "."] },
  [`${OVN}/routes`]: {
    good: [
      "",
      "[]",
      '[{"dst":"10.0.0.0/8","gw":"10.16.0.254"}]',
      '[ {"gw" : "10.16.0.254"}, {"dst":"fd00::/8"} ]',
      '[{"dst":"a\\"b","mtu":9}]',
    ],
    bad: [
      "10.0.0.0/8",
      "[{dst:10.0.0.0/8}]",
      "[{'dst':'10.0.0.0/8'}]",
      '{"dst":"10.0.0.0/8"}',
      '[{"dst":"10.0.0.0/8"}',
      '[{"dst":"10.0.0.0/8",}]',
      '["10.0.0.0/8"]',
    ],
  },
  [`${OVN}/vip`]: NAME,
  [`${OVN}/aaps`]: NAMES,
  [`${OVN}/eip`]: ADDRESSES,
  [`${OVN}/snat`]: ADDRESSES,
  [`${OVN}/north_gateway`]: ADDRESSES,
  [`${OVN}/bgp`]: ANNOUNCED,
  "k8s.v1.cni.cncf.io/networks": {
    good: [
      ...["", "net1", "net1,tenant/net2@eth1", " net1 , net2 ", "net1@br-ex.1", "net1,\n  tenant/net2,\n\tnet3\r\n"],
      ...[
        "[]",
        '[{"name":"net1","namespace":"tenant","ips":["10.16.0.9/16"],"cni-args":{"a":[1,true,null,-1.5e3]}}]',
        '[\n {"name": "net1"}\n]',
      ],
    ],
    bad: [
      "net_1",
      "Net1",
      "a/b/c",
      "net1@",
      "[{name: net1}]",
      "[{'name':'net1'}]",
      '[{"name":"net1"}',
      '{"name":"net1"}',
      '"net1"',
      "net1;net2",
      "net1\nnet2",
      "net1@a23456789012345678",
    ],
  },
};

export const NAMESPACE_SAMPLES: Readonly<Record<string, Samples>> = {
  [`${OVN}/logical_switch`]: NAMES,
  [`${OVN}/ip_pool`]: NAMES,
  [`${OVN}/cidr`]: {
    good: ["", "10.16.0.0/16", "10.16.0.0/16,fd00::/112;10.17.0.0/16", ";10.17.0.0/16"],
    bad: ["10.16.0.0", "10.16.0.0/33", "10.16.0.0/16 10.17.0.0/16"],
  },
  [`${OVN}/exclude_ips`]: {
    good: ["", "10.16.0.1", "10.16.0.1,10.16.0.5..10.16.0.9;fd00::1", "10.16.0.0/28,fd00::/112;10.17.0.1"],
    bad: ["10.16.0.300", "10.16.0.1-10.16.0.5", "10.16.0.1..10.16.0.2..10.16.0.3", "10.16.0.0/33"],
  },
};

export const SERVICE_SAMPLES: Readonly<Record<string, Samples>> = {
  [`${OVN}/vpc`]: NAME,
  [`${OVN}/logical_switch`]: NAME,
  [`${OVN}/switch_lb_vip`]: ADDRESSES,
  [`${OVN}/router_lb_vip`]: ADDRESSES,
  [`${OVN}/service_health_check`]: BOOLEAN,
  [`${OVN}/service_external_ip_from_subnet`]: NAME,
  [`${OVN}/attachmentprovider`]: NAME,
  [`${OVN}/bgp`]: ANNOUNCED,
};

/** Annotations of others, about which nothing is said, whatever is in them. */
export const FOREIGN: Readonly<Record<string, string>> = {
  "example.com/ip_address": "10.10.10.10.10",
  "kubernetes.io/ingress_rate": "fast",
  "container.apparmor.security.beta.kubernetes.io/mirror": "runtime/default",
  "container.apparmor.security.beta.kubernetes.io/routes": "localhost/x",
  "container.seccomp.security.alpha.kubernetes.io/limit": "docker/default",
  "policies.kubernetes.io/vip": "a_b",
  [`${OVN}/unknown`]: "?",
  // What the controller and the daemon write.
  [`${OVN}/allocated`]: "true",
  [`${OVN}/routed`]: "true",
  [`${OVN}/cidr`]: "10.16.0.0/16,fd00::/112",
  [`${OVN}/gateway`]: "",
  [`${OVN}/pod_nic_type`]: "veth-pair",
  [`${OVN}/logical_router`]: "ovn-cluster",
};
