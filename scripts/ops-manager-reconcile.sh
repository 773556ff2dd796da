#!/bin/sh
# opsd reconcile under its contract name (contract 20, 2).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command=reconcile
. "${self%/*}/lib/opsd-door.sh"
