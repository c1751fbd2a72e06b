# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the entry points share: logging, database files, and supervision of OVS's daemons. Sourced, not run.
#
# Daemons start with --detach: OVS then returns exactly when the daemon serves (or with its error), so nothing polls.
# pidwait(1) sleeps on the process itself, so its exit is noticed at once, whichever process is the parent.

# A log that cannot be written is no reason to stop.
log() { printf '%(%Y-%m-%dT%H:%M:%SZ)T weft: %s\n' -1 "$*" >&2 || true; }
fail() {
  log "$*"
  exit 1
}

# Daemons and the script log to a file in memory (the chart mounts it), which tail(1) prints to the container's log. That one is a pipe: it holds 64 KiB (pipe(7)), and
# is not read while the container runtime hangs. A daemon that writes more would wait, and ovs-vswitchd would forward nothing.
log_file=/run/weft-log/${0##*/start-}.log
log_limit=$((4 << 20))
log_options=("--log-file=$log_file" -vfile:info -vconsole:off -vsyslog:off)

# From here on the script and what it starts write to the file.
start_log() {
  local container
  mkdir -p "${log_file%/*}"
  : >"$log_file"
  exec {container}>&1 >>"$log_file" 2>&1
  limit_log {container}>&- &
  log_limiter=$!
  print_log >&"$container" 2>&1 &
  log_printer=$!
  exec {container}>&-
  trap end_log EXIT
}

# Ends with limit_log, when everything is printed. Another one follows a tail that is killed.
print_log() {
  local from=+1
  until tail --follow --lines=$from --pid=$log_limiter "$log_file"; do
    from=0
    sleep 1
  done
}

# All write at the end of the file (O_APPEND), wherever that is. What is not printed by then is lost: a line at most, if the container's log is read. No event tells a
# file's size; between two looks the file system's own limit holds.
limit_log() {
  # Until the script ends.
  while sleep 10 && kill -0 $$ 2>/dev/null; do
    if [ "$(stat -c %s "$log_file")" -gt $log_limit ]; then
      : >"$log_file"
      log "the log was longer than $log_limit bytes and is empty again"
    fi
  done
}

# The container's other processes are killed when the script ends: waits until the log is printed, for 3 s at most.
end_log() {
  kill "$log_limiter" 2>/dev/null || true
  wait "$log_limiter" || true
  # tail looks for the limiter's end once a second, and when there is something to print.
  log ended
  sleep 3 &
  wait -n "$log_printer" $! || true
}

# The process of a pid file, if it runs and is the program NAME; fails otherwise. The pid alone may be reused,
# and an ended process may still be a zombie (state Z of proc(5)).
running() { # NAME PIDFILE
  local pid stat
  pid=$(cat "$2" 2>/dev/null) && [ -n "$pid" ] && stat=$(cat "/proc/$pid/stat" 2>/dev/null) || return 1
  [[ $stat == "$pid (${1:0:15}) "[!ZX]* ]] && echo "$pid"
}

# Waits until no daemon of an earlier pod runs, then removes the sockets and pid files that a crash leaves.
wait_for_predecessor() { # NAME PIDFILE
  local pid
  if pid=$(running "$1" "$2"); then
    log "waiting for $1 (pid $pid) of an earlier pod to end"
    timeout "${WEFT_PREDECESSOR_TIMEOUT:-60}" pidwait -F "$2" || true
    if running "$1" "$2" >/dev/null; then fail "$1 (pid $pid) still runs on this node; is another Open vSwitch installed?"; fi
  fi
  rm -f "$2" "${2%.pid}".*.ctl
}

# FILE.new becomes FILE, which is kept as KEPT: in one step, so that a script that is killed never leaves a node without its data.
replace_database() { # FILE KEPT
  if [ -e "$1" ]; then ln -f "$1" "$2"; fi
  mv "$1.new" "$1"
}

# The file of a raft cluster's member becomes a standalone one, if it can be read. A full disk does not make it unreadable.
cluster_to_standalone() { # FILE
  # ovsdb-tool does not overwrite files: the remains of an earlier change would stop it, and this file would then be reported as unreadable.
  rm -f "$1.new"
  if ovsdb-tool cluster-to-standalone "$1.new" "$1"; then
    replace_database "$1" "$1.clustered"
    return
  fi
  rm -f "$1.new"
  head -c "$(stat -c %s "$1")" /dev/zero >"$1.new" || { rm -f "$1.new"; fail "there is no space to convert $1; nothing was changed"; }
  rm -f "$1.new"
}

# Creates the database if there is none, converts it if its schema differs, and creates an empty one if it is unreadable: the
# controller and the daemons write its content again, so a running node is worth more than a damaged copy.
ensure_database() { # FILE SCHEMA
  local file=$1 schema=$2 converts
  mkdir -p "$(dirname "$file")"
  if [ -s "$file" ] && ovsdb-tool db-is-clustered "$file" 2>/dev/null; then
    log "$file was a member of a raft cluster; going on with its data as a single server"
    cluster_to_standalone "$file"
  fi
  if [ -s "$file" ]; then
    if converts=$(ovsdb-tool needs-conversion "$file" "$schema"); then
      if [ "$converts" = yes ]; then
        log "converting $file to the schema of $(basename "$schema")"
        cp -p "$file" "$file.before-conversion"
        ovsdb-tool convert "$file" "$schema" || fail "cannot convert $file"
      fi
    else
      log "$file is unreadable; it is kept as $file.unreadable, and an empty one takes its place"
      mv "$file" "$file.unreadable"
    fi
  fi
  if [ ! -s "$file" ]; then
    rm -f "$file"
    ovsdb-tool create "$file" "$schema"
  fi
}

# The daemons that this script started: pid file → name, command, process that waits for its end.
declare -A launched=() commands=() waiters=()
# When each program has ended, in seconds: the last times.
declare -A ended=()

# Records that a program has ended. Whether it has done so more than LIMIT times within PERIOD seconds.
ends_too_often() { # NAME LIMIT PERIOD
  local ends
  read -ra ends <<<"${ended[$1]:-} $SECONDS"
  if [ ${#ends[@]} -gt $(($2 + 1)) ]; then ends=("${ends[@]:1}"); fi
  ended[$1]=${ends[*]}
  [ ${#ends[@]} -gt "$2" ] && [ $((SECONDS - ends[0])) -lt "$3" ]
}

# Starts a daemon, or starts it again. Returns when it serves.
launch() { # NAME PIDFILE COMMAND…
  local name=$1 file=$2
  shift 2
  wait_for_predecessor "$name" "$file"
  "$@" --detach --pidfile="$file" "${log_options[@]}" || fail "$name does not start"
  launched[$file]=$name
  commands[$file]=${*@Q}
  pidwait -F "$file" >/dev/null 2>&1 &
  waiters[$file]=$!
}

# Starts a daemon again, by the command of its last start.
launch_again() { # NAME PIDFILE
  eval "launch $1 $2 ${commands[$2]}"
}

# What is done when a daemon has ended. Scripts with further steps redefine it.
relaunch() { # NAME PIDFILE
  launch_again "$1" "$2"
}

# What runs beside the daemons for as long as the script: process → command.
declare -A kept=()

# Starts a program or a function of this script in the background; supervise starts it again when it ends. It does not hold the lock of the daemons' data, if there is one.
keep() { # COMMAND…
  keep_after 0 "$@"
}
keep_after() { # SECONDS COMMAND…
  {
    [ -z "${lock:-}" ] || exec {lock}>&-
    sleep "$1"
    shift
    # A program is then a child of this script, and can see its end.
    if [ "$(type -t "$1")" = file ]; then exec "$@"; fi
    "$@"
  } &
  kept[$!]=${*:2}
}

# Waits for daemons to end and starts them again: the others' state (flows, connections, the databases' data) stays, and
# kubelet's growing delays do not leave a node without network. Returns when one of them ends too often.
supervise() {
  local file pid command
  while :; do
    wait -n "${waiters[@]}" "${!kept[@]}" || true
    for pid in "${!kept[@]}"; do
      if kill -0 "$pid" 2>/dev/null; then continue; fi
      read -ra command <<<"${kept[$pid]}"
      unset "kept[$pid]"
      log "${command[0]##*/} has ended; starting it again"
      # Not a loop without a pause if it ends at once.
      keep_after 1 "${command[@]}"
    done
    for file in "${!waiters[@]}"; do
      if kill -0 "${waiters[$file]}" 2>/dev/null; then continue; fi
      if ends_too_often "$file" 3 30; then
        log "${launched[$file]} has ended, for the fourth time within 30 s"
        return
      fi
      log "${launched[$file]} has ended; starting it again"
      relaunch "${launched[$file]}" "$file"
    done
  done
}

# Ends a daemon that this script launched by the given COMMAND, waits at most 10 s, and then kills it.
stop_daemon() { # NAME PIDFILE COMMAND…
  local name=$1 file=$2 pid status=0
  shift 2
  # Never another program's daemon: its pid file may be the reason for stopping.
  [ -n "${launched[$file]:-}" ] || return 0
  pid=$(running "$name" "$file") || return 0
  # A file of its own, because the daemon removes its pid file before it ends; and a regular one, because pidwait accepts no pipe ("pidfile not valid"). A failure of pidwait means that there
  # is nothing to wait for.
  echo "$pid" >"$file.stopping"
  if timeout 5 "$@" >/dev/null 2>&1; then timeout 10 pidwait -F "$file.stopping" >/dev/null 2>&1 || status=$?; else status=124; fi
  rm -f "$file.stopping"
  if [ "$status" -eq 124 ] && kill -9 "$pid" 2>/dev/null; then log "$name (pid $pid) did not end by itself"; fi
}

# Scheme of the databases' addresses: ssl if OVN_TLS is "true", else tcp.
scheme=tcp
[ "${OVN_TLS:-false}" != true ] || scheme=ssl

# "tcp:ADDRESS:PORT" (or ssl:) of a Service, from the variables that kubelet sets for it.
service_remote() { # VARIABLE_PREFIX
  local host=$1_SERVICE_HOST port=$1_SERVICE_PORT
  # kubelet gets Services by a watch; at the start of an installation a pod may start before it has them.
  [ -n "${!host:-}" ] || fail "$host is not set: there is no Service yet, or the pod was started before it"
  case ${!host} in
    *:*) printf '%s:[%s]:%s' $scheme "${!host}" "${!port}" ;;
    *) printf '%s:%s:%s' $scheme "${!host}" "${!port}" ;;
  esac
}
