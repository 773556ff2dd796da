#!/bin/sh
# opsd profile-drift under its contract name (contract 40, 5).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command=profile-drift
. "${self%/*}/lib/opsd-door.sh"
