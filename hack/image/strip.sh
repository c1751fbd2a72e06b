#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Removes from a root file system the files that no container of Weft reads: `strip.sh ROOT` (the Dockerfile passes /,
# hack/image/base.ts its debootstrap folder). Also everything that would make two images, or two nodes, share an
# identity or differ without reason.
set -eu
root=${1:?usage: strip.sh ROOT}
root=${root%/}

# Licences stay: a redistributor of the image must pass them on.
find "$root/usr/share/doc" -type f ! -name copyright -delete
find "$root/usr/share/doc" -type d -empty -delete
rm -rf "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/* \
  "$root"/usr/share/lintian "$root"/usr/share/bug "$root"/usr/share/zsh "$root"/usr/share/bash-completion \
  "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/lib/apt/lists/* \
  "$root"/var/lib/dpkg/*-old "$root"/var/backups/*
find "$root/var/log" -type f -delete
# What depends on when and where it was made: the loader's hints (ldconfig works without), and the day on which each account got its (absent) password.
rm -f "$root/var/cache/ldconfig/aux-cache"
sed -i 's/^\([^:]*:[^:]*\):[0-9]*:/\1::/' "$root/etc/shadow"
find "$root/usr/lib" -name __pycache__ -type d -prune -exec rm -rf {} +

# Large, and not used by any program here: Perl (a script of ndisc6 depends on it; perl-base, which apt and dpkg use,
# stays) and glibc's character sets.
rm -rf "$root"/usr/share/perl "$root"/usr/lib/*-linux-gnu/perl "$root"/usr/lib/*-linux-gnu/libperl.so.* \
  "$root"/usr/bin/perl5*-linux-gnu "$root"/usr/lib/*-linux-gnu/gconv

# The databases and the node's identity come from hostPath volumes; one in the image would be every node's.
rm -rf "$root"/etc/openvswitch/* "$root"/etc/openvswitch/.conf.db.* "$root"/var/lib/openvswitch/* "$root"/etc/ovn/* "$root"/var/lib/ovn/*

# Of the reference CNI plugins, keep those that the installer copies to nodes that lack them.
if [ -d "$root/usr/lib/cni" ]; then
  find "$root/usr/lib/cni" -type f ! -name loopback ! -name portmap -delete
fi

# Under Docker these are mounts that never reach a layer; debootstrap copies the build machine's.
if [ -n "$root" ]; then
  rm -rf "$root"/etc/hostname "$root"/etc/resolv.conf "$root"/debootstrap "$root"/tmp/* "$root"/run/*
  : >"$root/etc/machine-id"
fi
