#!/bin/sh
# opsd confirm-intent under its contract name (contract 30).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command=confirm-intent
. "${self%/*}/lib/opsd-door.sh"
