#!/bin/sh
# Keeps sprite-service running in a VM without a service manager: started again with growing pauses when it ends, one
# instance, under the agent's account when root starts it, its output in a file. Stays in the foreground; SIGTERM ends
# both, SIGHUP starts the service anew (a new token is read then).
#
#   deploy/sprite/sprite-service.sh --repo /srv/repo --host 0.0.0.0 [any option of sprite-service]
#
# SPRITE_SERVICE     the program                              (/opt/opsd/bin/sprite-service)
# SPRITE_USER        account to run it under, when root       (superloop)
# SPRITE_TOKEN_FILE  holds the token; only root has to read it (/etc/sprite-service/token)
# SPRITE_RUN_DIR     lock and process id                      (/run/sprite-service)
# SPRITE_LOG         output of both; a log above 10 MB is moved aside at a start (/var/log/sprite-service.log)
# SPRITE_PAUSE       first pause before a new start, in seconds; doubles up to 60 (1)
# SPRITE_STEADY      a service that ran for so many seconds starts without a long pause again (60)
set -u

program=${SPRITE_SERVICE:-/opt/opsd/bin/sprite-service}
user=${SPRITE_USER:-superloop}
token_file=${SPRITE_TOKEN_FILE:-/etc/sprite-service/token}
run_dir=${SPRITE_RUN_DIR:-/run/sprite-service}
log=${SPRITE_LOG:-/var/log/sprite-service.log}
first_pause=${SPRITE_PAUSE:-1}
steady=${SPRITE_STEADY:-60}

fail() {
    echo "error: $*" >&2
    exit 1
}

for tool in flock setpriv; do
    command -v "$tool" >/dev/null || fail "$tool is missing: install util-linux"
done
[ -x "$program" ] || fail "not a program: $program"
umask 077
mkdir -p "$run_dir" || fail "cannot make $run_dir"
exec 9>"$run_dir/lock" || fail "cannot write $run_dir/lock"
flock -n 9 || fail "already running"
touch "$log" || fail "cannot write $log"

# The service goes when this script goes, even by kill -9: nothing would start it again, and it would keep the port.
drop="setpriv --pdeathsig TERM --no-new-privs"
if [ "$(id -u)" = 0 ]; then
    id "$user" >/dev/null 2>&1 || fail "no such account: $user"
    drop="$drop --reuid $user --regid $(id -g "$user") --init-groups --inh-caps=-all --bounding-set=-all"
fi

say() {
    echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) supervisor: $*" >>"$log"
}

child=
ending=
again=
forward() {
    [ -z "$child" ] || kill -s TERM "$child" 2>/dev/null
}
trap 'ending=1; forward' TERM INT
trap 'again=1; forward' HUP

# Until the process has ended, whatever signals come in between.
reap() {
    while :; do
        wait "$1"
        code=$?
        kill -0 "$1" 2>/dev/null || return "$code"
    done
}

pause=$first_pause
say "started as process $$"
while [ -z "$ending" ]; do
    if [ "$(wc -c <"$log")" -gt 10000000 ]; then
        mv -f "$log" "$log.1"
    fi
    again=
    started=$(date +%s)
    (
        if [ -r "$token_file" ]; then
            OPS_MANAGER_SERVICE_TOKEN=$(cat "$token_file")
            export OPS_MANAGER_SERVICE_TOKEN
        fi
        # shellcheck disable=SC2086 # a list of words
        exec $drop "$program" "$@" 9>&-
    ) >>"$log" 2>&1 </dev/null &
    child=$!
    echo "$child" >"$run_dir/service.pid"
    [ -z "$ending" ] || forward
    reap "$child"
    code=$?
    child=
    rm -f "$run_dir/service.pid"
    [ -z "$ending" ] || break
    if [ -n "$again" ]; then
        say "restarting on request"
        pause=$first_pause
        continue
    fi
    if [ $(($(date +%s) - started)) -ge "$steady" ]; then
        pause=$first_pause
    fi
    say "the service ended with $code; next start in $pause s"
    sleep "$pause" 9>&- &
    child=$!
    [ -z "$ending$again" ] || forward
    reap "$child"
    child=
    pause=$((pause * 2))
    [ "$pause" -le 60 ] || pause=60
done
say "ended"
