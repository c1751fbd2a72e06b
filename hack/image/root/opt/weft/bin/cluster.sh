# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A member of the raft clusters of OVN's databases, for start-central; sourced, not run. It expects run, data, any and serve_database, and common.sh.
#
# A member without a database of a cluster serves its present database, none or a standalone one, until it can decide: it joins the cluster that
# another member is connected to, or, once every member has answered and none has a cluster, one of them creates it. So a member that starts with an
# empty disk never creates a second cluster beside the existing one.

# The addresses of all members, and which of them is this node's.
members=()
own=
# The Secret weft-central, and the options with which client programs use it.
tls=/etc/weft-tls
ask_options=()
[ $scheme = tcp ] || ask_options=("--private-key=$tls/tls.pem" "--certificate=$tls/tls.pem" "--ca-cert=$tls/ca.pem")

# Reads OVN_CENTRALS; fails where none of POD_IPS is in it. Without it, or with a single member, there is no cluster.
read_members() {
  local member address addresses
  IFS=, read -ra members <<<"${OVN_CENTRALS:-}"
  [ ${#members[@]} -gt 1 ] || return 0
  IFS=, read -ra addresses <<<"${POD_IPS:?}"
  for member in "${members[@]}"; do
    for address in "${addresses[@]}"; do if [ "$address" = "$member" ]; then own=$member; fi; done
  done
  [ -n "$own" ] || fail "this node has the addresses $POD_IPS, none of which is in the list of members: $OVN_CENTRALS"
}

remote() { printf '%s:[%s]:%s' $scheme "$1" "$2"; } # ADDRESS PORT

# The remotes of all members, comma-separated, or of all others, one a line.
all_remotes() { # PORT
  local member list=
  for member in "${members[@]}"; do list+=,$(remote "$member" "$1"); done
  echo "${list:1}"
}
other_remotes() { # PORT
  local member
  for member in "${members[@]}"; do if [ "$member" != "$own" ]; then printf '%s\n' "$(remote "$member" "$1")"; fi; done
}

# The state of a database at another member, ovsdb-server(5): "none", "standalone", "clustered CID true|false" (whether it is connected to a majority), or
# "silent" if it does not answer.
ask() { # REMOTE NAME
  local answer
  answer=$(ovsdb-client --timeout=2 "${ask_options[@]}" query "$1" \
    '["_Server",{"op":"select","table":"Database","where":[["name","==","'"$2"'"]],"columns":["model","cid","connected"]}]' 2>/dev/null) &&
    jq -er '.[0].rows | if length == 0 then "none" else .[0] | if .model == "clustered"
      then "clustered \(if .cid[0] == "uuid" then .cid[1] else "-" end) \(.connected)" else .model end end' <<<"$answer" 2>/dev/null || echo silent
}

# Asks all others at once: answers[MEMBER].
declare -A answers=()
ask_others() { # PORT NAME
  local member fd
  local -A from=()
  for member in "${members[@]}"; do
    if [ "$member" = "$own" ]; then continue; fi
    exec {fd}< <(ask "$(remote "$member" "$1")" "$2")
    from[$member]=$fd
  done
  answers=()
  for member in "${!from[@]}"; do
    fd=${from[$member]}
    read -r "answers[$member]" <&"$fd" || answers[$member]=silent
    exec {fd}<&-
  done
}

# The cluster that another member is connected to; fails if there is none.
living_cluster() {
  local answer
  for answer in "${answers[@]}"; do if [[ $answer == clustered\ *\ true ]]; then cut -d ' ' -f 2 <<<"$answer" && return; fi; done
  return 1
}

# Why the file of a cluster's member cannot be used here; empty if it can.
unusable() { # FILE RAFT_PORT
  local cid address living answer
  cid=$(ovsdb-tool db-cid "$1" 2>/dev/null) && address=$(ovsdb-tool db-local-address "$1" 2>/dev/null) || { echo "is unreadable"; return; }
  if [ "$address" != "$(remote "$own" "$2")" ]; then echo "is of a member with the address $address"; return; fi
  if living=$(living_cluster); then
    if [ "$living" != - ] && [ "$living" != "$cid" ]; then echo "is of cluster $cid, and the other members are in cluster $living"; fi
    return
  fi
  # One replica has been in use since.
  for answer in "${answers[@]}"; do if [ "$answer" = standalone ]; then echo "is older than another member's standalone database"; return; fi; done
}

# Sets the file of a cluster's member aside; any other file stays.
set_aside_member() { # FILE
  if [ ! -s "$1" ] || ovsdb-tool db-is-standalone "$1" 2>/dev/null; then return 0; fi
  log "$1 is as old; it is kept as $1.set-aside"
  mv "$1" "$1.set-aside"
}

# Whether the file is of this member, but with another scheme in the servers' addresses: TLS has been turned on, or off.
is_of_other_scheme() { # FILE RAFT_PORT
  local address
  address=$(ovsdb-tool db-local-address "$1" 2>/dev/null) && [ "${address%%:*}" != $scheme ] && [ "${address#*:}" = "[$own]:$2" ]
}

# "join", "create", or what is waited for. MINE: none or standalone. The member with data creates the cluster; of several, the first in the list.
decide() { # MINE
  local member first= data_of=
  if living_cluster >/dev/null; then echo join; return; fi
  for member in "${members[@]}"; do
    case ${answers[$member]-$1} in
      silent) echo "no answer from member $member"; return ;;
      clustered*) echo "the cluster of member $member has no majority"; return ;;
      standalone) data_of=${data_of:-$member} ;;
      *) first=${first:-$member} ;;
    esac
  done
  if [ "${data_of:-$first}" = "$own" ]; then echo create; else echo "member ${data_of:-$first} creates the cluster"; fi
}

# Starts a member's server of a database; returns when it serves its part of the cluster, whether it is connected or not.
start_member() { # nb|sb PORT PROBE_MS RAFT_PORT
  local file=$data/ovn$1_db.db schema=/usr/share/ovn/ovn-$1.ovsschema name mine todo reason reported= known=yes
  local waiting=$run/weft-waiting-$1 others
  rm -f "$waiting"
  name=$(ovsdb-tool schema-name "$schema")
  mkdir -p "$data"
  ask_others "$2" "$name"
  if [ -s "$file" ] && is_of_other_scheme "$file" "$4"; then
    # TCP and TLS members cannot form one cluster, so the cluster is created again from its data.
    log "$file is of a cluster that does not use $scheme; going on with its data"
    cluster_to_standalone "$file"
  fi
  if [ -s "$file" ] && ! ovsdb-tool db-is-standalone "$file" 2>/dev/null; then
    reason=$(unusable "$file" "$4")
    if [ -n "$reason" ]; then
      log "$file $reason; it is kept as $file.set-aside"
      # The one replica had both databases. Two members with the old southbound one would have a majority and go on with it.
      if [[ "$1 $reason" == "nb is older "* ]]; then set_aside_member "$data/ovnsb_db.db"; fi
      mv "$file" "$file.set-aside"
    fi
  fi
  if [ -s "$file" ]; then mine=standalone; else mine=none; fi
  if [ $mine = none ] || ovsdb-tool db-is-standalone "$file"; then
    if [ $mine = none ]; then serve_database "$1" "$2" "$3" ''; else serve_database "$1" "$2" "$3" standalone; fi
    while todo=$(decide $mine); [ "$todo" != join ] && [ "$todo" != create ]; do
      # Ready: the others may wait for this one to be, before they are replaced one by one.
      touch "$waiting"
      if [ "$todo" != "$reported" ]; then log "$name: waiting: $todo"; fi
      reported=$todo
      sleep 1
      ask_others "$2" "$name"
    done
    known=no
    # A stopped member counts as not answering.
    stop_database "$1"
    rm -f "$file.new" "$waiting"
    if [ "$todo" = join ]; then
      log "$name: joining the cluster"
      mapfile -t others < <(other_remotes "$4")
      ovsdb-tool join-cluster "$file.new" "$name" "$(remote "$own" "$4")" "${others[@]}"
    else
      log "$name: creating a cluster of ${#members[@]} members"
      if [ $mine = none ]; then mine=$schema; else mine=$file; fi
      ovsdb-tool --election-timer="${OVN_ELECTION_TIMER_MS:-2000}" create-cluster "$file.new" "$mine" "$(remote "$own" "$4")"
    fi
    replace_database "$file" "$file.standalone"
  fi
  serve_database "$1" "$2" "$3" clustered
  settle_member "$1" "$name" "$schema" "$2" "$4" $known &
}

# Once it is connected: removes the servers that count for the majority but are not members (former_servers), and converts the schema. KNOWN: whether its file
# existed before. Such a file can be of a server that the cluster has removed: its disk was replaced and is back, or the list of members did not have it for a
# while. Then no member answers it. When most members have been connected without it the whole time, they have all data: it starts again without the file, and
# joins. It does the same when another member has a standalone database, which it could not see when it started: one replica has been in use since, and waits
# for this one.
settle_member() { # nb|sb NAME SCHEMA PORT RAFT_PORT yes|no
  local socket=unix:$run/ovn$1_db.sock control=$run/ovn$1_db.ctl file=$data/ovn$1_db.db sid cid others=0 alone=0 before since
  local seconds=${WEFT_REJOIN_SECONDS:-30}
  while since=$SECONDS; ! ovsdb-client --timeout="$seconds" wait "$socket" "$2" connected 2>/dev/null; do
    running ovsdb-server "$run/ovn$1_db.pid" >/dev/null || return 0
    # This server itself did not answer, which says nothing about the cluster.
    if [ $((SECONDS - since + 1)) -lt "$seconds" ]; then
      others=0 alone=0
      sleep 1
      continue
    fi
    if [ "$6" != yes ]; then continue; fi
    before=$others
    cid=$(ovsdb-tool db-cid "$file" 2>/dev/null) || continue
    ask_others "$4" "$2"
    others=$(printf '%s\n' "${answers[@]}" | grep -cFx "clustered $cid true") || true
    # Twice: the others may have connected just now, and this one may be about to.
    if [ $((before * 2)) -gt ${#members[@]} ] && [ $((others * 2)) -gt ${#members[@]} ]; then
      log "$file is of a server that the cluster has removed; it is kept as $file.set-aside, and this member starts again to join"
      mv "$file" "$file.set-aside"
      kill -TERM $$
      return
    fi
    if printf '%s\n' "${answers[@]}" | grep -qFx standalone; then alone=$((alone + 1)); else alone=0; fi
    if [ $alone -gt 1 ]; then
      log "$file is older than another member's standalone database; it is kept as $file.set-aside, and this member starts again to join"
      mv "$file" "$file.set-aside"
      kill -TERM $$
      return
    fi
  done
  log "$2: connected to the cluster"
  while read -r sid; do
    log "$2: removing server $sid, which had this address before or is no member"
    ovn-appctl -t "$control" cluster/kick "$2" "$sid" || true
  done < <(ovn-appctl -t "$control" cluster/status "$2" | former_servers "$(all_remotes "$5")")
  if [ "$(ovsdb-client needs-conversion "$socket" "$3")" = yes ]; then
    log "$2: converting to the schema of this version"
    ovsdb-client convert "$socket" "$3" || true
  fi
}

# From cluster/status: the ids of servers with this server's address that are not this server, and of those with an address that no member has.
former_servers() { # REMOTES
  awk -v members=",$1," '/^Address:/ { own = $2 } /^Servers:/ { list = 1; next }
    list && !/\(self\)/ { sub(/\)$/, "", $4); if ($4 == own || ($4 && !index(members, "," $4 ","))) print $1 }'
}
