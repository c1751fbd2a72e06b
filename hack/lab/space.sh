#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the root file system of one space of the lab, then stays as the process that holds its namespaces.
# Runs in new network, mount and UTS namespaces: space.sh NAME FOLDER LAB_ID [PATH…]. Prints "ready" when everything is set up.
#
# The root is the host's, except that /run, /var, /etc and /opt are the space's own: so kubelet, containerd, OVS and hostPath
# volumes find their usual paths, and nothing of it is visible on the host. PATHs (the checkout, the cache) stay visible in any case.
set -euo pipefail
name=$1 folder=$2 lab=$3
shift 3
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022
cd /

# /run will be hidden anyway, so it is the mount point of the new root.
new=/run
mount -t tmpfs -o mode=755,size=16m "$lab-$name" $new
for entry in /*; do
  case $entry in
    /run | /var | /etc | /opt | /sys | /lost+found) continue ;;
  esac
  if [ -L "$entry" ]; then
    cp -P "$entry" "$new$entry"
  elif [ -d "$entry" ]; then
    mkdir "$new$entry"
    mount --rbind "$entry" "$new$entry"
  fi
done
mkdir $new/{run,var,etc,opt,sys,.old}
# A fresh sysfs shows this network namespace's devices; kubelet needs the host's cgroups in it.
mount -t sysfs sysfs $new/sys
mount --rbind /sys/fs/cgroup $new/sys/fs/cgroup
mount --bind "$folder/run" $new/run
mount --bind "$folder/var" $new/var
mount --bind "$folder/opt" $new/opt
mount -t overlay -o "lowerdir=/etc,upperdir=$folder/etc,workdir=$folder/etc.work" "$lab-$name-etc" $new/etc
for entry in /opt/*; do
  if [ -d "$entry" ] && [ "$entry" != /opt/cni ] && [ "$entry" != /opt/containerd ]; then
    mkdir -p "$new$entry"
    mount --rbind "$entry" "$new$entry"
  fi
done
for path in "$@"; do
  if [ -e "$path" ] && [ ! -e "$new$path" ]; then
    mkdir -p "$new$path"
    mount --rbind "$path" "$new$path"
  fi
done
cd $new
pivot_root . .old
umount -l /.old
rmdir /.old
# Mounts made in the space (kubelet's volumes, containerd's namespaces) reach the containers that request it, never the host.
mount --make-rshared /

mkdir -p /run/{lock,netns,openvswitch,ovn,containerd} /var/{lib,log,cache,tmp,spool} /var/log/{openvswitch,ovn,pods,containers}
mkdir -p /var/lib/{kubelet,containerd,cni} /opt/cni/bin
chmod 1777 /run/lock /var/tmp
ln -sfn /run /var/run
ln -sfn /run/lock /var/lock
# The host's files here would be used as the node's.
if [ ! -e /etc/weft-lab ]; then
  rm -rf /etc/cni /etc/containerd /etc/kubernetes /etc/openvswitch /etc/ovn /etc/resolv.conf /etc/hosts /etc/hostname
  mkdir -p /etc/cni/net.d /etc/containerd /etc/kubernetes /etc/openvswitch /etc/ovn
  echo "$lab" >/etc/weft-lab
fi
cp "$folder/hosts" /etc/hosts
cp "$folder/resolv.conf" /etc/resolv.conf
echo "$name" >/etc/hostname
hostname "$name"

# kubelet requires these values and would set them on the host, whose kernel is shared. Here they have the required values.
tunables=/run/.tunables
mkdir -p $tunables
for tunable in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  path=${tunable%=*} file=$tunables/${tunable%%=*}
  if [ -e "/proc/sys/$path" ]; then
    mkdir -p "${file%/*}"
    echo "${tunable#*=}" >"$file"
    mount --bind "$file" "/proc/sys/$path"
  fi
done

ip link set lo up
for setting in net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.all.disable_ipv6=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0; do
  sysctl -qw "$setting"
done
# On a kernel with br_netfilter: without it, kube-proxy's answers between pods of one bridge would not be translated back.
for setting in iptables ip6tables; do
  if [ -e /proc/sys/net/bridge/bridge-nf-call-$setting ]; then echo 1 >/proc/sys/net/bridge/bridge-nf-call-$setting; fi
done
echo ready
exec -a "weft-lab $lab $name" sleep infinity >/dev/null 2>&1
