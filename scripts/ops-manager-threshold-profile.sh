#!/bin/sh
# opsd threshold-profile under its contract name (contract 40, 3).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command=threshold-profile
. "${self%/*}/lib/opsd-door.sh"
