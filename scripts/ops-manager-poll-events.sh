#!/bin/sh
# opsd events under its contract name (contract 10, 3.2).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command=events
. "${self%/*}/lib/opsd-door.sh"
