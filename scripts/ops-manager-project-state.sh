#!/bin/sh
# opsd project-state under its contract name (contract 10, part 4).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command=project-state
. "${self%/*}/lib/opsd-door.sh"
