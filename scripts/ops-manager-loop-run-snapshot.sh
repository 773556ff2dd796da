#!/bin/sh
# opsd snapshot under its contract name (contract 10, 3.1).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command=snapshot
. "${self%/*}/lib/opsd-door.sh"
