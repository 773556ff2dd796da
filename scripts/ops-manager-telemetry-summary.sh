#!/bin/sh
# opsd telemetry-summary under its contract name (contract 40, 4).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command=telemetry-summary
. "${self%/*}/lib/opsd-door.sh"
